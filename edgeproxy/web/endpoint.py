"""A route as a row: what it takes, who may call it, what it answers; and how a path finds its row.

Routes, the OpenAPI document and the tests that walk all of them read the same rows.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Generic, Literal, Protocol, TypeVar
from urllib.parse import unquote

import msgspec

from edgeproxy.web.asgi import App, Header

Role = Literal["public", "viewer", "admin"]
"""Who may call: everybody, who may look, who may change."""

_PATH_MAX_CHARS = 2048
_NAME_MAX_CHARS = 200


class Who(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks. `name` stands in the audit log; `token_id` names the token it came by."""

    name: str
    role: Literal["viewer", "admin"]
    via: Literal["token", "session"]
    token_id: str
    session: str = ""

    @property
    def may_change(self) -> bool:
        """Whether it may do more than look."""
        return self.role == "admin"


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call of an endpoint, read and checked.

    `path` has the values of the names in the row's path. `query` and `body` are of the row's types,
    None when it has none. `who` is None on a public endpoint that nobody has logged in for.
    `headers` are by lower-case name. `address` is the caller's. `csrf` goes into every form.
    """

    path: dict[str, str] = {}
    query: Any = None
    body: Any = None
    who: Who | None = None
    state: Any = None
    headers: Mapping[bytes, bytes] = {}
    host: str = ""
    secure: bool = False
    address: str = ""
    csrf: str = ""
    url_path: str = ""

    @property
    def by(self) -> str:
        """The name for the audit log."""
        return self.who.name if self.who is not None else "nobody"


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What an endpoint answers.

    Bytes are sent as they are, with `media` as their type; None sends no body; anything else is
    encoded as JSON. `status` None is the row's. With `app` that ASGI application answers instead
    (an event stream); the headers that every answer has are added to its own.
    """

    body: object | bytes | None = None
    status: int | None = None
    headers: tuple[Header, ...] = ()
    media: str = "application/json"
    app: App | None = None


Handle = Callable[[Call], Awaitable[Any]]
"""Gives a `Reply`, or the value to send as JSON. Raises Refused."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One route.

    Args:
        method: "GET", "POST", "PATCH", "PUT" or "DELETE"; GET answers HEAD too.
        path: "/v1/admin/integrations/{id}"; a {name} is one segment that is not empty.
        handle: Called with what the row's types have checked.
        summary: One line for the document, without a full stop.
        role: Who may call it.
        body: The struct that the JSON body must be; None takes no body.
        query: The struct that the query must be; None takes none.
        answer: What it sends on success; None says nothing about it.
        status: Its success.
        refusals: Statuses of its own errors; 401, 403 and those of bad input are added.
        media: Of the answer; several with ", " between.
        tag: The heading it stands under in the document.
    """

    method: str
    path: str
    handle: Handle
    summary: str
    role: Role = "admin"
    body: Any = None
    query: Any = None
    answer: Any = None
    status: int = 200
    refusals: tuple[int, ...] = ()
    media: str = "application/json"
    tag: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The names in the path, in order."""
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{"))


class Row(Protocol):
    """Whatever has a method and a path."""

    @property
    def method(self) -> str:
        """Of HTTP."""
        ...

    @property
    def path(self) -> str:
        """With names in braces."""
        ...


T = TypeVar("T", bound=Row)


class Found(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """What a path leads to: a row for each method, and the values of its names."""

    methods: dict[str, T]
    values: dict[str, str]

    @property
    def allow(self) -> str:
        """The value of an `Allow` header."""
        methods = set(self.methods) | ({"HEAD"} if "GET" in self.methods else set())
        return ", ".join(sorted(methods))

    def row(self, method: str) -> T | None:
        """The row of a method."""
        return self.methods.get("GET" if method == "HEAD" else method)


class Routes(Generic[T]):
    """Rows by path.

    Raises:
        ValueError: Two rows have the same method and path.
    """

    def __init__(self, rows: Iterable[T]) -> None:
        self._fixed: dict[str, dict[str, T]] = {}
        self._named: dict[tuple[str, ...], dict[str, T]] = {}
        for row in rows:
            parts = _parts(row.path)
            named = any(part.startswith("{") for part in parts)
            table: dict[Any, dict[str, T]] = self._named if named else self._fixed
            methods = table.setdefault(parts if named else row.path, {})
            if row.method in methods:
                raise ValueError(f"{row.method} {row.path} has two rows")
            methods[row.method] = row

    def find(self, raw_path: bytes) -> Found[T] | None:
        """The rows of a path as it came over the wire, or None.

        A segment's escapes are resolved after the path was cut at its slashes, so that a value may
        have one, and no escape leads to another row.
        """
        if len(raw_path) > _PATH_MAX_CHARS:
            return None
        path = raw_path.decode("latin-1")
        if (fixed := self._fixed.get(path)) is not None:
            return Found(methods=fixed, values={})
        given = _parts(path)
        for parts, methods in self._named.items():
            if len(parts) == len(given) and (values := _values(parts, given)) is not None:
                return Found(methods=methods, values=values)
        return None


def _parts(path: str) -> tuple[str, ...]:
    return tuple(path.split("/"))


def _values(parts: tuple[str, ...], given: tuple[str, ...]) -> dict[str, str] | None:
    """The values of the names, or None when the path is another one."""
    values = {}
    for part, text in zip(parts, given, strict=True):
        if not part.startswith("{"):
            if part != text:
                return None
        elif (value := _value(text)) is None:
            return None
        else:
            values[part[1:-1]] = value
    return values


def _value(text: str) -> str | None:
    """A segment without its escapes, or None when no name of ours could be that."""
    try:
        value = unquote(text, errors="strict")
    except UnicodeDecodeError:
        return None
    return value if 0 < len(value) <= _NAME_MAX_CHARS and value.isprintable() else None

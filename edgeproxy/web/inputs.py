"""Queries, forms and JSON bodies become checked structs; faults are named by field, not echoed."""

import re
import types
from typing import Any, Union, get_args, get_origin
from urllib.parse import parse_qsl

import msgspec

from edgeproxy.errors import Refused

BODY_MAX_BYTES = 256 * 1024
QUERY_MAX_BYTES = 8192
FIELDS_MAX = 2000

_SECRET = re.compile(r"token|secret|key|password|csrf|email|phone")

_JSON = (b"application/json", b"application/merge-patch+json")
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def query(raw: bytes, wanted: Any) -> Any:
    """The query string as `wanted`, None for no struct; empty values count as not given.

    Raises:
        Refused: 422, it is something else.
    """
    if wanted is None:
        return None
    if len(raw) > QUERY_MAX_BYTES:
        raise Refused("bad_query", "the query is too long", status=414)
    pairs = [(name, value) for name, value in _pairs(raw) if value]
    return _converted(pairs, wanted, "bad_query", "the query")


def form(raw: bytes, wanted: Any) -> Any:
    """A form's fields as `wanted`; those of `csrf` and names the struct does not have are skipped.

    Raises:
        Refused: 422, it is something else.
    """
    known = {field.encode_name for field in msgspec.structs.fields(wanted)}
    texts = {one.encode_name for one in msgspec.structs.fields(wanted) if _takes_text(one.type)}
    pairs = [
        (name, value) for name, value in _pairs(raw) if name in known and (value or name in texts)
    ]
    return _converted(pairs, wanted, "bad_form", "the form")


def field(raw: bytes, name: str) -> str:
    """The first value of one field of a form, or ""."""
    return next((value for key, value in _pairs(raw) if key == name), "")


def harmless(raw: bytes) -> dict[str, str]:
    """A form's fields to show again, without those that are secrets; of several the last."""
    return {name: value for name, value in _pairs(raw) if not _SECRET.search(name)}


def json(raw: bytes, wanted: Any, content_type: bytes) -> Any:
    """A JSON body as `wanted`.

    Raises:
        Refused: 415, it says that it is no JSON; 400, it cannot be read; 422, it has another shape.
    """
    kind = content_type.partition(b";")[0].strip().lower()
    if kind and kind not in _JSON:
        raise Refused("not_json", "send it as application/json", status=415)
    try:
        return msgspec.json.decode(raw, type=wanted)
    except msgspec.ValidationError as error:
        raise Refused("bad_body", _sentence(error, wanted, "the body"), status=422) from None
    except _UNREADABLE:
        raise Refused("unreadable", "the body is no JSON") from None


def _pairs(raw: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=FIELDS_MAX
        )
    except (UnicodeDecodeError, ValueError):
        raise Refused("unreadable", "its fields cannot be read", status=400) from None


def _converted(pairs: list[tuple[str, str]], wanted: Any, code: str, what: str) -> Any:
    many = {one.encode_name for one in msgspec.structs.fields(wanted) if _takes_many(one.type)}
    given: dict[str, Any] = {}
    for name, value in pairs:
        if "\0" in value:
            raise Refused(code, f"{what} has a character that no text of ours has", status=422)
        if name in many:
            given.setdefault(name, []).append(value)
        else:
            given[name] = value
    try:
        return msgspec.convert(given, wanted, strict=False)
    except msgspec.ValidationError as error:
        raise Refused(code, _sentence(error, wanted, what), status=422) from None


def _kinds(annotation: Any) -> list[Any]:
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return [kind for part in get_args(annotation) for kind in _kinds(part)]
    if hasattr(annotation, "__metadata__"):
        return _kinds(get_args(annotation)[0])
    return [origin or annotation]


def _takes_text(annotation: Any) -> bool:
    return str in _kinds(annotation)


def _takes_many(annotation: Any) -> bool:
    return any(kind in (list, tuple) for kind in _kinds(annotation))


def _sentence(error: msgspec.ValidationError, wanted: Any, what: str) -> str:
    """What is wrong and where, without what was sent."""
    said, _, place = str(error).partition(" - at `")
    where = place.rstrip("`").removeprefix("$").lstrip(".") or what
    if said.startswith("Object contains unknown field"):
        known = ", ".join(one.encode_name for one in _fields(wanted))
        return f"{where} has a field that is not known; known are {known}"
    if said.startswith("Invalid"):
        return f"{where} has a value that is not allowed"
    return f"{where}: {said[:1].lower()}{said[1:]}"


def _fields(wanted: Any) -> tuple[msgspec.structs.FieldInfo, ...]:
    try:
        return msgspec.structs.fields(wanted)
    except TypeError:
        return ()

"""One request to the admin listener: what it says besides its body, who it is, what it may do."""

import hmac
from dataclasses import dataclass
from urllib.parse import quote

from edgeproxy.admin import auth, sessions
from edgeproxy.admin.origin import address, demand_own_page, is_secure
from edgeproxy.admin.pages import Action, Page
from edgeproxy.admin.state import AdminState
from edgeproxy.errors import Forbidden
from edgeproxy.web import inputs
from edgeproxy.web.asgi import Scope
from edgeproxy.web.endpoint import Call, Endpoint, Who

Row = Endpoint | Page | Action


@dataclass(kw_only=True)
class Visit:
    """One request. `who` and `secret` are known after `identify`; `secret` is of the session."""

    state: AdminState
    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]
    host: str
    secure: bool
    address: str
    who: Who | None = None
    secret: str = ""

    async def identify(self) -> None:
        """Find out who it is: by the token if there is one, else by the session.

        Raises:
            Refused: 401 or 429; a wrong token is never overlooked.
        """
        given = self.headers.get(b"authorization")
        if given is not None:
            kind, _, token = given.decode("latin-1").partition(" ")
            text = token.strip() if kind.lower() == "bearer" else ""
            self.who = await auth.token_bearer(self.state, text, self.address)
        elif self.cookie:
            self.who = await sessions.holder(self.state, self.cookie)
            self.secret = self.cookie if self.who is not None else ""

    @property
    def cookie(self) -> str:
        """What the session's cookie holds, "" for none."""
        name = sessions.cookie_name(secure=self.secure)
        # By hand: one spoilt cookie of another server on this host must not hide ours.
        for pair in self.headers.get(b"cookie", b"").decode("latin-1").split(";"):
            given, _, value = pair.strip().partition("=")
            if given == name:
                return value
        return ""

    def demand_own_form(self, row: Row, raw: bytes) -> None:
        """Let a session change something only from a page of ours, which knows its form token.

        Raises:
            Forbidden: It is another page's request.
        """
        if self.who is not None and self.who.via == "token":
            return
        demand_own_page(self.headers, self.host, secure=self.secure)
        if self.who is None or row.role == "public":
            return
        given = self.headers.get(b"x-csrf-token", b"").decode("latin-1")
        if isinstance(row, Action):
            given = given or inputs.field(raw, "csrf")
        if not hmac.compare_digest(given.encode(), sessions.form_token(self.secret).encode()):
            raise Forbidden("stale_form", "the form is of an older login; load the page again")

    def call(self, values: dict[str, str]) -> Call:
        """What a handler gets, without query and body."""
        return Call(
            path=values,
            who=self.who,
            state=self.state,
            headers=self.headers,
            host=self.host,
            secure=self.secure,
            address=self.address,
            csrf=sessions.form_token(self.secret) if self.secret else "",
            url_path=self.path,
        )

    def wants_page(self, row: Row | None) -> bool:
        """Whether an error is for a person's eyes."""
        if row is not None:
            return not isinstance(row, Endpoint)
        return not self.path.startswith(("/v1/", "/metrics", "/openapi"))

    def twin(self, page: Page, call: Call) -> str:
        """The path of a page's JSON twin with the same query, "" for none."""
        if not page.twin:
            return ""
        path = page.twin
        for name, value in call.path.items():
            path = path.replace(f"{{{name}}}", quote(value, safe=""))
        return f"{path}?{self.query.decode('latin-1')}" if self.query else path

    @property
    def login(self) -> str:
        """The path of the login page that leads back here."""
        if self.method not in ("GET", "HEAD") or self.path in ("/", "/logout"):
            return "/login"
        query = f"?{self.query.decode('latin-1')}" if self.query else ""
        return f"/login?next={quote(self.path + query, safe='/')}"


def read_visit(state: AdminState, scope: Scope) -> Visit:
    """The facts of a request; forwarded ones count from a trusted proxy only."""
    headers = dict(scope["headers"])
    lines = [value for name, value in scope["headers"] if name == b"cookie"]
    headers[b"cookie"] = b"; ".join(lines)  # a front with HTTP/2 may have split them
    return Visit(
        state=state,
        method=scope["method"],
        path=scope["path"],
        query=scope["query_string"],
        headers=headers,
        host=headers.get(b"host", b"").decode("latin-1"),
        secure=is_secure(scope, headers, state.proxies),
        address=address(scope, headers, state.proxies),
    )

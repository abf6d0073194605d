"""In and out: the login page takes a token and gives a session; logging out ends it."""

from typing import Annotated

import msgspec

from edgeproxy.admin import auth, sessions
from edgeproxy.admin.origin import is_loopback
from edgeproxy.admin.pages import Action, Go, Page
from edgeproxy.admin.state import AdminState
from edgeproxy.errors import Refused
from edgeproxy.useragent import read_agent
from edgeproxy.web.endpoint import Call

_PATH_MAX_CHARS = 2000


class LoginQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Where to go after it."""

    next: str = "/"


class LoginForm(msgspec.Struct, frozen=True, kw_only=True):
    """What the login page sends."""

    token: Annotated[str, msgspec.Meta(max_length=10_000)] = ""
    next: str = "/"


class LoginView(msgspec.Struct, frozen=True, kw_only=True):
    """What the login page shows. `open` is whether a session may be had over this connection."""

    next: str
    open: bool


class Empty(msgspec.Struct, frozen=True, kw_only=True):
    """A form without fields."""


async def show(call: Call) -> LoginView:
    """The page."""
    return LoginView(next=local_path(call.query.next), open=_may_log_in(call))


async def log_in(call: Call) -> Go:
    """A session for whoever has a token."""
    state: AdminState = call.state
    if not _may_log_in(call):
        raise Refused("plain_http", "a login needs https, or this machine itself", status=403)
    form: LoginForm = call.body
    try:
        who = await auth.token_bearer(state, form.token.strip(), call.address)
    except Refused as refused:
        if refused.status != 401:
            raise
        raise Refused("wrong_token", "no such token; see the hint below", status=403) from None
    await sessions.current(state)  # those that are over make room
    if call.who is not None and call.who.session:
        await sessions.end(state, call.who.session, by=call.by, action="logout")
    agent = read_agent(call.headers.get(b"user-agent", b"").decode("latin-1"))
    browser = " on ".join(part for part in (agent.browser, agent.os) if part)
    secret = await sessions.begin(state, who, browser=browser)
    cookie = sessions.set_cookie(secret, secure=call.secure)
    return Go(to=local_path(form.next), headers=((b"set-cookie", cookie),))


async def log_out(call: Call) -> Go:
    """The end of the caller's session."""
    if call.who is not None and call.who.session:
        await sessions.end(call.state, call.who.session, by=call.by, action="logout")
    cookie = sessions.set_cookie("", secure=call.secure, gone=True)
    return Go(to="/login", headers=((b"set-cookie", cookie),))


def local_path(text: str) -> str:
    """The text if it is a path of ours, else "/": a login leads nobody to another site."""
    plain = text.isascii() and text.isprintable() and "\\" not in text and " " not in text
    if not plain or not text.startswith("/") or text.startswith("//"):
        return "/"
    return text[:_PATH_MAX_CHARS]


def _may_log_in(call: Call) -> bool:
    """A session's cookie goes over TLS only, or stays on this machine."""
    return call.secure or is_loopback(call.host)


PAGES = (
    Page(
        path="/login",
        title="Log in",
        template="login.html",
        load=show,
        query=LoginQuery,
        role="public",
    ),
)
ACTIONS = (
    Action(path="/login", form=LoginForm, handle=log_in, role="public", back="/login"),
    Action(path="/logout", form=Empty, handle=log_out, role="viewer"),
)

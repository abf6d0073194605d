"""The page of tokens and sessions: who may come in, and who is in."""

import msgspec

from edgeproxy.admin.api import access
from edgeproxy.admin.pages import Action, Go, Page, Show
from edgeproxy.admin.views.login import Empty
from edgeproxy.web.endpoint import Call


class AccessView(msgspec.Struct, frozen=True, kw_only=True):
    """Both lists, at this moment."""

    tokens: list[access.KnownToken]
    sessions: list[access.KnownSession]
    now_ms: int


async def show(call: Call) -> AccessView:
    """What the page shows."""
    return AccessView(
        tokens=await access.list_tokens(call),
        sessions=await access.list_sessions(call),
        now_ms=call.state.now_ms(),
    )


async def make(call: Call) -> Show:
    """A new token, shown this once."""
    made = await access.make_token(call)
    return Show(title="New token", template="token.html", data=made)


async def revoke(call: Call) -> Go:
    """A token's end."""
    await access.revoke_token(call)
    return Go(to="/access", say="The token is revoked, and its sessions are over.")


async def end(call: Call) -> Go:
    """A session's end."""
    await access.end_session(call)
    return Go(to="/access", say="The session is over.")


PAGES = (
    Page(
        path="/access",
        title="Tokens and sessions",
        template="access.html",
        load=show,
        role="admin",
        twin="/v1/admin/tokens",
    ),
)
ACTIONS = (
    Action(path="/access/tokens", form=access.NewToken, handle=make, back="/access"),
    Action(path="/access/tokens/{id}/revoke", form=Empty, handle=revoke),
    Action(path="/access/sessions/{id}/end", form=Empty, handle=end),
)

"""Who may come in: tokens and sessions, their list, their making and their end."""

from typing import Annotated, Literal

import msgspec

from edgeproxy.admin import auth, sessions, tokens
from edgeproxy.admin.state import AdminState
from edgeproxy.admin.tokens import Power, Token
from edgeproxy.errors import Refused
from edgeproxy.store.office import Change
from edgeproxy.web.endpoint import Call, Endpoint, Reply

TOKENS_MAX = 200

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]


class NewToken(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token to make. `name` says what it is for, such as "grafana"."""

    name: Name
    role: Power = "viewer"


class MadeToken(msgspec.Struct, frozen=True, kw_only=True):
    """A new token; it is shown this once."""

    id: str
    name: str
    role: Power
    token: str


class KnownToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token that is good now, without itself. `origin` "configuration" cannot be revoked here."""

    id: str
    name: str
    role: Power
    made_ms: int | None
    made_by: str
    origin: Literal["api", "configuration"]


class KnownSession(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who is logged in. `mine` is the caller's own session."""

    id: str
    name: str
    role: Power
    browser: str
    made_ms: int
    seen_ms: int
    ends_ms: int
    mine: bool


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """Who the caller is."""

    name: str
    role: Power
    via: Literal["token", "session"]


async def me(call: Call) -> Me:
    """Who the caller is."""
    if call.who is None:
        raise auth.unauthorized()
    return Me(name=call.who.name, role=call.who.role, via=call.who.via)


async def list_tokens(call: Call) -> list[KnownToken]:
    """All tokens that are good now, that of the configuration first."""
    state: AdminState = call.state
    own = KnownToken(
        id=auth.OWN,
        name=auth.OWN_NAME,
        role="admin",
        made_ms=None,
        made_by="",
        origin="configuration",
    )
    return [own, *sorted(await _made(state), key=lambda one: -(one.made_ms or 0))]


async def _made(state: AdminState) -> list[KnownToken]:
    found = []
    for record in await state.office.records(tokens.KIND):
        token = msgspec.json.decode(record.body, type=Token)
        found.append(
            KnownToken(
                id=record.id,
                name=token.name,
                role=token.role,
                made_ms=token.made_ms,
                made_by=token.made_by,
                origin="api",
            )
        )
    return found


async def make_token(call: Call) -> MadeToken:
    """Make a token; the answer is the only place where it ever stands."""
    state: AdminState = call.state
    if len(await state.office.records(tokens.KIND)) >= TOKENS_MAX:
        raise Refused("too_many", f"there are {TOKENS_MAX} tokens; revoke some first", status=409)
    wanted: NewToken = call.body
    name = wanted.name.strip()
    id, text = await tokens.mint(
        state.office,
        name=name,
        role=wanted.role,
        by=call.by,
        new_id=state.new_id(),
        secret=state.new_secret(),
        now_ms=state.now_ms(),
    )
    return MadeToken(id=id, name=name, role=wanted.role, token=text)


async def revoke_token(call: Call) -> Reply:
    """Revoke a token, and end the sessions that were made with it."""
    state: AdminState = call.state
    id = call.path["id"]
    if id == auth.OWN:
        raise Refused(
            "of_configuration",
            "this token is the configuration's; give another EDGEPROXY_ADMIN_TOKEN and restart",
            status=409,
        )
    token = await tokens.read_token(state.office, id)
    if token is None:
        raise Refused("not_found", "there is no such token", status=404)
    change = Change(
        who=call.by, action="revoke", kind=tokens.KIND, id=id, detail=f"it was for {token.name}"
    )
    await state.office.put(tokens.KIND, id, None, change=change)
    await sessions.end_all_of(state, id)
    return Reply(status=204)


async def list_sessions(call: Call) -> list[KnownSession]:
    """Everybody who is logged in, the last active first."""
    mine = call.who.session if call.who is not None else ""
    return [
        KnownSession(
            id=id,
            name=session.name,
            role=session.role,
            browser=session.browser,
            made_ms=session.made_ms,
            seen_ms=session.seen_ms,
            ends_ms=min(session.made_ms + sessions.LIFE_MS, session.seen_ms + sessions.IDLE_MS),
            mine=id == mine,
        )
        for id, session in await sessions.current(call.state)
    ]


async def end_session(call: Call) -> Reply:
    """Log somebody out."""
    state: AdminState = call.state
    id = call.path["id"]
    if await state.office.record(sessions.KIND, id) is None:
        raise Refused("not_found", "there is no such session", status=404)
    await sessions.end(state, id, by=call.by, action="end")
    return Reply(status=204)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/admin/me",
        handle=me,
        summary="Who the caller is",
        role="viewer",
        answer=Me,
        tag="access",
    ),
    Endpoint(
        method="GET",
        path="/v1/admin/tokens",
        handle=list_tokens,
        summary="List the tokens that are good now",
        answer=list[KnownToken],
        tag="access",
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/tokens",
        handle=make_token,
        summary="Make a token, which is shown this once",
        body=NewToken,
        answer=MadeToken,
        status=201,
        refusals=(409,),
        tag="access",
    ),
    Endpoint(
        method="DELETE",
        path="/v1/admin/tokens/{id}",
        handle=revoke_token,
        summary="Revoke a token and end its sessions",
        status=204,
        refusals=(404, 409),
        tag="access",
    ),
    Endpoint(
        method="GET",
        path="/v1/admin/sessions",
        handle=list_sessions,
        summary="List who is logged in",
        answer=list[KnownSession],
        tag="access",
    ),
    Endpoint(
        method="DELETE",
        path="/v1/admin/sessions/{id}",
        handle=end_session,
        summary="End a session",
        status=204,
        refusals=(404,),
        tag="access",
    ),
)

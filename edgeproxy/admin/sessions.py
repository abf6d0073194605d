"""Sessions of people in browsers: made at login, ended by logout, by silence, by age, or by others.

The store has only the digest of what the cookie holds. A session is worth what its token is worth:
without the token it ends too.
"""

import hashlib
import hmac
from typing import Literal

import msgspec

from edgeproxy.admin.auth import OWN, OWN_NAME
from edgeproxy.admin.state import AdminState
from edgeproxy.admin.tokens import read_token
from edgeproxy.errors import Conflict
from edgeproxy.keys import token_digest
from edgeproxy.store.office import Change, Record
from edgeproxy.web.endpoint import Who

KIND = "session"
IDLE_MS = 30 * 60_000
LIFE_MS = 12 * 3_600_000
TOUCH_MS = 60_000
"""How stale the note of the last use may be: each costs a commit."""

COOKIE = "edgeproxy_admin"


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A session's record. `mark` names the configured token that it was made with, if it was."""

    token_id: str
    name: str
    role: Literal["viewer", "admin"]
    made_ms: int
    seen_ms: int
    mark: str = ""
    browser: str = ""


def cookie_name(*, secure: bool) -> str:
    """The cookie's name; with the prefix a browser takes it over TLS and for this host only."""
    return f"__Host-{COOKIE}" if secure else COOKIE


def set_cookie(value: str, *, secure: bool, gone: bool = False) -> bytes:
    """A `Set-Cookie` line."""
    name = cookie_name(secure=secure)
    age_s = 0 if gone else LIFE_MS // 1000
    line = f"{name}={value}; Path=/; Max-Age={age_s}; HttpOnly; SameSite=Strict"
    return f"{line}{'; Secure' if secure else ''}".encode()


def form_token(secret: str) -> str:
    """What each form of a session carries, so that no other site can send one for it."""
    return hmac.new(secret.encode(), b"form", hashlib.sha256).hexdigest()


async def begin(state: AdminState, who: Who, *, browser: str) -> str:
    """Make a session for somebody who has shown a token; its secret, for the cookie."""
    secret = state.new_secret()
    now_ms = state.now_ms()
    session = Session(
        token_id=who.token_id,
        name=who.name,
        role=who.role,
        made_ms=now_ms,
        seen_ms=now_ms,
        mark=_mark(state) if who.token_id == OWN else "",
        browser=browser,
    )
    id = token_digest(secret)
    change = Change(who=who.name, action="login", kind=KIND, id=id[:8])
    await state.office.put(KIND, id, msgspec.json.encode(session), expect=0, change=change)
    return secret


async def holder(state: AdminState, secret: str) -> Who | None:
    """Who has this secret, or None when the session is over; notes that it was used."""
    id = token_digest(secret)
    record = await state.office.record(KIND, id)
    if record is None:
        return None
    session = msgspec.json.decode(record.body, type=Session)
    if is_over(session, state.now_ms()) or not await _still_worth(state, session):
        await state.office.put(KIND, id, None)
        return None
    await _touch(state, record, session)
    return Who(
        name=session.name, role=session.role, via="session", token_id=session.token_id, session=id
    )


async def is_current(state: AdminState, id: str) -> bool:
    """Whether a session is not over; asking is no use of it."""
    record = await state.office.record(KIND, id)
    if record is None:
        return False
    session = msgspec.json.decode(record.body, type=Session)
    return not is_over(session, state.now_ms()) and await _still_worth(state, session)


async def end(state: AdminState, id: str, *, by: str, action: str) -> None:
    """End a session; ended ones stay ended."""
    change = Change(who=by, action=action, kind=KIND, id=id[:8])
    await state.office.put(KIND, id, None, change=change)


async def end_all_of(state: AdminState, token_id: str) -> int:
    """End all sessions that were made with a token; how many."""
    found = [one for one, session in await current(state) if session.token_id == token_id]
    for id in found:
        await state.office.put(KIND, id, None)
    return len(found)


async def current(state: AdminState) -> list[tuple[str, Session]]:
    """The sessions that are not over, by id, the last used first; removes those that are."""
    found = []
    for record in await state.office.records(KIND):
        session = msgspec.json.decode(record.body, type=Session)
        if is_over(session, state.now_ms()):
            await state.office.put(KIND, record.id, None)
        else:
            found.append((record.id, session))
    return sorted(found, key=lambda one: -one[1].seen_ms)


def is_over(session: Session, now_ms: int) -> bool:
    """Whether it is too old, or was not used for too long."""
    return now_ms - session.seen_ms > IDLE_MS or now_ms - session.made_ms > LIFE_MS


async def _still_worth(state: AdminState, session: Session) -> bool:
    if session.token_id == OWN:
        return hmac.compare_digest(session.mark, _mark(state))
    token = await read_token(state.office, session.token_id)
    return token is not None and token.role == session.role


def _mark(state: AdminState) -> str:
    return token_digest(f"{OWN_NAME} {state.token_digest}")[:16]


async def _touch(state: AdminState, record: Record, session: Session) -> None:
    """Note the use. A session that was ended in between is not brought back."""
    if state.now_ms() - session.seen_ms < TOUCH_MS:
        return
    seen = msgspec.structs.replace(session, seen_ms=state.now_ms())
    try:
        await state.office.put(KIND, record.id, msgspec.json.encode(seen), expect=record.version)
    except Conflict:
        return

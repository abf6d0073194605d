"""How a source or an integration is changed: checked against all others, written, put to work.

Every change names the version that it began from. A caller who sends `If-Match` hears when somebody
else was faster; for one who does not the change is made again on top of the other's.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import msgspec

from edgeproxy.admin.state import AdminState
from edgeproxy.errors import Conflict, Forbidden, Refused, StoreBusy, Unfit
from edgeproxy.roster.assembly import Roster
from edgeproxy.roster.records import INTEGRATION, SOURCE, KeptIntegration, KeptSource
from edgeproxy.store.office import Change, Record
from edgeproxy.web.asgi import Header
from edgeproxy.web.endpoint import Call

_TRIES = 4

Kept = KeptSource | KeptIntegration


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What shall stand there, and the sentence about it in the audit log."""

    kept: Kept
    action: str = "change"
    detail: str = ""


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What stands there now."""

    record: Record
    roster: Roster


async def make(call: Call, kind: str, id: str, wish: Wish) -> Done:
    """Write a record that must not be there yet.

    Raises:
        Conflict: It is there.
        Unfit: It cannot be used.
    """
    state: AdminState = call.state
    done = await _tried(state, _record(state, kind, id, wish.kept, version=1))
    try:
        await state.office.put(
            kind, id, done.record.body, expect=0, change=_line(call, kind, id, wish)
        )
    except Conflict:
        raise exists(kind, id) from None
    await refresh(state)
    return done


async def change(
    call: Call, kind: str, id: str, wished: Callable[[Record], Awaitable[Wish]]
) -> Done:
    """Write a record anew.

    Args:
        call: Of whom; its `If-Match` counts.
        kind: Of the record.
        id: Of the record.
        wished: What shall stand there, given what does.

    Raises:
        Unfit: It cannot be used so.
        Conflict: Others are always faster.
        Refused: 404 there is none; 412 it has another version.
    """
    state: AdminState = call.state
    for _ in range(_TRIES):
        record = await existing(call, kind, id)
        wish = await wished(record)
        done = await _tried(state, _record(state, kind, id, wish.kept, record.version + 1))
        line = _line(call, kind, id, wish)
        with suppress(Conflict):
            await state.office.put(kind, id, done.record.body, expect=record.version, change=line)
            await refresh(state)
            return done
    raise Conflict("conflict", "others change it at the same time; look at it again, then repeat")


async def remove(call: Call, kind: str, id: str, detail: str) -> None:
    """Delete a record; raises as `change`."""
    state: AdminState = call.state
    line = Change(who=call.by, action="delete", kind=kind, id=id, detail=detail)
    for _ in range(_TRIES):
        record = await existing(call, kind, id)
        with suppress(Conflict):
            await state.office.put(kind, id, None, expect=record.version, change=line)
            await refresh(state)
            return
    raise Conflict("conflict", "others change it at the same time; look at it again, then repeat")


async def existing(call: Call, kind: str, id: str) -> Record:
    """The record that shall be changed; raises as `change`."""
    state: AdminState = call.state
    refuse_file(state, kind, id)
    record = await state.office.record(kind, id)
    if record is None:
        raise unknown(kind)
    wanted = call.headers.get(b"if-match", b"*").strip()
    if wanted not in (b"*", _tag(record.version), b"%d" % record.version):
        sentence = f"it has version {record.version} now, not the one in If-Match; look at it again"
        raise Refused("changed_meanwhile", sentence, status=412)
    return record


async def refresh(state: AdminState) -> None:
    """Put changes to work in this process; when the store is busy, a moment later."""
    with suppress(StoreBusy):
        await state.live.refresh()


def refuse_file(state: AdminState, kind: str, id: str) -> None:
    """Refuse to change what the configuration file defines."""
    registry = state.registry
    known = id in (registry.sources if kind == SOURCE else registry.integrations)
    made = registry.source_origin_of(id) if kind == SOURCE else registry.origin_of(id)
    if known and made == "file":
        sentence = f"this {kind} is defined in the configuration file; change it there"
        raise Forbidden("of_configuration", sentence)


def unknown(kind: str) -> Refused:
    """The refusal for an id that names nothing."""
    return Refused("not_found", f"there is no such {kind}", status=404)


def exists(kind: str, id: str) -> Conflict:
    """The refusal for an id that is taken."""
    return Conflict("exists", f"there is {kind} {id} already; change it by PATCH, or give an id")


def headers(record: Record) -> tuple[Header, ...]:
    """The `ETag` of a record."""
    return ((b"etag", _tag(record.version)),)


def too_many(found: Sequence[object], most: int, what: str) -> None:
    """Refuse one more than there may be."""
    if len(found) >= most:
        raise Conflict("too_many", f"there are {most} {what}; delete some first")


async def _tried(state: AdminState, candidate: Record) -> Done:
    """What would come of it; raises Unfit when it would not work."""
    sources = await state.office.records(SOURCE)
    integrations = await state.office.records(INTEGRATION)
    roster = state.live.tried(sources, integrations, candidate)
    faulty = roster.fault(candidate.kind, candidate.id)
    if faulty is not None:
        raise Unfit(faulty.faults)
    return Done(record=candidate, roster=roster)


def _record(state: AdminState, kind: str, id: str, kept: Kept, version: int) -> Record:
    body = msgspec.json.encode(kept)
    return Record(kind=kind, id=id, body=body, version=version, changed_ms=state.now_ms())


def _line(call: Call, kind: str, id: str, wish: Wish) -> Change:
    return Change(who=call.by, action=wish.action, kind=kind, id=id, detail=wish.detail)


def _tag(version: int) -> bytes:
    return b'"%d"' % version

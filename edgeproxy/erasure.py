"""Looking a person up, and erasing them everywhere: store, dead letters, identity, traces.

What a person is asked for by is hashed here at once. Nothing of it is kept, logged or answered:
visitors are named as the store names them.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import msgspec

from edgeproxy import pii
from edgeproxy.errors import Refused, StoreBusy, Unfit
from edgeproxy.event import readable_event
from edgeproxy.intake.segment import server_name
from edgeproxy.journal.base import Filter, Journal
from edgeproxy.keys import visitor_name
from edgeproxy.sites import Source
from edgeproxy.store.base import DeadLetter, Held, Reader, Store, Waiting
from edgeproxy.store.office import Change, Office

RECEIPT = "receipt"
"""The kind of record that a receipt is."""

EVENTS_SHOWN = 100
"""So many events of each kind are listed of a visitor; all are counted."""

TRACES_MAX = 1000
"""Traces are counted no further."""

Typed = Annotated[str, msgspec.Meta(max_length=512)]
How = Literal["scid", "email", "phone", "external_id"]


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom it is about: exactly one of these, in the clear or as SHA-256 in hex.

    Attributes:
        scid: The browser's `_scid`, or the anonymous id that a server sent.
        email: An e-mail address.
        phone: A phone number.
        external_id: The site's own id of the person (`userId`).
        country: Two letters, for a phone number without a country code; by default each source's.
    """

    scid: Typed = ""
    email: Typed = ""
    phone: Typed = ""
    external_id: Typed = ""
    country: Annotated[str, msgspec.Meta(max_length=2)] = ""

    def __repr__(self) -> str:
        return "Asked(••••)"


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A visitor as the store names them; `source` is "" when only their data tell it."""

    visitor: bytes
    source: str = ""


class HeldEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event that is held.

    Attributes:
        id: Of the row or the dead letter.
        integration: Where it goes.
        name: Snap's name of the event.
        event_id: Its dedup id.
        time_ms: When it happened, Unix ms.
        since_ms: When it was accepted, or died.
        reason: Of a dead letter; "" for one that waits.
        event: As stored; only in an export.
    """

    id: int
    integration: str
    name: str
    event_id: str
    time_ms: int
    since_ms: int
    reason: str = ""
    event: msgspec.Raw | None = None


class HeldVisitor(msgspec.Struct, frozen=True, kw_only=True):
    """All that is held of one visitor.

    Attributes:
        visitor: Names them, 32 hex digits.
        source: The site.
        identity: Name → SHA-256 of what is known of the person.
        last_seen_ms: When that was last used, to the day.
        waiting_n: Events that wait to be sent.
        dead_n: Dead letters.
        traces: Events in the debugger, up to `TRACES_MAX`; None when that cannot be read now.
        waiting: The newest of those that wait.
        dead: The newest dead letters.
    """

    visitor: str
    source: str
    identity: dict[str, str]
    last_seen_ms: int | None
    waiting_n: int
    dead_n: int
    traces: int | None
    waiting: list[HeldEvent]
    dead: list[HeldEvent]

    @property
    def something(self) -> bool:
        """Whether there is anything."""
        return bool(self.identity or self.waiting_n or self.dead_n or self.traces)


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """What was erased of one visitor. `traces` is None when they could not be erased."""

    visitor: str
    source: str
    identity: bool
    waiting: int
    dead: int
    traces: int | None


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """An erasure that was done.

    Attributes:
        id: Names it.
        at_ms: When, Unix ms.
        by: Who did it.
        asked_by: What the person was looked up by; never the value.
        visitors: One entry for each visitor of whom something was held.
        complete: Whether everything is erased.
    """

    id: str
    at_ms: int
    by: str
    asked_by: str
    visitors: list[Erased]
    complete: bool


def how(asked: Asked) -> How:
    """What the person is asked for by.

    Raises:
        Unfit: It is not exactly one thing.
    """
    kinds: tuple[How, ...] = ("scid", "email", "phone", "external_id")
    given = [kind for kind in kinds if getattr(asked, kind).strip()]
    if len(given) != 1:
        raise Unfit([("", "give one of scid, email, phone and external_id")])
    return given[0]


async def find(
    store: Reader | Store, key: bytes, sources: Sequence[Source], asked: Asked
) -> list[Known]:
    """The visitors that somebody may be: those their id names, and those who gave this trait.

    Args:
        store: Where to look.
        key: Names visitors.
        sources: All sites.
        asked: Whom it is about.

    Raises:
        Unfit: What was given is no such thing.
    """
    kind = how(asked)
    value = getattr(asked, kind).strip()
    found = {known.visitor: known for known in _named(kind, value, key, sources)}
    for trait, digest in _traits(kind, value, asked.country, sources):
        for visitor in await store.visitors_with(trait, digest):
            found.setdefault(visitor, Known(visitor=visitor))
    return list(found.values())


def _named(kind: How, value: str, key: bytes, sources: Sequence[Source]) -> list[Known]:
    """The names of visitors under an id that the store names them by."""
    names: dict[How, tuple[str, ...]] = {
        "scid": (value, server_name("anonymous", value)),
        "external_id": (server_name("user", value),),
    }
    return [
        Known(visitor=visitor_name(key, source.id, name), source=source.id)
        for source in sources
        for name in names.get(kind, ())
    ]


def _traits(
    kind: How, value: str, country: str, sources: Sequence[Source]
) -> list[tuple[str, str]]:
    """(name, value) pairs to look for in what is stored; raises Unfit for what is no such thing."""
    if kind == "scid":
        return [("scid", value)] if _is_plain(value) else []
    if kind == "email":
        digests = {pii.email_sha256(value)}
    elif kind == "phone":
        countries = {country} if country else {"", *(one.default_country for one in sources)}
        digests = {pii.phone_sha256(value, one) for one in countries}
    else:
        digests = {pii.external_id_sha256(value)}
    found = sorted(digest for digest in digests if digest)
    if not found:
        raise Unfit([(kind, _NO_SUCH[kind])])
    return [(f"{kind}_sha256", digest) for digest in found]


_NO_SUCH: Mapping[How, str] = {
    "email": "is no e-mail address, and no SHA-256 of one",
    "phone": "is no phone number; give it with its country code, such as +1 …",
    "external_id": "is no id that is kept: placeholders are left out",
}


def _is_plain(value: str) -> bool:
    return value.isascii() and len(value) <= 200 and not set(value) - _PLAIN


_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-")


async def held(
    store: Reader | Store,
    journal: Journal | None,
    known: Sequence[Known],
    *,
    limit: int = EVENTS_SHOWN,
    whole: bool = False,
) -> list[HeldVisitor]:
    """What is held of visitors; `whole` with the events as they are stored."""
    return [await _held(store, journal, one, limit, whole=whole) for one in known]


async def _held(
    store: Reader | Store, journal: Journal | None, known: Known, limit: int, *, whole: bool
) -> HeldVisitor:
    there = await store.held(known.visitor, limit=limit)
    bodies = _bodies(there)
    return HeldVisitor(
        visitor=known.visitor.hex(),
        source=known.source or _source(bodies),
        identity=msgspec.json.decode(there.traits or b"{}", type=dict[str, str]),
        last_seen_ms=there.last_seen_ms,
        waiting_n=there.waiting_n,
        dead_n=there.dead_n,
        traces=await _traces(journal, known.visitor),
        waiting=[_event(one, one.created_ms, "", whole=whole) for one in there.waiting],
        dead=[_event(one, one.died_ms, one.reason, whole=whole) for one in there.dead],
    )


def _event(one: Waiting | DeadLetter, since_ms: int, reason: str, *, whole: bool) -> HeldEvent:
    event = readable_event(one.body)
    return HeldEvent(
        id=one.id,
        integration=one.integration,
        name=one.name,
        event_id=event.id if event else "",
        time_ms=one.event_time_ms,
        since_ms=since_ms,
        reason=reason,
        event=msgspec.Raw(one.body) if whole and event else None,
    )


def _bodies(there: Held) -> list[bytes]:
    return [*(one.body for one in there.waiting), *(one.body for one in there.dead)]


def _source(bodies: Sequence[bytes]) -> str:
    """The site that the first readable one came from."""
    found = (readable_event(body) for body in bodies)
    return next((event.source for event in found if event is not None and event.source), "")


async def _traces(journal: Journal | None, visitor: bytes) -> int | None:
    if journal is None:
        return 0
    try:
        return len(await journal.traces(Filter(visitor=visitor.hex()), limit=TRACES_MAX))
    except StoreBusy:
        return None


async def erase(
    store: Store,
    journal: Journal | None,
    known: Sequence[Known],
    *,
    id: str,
    by: str,
    asked_by: str,
    at_ms: int,
) -> Receipt:
    """Erase visitors everywhere. It can be repeated: what is gone is gone.

    Args:
        store: Of events.
        journal: Of traces, None where there is none.
        known: Whom.
        id: Of the receipt.
        by: Who erases.
        asked_by: What the person was looked up by.
        at_ms: The clock.

    Returns:
        The receipt, which is in the office and in the audit log already.
    """
    erased = [await _erase(store, journal, one) for one in known]
    there = [one for one in erased if one.identity or one.waiting or one.dead or one.traces]
    complete = all(one.traces is not None for one in erased)
    receipt = Receipt(
        id=id, at_ms=at_ms, by=by, asked_by=asked_by, visitors=there, complete=complete
    )
    await _file(store.office, receipt, there or erased[:1])
    return receipt


async def _erase(store: Store, journal: Journal | None, known: Known) -> Erased:
    there = await store.held(known.visitor, limit=1)
    bodies = _bodies(there)
    gone = await store.forget(known.visitor)
    return Erased(
        visitor=known.visitor.hex(),
        source=known.source or _source(bodies),
        identity=bool(there.traits),
        waiting=max(0, gone - there.dead_n),
        dead=min(gone, there.dead_n),
        traces=await _forget_traces(journal, known.visitor),
    )


async def _forget_traces(journal: Journal | None, visitor: bytes) -> int | None:
    if journal is None:
        return 0
    try:
        return await journal.forget(visitor)
    except StoreBusy:
        return None


async def _file(office: Office, receipt: Receipt, told: Sequence[Erased]) -> None:
    """Keep the receipt, and a line of the audit log under each visitor."""
    lines = [
        Change(
            who=receipt.by,
            action="erase",
            kind="visitor",
            id=one.visitor,
            detail=f"{words(one)}; receipt {receipt.id}",
        )
        for one in told
    ]
    first = lines[0] if lines else None
    await office.put(RECEIPT, receipt.id, msgspec.json.encode(receipt), change=first)
    for line in lines[1:]:
        await office.note(line)


def words(erased: Erased) -> str:
    """What was erased, in a sentence."""
    parts = [
        _count(erased.waiting, "waiting event"),
        _count(erased.dead, "dead letter"),
        "identity" if erased.identity else "",
        _count(erased.traces or 0, "trace"),
    ]
    said = ", ".join(part for part in parts if part) or "nothing was held"
    return said if erased.traces is not None else f"{said}; traces could not be erased"


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' if n != 1 else ''}" if n else ""


async def receipts(office: Office) -> list[Receipt]:
    """The receipts, newest first."""
    found = [_receipt(record.body) for record in await office.records(RECEIPT)]
    return sorted(found, key=lambda one: (one.at_ms, one.id), reverse=True)


async def receipt(office: Office, id: str) -> Receipt:
    """One receipt; raises Refused (404) when there is none."""
    record = await office.record(RECEIPT, id)
    if record is None:
        raise Refused("not_found", "there is no such receipt", status=404)
    return _receipt(record.body)


def _receipt(body: bytes) -> Receipt:
    return msgspec.json.decode(body, type=Receipt)

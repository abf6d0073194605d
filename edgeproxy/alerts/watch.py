"""The loop that looks, remembers and tells.

Every process that delivers may run it: the record in the store has a version, and of several nodes
the one that writes it first is the one that tells. A notice stays in the record until the webhook
has taken it, so that a restart or an outage of the webhook delays it only.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

import msgspec
from msgspec.structs import replace

from edgeproxy.alerts.book import Book, Notice, decode, encode, seen, turned
from edgeproxy.alerts.rules import DAY_MS, HOUR_MS, WEEK_MS, WEEKS, Sight, readings
from edgeproxy.alerts.webhook import Webhook, message
from edgeproxy.errors import Conflict, StoreBusy
from edgeproxy.journal.base import Journal
from edgeproxy.settings import Thresholds
from edgeproxy.sites import Integration, Source
from edgeproxy.store.base import Store
from edgeproxy.store.office import Office
from edgeproxy.tally import Tally

EVERY_S = 60.0
"""How often somebody looks."""

KIND, ID = "alert", "book"
"""Of the record in the office."""

_MINUTE_MS = 60_000
_SOON = 0.75
"""A look is left out when another node looked within this part of the time between two."""


class Log(Protocol):
    """Writes one line."""

    def __call__(self, level: str, event: str, **fields: object) -> None:
        """Write `event` (snake_case) with its fields."""
        ...


class Lookout(msgspec.Struct, frozen=True, kw_only=True):
    """What the loop works with.

    Attributes:
        store: For the queues and the gates.
        office: Where the record is.
        journal: For the counts; None when nothing is counted.
        sources: The current ones.
        limits: The thresholds.
        webhook: Who is told; None tells the log alone.
        fingerprint: Of an integration's token; not reversible.
        now_ms: The wall clock in Unix ms.
        log: Writes a line.
    """

    store: Store
    office: Office
    journal: Journal | None
    sources: Callable[[], Sequence[Source]]
    limits: Thresholds
    webhook: Webhook | None
    fingerprint: Callable[[Integration], str]
    now_ms: Callable[[], int]
    log: Log


async def watch(lookout: Lookout, stopping: asyncio.Event, *, every_s: float = EVERY_S) -> None:
    """Look again and again until `stopping`; a fault of one look never ends the loop."""
    while not stopping.is_set():
        try:
            await look(lookout, every_s=every_s)
        except StoreBusy:
            lookout.log("info", "alerts_waiting", reason="the store is busy")
        except Exception as error:
            lookout.log("error", "alerts_failed", error=type(error).__name__)
        with suppress(TimeoutError):
            async with asyncio.timeout(every_s):
                await stopping.wait()


async def look(lookout: Lookout, *, every_s: float = EVERY_S) -> None:
    """Look once, remember what is to be told, tell it."""
    book, version = await standing(lookout.office)
    now_ms = lookout.now_ms()
    if 0 <= now_ms - book.checked_ms < every_s * _SOON * 1000:
        return  # another node has just looked, and tells
    after = await _judged(lookout, book, now_ms)
    try:
        version = await lookout.office.put(KIND, ID, encode(after), expect=version)
    except Conflict:
        return
    for notice in after.past:
        if notice.at_ms == now_ms:
            _log(lookout, notice)
    if after.unsent and await _told(lookout, after):
        with suppress(Conflict):
            await lookout.office.put(KIND, ID, encode(replace(after, unsent=())), expect=version)


async def standing(office: Office) -> tuple[Book, int]:
    """The record as it stands, and its version; an empty one with 0 when there is none."""
    record = await office.record(KIND, ID)
    return (Book(), 0) if record is None else (decode(record.body), record.version)


async def _judged(lookout: Lookout, book: Book, now_ms: int) -> Book:
    prints = {
        one.id: lookout.fingerprint(one)
        for source in lookout.sources()
        for one in source.integrations
    }
    book = seen(book, prints, now_ms)
    found = readings(await _sight(lookout, book, now_ms), lookout.limits)
    repeat_ms = round(lookout.limits.repeat_hours * HOUR_MS)
    return turned(book, found, now_ms, repeat_ms=repeat_ms)


async def _sight(lookout: Lookout, book: Book, now_ms: int) -> Sight:
    sources = tuple(lookout.sources())
    names = [one.id for source in sources for one in source.integrations]
    return Sight(
        now_ms=now_ms,
        sources=sources,
        stats=await lookout.store.stats(),
        gates={name: await lookout.store.gate(name) for name in names},
        recent=await _counts(lookout, ("out",), now_ms, HOUR_MS, _MINUTE_MS),
        hours=await _hours(lookout, now_ms),
        tokens={name: token.since_ms for name, token in book.tokens.items()},
    )


async def _hours(lookout: Lookout, now_ms: int) -> Tally:
    """By the hour: what went out in the weeks before, what came in in the days before."""
    out = await _counts(lookout, ("out",), now_ms, WEEKS * WEEK_MS + DAY_MS, HOUR_MS)
    come = await _counts(lookout, ("in",), now_ms, WEEK_MS + DAY_MS, HOUR_MS)
    return Tally([*out.of("out"), *come.of("in")])


async def _counts(
    lookout: Lookout, kinds: Sequence[str], now_ms: int, back_ms: int, step_ms: int
) -> Tally:
    if lookout.journal is None:
        return Tally()
    since_ms = (now_ms - back_ms) // step_ms * step_ms
    until_ms = (now_ms // step_ms + 1) * step_ms
    try:
        found = await lookout.journal.counts(
            kinds, since_ms=since_ms, until_ms=until_ms, step_ms=step_ms
        )
    except StoreBusy:  # a gate that closed must be told of all the same
        return Tally()
    return Tally(found)


async def _told(lookout: Lookout, book: Book) -> bool:
    """Whether nothing is left to be told."""
    if lookout.webhook is None:
        return True
    told = await lookout.webhook.tell(message(book.unsent))
    if not told.ok:
        lookout.log(
            "warning",
            "alert_not_sent",
            status=told.status,
            reason=told.message,
            notices=len(book.unsent),
        )
    return told.ok


def _log(lookout: Lookout, notice: Notice) -> None:
    lookout.log(
        "info" if notice.kind == "cleared" else "warning",
        f"alert_{notice.kind}",
        rule=notice.rule,
        subject=notice.subject,
        reason=notice.text,
    )

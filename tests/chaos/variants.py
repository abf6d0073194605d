"""Faults of the program itself that the harness must notice: a harness that passes one is wrong.

Each changes one thing in the process that calls it, which is a proxy or a model run of its own,
and is made stale loudly when what it changes is no longer there.
"""

import asyncio
import sys
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import Any

import apsw
from msgspec.structs import replace

from edgeproxy.delivery import render
from edgeproxy.event import Event
from edgeproxy.event import decode_event as decode
from edgeproxy.intake.person import read_person as read
from edgeproxy.outcome import Verdict
from edgeproxy.public import accept
from edgeproxy.snap import answers
from edgeproxy.store.base import Fate, Item, Told
from edgeproxy.store.sqlite import append as append_
from edgeproxy.store.sqlite import gates, graves, leases, ledger, room, seen, store, writer
from edgeproxy.wire import WireResponse

ANY_LEASE = "?2 IS NOT NULL"


def swap(owner: ModuleType | type, name: str, new: object) -> None:
    """Put something in the place of what a module or class has under a name."""
    if not hasattr(owner, name):
        raise RuntimeError(f"{owner.__name__} has no {name} any more: what changes it is stale")
    setattr(owner, name, new)


def edit(module: ModuleType, name: str, old: str, new: str) -> None:
    """Change a statement of SQL."""
    text = str(getattr(module, name))
    if old not in text:
        raise RuntimeError(f"{module.__name__}.{name} has no {old!r} any more: a variant is stale")
    swap(module, name, text.replace(old, new))


def acknowledge_early() -> None:
    """Say yes when an event is queued, not when it is on disk."""
    real = writer.Writer.submit

    def submit(self: writer.Writer, items: Sequence[Item], told: Told) -> None:
        real(self, items, lambda *_: None)
        fates = [tuple(Fate.ACCEPTED for _ in item.entries) for item in items]
        asyncio.get_running_loop().call_soon(told, fates, None)

    swap(writer.Writer, "submit", submit)


def trim() -> None:
    """Keep the queue short by dropping the oldest, and call them delivered."""
    real, most = append_.append, 20

    def append(db: apsw.Connection, now_ms: int, items: Sequence[Item]) -> Any:
        fates = real(db, now_ms, items)
        sql = (
            "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox ORDER BY id DESC"
            " LIMIT -1 OFFSET ?) RETURNING integration"
        )
        ledger.count_each(db, "delivered", [str(name) for (name,) in db.execute(sql, (most,))])
        return fates

    swap(writer, "append", append)


def append_without_ledger() -> None:
    """Write rows, and forget to count them."""
    real = ledger.count_each

    def count_each(db: apsw.Connection, kind: str, integrations: Iterable[str]) -> int:
        return 0 if kind == "accepted" else real(db, kind, integrations)

    swap(ledger, "count_each", count_each)


def drop_expired() -> None:
    """Throw away what became too old, counted as dead, without a dead letter."""
    real = graves.bury

    def bury(
        db: apsw.Connection, now_ms: int, id_: int, token: bytes | None, reason: str, detail: str
    ) -> str | None:
        buried = real(db, now_ms, id_, token, reason, detail)
        if reason == "expired" and buried is not None:
            db.execute("DELETE FROM dead WHERE id = (SELECT max(id) FROM dead)")
        return buried

    swap(graves, "bury", bury)


def invert_ttl() -> None:
    """Take a dedup key for free while it is live."""
    edit(seen, "_LIVE", "expires > ?2", "expires <= ?2")


def no_reserve() -> None:
    """Fill the disk to the last byte."""
    swap(room.Room, "admits", lambda self, level, items: True)
    swap(room.Room, "overrun", lambda self, db: False)


def believe_any_answer() -> None:
    """Count as delivered whatever Snap said."""

    def read(response: WireResponse, *, sent: int, now_ms: int) -> Verdict:
        return Verdict(kind="delivered", status=response.status, delivered=tuple(range(sent)))

    swap(answers, "read", read)


def new_time() -> None:
    """Take the time of sending for the time of the event."""

    def decode_event(body: bytes) -> Event:
        event = decode(body)
        return replace(event, time_ms=event.time_ms - sum(body[:8]) - id(event) % 60_000)

    swap(render, "decode_event", decode_event)


def no_limiter() -> None:
    """Send as fast as Snap answers."""

    async def acquire(self: store.SqliteStore, *_: object, **__: object) -> float:
        return 0.0

    swap(store.SqliteStore, "acquire", acquire)


def leak() -> None:
    """Log what a person is called."""

    def read_person(user: Any, country: str) -> Any:
        sys.stderr.write(f"{user}\n")
        return read(user, country)

    swap(accept, "read_person", read_person)


def no_fence_for_delivered() -> None:
    """Delete a delivered row that somebody else has taken over."""
    edit(leases, "_DELIVERED", "lease = ?2", ANY_LEASE)


def no_fence_for_retry() -> None:
    """Put a row back that somebody else has taken over."""
    edit(leases, "_RETRY", "lease = ?2", ANY_LEASE)


def no_fence_for_dead() -> None:
    """Bury a row that somebody else has taken over."""
    edit(graves, "_TAKE_OUT", "lease IS ?2", f"(lease IS ?2 OR {ANY_LEASE})")


def claim_leased() -> None:
    """Hand out rows that somebody else has."""
    for name in ("_DUE", "_FUTURE", "_NEWEST"):
        edit(leases, name, "INDEXED BY outbox_due", "")
        edit(leases, name, "AND lease IS NULL", "")


def probe_twice() -> None:
    """Do not put the next probe off when one is handed out."""
    swap(gates, "put_off", lambda db, now_ms, gate: None)


VARIANTS: dict[str, Callable[[], None]] = {
    each.__name__: each
    for each in (
        acknowledge_early,
        trim,
        append_without_ledger,
        drop_expired,
        invert_ttl,
        no_reserve,
        believe_any_answer,
        new_time,
        no_limiter,
        leak,
        no_fence_for_delivered,
        no_fence_for_retry,
        no_fence_for_dead,
        claim_leased,
        probe_twice,
    )
}

"""Dead letters in SQLite: how a row becomes one, comes back, or goes for good."""

from collections.abc import Sequence

import apsw

from edgeproxy.store.base import DEAD_S
from edgeproxy.store.sqlite import ledger, seen

AMBIGUOUS = "ambiguous_200"
"""Snap may have counted the event: its keys go on collapsing copies."""

_TAKE_OUT = """
DELETE FROM outbox WHERE id = ?1 AND lease IS ?2
RETURNING integration, key, order_key, visitor, name, body, known, event_time, expires, created,
  attempt
"""
_BURY = """
INSERT INTO dead (integration, key, order_key, visitor, name, body, known, event_time, expires,
  created, attempt, died, reason, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_DIG_OUT = """
DELETE FROM dead WHERE id = ?
RETURNING integration, key, order_key, visitor, name, body, known, event_time, expires, died, reason
"""
_REQUEUE = """
INSERT INTO outbox (integration, key, order_key, visitor, name, body, known, event_time, expires,
  created, due, sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?10, ?10, x'')
"""
_AGE_OUT = """
DELETE FROM dead WHERE id IN (SELECT id FROM dead INDEXED BY dead_died WHERE died <= ? LIMIT ?)
RETURNING integration
"""


def bury(
    db: apsw.Connection, now_ms: int, id_: int, token: bytes | None, reason: str, detail: str
) -> str | None:
    """Make a row a dead letter without its sealed data, and release its keys.

    Args:
        db: Inside a transaction.
        now_ms: The clock.
        id_: The row.
        token: The lease that it must carry, None for a row that must carry none.
        reason: Of `DEAD_REASONS`; `AMBIGUOUS` keeps the keys.
        detail: For people.

    Returns:
        The integration, or None when there was no such row. The caller writes the ledger.
    """
    row = db.execute(_TAKE_OUT, (id_, token)).fetchone()
    if row is None:
        return None
    db.execute(_BURY, (*row, now_ms, reason, detail))
    integration, key, order_key = row[:3]
    if reason == AMBIGUOUS:
        seen.keep(db, now_ms, [key], [order_key])
    else:
        seen.release(db, [key, order_key])
    return str(integration)


def replay(db: apsw.Connection, now_ms: int, ids: Sequence[int]) -> int:
    """Queue dead letters again, unless a later copy took their place; return how many came back."""
    back = 0
    for id_ in ids:
        row = db.execute(_DIG_OUT, (id_,)).fetchone()
        if row is None:
            continue
        integration, key, order_key = row[:3]
        if _has_later_copy(db, now_ms, key, order_key, *row[-2:]):
            ledger.count(db, integration, "replay_dup", 1)
            continue
        db.execute(_REQUEUE, (*row[:-2], now_ms))
        seen.keep(db, now_ms, [key], [order_key], db.last_insert_rowid())
        ledger.count(db, integration, "replayed", 1)
        back += 1
    return back


def _has_later_copy(
    db: apsw.Connection, now_ms: int, key: bytes, order_key: bytes, died_ms: int, reason: str
) -> bool:
    # What an ambiguous letter kept ends exactly so long after its death; a copy's ends later.
    own = died_ms if reason == AMBIGUOUS else None
    for kept, keep_ms in ((key, seen.KEEP_MS), (order_key, seen.KEEP_ORDER_MS)):
        until_ms = seen.expiry(db, kept) if kept else 0
        if until_ms > now_ms and (own is None or until_ms != own + keep_ms):
            return True
    return False


def discard(db: apsw.Connection, now_ms: int, ids: Sequence[int]) -> int:
    """Delete dead letters; return how many there were."""
    gone = [
        integration
        for id_ in ids
        for (integration,) in db.execute(
            "DELETE FROM dead WHERE id = ? RETURNING integration", (id_,)
        )
    ]
    return ledger.count_each(db, "discarded", gone)


def forget(db: apsw.Connection, visitor: bytes) -> int:
    """Delete the dead letters of a visitor; return how many there were."""
    sql = "DELETE FROM dead WHERE visitor = ?1 AND visitor <> x'' RETURNING integration"
    return ledger.count_each(db, "erased_dead", [name for (name,) in db.execute(sql, (visitor,))])


def age_out(db: apsw.Connection, now_ms: int, limit: int) -> int:
    """Delete dead letters older than `DEAD_S`, at most `limit`; return how many."""
    gone = [name for (name,) in db.execute(_AGE_OUT, (now_ms - DEAD_S * 1000, limit))]
    return ledger.count_each(db, "aged_out", gone)

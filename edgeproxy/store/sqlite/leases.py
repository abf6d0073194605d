"""Handing rows out and booking what became of them, in SQLite.

Each function runs inside the writer's transaction. A lease is a random token in the row: whoever
does not hold it any more finds no row to change (fencing).
"""

import secrets
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import apsw

from edgeproxy.store.base import Dead, Lease, Retry, Row
from edgeproxy.store.sqlite import gates, graves, ledger, seen

RETRY_MAX_MS = 3_600_000
"""No row waits longer, so a `due` beyond it means that the clock was set back: take the row."""

_LEASE_MAX_MS = 600_000
"""No lease is longer, for the same reason."""

_SELECT = """
SELECT id, key, visitor, name, body, sealed, known, attempt, event_time, created FROM outbox
INDEXED BY outbox_due WHERE integration = ?1 AND lease IS NULL AND expires > ?2
"""
_DUE = _SELECT + "AND due <= ?2 ORDER BY due, expires, created, id"
_FUTURE = _SELECT + f"AND due > ?2 + {RETRY_MAX_MS} ORDER BY due, expires, created, id"
_NEWEST = (
    _SELECT + f"AND (due <= ?2 OR due > ?2 + {RETRY_MAX_MS}) ORDER BY created DESC, id DESC LIMIT 1"
)
_LEASE = """
UPDATE outbox SET lease = ?2, lease_until = ?3, attempt = attempt + 1 WHERE id IN carray(?1)
"""
_RENEW = "UPDATE outbox SET lease_until = ?3 WHERE id IN carray(?1) AND lease = ?2"
_CARRIED = "SELECT id FROM outbox WHERE id IN carray(?1) AND lease = ?2"
_LEASED = "SELECT id FROM outbox INDEXED BY outbox_leased WHERE lease IS NOT NULL"
_OVER = f"{_LEASED} AND lease_until <= ?1 UNION ALL {_LEASED} AND lease_until > ?2"
_RECOVER = "UPDATE outbox SET lease = NULL, lease_until = NULL WHERE id IN (%s)"
_DELIVERED = """
DELETE FROM outbox WHERE id IN carray(?1) AND lease = ?2 RETURNING key, order_key, created
"""
_RETRY = """
UPDATE outbox SET lease = NULL, lease_until = NULL, due = ?3, error = ?4, attempt = attempt - ?5
WHERE id = ?1 AND lease = ?2
"""


def claim(
    db: apsw.Connection, now_ms: int, integration: str, limit: int, max_bytes: int, lease_s: float
) -> Lease:
    """Lease what is due, or one row to a probe; see `Store.claim`."""
    recover(db, now_ms)
    gate = gates.read(db, now_ms, integration)
    probe = gate.state != "open"
    rows: list[Row] = []
    if not probe:
        rows = _pick(islice(_due(db, now_ms, integration), limit), max_bytes, now_ms)
    elif gate.probe_in_s == 0:
        newest = gate.state == "paused_reject"  # the oldest may be the one that is at fault
        found = db.execute(_NEWEST, (integration, now_ms)) if newest else None
        rows = _pick(islice(found or _due(db, now_ms, integration), 1), max_bytes, now_ms)
    if not rows:
        return Lease(token=b"", integration=integration, rows=())
    if probe:
        gates.put_off(db, now_ms, gate)
    token = secrets.token_bytes(16)
    db.execute(_LEASE, (_ids(row.id for row in rows), token, _until(now_ms, lease_s)))
    return Lease(token=token, integration=integration, rows=tuple(rows), probe=probe)


def _due(db: apsw.Connection, now_ms: int, integration: str) -> Iterator[Any]:
    yield from db.execute(_DUE, (integration, now_ms))
    yield from db.execute(_FUTURE, (integration, now_ms))


def _pick(found: Iterable[Any], max_bytes: int, now_ms: int) -> list[Row]:
    rows: list[Row] = []
    size_bytes = 0
    for id_, key, visitor, name, body, sealed, known, attempt, event_time, created in found:
        size_bytes += len(body) + len(sealed) + len(known)
        if rows and size_bytes > max_bytes:
            break
        rows.append(
            Row(
                id=id_,
                key=key,
                visitor=visitor,
                name=name,
                body=body,
                sealed=sealed,
                known=known,
                attempt=attempt + 1,
                event_time_ms=event_time,
                age_s=max(0, now_ms - created) / 1000,
            )
        )
    return rows


def _until(now_ms: int, lease_s: float) -> int:
    return now_ms + min(round(lease_s * 1000), _LEASE_MAX_MS)


def _ids(ids: Iterable[int]) -> "apsw.CArrayBinding":
    return apsw.carray(array("q", ids))


def settle(
    db: apsw.Connection,
    now_ms: int,
    lease: Lease,
    delivered: Sequence[int],
    retry: Sequence[Retry],
    dead: Sequence[Dead],
) -> int:
    """Book outcomes; return how many rows still carried the lease."""
    gone = _deliver(db, now_ms, lease, delivered)
    back = sum(_put_back(db, now_ms, lease, row) for row in retry)
    buried = sum(
        graves.bury(db, now_ms, row.id, lease.token, row.reason, row.detail) is not None
        for row in dead
    )
    ledger.count(db, lease.integration, "delivered", gone)
    ledger.count(db, lease.integration, "dead", buried)
    return gone + back + buried


def _deliver(db: apsw.Connection, now_ms: int, lease: Lease, ids: Sequence[int]) -> int:
    if not ids:
        return 0
    rows: list[Any] = db.execute(_DELIVERED, (_ids(ids), lease.token)).fetchall()
    seen.keep_delivered(db, now_ms, rows)
    return len(rows)


def _put_back(db: apsw.Connection, now_ms: int, lease: Lease, row: Retry) -> int:
    due_ms = now_ms + min(max(0, round(row.delay_s * 1000)), RETRY_MAX_MS)
    db.execute(_RETRY, (row.id, lease.token, due_ms, row.error, 0 if row.counted else 1))
    return db.changes()


def renew(db: apsw.Connection, now_ms: int, lease: Lease, lease_s: float) -> int:
    """Extend what is left of a lease; return how many rows that is."""
    if not lease.rows:
        return 0
    ids = _ids(row.id for row in lease.rows)
    db.execute(_RENEW, (ids, lease.token, _until(now_ms, lease_s)))
    return db.changes()


def carried(db: apsw.Connection, now_ms: int, lease: Lease) -> list[int]:
    """The ids of the rows that still carry a lease."""
    if not lease.rows:
        return []
    ids = _ids(row.id for row in lease.rows)
    return [id_ for (id_,) in db.execute(_CARRIED, (ids, lease.token))]


def recover(db: apsw.Connection, now_ms: int, *, everything: bool = False) -> int:
    """Put rows of leases that are over (or of all) back, due as before; return how many."""
    if everything:
        db.execute(_RECOVER % _LEASED)
    else:
        db.execute(_RECOVER % _OVER, (now_ms, now_ms + _LEASE_MAX_MS))
    return db.changes()

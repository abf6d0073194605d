"""The dedup keys in SQLite: which are live, and how long they are kept."""

from collections.abc import Iterable, Iterator, Sequence

import apsw

from edgeproxy.store.base import SEEN_ORDER_S, SEEN_S, Entry, Fate

_SLACK_MS = 3_600_000
"""Kept this much longer, so that a delivery within that time need not write them again: keys are
random, so each one costs a page."""

KEEP_MS = SEEN_S * 1000 + _SLACK_MS
KEEP_ORDER_MS = SEEN_ORDER_S * 1000 + _SLACK_MS

_INSERT = "INSERT INTO seen (key, expires) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET "
_WRITE = _INSERT + "expires = excluded.expires"
_EXTEND = _INSERT + "expires = max(expires, excluded.expires)"
_TAKE = _WRITE + " WHERE expires <= ?3"
_LIVE = "SELECT key FROM seen WHERE key IN carray(?1) AND expires > ?2"


def take(db: apsw.Connection, now_ms: int, entries: Sequence[Entry]) -> list[Fate]:
    """Keep the keys of the entries that are new, in order; return what each one is."""
    fates: list[Fate] = []
    orders = _live(db, now_ms, {entry.order_key for entry in entries if entry.order_key})
    new_orders: list[bytes] = []

    def one_by_one() -> Iterator[tuple[bytes, int, int]]:
        expires_ms = now_ms + KEEP_MS
        for entry in entries:
            if entry.order_key and entry.order_key in orders:
                fates.append(Fate.DUPLICATE)
                continue
            yield entry.key, expires_ms, now_ms
            # Here again once SQLite has run the statement with that key: did it write one?
            if not db.changes():
                fates.append(Fate.DUPLICATE)
                continue
            fates.append(Fate.ACCEPTED)
            if entry.order_key:
                orders.add(entry.order_key)
                new_orders.append(entry.order_key)

    db.executemany(_TAKE, one_by_one())
    keep(db, now_ms, (), new_orders)
    return fates


def _live(db: apsw.Connection, now_ms: int, keys: Iterable[bytes]) -> set[bytes]:
    if not keys:
        return set()
    return {key for (key,) in db.execute(_LIVE, (apsw.carray(tuple(keys)), now_ms))}


def keep(
    db: apsw.Connection, now_ms: int, keys: Iterable[bytes], order_keys: Iterable[bytes]
) -> None:
    """Keep keys for their time from now. Order keys may hold b"", which stands for none."""
    _write(db, _WRITE, now_ms, keys, order_keys)


def keep_delivered(
    db: apsw.Connection, now_ms: int, rows: Iterable[tuple[bytes, bytes, int]]
) -> None:
    """Keep the keys of delivered rows: (key, order key, when the row was accepted in Unix ms)."""
    old = [row for row in rows if row[2] < now_ms - _SLACK_MS]
    _write(db, _EXTEND, now_ms, [row[0] for row in old], [row[1] for row in old])


def _write(
    db: apsw.Connection,
    sql: str,
    now_ms: int,
    keys: Iterable[bytes],
    order_keys: Iterable[bytes],
) -> None:
    expires_ms, order_expires_ms = now_ms + KEEP_MS, now_ms + KEEP_ORDER_MS
    db.executemany(sql, [(key, expires_ms) for key in keys])
    db.executemany(sql, [(key, order_expires_ms) for key in order_keys if key])


def release(db: apsw.Connection, keys: Iterable[bytes]) -> None:
    """Let events with these keys be accepted again."""
    db.executemany("DELETE FROM seen WHERE key = ?", [(key,) for key in keys if key])


def expiry(db: apsw.Connection, key: bytes) -> int:
    """Until when a key collapses, 0 when it is not kept."""
    found: int | None = db.execute("SELECT expires FROM seen WHERE key = ?", (key,)).get
    return found or 0

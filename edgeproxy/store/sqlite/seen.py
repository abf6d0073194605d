"""The dedup keys in SQLite: which are live, and how long they are kept."""

from collections.abc import Iterable, Sequence

import apsw

from edgeproxy.store.base import SEEN_ORDER_S, SEEN_S, Entry, Fate
from edgeproxy.store.sqlite import runs
from edgeproxy.store.sqlite.many import Many
from edgeproxy.store.sqlite.runs import runs_of

_SLACK_MS = 3_600_000
"""Kept this much longer, so that a delivery within that time need not write them again: keys are
random, so each one costs a page."""

KEEP_MS = SEEN_S * 1000 + _SLACK_MS
KEEP_ORDER_MS = SEEN_ORDER_S * 1000 + _SLACK_MS

_INSERT = """
INSERT INTO seen (key, expires, row) SELECT value, ?2, ?3 FROM carray(?1) WHERE true
ON CONFLICT (key) DO UPDATE SET row = excluded.row, expires =
"""
_TAKE = Many(
    "INSERT INTO seen (key, expires, row)",
    "({0}, {1}, {2})",
    fields=3,
    tail="ON CONFLICT (key) DO UPDATE SET expires = excluded.expires, row = excluded.row",
)
_WRITE = _INSERT + "excluded.expires"
_EXTEND = _INSERT + "max(expires, excluded.expires)"
_RELEASE = "DELETE FROM seen WHERE key IN carray(?1)"
_ROWS = "SELECT row FROM seen WHERE key IN carray(?1)"
_LIVE = "SELECT key FROM seen WHERE key IN carray(?1) AND expires > ?2"


def take(db: apsw.Connection, now_ms: int, entries: Sequence[Entry], first_row: int) -> list[Fate]:
    """Keep the keys of the entries that are new, in order; return what each one is.

    The rows of the new ones will be `first_row` and those that follow.
    """
    orders = {entry.order_key for entry in entries if entry.order_key}
    live = _live(db, now_ms, {entry.key for entry in entries} | orders)
    fates: list[Fate] = []
    keys: list[tuple[bytes, int, int]] = []
    row = first_row
    for entry in entries:
        if entry.key in live or entry.order_key in live:
            fates.append(Fate.DUPLICATE)
            continue
        fates.append(Fate.ACCEPTED)
        keys.append((entry.key, now_ms + KEEP_MS, row))
        live.add(entry.key)
        if entry.order_key:
            keys.append((entry.order_key, now_ms + KEEP_ORDER_MS, row))
            live.add(entry.order_key)
        row += 1
    _TAKE.run(db, keys)
    runs_of(db).grown(db, now_ms, len(keys))
    return fates


def _live(db: apsw.Connection, now_ms: int, keys: Iterable[bytes]) -> set[bytes]:
    if not keys:
        return set()
    young = {key for (key,) in db.execute(_LIVE, (apsw.carray(tuple(keys)), now_ms))}
    return young | runs_of(db).live(db, now_ms, [key for key in keys if key not in young])


def rows_of(db: apsw.Connection, keys: Iterable[bytes]) -> list[int]:
    """Where the events of these keys waited when they were accepted; perhaps others do now."""
    some = tuple(key for key in keys if key)
    young = [row for (row,) in db.execute(_ROWS, (apsw.carray(some),))]
    return young or runs.rows_of(db, some)


def keep(
    db: apsw.Connection,
    now_ms: int,
    keys: Iterable[bytes],
    order_keys: Iterable[bytes],
    row: int = 0,
) -> None:
    """Keep keys for their time from now. Order keys may hold b"", which stands for none.

    `row` is the one that waits with them; 0 is none.
    """
    _write(db, _WRITE, now_ms, keys, order_keys, row)


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
    row: int = 0,
) -> None:
    for given, keep_ms in ((keys, KEEP_MS), (order_keys, KEEP_ORDER_MS)):
        if some := tuple(key for key in given if key):
            db.execute(sql, (apsw.carray(some), now_ms + keep_ms, row))
            runs_of(db).grown(db, now_ms, len(some))


def release(db: apsw.Connection, keys: Iterable[bytes]) -> None:
    """Let events with these keys be accepted again."""
    if some := tuple(key for key in keys if key):
        db.execute(_RELEASE, (apsw.carray(some),))
        runs.release(db, some)


def expiry(db: apsw.Connection, key: bytes) -> int:
    """Until when a key collapses, 0 when it is not kept."""
    found: int | None = db.execute("SELECT expires FROM seen WHERE key = ?", (key,)).get
    return max(found or 0, runs.expiry(db, key))

"""What keeps a SQLite store small and true over time: erasure, expiry, file."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from typing import Any

import apsw
import msgspec

from edgeproxy.store.base import IDENTITY_S
from edgeproxy.store.sqlite import graves, ledger

_KEEP_FREE_PAGES = 1024
"""Free pages that stay in the file: giving 4 MiB back only to take them again costs more."""

_FAST = 2
"""What the pragma secure_delete says for "fast"."""

_KEYS_PER_ROW = 10
"""How many dedup keys a sweep looks at for each row that it may move."""

_CHECKPOINT_WAIT_MS = 100
"""How long a checkpoint waits for readers; appends wait with it."""

# Bucket by bucket, each found by one step in the index: see outbox_visitor in the schema.
_RECALL = """
WITH RECURSIVE bucket (n) AS (
  SELECT min(id >> 8) FROM outbox WHERE visitor <> x''
  UNION ALL
  SELECT (SELECT min(id >> 8) FROM outbox WHERE visitor <> x'' AND id >> 8 > n)
  FROM bucket WHERE n IS NOT NULL
)
DELETE FROM outbox WHERE id IN (
  SELECT o.id FROM bucket CROSS JOIN outbox AS o
  ON (o.id >> 8) = bucket.n AND o.visitor = ?1 AND o.visitor <> x''
) RETURNING integration
"""
_EXPIRED = """
SELECT id FROM outbox INDEXED BY outbox_due WHERE lease IS NULL AND expires <= ?1 LIMIT ?2
"""
_OLD_YOUNG = "SELECT key FROM seen WHERE expires <= ?1 LIMIT ?2"
_DROP_YOUNG = "DELETE FROM seen WHERE key IN carray(?1) AND expires <= ?2"
_OLD_KEYS = """
SELECT run, key FROM (
  SELECT run, key, expires FROM seen_old WHERE (run, key) > (?1, ?2) ORDER BY run, key LIMIT ?3
) WHERE expires <= ?4 LIMIT ?5
"""
_LAST_KEY = """
SELECT run, key FROM seen_old WHERE (run, key) > (?1, ?2) ORDER BY run, key LIMIT 1 OFFSET ?3 - 1
"""
_DROP_KEYS = "DELETE FROM seen_old WHERE run = ?3 AND key IN carray(?1) AND expires <= ?2"
_DROP_IDENTITIES = """
DELETE FROM identity
WHERE visitor IN (SELECT visitor FROM identity WHERE last_seen <= ?1 LIMIT ?2)
"""


def recall(db: apsw.Connection, now_ms: int, visitor: bytes) -> int:
    """Erase a visitor's queued rows and identity; the dedup keys stay, they name nobody."""
    with _overwriting(db):
        db.execute("DELETE FROM identity WHERE visitor = ?", (visitor,))
        gone = [name for (name,) in db.execute(_RECALL, (visitor,))]
    return ledger.count_each(db, "erased", gone)


def forget(db: apsw.Connection, now_ms: int, visitor: bytes) -> int:
    """Erase the dead letters too."""
    with _overwriting(db):
        return recall(db, now_ms, visitor) + graves.forget(db, visitor)


def scrub(db: apsw.Connection, now_ms: int, pages: int) -> bool:
    """Give up to so many free pages back, which may hold what was erased; whether some are left.

    Outside a transaction. Pages are overwritten when what is on them is erased, but not when it is
    delivered: that would double what delivery writes.
    """
    db.execute(f"PRAGMA incremental_vacuum({pages})").fetchall()  # a page a step
    if int(db.pragma("freelist_count")):
        return True
    checkpoint(db)
    return False


@contextmanager
def _overwriting(db: apsw.Connection) -> Iterator[None]:
    """Overwrite whole pages that become free, too; "fast" leaves what stood on them."""
    before = int(db.pragma("secure_delete"))
    db.pragma("secure_delete", True)
    try:
        yield
    finally:
        db.pragma("secure_delete", "fast" if before == _FAST else bool(before))


RunKey = tuple[int, bytes]
"""Where an old dedup key is: its run, and itself."""

START: RunKey = (0, b"")


class Old(msgspec.Struct, frozen=True, kw_only=True):
    """What a look around found to be over. `next_key` is where the next look begins."""

    rows: tuple[int, ...]
    young: tuple[bytes, ...]
    keys: tuple[RunKey, ...]
    next_key: RunKey


def look(db: apsw.Connection, now_ms: int, limit: int, after: RunKey) -> Old:
    """Find expired rows and dedup keys. Reads only: scans belong to the reader, not the writer."""
    window = limit * _KEYS_PER_ROW
    rows: list[Any] = db.execute(_EXPIRED, (now_ms, limit)).fetchall()
    young: list[Any] = db.execute(_OLD_YOUNG, (now_ms, limit)).fetchall()
    keys: list[Any] = db.execute(_OLD_KEYS, (*after, window, now_ms, limit)).fetchall()
    last: Any = db.execute(_LAST_KEY, (*after, window)).fetchone()
    return Old(
        rows=tuple(id_ for (id_,) in rows),
        young=tuple(key for (key,) in young),
        keys=tuple(keys),
        next_key=keys[-1] if len(keys) == limit else last or START,
    )


def sweep(db: apsw.Connection, now_ms: int, limit: int, old: Old) -> int:
    """Bury what expired and drop what is over, at most `limit` of each; return how many in all."""
    integrations = [graves.bury(db, now_ms, id_, None, "expired", "") for id_ in old.rows]
    moved = ledger.count_each(db, "dead", [name for name in integrations if name is not None])
    moved += graves.age_out(db, now_ms, limit)
    moved += _drop_keys(db, now_ms, old)
    db.execute(_DROP_IDENTITIES, (now_ms - IDENTITY_S * 1000, limit))
    return moved + db.changes()


def _drop_keys(db: apsw.Connection, now_ms: int, old: Old) -> int:
    dropped = 0
    if old.young:
        db.execute(_DROP_YOUNG, (apsw.carray(old.young), now_ms))
        dropped += db.changes()
    for run, pairs in groupby(old.keys, key=itemgetter(0)):
        db.execute(_DROP_KEYS, (apsw.carray(tuple(key for _, key in pairs)), now_ms, run))
        dropped += db.changes()
    return dropped


def note(db: apsw.Connection, now_ms: int, name: str, value: str) -> str:
    """Write a note of the installation unless there is one; return what stands there."""
    db.execute("INSERT OR IGNORE INTO meta (name, value) VALUES (?, ?)", (name, value))
    return str(db.execute("SELECT value FROM meta WHERE name = ?", (name,)).get)


def tidy(db: apsw.Connection, now_ms: int, limit: int) -> None:
    """Give free pages back and empty the log; outside a transaction, inside the file lock."""
    free_pages = int(db.pragma("freelist_count"))
    spare = min(limit, free_pages - _KEEP_FREE_PAGES)
    if spare > 0:
        db.execute(f"PRAGMA incremental_vacuum({spare})").fetchall()  # a page a step
    checkpoint(db)


def checkpoint(db: apsw.Connection) -> None:
    """Copy the log into the database and cut it to nothing, unless a reader is in the way."""
    patience_ms = int(db.pragma("busy_timeout"))
    db.set_busy_timeout(_CHECKPOINT_WAIT_MS)
    try:
        db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except (apsw.BusyError, apsw.LockedError):
        return  # the next sweep tries again
    finally:
        db.set_busy_timeout(patience_ms)

"""What is erased from a PostgreSQL journal. Each function runs inside a transaction."""

from typing import Any

from edgeproxy.journal.postgres.shelf import EACH_BYTES
from edgeproxy.journal.shelf import GONE_MS, LEVELS
from edgeproxy.store.postgres.link import Db

AT_ONCE = 2000
"""Traces that are erased in one transaction."""

_NOTE = """
INSERT INTO journal_gone VALUES (%s, %s) ON CONFLICT (visitor) DO UPDATE SET until = excluded.until
"""
# The order is that of an index, and of no other: see `reads`.
_MINE = """
SELECT number FROM journal_trace WHERE visitor >= %(visitor)s AND visitor <= %(visitor)s
ORDER BY visitor, number LIMIT %(most)s
"""
_OLD = "SELECT number FROM journal_trace WHERE at < %s ORDER BY at LIMIT %s"
_OLDEST = "SELECT number FROM journal_trace ORDER BY number LIMIT %s"
_ERASE_STEPS = """
WITH gone AS (
  DELETE FROM journal_step WHERE trace = ANY(%s::bigint[]) RETURNING octet_length(body) AS size
) SELECT coalesce(sum(size), 0)::bigint FROM gone
"""
_ERASE = "DELETE FROM journal_trace WHERE number = ANY(%s::bigint[])"
_SHRANK = "UPDATE journal_beat SET bytes = greatest(0, bytes - %s)"
_UNUSED = """
DELETE FROM journal_shape AS s
WHERE NOT EXISTS (SELECT 1 FROM journal_trace AS t WHERE t.shape = s.id)
"""


def forget(db: Db, visitor: bytes, now_ms: int) -> int:
    """Erase some of a visitor's traces, how many, and note that none may begin for a while."""
    # Other than the rest, this is to outlive a crash.
    db.execute("SELECT set_config('synchronous_commit', 'on', true)")
    db.execute(_NOTE, (visitor, now_ms + GONE_MS))
    mine = {"visitor": visitor, "most": AT_ONCE}
    return _erase(db, [number for (number,) in db.execute(_MINE, mine)])


def age_out(db: Db, now_ms: int, keep_ms: int) -> int:
    """Erase some traces that are too old; how many."""
    return _erase(db, [number for (number,) in db.execute(_OLD, (now_ms - keep_ms, AT_ONCE))])


def trim(db: Db, max_bytes: int) -> int:
    """Erase some of the oldest traces if there is too much; how many."""
    row: Any = db.execute("SELECT bytes FROM journal_beat").fetchone()
    if row[0] <= max_bytes:
        return 0
    return _erase(db, [number for (number,) in db.execute(_OLDEST, (AT_ONCE,))])


def tidy(db: Db, now_ms: int) -> None:
    """Erase counts, notes and shapes that are of no use any more."""
    db.execute("DELETE FROM journal_gone WHERE until <= %s", (now_ms,))
    db.execute(_UNUSED)
    for level, (_, kept_ms) in enumerate(LEVELS):
        db.execute(
            "DELETE FROM journal_tally WHERE level = %s AND at < %s", (level, now_ms - kept_ms)
        )


def _erase(db: Db, numbers: list[int]) -> int:
    if numbers:
        row: Any = db.execute(_ERASE_STEPS, (numbers,)).fetchone()
        db.execute(_ERASE, (numbers,))
        db.execute(_SHRANK, (row[0] + EACH_BYTES * len(numbers),))
    return len(numbers)

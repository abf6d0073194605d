"""What is erased from a SQLite journal: a visitor, what is too old, and what is too much."""

from typing import Any

import apsw

from edgeproxy.journal.shelf import GONE_MS, LEVELS, PARTS
from edgeproxy.store.sqlite.room import used_bytes
from edgeproxy.store.sqlite.transaction import transaction

AT_ONCE = 2000
"""Traces that are erased in one transaction: others want to write too."""

ROUNDS = 50
"""Transactions of one sweep."""

_OLD = "SELECT number FROM trace WHERE at < ? ORDER BY at DESC LIMIT 1"
_CUT = f"""
SELECT max(number) FROM (SELECT number FROM trace ORDER BY number LIMIT {AT_ONCE})
"""  # noqa: S608 - made of constants
_OLDEST_UP_TO = f"""
SELECT max(number) FROM (SELECT number FROM trace WHERE number <= ? ORDER BY number LIMIT {AT_ONCE})
"""  # noqa: S608 - made of constants
_UNUSED = "DELETE FROM shape WHERE NOT EXISTS (SELECT 1 FROM trace WHERE trace.shape = shape.id)"


def forget(db: apsw.Connection, visitor: bytes, now_ms: int) -> int:
    """Erase a visitor's traces, and note that none may begin for a while."""
    with transaction(db):
        db.execute("INSERT OR REPLACE INTO gone VALUES (?, ?)", (visitor, now_ms + GONE_MS))
        mine: Any = db.execute("SELECT number FROM trace WHERE visitor = ?", (visitor,)).fetchall()
        for (number,) in mine:
            db.execute("DELETE FROM trace WHERE number = ?", (number,))
            db.execute(
                "DELETE FROM step WHERE id >= ? AND id < ?", (number * PARTS, (number + 1) * PARTS)
            )
    empty_log(db)
    return len(mine)


def empty_log(db: apsw.Connection) -> None:
    """Write the log into the database and cut it, so that nothing erased stays in it."""
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def age_out(db: apsw.Connection, now_ms: int, keep_ms: int) -> int:
    """Erase traces and counts that are too old; how many traces."""
    last = db.execute(_OLD, (now_ms - keep_ms,)).get
    erased = 0
    for _ in range(ROUNDS if last is not None else 0):
        cut = db.execute(_OLDEST_UP_TO, (last,)).get
        if cut is None:
            break
        erased += _erase(db, int(cut))
    with transaction(db):
        db.execute("DELETE FROM gone WHERE until <= ?", (now_ms,))
        db.execute(_UNUSED)
        for (label,) in db.execute("SELECT id FROM label").fetchall():
            for level, (_, kept_ms) in enumerate(LEVELS):
                db.execute(
                    "DELETE FROM tally WHERE level = ? AND label = ? AND at < ?",
                    (level, label, now_ms - kept_ms),
                )
    return erased


def trim(db: apsw.Connection, max_bytes: int, rounds: int = ROUNDS) -> int:
    """Erase the oldest traces until the rest is not too much; how many."""
    erased = 0
    while rounds and used_bytes(db) > max_bytes:
        cut = db.execute(_CUT).get
        if cut is None:
            break
        erased += _erase(db, int(cut))
        rounds -= 1
    return erased


def give_back(db: apsw.Connection) -> None:
    """Make the file as short as what is in it."""
    db.execute("PRAGMA incremental_vacuum").fetchall()
    empty_log(db)


def _erase(db: apsw.Connection, up_to: int) -> int:
    with transaction(db):
        db.execute("DELETE FROM trace WHERE number <= ?", (up_to,))
        erased = int(db.changes())
        db.execute("DELETE FROM step WHERE id < ?", ((up_to + 1) * PARTS,))
    return erased

"""What a SQLite store holds of visitors and of what is dead, for people who look into it."""

from array import array
from collections.abc import Sequence
from typing import Any

import apsw

from edgeproxy.store.base import DeadCount, DeadLetter, Held, Waiting
from edgeproxy.store.search import SLICE_ROWS, Slice
from edgeproxy.store.sqlite.transaction import transaction

_LETTER = """
SELECT id, integration, name, body, event_time, died, attempt, reason, detail, visitor FROM dead
"""
# The choice is made in the index dead_reason alone; a row is read when it is chosen.
_LETTERS = f"""
{_LETTER} WHERE id IN (
  SELECT id FROM dead WHERE {{where}} ORDER BY id DESC LIMIT :limit
) ORDER BY id DESC
"""  # noqa: S608 - made of constants
_CHOSEN = {
    "integration": "integration = :integration",
    "reason": "reason = :reason",
    "name": "name = :name",
    "ids": "id IN carray(:ids)",
    "before": "id < :before",
}
_COUNTS = """
SELECT integration, reason, name, count(*), min(died), max(died) FROM dead INDEXED BY dead_reason
GROUP BY integration, reason, name
"""
_IDENTITY = "SELECT CAST(traits AS BLOB), last_seen FROM identity WHERE visitor = ?"
_MINE = """
WITH RECURSIVE bucket (n) AS (
  SELECT min(id >> 8) FROM outbox WHERE visitor <> x''
  UNION ALL
  SELECT (SELECT min(id >> 8) FROM outbox WHERE visitor <> x'' AND id >> 8 > n)
  FROM bucket WHERE n IS NOT NULL
)
SELECT o.id FROM bucket CROSS JOIN outbox AS o
ON (o.id >> 8) = bucket.n AND o.visitor = ?1 AND o.visitor <> x''
"""
_ROWS = """
SELECT id, integration, name, body, event_time, created, attempt, lease IS NOT NULL, error
FROM outbox WHERE id IN carray(?) ORDER BY id DESC
"""
_DEAD_N = "SELECT count(*) FROM dead WHERE visitor = ?1 AND visitor <> x''"
_DEAD = f"{_LETTER} WHERE visitor = ?1 AND visitor <> x'' ORDER BY id DESC LIMIT ?2"
_PLACES = {
    "identity": ("visitor", b"", "instr(CAST(traits AS BLOB), ?3)"),
    "outbox": ("id", -1, "(instr(body, ?3) OR instr(known, ?3))"),
    "dead": ("id", -1, "(instr(body, ?3) OR instr(known, ?3))"),
}
"""Table → its key, what is below every key, and the condition."""


def dead_letters(
    db: apsw.Connection, now_ms: int, *, limit: int, **chosen: Any
) -> list[DeadLetter]:
    """The newest dead letters, highest id first; `chosen` as in `Store.dead_letters`."""
    where = [sql for name, sql in _CHOSEN.items() if chosen.get(name) is not None]
    bound = {name: value for name, value in chosen.items() if value is not None}
    if "ids" in bound:
        if not bound["ids"]:
            return []
        bound["ids"] = apsw.carray(array("q", bound["ids"]))
    sql = _LETTERS.format(where=" AND ".join(where) or "true")
    return _letters(db.execute(sql, {**bound, "limit": limit}))


def dead_counts(db: apsw.Connection, now_ms: int) -> list[DeadCount]:
    """All dead letters, counted."""
    rows: Any = db.execute(_COUNTS)
    return [
        DeadCount(
            integration=integration, reason=reason, name=name, n=n, oldest_ms=old, newest_ms=new
        )
        for integration, reason, name, n, old, new in rows
    ]


def held(db: apsw.Connection, now_ms: int, visitor: bytes, limit: int) -> Held:
    """What there is of a visitor."""
    with transaction(db, "BEGIN"):
        identity: Any = db.execute(_IDENTITY, (visitor,)).fetchone() or (b"", None)
        mine: list[Any] = sorted(id_ for (id_,) in db.execute(_MINE, (visitor,)))
        newest = mine[-limit:]
        rows: Any = db.execute(_ROWS, (apsw.carray(array("q", newest)),)) if newest else ()
        waiting = tuple(_waiting(row) for row in rows)
        dead = _letters(db.execute(_DEAD, (visitor, limit)))
        dead_n = int(db.execute(_DEAD_N, (visitor,)).get)
    return Held(
        traits=identity[0],
        last_seen_ms=identity[1],
        waiting=waiting,
        dead=tuple(dead),
        waiting_n=len(mine),
        dead_n=dead_n,
    )


def look(db: apsw.Connection, now_ms: int, table: str, after: Any, text: bytes) -> Slice:
    """Look through a slice of a table; see `edgeproxy.store.search`."""
    key, least, condition = _PLACES[table]
    from_ = least if after is None else after
    end_sql = f"SELECT {key} FROM {table} WHERE {key} > ? ORDER BY {key} LIMIT 1 OFFSET ?"  # noqa: S608 - of `_PLACES`
    with transaction(db, "BEGIN"):
        end = db.execute(end_sql, (from_, SLICE_ROWS - 1)).get
        until = "" if end is None else f"AND {key} <= ?2"
        sql = f"SELECT visitor FROM {table} WHERE {key} > ?1 {until} AND {condition}"  # noqa: S608
        rows: Any = db.execute(sql, (from_, end, text)).fetchall()
    return [visitor for (visitor,) in rows], end


def _letters(rows: Any) -> list[DeadLetter]:
    return [
        DeadLetter(
            id=id_,
            integration=whose,
            name=name,
            body=body,
            event_time_ms=event_time,
            died_ms=died,
            attempt=attempt,
            reason=reason,
            detail=detail,
            visitor=visitor,
        )
        for id_, whose, name, body, event_time, died, attempt, reason, detail, visitor in rows
    ]


def _waiting(row: Sequence[Any]) -> Waiting:
    id_, integration, name, body, event_time, created, attempt, leased, error = row
    return Waiting(
        id=id_,
        integration=integration,
        name=name,
        body=body,
        event_time_ms=event_time,
        created_ms=created,
        attempt=attempt,
        leased=bool(leased),
        error=error,
    )

"""What a PostgreSQL store holds of visitors and of what is dead, for people who look into it."""

from collections.abc import Sequence
from typing import Any

from edgeproxy.store.base import DeadCount, DeadLetter, Held, Waiting
from edgeproxy.store.postgres.transaction import Tx
from edgeproxy.store.search import Slice

_LETTER = """
SELECT id, integration, name, body, event_time, died, attempt, reason, detail, visitor FROM dead
"""
_LETTERS = f"{_LETTER} WHERE {{where}} ORDER BY id DESC LIMIT %(limit)s"
_CHOSEN = {
    "integration": "integration = %(integration)s",
    "reason": "reason = %(reason)s",
    "name": "name = %(name)s",
    "ids": "id = ANY(%(ids)b::bigint[])",
    "before": "id < %(before)s",
}
_COUNTS = """
SELECT integration, reason, name, count(*), min(died), max(died) FROM dead
GROUP BY integration, reason, name
"""
_IDENTITY = "SELECT traits, last_seen FROM identity WHERE visitor = %b"
_ROWS = """
SELECT id, integration, name, body, event_time, created, attempt, lease IS NOT NULL, error
FROM outbox WHERE visitor = %b AND visitor <> ''::bytea ORDER BY id DESC LIMIT %s
"""
_ROWS_N = "SELECT count(*) FROM outbox WHERE visitor = %b AND visitor <> ''::bytea"
_DEAD = f"{_LETTER} WHERE visitor = %b AND visitor <> ''::bytea ORDER BY id DESC LIMIT %s"
_DEAD_N = "SELECT count(*) FROM dead WHERE visitor = %b AND visitor <> ''::bytea"
_IN_ROW = "(position(%(text)b IN body) > 0 OR position(%(text)b IN known) > 0)"
_FOUND = {
    "identity": "SELECT visitor FROM identity WHERE position(%(text)b IN traits) > 0",
    "outbox": f"SELECT DISTINCT visitor FROM outbox WHERE {_IN_ROW}",  # noqa: S608 - a constant
    "dead": f"SELECT DISTINCT visitor FROM dead WHERE {_IN_ROW}",  # noqa: S608 - a constant
}


def dead_letters(tx: Tx, *, limit: int, **chosen: Any) -> list[DeadLetter]:
    """The newest dead letters, highest id first; `chosen` as in `Store.dead_letters`."""
    where = [sql for name, sql in _CHOSEN.items() if chosen.get(name) is not None]
    if chosen.get("ids") is not None:
        chosen["ids"] = list(chosen["ids"])
    sql = _LETTERS.format(where=" AND ".join(where) or "true")
    return _letters(tx.rows(sql, {**chosen, "limit": limit}))


def dead_counts(tx: Tx) -> list[DeadCount]:
    """All dead letters, counted."""
    found = [
        DeadCount(
            integration=integration, reason=reason, name=name, n=n, oldest_ms=old, newest_ms=new
        )
        for integration, reason, name, n, old, new in tx.rows(_COUNTS)
    ]
    return sorted(found, key=lambda one: (one.integration, one.reason, one.name))


def held(tx: Tx, visitor: bytes, limit: int) -> Held:
    """What there is of a visitor."""
    identity = tx.one(_IDENTITY, (visitor,)) or (b"", None)
    return Held(
        traits=bytes(identity[0]),
        last_seen_ms=identity[1],
        waiting=tuple(_waiting(row) for row in tx.rows(_ROWS, (visitor, limit))),
        dead=tuple(_letters(tx.rows(_DEAD, (visitor, limit)))),
        waiting_n=tx.count(_ROWS_N, (visitor,)),
        dead_n=tx.count(_DEAD_N, (visitor,)),
    )


def look(tx: Tx, table: str, text: bytes) -> Slice:
    """Look through a table, all at once: nobody waits for a reader here."""
    return [visitor for (visitor,) in tx.rows(_FOUND[table], {"text": text})], None


def _letters(rows: Sequence[Any]) -> list[DeadLetter]:
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
        leased=leased,
        error=error,
    )

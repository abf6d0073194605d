"""Records and the audit log in PostgreSQL."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from edgeproxy.store.office import AUDIT_LINES, WATCHED, Change, Record, conflict
from edgeproxy.store.postgres.text import storable
from edgeproxy.store.postgres.transaction import Tx, Work

_RECORDS = "SELECT kind, id, body, version, changed FROM office WHERE kind = %s ORDER BY id"
_RECORD = "SELECT kind, id, body, version, changed FROM office WHERE id = %s AND kind = %s"
_PUT = """
INSERT INTO office AS o (id, kind, body, version, changed) VALUES (%s, %s, %b, 1, %s)
ON CONFLICT (id, kind) DO UPDATE SET
  body = excluded.body, version = o.version + 1, changed = excluded.changed
RETURNING version
"""
_MAKE = """
INSERT INTO office (id, kind, body, version, changed) VALUES (%s, %s, %b, 1, %s)
ON CONFLICT DO NOTHING RETURNING version
"""
_CHANGE = """
UPDATE office SET body = %b, version = version + 1, changed = %s
WHERE id = %s AND kind = %s AND version = %s RETURNING version
"""
_DELETE = "DELETE FROM office WHERE id = %s AND kind = %s"
_DELETE_THIS = "DELETE FROM office WHERE id = %s AND kind = %s AND version = %s RETURNING 0"
_EDITION = "SELECT value FROM meta WHERE name = 'edition'"
_NEXT_EDITION = "UPDATE meta SET value = (value::bigint + 1)::text WHERE name = 'edition'"
_NOTE = """
INSERT INTO audit (at, who, action, kind, id, detail) VALUES (%s, %s, %s, %s, %s, %s)
RETURNING number
"""
_TRIM = "DELETE FROM audit WHERE number <= %s"
_CHANGES = """
SELECT number, at, who, action, kind, id, detail FROM audit
WHERE number < %s ORDER BY number DESC LIMIT %s
"""
_TOP = 2**63 - 1

Ask = Callable[[Work[Any]], Awaitable[Any]]


class PostgresOffice:
    """See `Office`.

    Args:
        write: Does work in a transaction that survives a failover when it returns.
        read: Does work that only looks.
    """

    def __init__(self, write: Ask, read: Ask) -> None:
        self._write = write
        self._read = read

    async def records(self, kind: str) -> Sequence[Record]:
        """See `Office.records`."""
        found: Sequence[Record] = await self._read(partial(_records, kind=kind))
        return found

    async def record(self, kind: str, id: str) -> Record | None:
        """See `Office.record`."""
        found: Record | None = await self._read(partial(_record, kind=kind, id=id))
        return found

    async def put(
        self,
        kind: str,
        id: str,
        body: bytes | None,
        *,
        expect: int | None = None,
        change: Change | None = None,
    ) -> int:
        """See `Office.put`."""
        work = partial(_put, kind=kind, id=id, body=body, expect=expect, change=change)
        version: int | None = await self._write(work)
        if version is None:
            raise conflict()
        return version

    async def note(self, change: Change) -> None:
        """See `Office.note`."""
        await self._write(partial(_note, change=change))

    async def edition(self) -> int:
        """See `Office.edition`."""
        return int(await self._read(_edition))

    async def changes(self, *, before: int | None = None, limit: int = 100) -> Sequence[Change]:
        """See `Office.changes`."""
        found: Sequence[Change] = await self._read(partial(_changes, before=before, limit=limit))
        return found


def _records(tx: Tx, kind: str) -> list[Record]:
    return [_made(row) for row in tx.rows(_RECORDS, (kind,))]


def _record(tx: Tx, kind: str, id: str) -> Record | None:
    row = tx.one(_RECORD, (id, kind))
    return None if row is None else _made(row)


def _made(row: Any) -> Record:
    kind, id_, body, version, changed_ms = row
    return Record(kind=kind, id=id_, body=bytes(body), version=version, changed_ms=changed_ms)


def _put(
    tx: Tx, kind: str, id: str, body: bytes | None, expect: int | None, change: Change | None
) -> int | None:
    """The new version, or None when it is not the one that was expected.

    Each way is one statement, so that of two nodes that expect the same version one succeeds.
    """
    if body is None:
        row = _deleted(tx, kind, id, expect)
    elif expect is None:
        row = tx.one(_PUT, (id, kind, body, tx.now_ms))
    elif expect == 0:
        row = tx.one(_MAKE, (id, kind, body, tx.now_ms))
    else:
        row = tx.one(_CHANGE, (body, tx.now_ms, id, kind, expect))
    if row is None:
        return None
    if kind in WATCHED:
        tx.execute(_NEXT_EDITION)
    if change is not None:
        _note(tx, change)
    return int(row[0])


def _deleted(tx: Tx, kind: str, id: str, expect: int | None) -> Any:
    if expect is None:
        tx.execute(_DELETE, (id, kind))
        return (0,)
    return tx.one(_DELETE_THIS, (id, kind, expect))


def _note(tx: Tx, change: Change) -> None:
    line = (change.who, change.action, change.kind, change.id, change.detail)
    number = tx.count(_NOTE, (tx.now_ms, *map(storable, line)))
    tx.execute(_TRIM, (number - AUDIT_LINES,))


def _edition(tx: Tx) -> int:
    return tx.count(_EDITION)


def _changes(tx: Tx, before: int | None, limit: int) -> list[Change]:
    top = _TOP if before is None else before
    return [
        Change(number=number, at_ms=at, who=who, action=action, kind=kind, id=id_, detail=detail)
        for number, at, who, action, kind, id_, detail in tx.rows(_CHANGES, (top, limit))
    ]

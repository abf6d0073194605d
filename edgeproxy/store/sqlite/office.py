"""Records and the audit log in SQLite."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import apsw

from edgeproxy.store.office import AUDIT_LINES, WATCHED, Change, Record, conflict
from edgeproxy.store.sqlite.queue import Work

_RECORDS = "SELECT kind, id, body, version, changed FROM office WHERE kind = ? ORDER BY id"
_RECORD = "SELECT kind, id, body, version, changed FROM office WHERE id = ? AND kind = ?"
_PUT = """
INSERT INTO office (id, kind, body, version, changed) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (id, kind) DO UPDATE SET
  body = excluded.body, version = excluded.version, changed = excluded.changed
"""
_DELETE = "DELETE FROM office WHERE id = ? AND kind = ?"
_EDITION = "SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'edition'"
_NEXT_EDITION = """
UPDATE meta SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) WHERE name = 'edition'
"""
_NOTE = "INSERT INTO audit (at, who, action, kind, id, detail) VALUES (?, ?, ?, ?, ?, ?)"
_TRIM = "DELETE FROM audit WHERE number <= ?"
_CHANGES = """
SELECT number, at, who, action, kind, id, detail FROM audit
WHERE number < ? ORDER BY number DESC LIMIT ?
"""
_TOP = 2**63 - 1

Ask = Callable[[Work[Any]], Awaitable[Any]]


class SqliteOffice:
    """See `Office`.

    Args:
        write: Does work in a transaction, synced to disk when it returns.
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


def next_edition(db: apsw.Connection) -> None:
    """Let every process read the records again."""
    db.execute(_NEXT_EDITION)


def _records(db: apsw.Connection, now_ms: int, kind: str) -> list[Record]:
    rows: list[Any] = db.execute(_RECORDS, (kind,)).fetchall()
    return [_made(row) for row in rows]


def _record(db: apsw.Connection, now_ms: int, kind: str, id: str) -> Record | None:
    row: Any = db.execute(_RECORD, (id, kind)).fetchone()
    return None if row is None else _made(row)


def _made(row: Any) -> Record:
    kind, id_, body, version, changed_ms = row
    return Record(kind=kind, id=id_, body=body, version=version, changed_ms=changed_ms)


def _put(
    db: apsw.Connection,
    now_ms: int,
    kind: str,
    id: str,
    body: bytes | None,
    expect: int | None,
    change: Change | None,
) -> int | None:
    """The new version, or None when it is not the one that was expected."""
    before = _record(db, now_ms, kind, id)
    version = 0 if before is None else before.version
    if expect is not None and expect != version:
        return None
    if body is None:
        db.execute(_DELETE, (id, kind))
        version = 0
    else:
        version += 1
        db.execute(_PUT, (id, kind, body, version, now_ms))
    if kind in WATCHED:
        next_edition(db)
    if change is not None:
        _note(db, now_ms, change)
    return version


def _note(db: apsw.Connection, now_ms: int, change: Change) -> None:
    line = (change.who, change.action, change.kind, change.id, change.detail)
    db.execute(_NOTE, (now_ms, *line))
    db.execute(_TRIM, (db.last_insert_rowid() - AUDIT_LINES,))


def _edition(db: apsw.Connection, now_ms: int) -> int:
    return int(db.execute(_EDITION).get or 0)


def _changes(db: apsw.Connection, now_ms: int, before: int | None, limit: int) -> list[Change]:
    rows: list[Any] = db.execute(_CHANGES, (_TOP if before is None else before, limit)).fetchall()
    return [
        Change(number=number, at_ms=at, who=who, action=action, kind=kind, id=id_, detail=detail)
        for number, at, who, action, kind, id_, detail in rows
    ]

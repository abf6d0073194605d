"""Taking out of a damaged SQLite store what can still be read, into another one.

What is brought over is new to the ledger of the store that gets it: accepted there, and pending
or dead. Doing it twice brings nothing twice.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import apsw
import msgspec

from edgeproxy.errors import Failed
from edgeproxy.store.sqlite import ledger, seen
from edgeproxy.store.sqlite.damage import DAMAGED
from edgeproxy.store.sqlite.file import OPEN_WAIT_S, StoreFiles, connect, open_files
from edgeproxy.store.sqlite.office import next_edition
from edgeproxy.store.sqlite.runs import runs_of
from edgeproxy.store.sqlite.transaction import savepoint, transaction

_ROWS = 500
"""How many rows are written in one transaction."""

_FAULTS_MAX = 50_000
"""So many unreadable places are looked around; then the rest of the table is given up."""

_UNKNOWN_TOP = 1_000_000
"""How far ids are tried when no page tells the highest one."""

_PAGE_BYTES, _PAGES = slice(16, 18), slice(28, 32)
"""Where the head says how large a page is and how many there are. Source: SQLite, file format."""

_OUTBOX = (
    "integration, key, order_key, visitor, name, body, sealed, known, event_time, expires,"
    " created, due, attempt, error"
)
_DEAD = (
    "integration, key, order_key, visitor, name, body, known, event_time, expires, created,"
    " attempt, died, reason, detail"
)
_DIED = _DEAD.split(", ").index("died")
_TOPS = {
    "outbox": (
        "SELECT max(id) FROM outbox",
        "SELECT max(id) FROM outbox INDEXED BY outbox_due WHERE lease IS NULL",
    ),
    "dead": ("SELECT max(id) FROM dead", "SELECT seq FROM sqlite_sequence WHERE name = 'dead'"),
}
_PUT_KEY = "INSERT INTO seen (key, expires) VALUES (?, ?) ON CONFLICT DO NOTHING"
_SAME_LETTER = """
SELECT 1 FROM dead INDEXED BY dead_died WHERE integration = ? AND died = ? AND key = ?
"""
_KEYS = {"seen": "key, expires", "seen_old": "run, key, expires"}
_WHOLE = {
    "identity": "visitor, traits, last_seen",
    "gate": "integration, state, reason, since, probe_at, backoff_s, good, token_fp",
    "meta": "name, value",
    "office": "id, kind, body, version, changed",
    "audit": "number, at, who, action, kind, id, detail",
}
"""Table → its columns, the first one its key: like the keys, these are read from both ends."""


class Salvaged(msgspec.Struct, kw_only=True):
    """What came over.

    Attributes:
        pending: Events that wait for delivery now.
        dead: Dead letters.
        known: Of both, how many the new store had already.
        unreadable: Ids of both whose place could not be read.
        keys: Dedup keys, beside those of the pending events.
    """

    pending: int = 0
    dead: int = 0
    known: int = 0
    unreadable: int = 0
    keys: int = 0


def salvage(
    old: Path, new: Path, *, now_ms: Callable[[], int], wait_s: float = OPEN_WAIT_S
) -> Salvaged:
    """Copy what can be read of a damaged store into another one.

    Args:
        old: The damaged database; it is only read.
        new: The database that gets it: made when it is missing, and it may be in use.
        now_ms: The wall clock in Unix ms.
        wait_s: How long another process may keep the new one locked.

    Raises:
        ConfigError: The new one cannot be used.
        Failed: Nothing can be read of the old one.
    """
    if not old.is_file():
        raise Failed(f"there is no file {old}")
    if new.exists() and old.samefile(new):
        raise Failed(f"{old} is the store itself; name the database that was set aside")
    with _reading(old) as source:
        files, target, reader = open_files(new, wait_s, now_ms=now_ms, accept_loss=True)
        with closing(files), closing(target), closing(reader):
            work = _Salvage(source, target, files, now_ms=now_ms, wait_s=wait_s)
            return work.run()


@contextmanager
def _reading(old: Path) -> Iterator[apsw.Connection]:
    if _has_tables(old):
        with closing(apsw.Connection(str(old), flags=apsw.SQLITE_OPEN_READONLY)) as db:
            yield db
        return
    with tempfile.TemporaryDirectory(dir=old.parent, prefix="salvage-") as folder:
        copy = _with_sound_head(old, Path(folder))
        if not _has_tables(copy):
            raise Failed(f"nothing of {old} can be read as a store")
        with closing(apsw.Connection(str(copy), flags=apsw.SQLITE_OPEN_READONLY)) as db:
            yield db


def _has_tables(path: Path) -> bool:
    try:
        with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as db:
            return db.table_exists(None, "outbox")
    except apsw.Error:
        return False


def _with_sound_head(old: Path, folder: Path) -> Path:
    """A copy whose first page is that of a new store: the tables begin where its tables do."""
    fresh, copy = folder / "fresh.db", folder / "copy.db"
    for path in (fresh, copy):
        path.touch(0o600)
    connect(fresh).close()
    whole = fresh.read_bytes()
    page_bytes = int.from_bytes(whole[_PAGE_BYTES], "big")
    head = bytearray(whole[:page_bytes])
    head[_PAGES] = (old.stat().st_size // page_bytes).to_bytes(4, "big")
    shutil.copyfile(old, copy)
    with copy.open("r+b") as file:
        file.write(head)
    return copy


class _Salvage:
    """One run."""

    def __init__(
        self,
        source: apsw.Connection,
        target: apsw.Connection,
        files: StoreFiles,
        *,
        now_ms: Callable[[], int],
        wait_s: float,
    ) -> None:
        self._source = source
        self._target = target
        self._files = files
        self._now_ms = now_ms
        self._wait_s = wait_s
        self._faults = 0
        self.done = Salvaged()

    def run(self) -> Salvaged:
        """Copy everything, the events first."""
        self._copy(self._numbered("outbox", _OUTBOX), self._put_pending)
        self._copy(self._numbered("dead", _DEAD), self._put_dead)
        for table, columns in _KEYS.items():
            self._copy(self._from_both_ends(table, columns), self._put_key)
        for table, columns in _WHOLE.items():
            self._copy(self._from_both_ends(table, columns), self._putting(table, columns))
        self._copy(iter([None]), lambda _: next_edition(self._target))
        return self.done

    def _copy(self, rows: Iterator[Any], put: Callable[[Any], None]) -> None:
        while some := list(islice(rows, _ROWS)):
            if not self._files.lock.acquire(self._wait_s):
                raise Failed(f"another process keeps {self._files.path} locked")
            try:
                self._write(some, put)
            finally:
                self._files.lock.release()

    def _write(self, rows: Iterable[Any], put: Callable[[Any], None]) -> None:
        with transaction(self._target):
            for row in rows:
                try:
                    with savepoint(self._target):
                        put(row)
                except (apsw.ConstraintError, apsw.MismatchError, UnicodeError):
                    self.done.unreadable += 1

    def _numbered(self, table: str, columns: str) -> Iterator[Any]:
        """Rows by their ids, around every place that cannot be read, without their ids."""
        sql = f"SELECT id, {columns} FROM {table} NOT INDEXED WHERE id BETWEEN ? AND ? ORDER BY id"  # noqa: S608 - our own names
        ranges = [(1, self._top(table))]
        while ranges:
            low, high = ranges.pop()
            try:
                for row in self._source.execute(sql, (low, high)):
                    low = row[0] + 1
                    yield row[1:]
            except DAMAGED:
                self._faults += 1
                ranges += self._halves(low, high)

    def _halves(self, low: int, high: int) -> list[tuple[int, int]]:
        if low >= high or self._faults > _FAULTS_MAX:
            self.done.unreadable += high - low + 1
            return []
        middle = (low + high) // 2
        return [(middle + 1, high), (low, middle)]

    def _top(self, table: str) -> int:
        for sql in _TOPS[table]:
            try:
                return int(self._source.execute(sql).get or 0)
            except DAMAGED:
                self._faults += 1
        return _UNKNOWN_TOP

    def _from_both_ends(self, table: str, columns: str) -> Iterator[Any]:
        if not self._source.table_exists(None, table):
            return  # an older version made it
        key = columns.partition(",")[0]
        last: Any = None
        try:
            for row in self._source.execute(f"SELECT {columns} FROM {table} ORDER BY {key}"):  # noqa: S608
                last = row[0]
                yield row
        except DAMAGED:
            beyond = f"SELECT {columns} FROM {table} WHERE {key} > ? ORDER BY {key} DESC"  # noqa: S608
            try:
                yield from self._source.execute(beyond, (b"" if last is None else last,))
            except DAMAGED:
                self._faults += 1

    def _put_pending(self, row: Any) -> None:
        integration, key, order_key = row[:3]
        now_ms = self._now_ms()
        if any(seen.expiry(self._target, one) > now_ms for one in (key, order_key) if one):
            self.done.known += 1
            return
        self._insert("outbox", _OUTBOX, row)
        seen.keep(self._target, now_ms, [key], [order_key])
        ledger.count(self._target, integration, "accepted", 1)
        self.done.pending += 1

    def _put_dead(self, row: Any) -> None:
        integration, key = row[:2]
        if self._target.execute(_SAME_LETTER, (integration, row[_DIED], key)).get is not None:
            self.done.known += 1
            return
        self._insert("dead", _DEAD, row)
        for kind in ("accepted", "dead"):
            ledger.count(self._target, integration, kind, 1)
        self.done.dead += 1

    def _put_key(self, row: Any) -> None:
        key, expires_ms = row[-2:]
        self._target.execute(_PUT_KEY, (key, expires_ms))
        self.done.keys += self._target.changes()
        runs_of(self._target).grown(self._target, self._now_ms(), 1)

    def _putting(self, table: str, columns: str) -> Callable[[Any], None]:
        def put(row: Any) -> None:
            if (table, row[0]) != ("meta", "store"):  # the new store has a name of its own
                self._insert(table, columns, row, " ON CONFLICT DO NOTHING")

        return put

    def _insert(self, table: str, columns: str, row: Any, also: str = "") -> None:
        places = ", ".join("?" * len(row))
        self._target.execute(f"INSERT INTO {table} ({columns}) VALUES ({places}){also}", row)  # noqa: S608

"""`SqliteReader`: looks into a SQLite store that another process may be writing to."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

import apsw

from edgeproxy.errors import Failed, StoreBusy
from edgeproxy.store import search
from edgeproxy.store.base import Counts, DeadCount, DeadLetter, Gate, Held
from edgeproxy.store.migrate import steps
from edgeproxy.store.sqlite import gates, holdings, reads
from edgeproxy.store.sqlite.file import connect, fault
from edgeproxy.store.sqlite.office import SqliteOffice
from edgeproxy.store.sqlite.queue import Work

T = TypeVar("T")

_BUSY = (apsw.BusyError, apsw.LockedError)


class SqliteReader:
    """Made by `open`; see `Reader`. For commands: a read blocks the loop while it lasts."""

    def __init__(self, db: apsw.Connection, now_ms: Callable[[], int]) -> None:
        self._db = db
        self._now_ms = now_ms
        self.office = SqliteOffice(self._look, self._look)

    @classmethod
    def open(cls, path: str, *, now_ms: Callable[[], int]) -> Self:
        """Open the store in a file; see `edgeproxy.store.open_reader`."""
        file = Path(path)
        if not _is_there(file):
            raise Failed(f"there is no store at {path} yet: `edgeproxy serve` makes it")
        try:
            db = connect(file, readonly=True)
            _refuse_other_schema(db, path)
        except _BUSY as error:
            raise StoreBusy("store_locked", "The store could not be opened just now.") from error
        except apsw.NotADBError as error:
            raise fault(f"{path} is no SQLite database, or a damaged one") from error
        except apsw.Error as error:
            raise fault(f"{path} cannot be read: {error}") from error
        return cls(db, now_ms)

    async def stats(self) -> Sequence[Counts]:
        """See `Store.stats`."""
        return self._read(lambda: reads.stats(self._db, self._now_ms()))

    async def gate(self, integration: str) -> Gate:
        """See `Store.gate`."""
        return self._read(lambda: gates.read(self._db, self._now_ms(), integration))

    async def dead_letters(
        self,
        *,
        integration: str | None = None,
        reason: str | None = None,
        name: str | None = None,
        ids: Sequence[int] | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Sequence[DeadLetter]:
        """See `Store.dead_letters`."""
        work = partial(
            holdings.dead_letters,
            integration=integration,
            reason=reason,
            name=name,
            ids=ids,
            before=before,
            limit=limit,
        )
        return await self._look(work)

    async def dead_counts(self) -> Sequence[DeadCount]:
        """See `Store.dead_counts`."""
        return await self._look(holdings.dead_counts)

    async def held(self, visitor: bytes, *, limit: int = 100) -> Held:
        """See `Store.held`."""
        return await self._look(partial(holdings.held, visitor=visitor, limit=limit))

    async def visitors_with(self, trait: str, value: str) -> Sequence[bytes]:
        """See `Store.visitors_with`."""
        return await search.visitors_with(self._slice, trait, value)

    async def _slice(self, table: str, after: Any, text: bytes) -> search.Slice:
        return await self._look(partial(holdings.look, table=table, after=after, text=text))

    async def close(self) -> None:
        """Let go of it. Idempotent."""
        self._db.close()

    async def _look(self, work: Work[T]) -> T:
        return self._read(lambda: work(self._db, self._now_ms()))

    def _read(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except _BUSY as error:
            raise StoreBusy("store_locked", "The store could not be read just now.") from error


def _is_there(file: Path) -> bool:
    try:
        return file.stat().st_size > 0
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise fault(f"{file} cannot be read: {error.strerror}") from error


def _refuse_other_schema(db: apsw.Connection, path: str) -> None:
    at, last = int(db.pragma("user_version")), steps("sqlite")[-1].number
    if at > last:
        raise fault(f"{path} has schema {at}, this version knows up to {last}: use the newer one")
    if at < last:
        raise Failed(f"{path} has schema {at}, not {last}: `edgeproxy serve` brings it up to date")

"""`SqliteJournal`: the `Journal` of one machine, in a file that several processes may write.

One thread writes and one reads. Whatever is wrong with the file, the callers go on: it is begun
anew when it is damaged, and left alone for a while when it cannot be written.
"""

import asyncio
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import apsw

from edgeproxy.errors import StoreBusy
from edgeproxy.journal import look, shelf
from edgeproxy.journal.base import DAY_MS, Bucket, Filter, Trace
from edgeproxy.journal.bounds import Bounds
from edgeproxy.journal.sqlite import upkeep
from edgeproxy.journal.sqlite.file import UNUSABLE, JournalFile, Newer
from edgeproxy.journal.sqlite.reads import SqliteIndex
from edgeproxy.journal.sqlite.shelf import SqliteShelf
from edgeproxy.meter import Label
from edgeproxy.store.sqlite.room import used_bytes
from edgeproxy.store.sqlite.transaction import transaction
from edgeproxy.trace import Step

REST_S = 10.0
"""After a failure the file is left alone for so long."""

T = TypeVar("T")
Say = Callable[..., None]

_BUSY = (apsw.BusyError, apsw.LockedError)
_FAULTS = (apsw.Error, OSError, Newer)


class SqliteJournal:
    """Opens its file when it is needed; see `Journal`.

    Args:
        path: The file; made when missing.
        now_ms: The wall clock in Unix ms; called from another thread.
        bounds: How much is kept.
        say: Writes a line for the operator, called in a thread: level, event, fields.
        rest_s: For how long a file that failed is left alone.
    """

    def __init__(
        self,
        path: Path,
        *,
        now_ms: Callable[[], int],
        bounds: Bounds,
        say: Say = lambda *_, **__: None,
        rest_s: float = REST_S,
    ) -> None:
        self._path = path
        self._now_ms = now_ms
        self._bounds = bounds
        self._say = say
        self._rest_s = rest_s
        self._rest_until_s = 0.0
        self._off = ""
        self._file = JournalFile(path)
        self._seen = JournalFile(path, readonly=True)
        self._writers = ThreadPoolExecutor(1, thread_name_prefix="journal-writer")
        self._readers = ThreadPoolExecutor(1, thread_name_prefix="journal-reader")
        self._closed = False

    async def write(self, steps: Sequence[Step], counts: Mapping[Label, int], at_ms: int) -> bool:
        """See `Journal.write`."""
        if self._closed:
            return False
        work = partial(self._write, steps, counts, at_ms)
        return bool(await self._in(self._writers, partial(self._guarded, work)))

    async def traces(
        self,
        filter: Filter,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int = 50,
    ) -> Sequence[Trace]:
        """See `Journal.traces`."""
        return await self._read(lambda index: look.traces(index, filter, before, after, limit))

    async def trace(self, event_id: str) -> Trace | None:
        """See `Journal.trace`."""
        return await self._read(lambda index: look.trace(index, event_id))

    async def counts(
        self, kinds: Sequence[str], *, since_ms: int, until_ms: int, step_ms: int
    ) -> Sequence[Bucket]:
        """See `Journal.counts`."""
        return await self._read(
            lambda index: look.counts(index, kinds, since_ms, until_ms, step_ms)
        )

    async def totals(self) -> Mapping[Label, int]:
        """See `Journal.totals`."""
        return await self._read(SqliteIndex.totals)

    async def forget(self, visitor: bytes) -> int:
        """See `Journal.forget`."""
        if self._closed:
            raise _unreadable()
        return await self._in(self._writers, partial(self._forget, visitor))

    async def sweep(self, now_ms: int) -> None:
        """See `Journal.sweep`."""
        if not self._closed:
            sweep = partial(self._guarded, partial(self._sweep, now_ms))
            await self._in(self._writers, sweep)

    async def close(self) -> None:
        """See `Journal.close`."""
        if self._closed:
            return
        self._closed = True
        await self._in(self._readers, self._seen.close)  # first: the last to close empties the log
        await self._in(self._writers, self._file.close)
        self._readers.shutdown()
        self._writers.shutdown()

    async def _in(self, thread: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(thread, work)

    async def _read(self, work: Callable[[SqliteIndex], T]) -> T:
        if self._closed:
            raise _unreadable()
        try:
            return await self._in(self._readers, partial(self._answer, work))
        except StoreBusy:
            # Not made yet, half made or worn out: the writer sees to it, as before a write.
            if not await self._in(self._writers, partial(self._guarded, lambda _: True)):
                raise
        return await self._in(self._readers, partial(self._answer, work))

    def _answer(self, work: Callable[[SqliteIndex], T]) -> T:
        try:
            db = self._seen.use()
            with transaction(db, "BEGIN"):
                return work(SqliteIndex(db))
        except _FAULTS as error:
            self._seen.drop()
            raise _unreadable() from error

    def _guarded(self, work: Callable[[apsw.Connection], bool]) -> bool:
        """Do the work; when it fails, see to it that later work can succeed."""
        if time.monotonic() < self._rest_until_s:
            return False
        try:
            done = work(self._file.use())
        except _BUSY:
            return False  # another process writes: this time is lost, nothing else
        except UNUSABLE as error:
            self._begin_anew(error)
            return False
        except _FAULTS as error:
            self._rest(_reason(error))
            return False
        if done:
            self._on()
        return done

    def _write(
        self,
        steps: Sequence[Step],
        counts: Mapping[Label, int],
        at_ms: int,
        db: apsw.Connection,
    ) -> bool:
        if self._is_short():
            self._note_off("the disk is nearly full")
            return False
        nameless = [f"unnamed-{secrets.token_hex(8)}" for step in steps if not step.event_id]
        with transaction(db):
            shelf.write(SqliteShelf(db), steps, counts, at_ms, nameless)
        upkeep.trim(db, self._bounds.max_bytes, rounds=2)
        return True

    def _forget(self, visitor: bytes) -> int:
        try:
            return upkeep.forget(self._file.use(), visitor, self._now_ms())
        except UNUSABLE as error:
            self._begin_anew(error)  # nobody is in a file that is gone
            return 0
        except _FAULTS as error:
            self._file.drop()
            raise _unreadable() from error

    def _sweep(self, now_ms: int, db: apsw.Connection) -> bool:
        upkeep.age_out(db, now_ms, self._bounds.keep_days * DAY_MS)
        upkeep.trim(db, self._bounds.max_bytes)
        upkeep.empty_log(db)
        if not self._is_short():
            return not self._off
        try:
            upkeep.trim(db, used_bytes(db) // 2)
            upkeep.give_back(db)
        except apsw.FullError:
            self._file.throw_away()  # it cannot even be made shorter
        return False

    def _is_short(self) -> bool:
        volume = os.statvfs(self._path.parent)
        return volume.f_bavail * volume.f_frsize < self._bounds.reserve_bytes

    def _begin_anew(self, error: BaseException) -> None:
        try:
            self._file.throw_away()
        except OSError as fault:
            self._rest(_reason(fault))
            return
        self._say(
            "warning",
            "journal_begun_anew",
            file=str(self._path),
            reason=_reason(error),
            advice="the debugger's traces and the dashboard's counts begin again; no event is lost",
        )

    def _rest(self, reason: str) -> None:
        self._file.drop()
        self._rest_until_s = time.monotonic() + self._rest_s
        self._note_off(reason)

    def _note_off(self, reason: str) -> None:
        if not self._off:
            self._say(
                "warning",
                "journal_off",
                file=str(self._path),
                reason=reason,
                advice="traces and counts are not kept until this is mended; events are not"
                " affected",
            )
        self._off = reason

    def _on(self) -> None:
        if self._off:
            self._off = ""
            self._say("info", "journal_on", file=str(self._path))


def _reason(error: BaseException) -> str:
    if isinstance(error, Newer):
        return "it was made by a later version of this program"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _unreadable() -> StoreBusy:
    return StoreBusy("journal_off", "The traces and counts cannot be reached just now.")

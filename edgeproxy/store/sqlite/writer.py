"""The one thread that writes a SQLite store: one transaction and one sync for a group.

There is no timer: while one group syncs, the next one gathers. All answers of a group go back to
the event loop in one call.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

import apsw

from edgeproxy.errors import StoreBusy
from edgeproxy.store.base import Fate, Item
from edgeproxy.store.filelock import FileLock
from edgeproxy.store.space import Level
from edgeproxy.store.sqlite.append import append
from edgeproxy.store.sqlite.clock import Clock
from edgeproxy.store.sqlite.damage import DAMAGED, close_untouched
from edgeproxy.store.sqlite.queue import Queue, Ticket, Told, Turn, Work
from edgeproxy.store.sqlite.room import Room
from edgeproxy.store.sqlite.transaction import savepoint, transaction
from edgeproxy.store.sqlite.upkeep import checkpoint

BUSY = (apsw.BusyError, apsw.LockedError, apsw.FullError, apsw.NoMemError)
"""Another time: nothing was written, and nothing is wrong with the file."""

FATAL = (
    apsw.IOError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.CantOpenError,
    apsw.ReadOnlyError,
    apsw.ProtocolError,
    apsw.InternalError,
    OSError,
)
"""The file can no longer be trusted. A sync that failed must not be tried again: the system may
have dropped the pages and say yes the second time."""

_FAILED = ("store_failed", "The store cannot be written; it needs a restart.")

_VAIN_WAIT_S = 0.5
"""How long a group waits for a lock when the one before it has waited in vain."""

T = TypeVar("T")


class Writer:
    """Writes through `db` until closed, or until the file can no longer be trusted.

    Args:
        db: Its connection; nobody else uses it.
        lock: Taken around each write, against other processes.
        room: Whether the disk takes more events; asked inside the transaction.
        now_ms: The clock in Unix ms, read in the thread, once a group.
        on_fatal: Called in the event loop once nothing can be written any more.
        lock_wait_s: How long a group waits for another process that writes.
        set_aside: Moves a damaged database out of the way, once it is closed.
    """

    def __init__(
        self,
        db: apsw.Connection,
        lock: FileLock,
        *,
        room: Room,
        now_ms: Callable[[], int],
        on_fatal: Callable[[BaseException], None] | None,
        lock_wait_s: float = 5.0,
        set_aside: Callable[[], object] = lambda: None,
    ) -> None:
        self._db = db
        self._lock = lock
        self._room = room
        self._now_ms = now_ms
        self._on_fatal = on_fatal
        self._lock_wait_s = self._wait_s = lock_wait_s
        self._set_aside = set_aside
        self._loop = asyncio.get_running_loop()
        self._groups: SimpleQueue[list[Ticket] | None] = SimpleQueue()
        self._queue = Queue(self._loop, self._groups.put)
        self._clock = Clock()
        self._closing = False
        self._failure: BaseException | None = None
        self._finished: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def append(self, items: Sequence[Item]) -> asyncio.Future[list[tuple[Fate, ...]]]:
        """Queue items; the future has their fates once they are on disk.

        Raises:
            StoreBusy: The queue is full, or the store is closed or broken.
        """
        future: asyncio.Future[list[tuple[Fate, ...]]] = self._loop.create_future()
        self.submit(items, partial(_resolve, future))
        return future

    def submit(self, items: Sequence[Item], told: Told) -> None:
        """`append` without a future: `told` is called in the loop.

        Raises:
            StoreBusy: The queue is full, or the store is closed or broken.
        """
        self._check_open()
        if not self._queue.put(Ticket(told, None, items=items)):
            raise self._busy("store_busy", "Too many events wait to be stored; come back soon.")

    def book(self, work: Work[T], turn: Turn = Turn.FIRST) -> asyncio.Future[T]:
        """Queue work; the future has its result once it is on disk."""
        self._check_open()
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(Ticket(partial(_resolve, future), work, turn))
        return future

    async def close(self) -> None:
        """Finish what is queued, checkpoint, close the connection. Idempotent."""
        if not self._closing:
            self._closing = True
            self._stop_when_idle()
        await asyncio.shield(self._finished)
        self._thread.join()

    def _stop_when_idle(self) -> None:
        if self._closing and self._queue.idle:
            self._groups.put(None)

    def _check_open(self) -> None:
        if self._failure is not None:
            raise self._busy(*_FAILED)
        if self._closing:
            raise self._busy("store_closed", "The store is shutting down.")

    def _busy(self, code: str, message: str, wait_s: tuple[int, int] = (2, 10)) -> StoreBusy:
        low_s, high_s = wait_s  # spread by the clock, so that callers do not come back as one
        after_s = low_s + self._now_ms() % (high_s - low_s + 1)
        return StoreBusy(code, message, retry_after_s=after_s)

    def _run(self) -> None:
        while group := self._groups.get():
            try:
                self._write(group)
            except BaseException as error:
                self._failure = error
                self._refuse(group, *_FAILED)
                self._in_loop(self._fail, group, error)
                break
            self._in_loop(self._answer, group)
        self._finish()

    def _write(self, group: list[Ticket]) -> None:
        if not self._lock.acquire(self._wait_s):
            self._refuse(group, "store_locked", "Another process keeps the store locked.")
            self._be_patient(in_vain=True)
            return
        try:
            now_ms = self._now_ms()
            inside = [ticket for ticket in group if ticket.turn is not Turn.AFTER]
            self._try(self._commit, inside, now_ms)
            if len(inside) < len(group):
                after = [ticket for ticket in group if ticket.turn is Turn.AFTER]
                self._try(self._do, after, now_ms)
        finally:
            self._lock.release()

    def _try(
        self,
        step: Callable[[list[Ticket], int], None],
        group: list[Ticket],
        now_ms: int,
        *,
        again: bool = True,
    ) -> None:
        try:
            step(group, now_ms)
            self._be_patient()
        except apsw.FullError:
            booked = [ticket for ticket in group if ticket.work is not None]
            self._refuse(group, "store_full", "The disk is full; nothing was stored.", (30, 120))
            if again and booked:  # without events and in an empty log it may fit, and make room
                with contextlib.suppress(apsw.FullError):
                    checkpoint(self._db)
                self._try(step, booked, now_ms, again=False)
        except BUSY:
            self._refuse(group, "store_locked", "The store is locked; nothing was stored.")
            self._be_patient(in_vain=True)

    def _be_patient(self, *, in_vain: bool = False) -> None:
        """Wait for locks; not for long when that was no use, as long as it stays so."""
        wait_s = min(_VAIN_WAIT_S, self._lock_wait_s) if in_vain else self._lock_wait_s
        if wait_s != self._wait_s:
            self._wait_s = wait_s
            self._db.set_busy_timeout(round(wait_s * 1000))

    def _commit(self, group: list[Ticket], now_ms: int) -> None:
        for ticket in group:
            ticket.error = None
        try:
            with transaction(self._db):
                self._clock.tick(self._db, now_ms)
                self._do(group, now_ms)
        except (*BUSY, *FATAL):
            raise
        except Exception:
            self._commit_one_by_one(group, now_ms)
        self._clock.passed(now_ms)

    def _commit_one_by_one(self, group: list[Ticket], now_ms: int) -> None:
        # One of them is at fault; a savepoint for each finds it and keeps the others.
        with transaction(self._db):
            self._clock.tick(self._db, now_ms)
            for ticket in group:
                ticket.error = None
                try:
                    with savepoint(self._db):
                        self._do([ticket], now_ms)
                except (*BUSY, *FATAL):
                    raise
                except Exception as error:
                    ticket.error = error

    def _do(self, group: list[Ticket], now_ms: int) -> None:
        run: list[Ticket] = []
        for ticket in group:
            if ticket.work is None:
                run.append(ticket)
                continue
            self._append(run, now_ms)
            run = []
            try:
                ticket.result = ticket.work(self._db, now_ms)
            except StoreBusy as error:
                ticket.error = error
        self._append(run, now_ms)

    def _append(self, run: list[Ticket], now_ms: int) -> None:
        run = self._admitted(run)
        if not run:
            return
        fates = append(self._db, now_ms, [item for ticket in run for item in ticket.items])
        if self._room.overrun(self._db):
            raise apsw.FullError
        start = 0
        for ticket in run:
            end = start + len(ticket.items)
            ticket.result = fates[start:end]
            start = end

    def _admitted(self, run: list[Ticket]) -> list[Ticket]:
        if not run or (level := self._room.level(self._db)) < Level.SCARCE:
            return run
        taken = [ticket for ticket in run if self._room.admits(level, ticket.items)]
        refused = [ticket for ticket in run if not self._room.admits(level, ticket.items)]
        self._refuse(refused, "store_full", "The disk has no room for events.", (30, 120))
        return taken

    def _refuse(
        self, group: Iterable[Ticket], code: str, message: str, wait_s: tuple[int, int] = (2, 10)
    ) -> None:
        for ticket in group:
            ticket.error = self._busy(code, message, wait_s)

    def _answer(self, group: list[Ticket]) -> None:
        """In the loop: tell the callers, then let the next group go."""
        try:
            _tell(group)
        finally:
            self._queue.done(group)
            self._stop_when_idle()

    def _fail(self, group: list[Ticket], error: BaseException) -> None:
        """In the loop: tell the callers, those that wait too, that nothing more will be written."""
        waiting = self._queue.drain()
        self._refuse(waiting, *_FAILED)
        try:
            _tell([*group, *waiting])
        finally:
            if self._on_fatal is not None:
                self._on_fatal(error)

    def _in_loop(self, call: Callable[..., None], *args: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(call, *args)

    def _finish(self) -> None:
        try:
            if self._failure is not None:
                self._give_up(self._failure)
            elif self._lock.acquire(self._wait_s):
                with contextlib.suppress(apsw.Error):  # what is committed is safe in the log
                    checkpoint(self._db)
            self._db.close(True)
        finally:
            self._lock.close()  # and so released
            self._in_loop(self._finished.set_result, None)

    def _give_up(self, failure: BaseException) -> None:
        close_untouched(self._db)
        if isinstance(failure, DAMAGED) and self._lock.acquire(self._lock_wait_s):
            self._set_aside()


def _resolve(future: asyncio.Future[T], result: T, error: BaseException | None) -> None:
    """Tell who waits for a future; a caller who was cancelled is told nothing."""
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


def _tell(group: list[Ticket]) -> None:
    """Tell everybody; a fault of one is raised when all have been told."""
    faults: list[Exception] = []
    for ticket in group:
        try:
            ticket.told(ticket.result, ticket.error)
        except Exception as fault:
            faults.append(fault)
    if faults:
        raise faults[0]

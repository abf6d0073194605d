"""`SqliteStore`: the `Store` of one machine, one file, one writer thread and one reader.

What each method does in SQL lies in the modules beside this one; here it is sent to the thread
that may do it. Only apsw touches the file: two SQLite libraries in one process drop each other's
locks.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NoReturn, Self, TypeVar

import apsw

from edgeproxy.errors import StoreBusy
from edgeproxy.outcome import DEAD_REASONS
from edgeproxy.store.base import Counts, Dead, DeadLetter, Fate, Gate, Item, Lease, Retry
from edgeproxy.store.space import Limits, default_limits, has_room
from edgeproxy.store.sqlite import gates, graves, leases, reads, upkeep
from edgeproxy.store.sqlite.file import StoreFiles, open_files
from edgeproxy.store.sqlite.queue import Turn, Work
from edgeproxy.store.sqlite.writer import BUSY, FATAL, Writer

ROOM_S = 0.1
"""How long an answer about room on the disk holds: a few MB of events at full speed."""

T = TypeVar("T")


class SqliteStore:
    """Made by `open`; see `Store` for what each method promises.

    A group of appends that wait together is one transaction and one sync. Reads see every write
    that was awaited before.
    """

    def __init__(
        self,
        files: StoreFiles,
        writer: apsw.Connection,
        reader: apsw.Connection,
        *,
        now_ms: Callable[[], int],
        on_fatal: Callable[[BaseException], None] | None,
        limits: Limits,
    ) -> None:
        self._path = files.path
        self._limits = limits
        self._now_ms = now_ms
        self._reader = reader
        self._readers = ThreadPoolExecutor(1, thread_name_prefix="store-reader")
        self._writer = Writer(
            writer, files.lock, has_room=self._has_room, now_ms=now_ms, on_fatal=on_fatal
        )
        self._room = True
        self._room_until_s = 0.0
        self._swept_key = b""
        self._closed = False

    @classmethod
    async def open(
        cls,
        path: str,
        *,
        now_ms: Callable[[], int],
        on_fatal: Callable[[BaseException], None] | None = None,
        limits: Limits | None = None,
    ) -> Self:
        """Open or make the store in a file.

        Args:
            path: Absolute. Its folder is made when missing; other files of ours lie beside it.
            now_ms: The wall clock in Unix ms; called from several threads.
            on_fatal: Called in the event loop when the file can no longer be trusted. Everything
                answers `StoreBusy` from then on, so the process should exit and be restarted.
            limits: How full the disk may get; worked out from the volume when not given.

        Raises:
            ConfigError: The place cannot be used; says why and what would do.
        """
        files, writer, reader = await asyncio.to_thread(open_files, Path(path))
        limits = limits or default_limits(files.path.parent, _used_bytes(writer))
        return cls(files, writer, reader, now_ms=now_ms, on_fatal=on_fatal, limits=limits)

    async def append(self, items: Sequence[Item]) -> Sequence[Sequence[Fate]]:
        """See `Store.append`."""
        return await self._writer.append(items)

    async def claim(self, integration: str, *, limit: int, max_bytes: int, lease_s: float) -> Lease:
        """See `Store.claim`. A lease is never longer than ten minutes."""
        work = partial(
            leases.claim,
            integration=integration,
            limit=limit,
            max_bytes=max_bytes,
            lease_s=lease_s,
        )
        return await self._writer.book(work)

    async def settle(
        self,
        lease: Lease,
        *,
        delivered: Sequence[int] = (),
        retry: Sequence[Retry] = (),
        dead: Sequence[Dead] = (),
    ) -> int:
        """See `Store.settle`. A delay is never longer than an hour."""
        if strange := {row.reason for row in dead}.difference(DEAD_REASONS):
            raise ValueError(f"no reason for a dead letter: {sorted(strange)}")
        work = partial(leases.settle, lease=lease, delivered=delivered, retry=retry, dead=dead)
        return await self._writer.book(work)

    async def renew(self, lease: Lease, lease_s: float) -> int:
        """See `Store.renew`."""
        return await self._writer.book(partial(leases.renew, lease=lease, lease_s=lease_s))

    async def recover(self, *, everything: bool = False) -> int:
        """See `Store.recover`."""
        return await self._writer.book(partial(leases.recover, everything=everything))

    async def gate(self, integration: str) -> Gate:
        """See `Store.gate`."""
        return await self._read(partial(gates.read, integration=integration))

    async def set_gate(self, gate: Gate) -> None:
        """See `Store.set_gate`."""
        await self._writer.book(partial(gates.write, gate=gate))

    async def acquire(
        self, integration: str, *, rate: float, burst: int, per_minute: int | None = None
    ) -> float:
        """See `Store.acquire`."""
        work = partial(
            gates.acquire,
            integration=integration,
            rate=rate,
            burst=burst,
            per_minute=per_minute,
        )
        return await self._writer.book(work)

    async def waiting(self, integration: str) -> tuple[int, float]:
        """See `Store.waiting`: counts up to 10 000; infinite seconds when no row waits at all."""
        return await self._read(partial(reads.waiting, integration=integration))

    async def recall(self, visitor: bytes) -> int:
        """See `Store.recall`. Events that were appended before are erased, later ones are not."""
        return await self._writer.book(partial(upkeep.recall, visitor=visitor), Turn.ORDERED)

    async def forget(self, visitor: bytes) -> int:
        """See `Store.forget`."""
        return await self._writer.book(partial(upkeep.forget, visitor=visitor), Turn.ORDERED)

    async def known(self, visitor: bytes) -> bytes:
        """See `Store.known`."""
        return await self._read(partial(reads.known, visitor=visitor))

    async def sweep(self, *, limit: int = 5000) -> int:
        """See `Store.sweep`: rows expired, and letters, keys and identities dropped."""
        look = partial(upkeep.look, limit=limit, after_key=self._swept_key)
        old = await self._read(look)
        self._swept_key = old.next_key
        moved = await self._writer.book(partial(upkeep.sweep, limit=limit, old=old))
        await self._writer.book(partial(upkeep.tidy, limit=limit), Turn.AFTER)
        return moved

    async def stats(self) -> Sequence[Counts]:
        """See `Store.stats`."""
        return await self._read(reads.stats)

    async def dead_letters(
        self, *, integration: str | None = None, limit: int = 100
    ) -> Sequence[DeadLetter]:
        """See `Store.dead_letters`."""
        return await self._read(partial(reads.dead_letters, integration=integration, limit=limit))

    async def replay(self, ids: Sequence[int]) -> int:
        """See `Store.replay`."""
        return await self._writer.book(partial(graves.replay, ids=ids))

    async def discard(self, ids: Sequence[int]) -> int:
        """See `Store.discard`."""
        return await self._writer.book(partial(graves.discard, ids=ids))

    async def meta(self, name: str, value: str | None = None) -> str:
        """See `Store.meta`; "" when there is no such note. The name `store` is the store's own."""
        if value is None:
            return await self._read(partial(reads.note, name=name))
        return await self._writer.book(partial(upkeep.note, name=name, value=value))

    async def check(self) -> None:
        """See `Store.check`: commits the name of the store over itself."""
        await self._writer.book(self._touch)

    async def close(self) -> None:
        """See `Store.close`."""
        if not self._closed:
            self._closed = True
            self._readers.shutdown()
            self._reader.close()  # first: the last connection to close empties the log
        await self._writer.close()

    def _has_room(self, db: apsw.Connection) -> bool:
        asked_s = time.monotonic()
        if asked_s >= self._room_until_s:
            self._room = has_room(self._limits, self._path, _used_bytes(db))
            self._room_until_s = asked_s + ROOM_S
        return self._room

    def _touch(self, db: apsw.Connection, now_ms: int) -> None:
        if not self._has_room(db):
            raise StoreBusy("store_full", "The disk has no room for events.", retry_after_s=30)
        db.execute("UPDATE meta SET value = value WHERE name = 'store'")

    async def _read(self, work: Work[T]) -> T:
        if self._closed:
            raise StoreBusy("store_closed", "The store is shutting down.")
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._readers, work, self._reader, self._now_ms())
        except BUSY as error:
            raise StoreBusy("store_locked", "The store could not be read just now.") from error
        except FATAL as error:
            return await self._writer.book(partial(_raise, error=error))


def _used_bytes(db: apsw.Connection) -> int:
    pages = db.pragma("page_count") - db.pragma("freelist_count")
    return int(pages * db.pragma("page_size"))


def _raise(db: apsw.Connection, now_ms: int, error: BaseException) -> NoReturn:
    raise error

"""`SqliteStore`: the `Store` of one machine, one file, one writer thread and one reader.

What each method does in SQL lies in the modules beside this one; here it is sent to the thread
that may do it. Only apsw touches the file: two SQLite libraries in one process drop each other's
locks.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, Self, TypeVar

import apsw
import msgspec

from edgeproxy.errors import StoreBusy
from edgeproxy.outcome import DEAD_REASONS
from edgeproxy.store import search
from edgeproxy.store.base import (
    Counts,
    Dead,
    DeadCount,
    DeadLetter,
    Fate,
    Gate,
    Held,
    Item,
    Lease,
    Retry,
    Told,
)
from edgeproxy.store.space import Level, Wishes, limits
from edgeproxy.store.sqlite import clock, gates, graves, holdings, leases, reads, upkeep
from edgeproxy.store.sqlite.damage import set_aside
from edgeproxy.store.sqlite.file import StoreFiles, open_files
from edgeproxy.store.sqlite.office import SqliteOffice
from edgeproxy.store.sqlite.queue import Turn, Work
from edgeproxy.store.sqlite.room import Room, used_bytes
from edgeproxy.store.sqlite.writer import BUSY, FATAL, Writer

LONG_LOG_BYTES = 64 * 1024 * 1024
"""A write-ahead log that stays longer than this has a reader that does not end."""

_FEWER = 8

_SCRUB_PAGES = 500
"""Pages given back at once after an erasure: events wait meanwhile, some milliseconds."""

Say = Callable[..., None]
"""Writes a line for the operator: level, event, fields."""

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
        room: Room,
        say: Say,
    ) -> None:
        self._files = files
        self._room = room
        self._say = say
        self._now_ms = now_ms
        self._reader = reader
        self._readers = ThreadPoolExecutor(1, thread_name_prefix="store-reader")
        self._writer = Writer(
            writer,
            files.lock,
            room=room,
            now_ms=now_ms,
            on_fatal=on_fatal,
            set_aside=lambda: set_aside(files.path, now_ms()),
        )
        self._swept_key = upkeep.START
        self._closed = False
        self.office = SqliteOffice(self._keep, self._read)

    @classmethod
    async def open(
        cls,
        path: str,
        *,
        now_ms: Callable[[], int],
        on_fatal: Callable[[BaseException], None] | None = None,
        wishes: Wishes = Wishes(),  # noqa: B008 - frozen
        accept_loss: bool = False,
        say: Say = lambda *_, **__: None,
    ) -> Self:
        """Open or make the store in a file.

        Args:
            path: Absolute. Its folder is made when missing; other files of ours lie beside it.
            now_ms: The wall clock in Unix ms; called from several threads.
            on_fatal: Called in the event loop when the file can no longer be trusted. Everything
                answers `StoreBusy` from then on, so the process should exit and be restarted.
            wishes: How full the disk may get.
            accept_loss: Begin with an empty store where one was lost.
            say: Writes a line for the operator: level, event, fields.

        Raises:
            ConfigError: The place cannot be used; says why and what would do.
        """
        opening = partial(open_files, Path(path), now_ms=now_ms, accept_loss=accept_loss)
        files, writer, reader = await asyncio.to_thread(opening)
        bounds = limits(files.path.parent, used_bytes(writer), wishes)
        room = Room(files.path, bounds, low_value=wishes.low_value)
        room.bound(writer)
        return cls(files, writer, reader, now_ms=now_ms, on_fatal=on_fatal, room=room, say=say)

    async def append(self, items: Sequence[Item]) -> Sequence[Sequence[Fate]]:
        """See `Store.append`."""
        return await self._writer.append(items)

    def submit(self, items: Sequence[Item], told: Told) -> None:
        """See `Store.submit`."""
        self._writer.submit(items, told)

    async def claim(self, integration: str, *, limit: int, max_bytes: int, lease_s: float) -> Lease:
        """See `Store.claim`. A lease is never longer than ten minutes.

        On a full disk fewer rows are handed out, down to one: settled, they make room for more.
        """
        while True:
            work = partial(
                leases.claim,
                integration=integration,
                limit=limit,
                max_bytes=max_bytes,
                lease_s=lease_s,
            )
            try:
                return await self._writer.book(work)
            except StoreBusy as busy:
                if busy.code != "store_full" or limit == 1:
                    raise
                limit = max(1, limit // _FEWER)

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

    async def carried(self, lease: Lease) -> Sequence[int]:
        """See `Store.carried`."""
        return await self._read(partial(leases.carried, lease=lease))

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
        gone = await self._writer.book(partial(upkeep.forget, visitor=visitor), Turn.ORDERED)
        with suppress(StoreBusy):  # it is gone all the same; the next one tidies up
            while await self._writer.book(partial(upkeep.scrub, pages=_SCRUB_PAGES), Turn.AFTER):
                pass
        return gone

    async def known(self, visitor: bytes) -> bytes:
        """See `Store.known`."""
        return await self._read(partial(reads.known, visitor=visitor))

    async def sweep(self, *, limit: int = 5000) -> int:
        """See `Store.sweep`: rows expired, and letters, keys and identities dropped."""
        look = partial(upkeep.look, limit=limit, after=self._swept_key)
        old = await self._read(look)
        self._swept_key = old.next_key
        moved = await self._writer.book(partial(upkeep.sweep, limit=limit, old=old))
        self._warn(await self._writer.book(partial(self._tidy, limit=limit), Turn.AFTER))
        return moved

    async def stats(self) -> Sequence[Counts]:
        """See `Store.stats`."""
        return await self._read(reads.stats)

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
        return await self._read(work)

    async def dead_counts(self) -> Sequence[DeadCount]:
        """See `Store.dead_counts`."""
        return await self._read(holdings.dead_counts)

    async def held(self, visitor: bytes, *, limit: int = 100) -> Held:
        """See `Store.held`."""
        return await self._read(partial(holdings.held, visitor=visitor, limit=limit))

    async def visitors_with(self, trait: str, value: str) -> Sequence[bytes]:
        """See `Store.visitors_with`. A million visitors take about a second."""
        return await search.visitors_with(self._look, trait, value)

    async def _look(self, table: str, after: Any, text: bytes) -> search.Slice:
        return await self._read(partial(holdings.look, table=table, after=after, text=text))

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
        """See `Store.check`: notes the time."""
        await self._writer.book(self._touch)

    async def close(self) -> None:
        """See `Store.close`."""
        if not self._closed:
            self._closed = True
            self._readers.shutdown()
            self._reader.close()  # first: the last connection to close empties the log
        await self._writer.close()
        self._files.presence.close()

    def _tidy(self, db: apsw.Connection, now_ms: int, limit: int) -> Level:
        upkeep.tidy(db, now_ms, limit)
        return self._room.level(db)

    def _warn(self, level: Level) -> None:
        if level > Level.PLENTY:
            bounds = msgspec.structs.asdict(self._room.limits)
            self._say("warning", "store_filling", percent=int(level), **bounds)
        log_bytes = self._files.log_bytes
        if log_bytes > LONG_LOG_BYTES:
            advice = "another program reads the database and does not end"
            self._say("warning", "store_log_long", log_bytes=log_bytes, advice=advice)

    def _touch(self, db: apsw.Connection, now_ms: int) -> None:
        if self._room.level(db) >= Level.FULL:
            raise StoreBusy("store_full", "The disk has no room for events.", retry_after_s=30)
        clock.note(db, now_ms)  # a change: SQLite does not write what is the same as before

    async def _keep(self, work: Work[T]) -> T:
        return await self._writer.book(work)

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


def _raise(db: apsw.Connection, now_ms: int, error: BaseException) -> NoReturn:
    raise error

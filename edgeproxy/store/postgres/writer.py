"""Appending in PostgreSQL: one thread, one connection, one transaction for a group.

There is no timer: while one group commits, the next one gathers. An append is never cancelled: a
commit that is cancelled while it waits for the standby looks like one that succeeded.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from edgeproxy.errors import StoreBusy
from edgeproxy.store.base import Fate, Item
from edgeproxy.store.postgres import faults
from edgeproxy.store.postgres.append import append
from edgeproxy.store.postgres.ledger import Ledger
from edgeproxy.store.postgres.link import Link
from edgeproxy.store.postgres.transaction import Ticking, Tx, Work, known_faults, write

QUEUE_ITEMS = 4096
QUEUE_BYTES = 16 * 1024 * 1024
GROUP_ITEMS = 512
DEADLINE_S = 10.0

_ITEM_BYTES = 400
"""What an item weighs in memory beside its contents."""

T = TypeVar("T")


class Ticket:
    """One caller's wish, and the future that the caller waits for. Appends have items, no work."""

    __slots__ = ("error", "future", "items", "result", "size_bytes", "work")

    def __init__(
        self, future: asyncio.Future[Any], work: Work[Any] | None, items: Sequence[Item] = ()
    ) -> None:
        self.future = future
        self.work = work
        self.items = items
        self.size_bytes = _size_bytes(items)
        self.result: Any = None
        self.error: BaseException | None = None


def _size_bytes(items: Sequence[Item]) -> int:
    rows = [entry for item in items for entry in item.entries]
    contents = sum(len(entry.body) + len(entry.sealed) for entry in rows)
    return _ITEM_BYTES * len(items) + contents


class Writer:
    """Writes what must be safe before it is acknowledged, in the order in which it came.

    Args:
        link: Its connection; nobody else uses it.
        ledger: Counts what is appended.
        clock: Told the database's time at each transaction.
        on_fatal: Called in the event loop when a group failed as none should.
        deadline_s: How long a caller waits; what it waits for goes on.
    """

    def __init__(
        self,
        link: Link,
        ledger: Ledger,
        *,
        clock: Ticking,
        on_fatal: Callable[[BaseException], None] | None,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._link = link
        self._ledger = ledger
        self._clock = clock
        self._on_fatal = on_fatal
        self._deadline_s = deadline_s
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._waiting: deque[Ticket] = deque()
        self._items = self._bytes = 0  # of all that is not answered
        self._busy = False
        self._closing = False
        self._idle = asyncio.Event()
        self._idle.set()

    async def append(self, items: Sequence[Item]) -> list[tuple[Fate, ...]]:
        """Have the items' fates once they are safe.

        Raises:
            StoreBusy: The queue is full, the store is closed, or the database does not take them.
        """
        ticket = Ticket(self._loop.create_future(), None, items)
        full = (
            self._items + len(items) > QUEUE_ITEMS or self._bytes + ticket.size_bytes > QUEUE_BYTES
        )
        if self._items and full:  # an empty queue takes any one: its caller holds it already
            raise faults.crowded()
        fates: list[tuple[Fate, ...]] = await self._put(ticket)
        return fates

    async def book(self, work: Work[T]) -> T:
        """Have the result of work that is done in turn with the appends, once it is safe."""
        result: T = await self._put(Ticket(self._loop.create_future(), work))
        return result

    async def _put(self, ticket: Ticket) -> Any:
        if self._closing:
            raise faults.closed()
        self._items += len(ticket.items)
        self._bytes += ticket.size_bytes
        self._waiting.append(ticket)
        self._idle.clear()
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._next)  # callers of the same turn of the loop come along
        # Not awaited itself: a caller that leaves must not cancel what others wait for.
        await asyncio.wait([ticket.future], timeout=self._deadline_s)
        if not ticket.future.done():
            raise faults.slow()
        return ticket.future.result()

    def _next(self) -> None:
        group: list[Ticket] = []
        room = GROUP_ITEMS
        while self._waiting and room > 0:
            group.append(self._waiting.popleft())
            room -= len(group[-1].items)
        done = self._loop.run_in_executor(self._thread, self._write, group)
        done.add_done_callback(partial(self._answer, group))

    def _answer(self, group: Sequence[Ticket], done: asyncio.Future[None]) -> None:
        error = done.exception()
        for ticket in group:
            self._items -= len(ticket.items)
            self._bytes -= ticket.size_bytes
            _resolve(ticket, faults.unknown() if error else ticket.error)
        if error is not None and self._on_fatal is not None:
            self._on_fatal(error)
        if self._waiting:
            self._next()
        else:
            self._busy = False
            self._idle.set()

    def _write(self, group: Sequence[Ticket]) -> None:
        """In the thread: one transaction for all, or one for each when one of them is at fault."""
        try:
            self._commit(group)
        except StoreBusy as busy:
            for ticket in group:
                ticket.error = busy
        except Exception as error:
            if len(group) == 1:
                group[0].error = error
                return
            for ticket in group:
                self._write([ticket])

    def _commit(self, group: Sequence[Ticket]) -> None:
        work = partial(_do, group=group, ledger=self._ledger)
        known_faults(lambda: write(self._link, work, self._clock))

    async def close(self, wait_s: float = DEADLINE_S) -> None:
        """Finish what is queued; after `wait_s` give up what the database does not take."""
        self._closing = True
        try:
            async with asyncio.timeout(wait_s):
                await self._idle.wait()
        except TimeoutError:
            self._link.cut()
            await self._idle.wait()
        await self._loop.run_in_executor(None, self._end)

    def _end(self) -> None:
        self._thread.shutdown()
        self._link.drop()


def _resolve(ticket: Ticket, error: BaseException | None) -> None:
    if error is None:
        ticket.future.set_result(ticket.result)
        return
    ticket.future.set_exception(error)
    ticket.future.exception()  # its caller may have left


def _do(tx: Tx, group: Sequence[Ticket], ledger: Ledger) -> None:
    run: list[Ticket] = []
    for ticket in group:
        if ticket.work is None:
            run.append(ticket)
            continue
        _append(tx, run, ledger)
        run = []
        ticket.result = ticket.work(tx)
    _append(tx, run, ledger)


def _append(tx: Tx, run: Sequence[Ticket], ledger: Ledger) -> None:
    if not run:
        return
    fates = append(tx, [item for ticket in run for item in ticket.items], ledger)
    start = 0
    for ticket in run:
        end = start + len(ticket.items)
        ticket.result = fates[start:end]
        start = end

"""What waits for the writer of a SQLite store: tickets, in a queue with two bounds and two turns.

The queue lives in the event loop. The writer's thread gets one whole group after another; while it
commits one, the next gathers here.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, TypeVar

import apsw

from edgeproxy.store.base import Item

QUEUE_ITEMS = 4096
QUEUE_BYTES = 16 * 1024 * 1024
GROUP_ITEMS = 512
GATHER_ROUNDS = 16
GATHER_TICKETS = 32
"""So many are worth a sync of their own."""

_ITEM_BYTES = 400
"""What an item weighs in memory beside its contents."""

T = TypeVar("T")
Work = Callable[[apsw.Connection, int], T]
"""Something to do inside the transaction, given the clock in Unix ms."""


class Turn(Enum):
    """When a ticket's work is done."""

    FIRST = "before appends"
    ORDERED = "in order with appends"
    AFTER = "after the commit, outside a transaction"


Told = Callable[[Any, BaseException | None], None]
"""Called with a result, or with why there is none."""


class Ticket:
    """One caller's wish, and whom to tell in the loop. Appends have items, no work."""

    __slots__ = ("error", "items", "result", "size_bytes", "told", "turn", "work")

    def __init__(
        self,
        told: Told,
        work: Work[Any] | None,
        turn: Turn = Turn.ORDERED,
        items: Sequence[Item] = (),
    ) -> None:
        self.told = told
        self.work = work
        self.turn = turn
        self.items = items
        self.size_bytes = _size_bytes(items)
        self.result: Any = None
        self.error: BaseException | None = None


def _size_bytes(items: Sequence[Item]) -> int:
    size_bytes = _ITEM_BYTES * len(items)
    for item in items:
        for entry in item.entries:
            size_bytes += len(entry.body) + len(entry.sealed)
    return size_bytes


class Queue:
    """Bookkeeping first, because it makes room; the rest in the order it came.

    A group is handed over when the writer is free and a turn of the event loop has brought nothing
    new (or after `GATHER_ROUNDS` turns). So callers that the loop serves in one go share a commit,
    without a timer: an idle loop hands a lone event over at once. Of a crowd the first
    `GATHER_TICKETS` go at once, so that there is work for the core while they are synced: when it
    has to wait for the disk, it finds its caches cold.

    Args:
        loop: Where the callers live.
        hand_over: Takes one group; called only when the writer is free.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, hand_over: Callable[[list[Ticket]], None]
    ) -> None:
        self._loop = loop
        self._hand_over = hand_over
        self._first: list[Ticket] = []
        self._ordered: deque[Ticket] = deque()
        self._items = self._bytes = 0  # of all that is not answered
        self._busy = self._looking = False

    def __len__(self) -> int:
        return len(self._first) + len(self._ordered)

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is being written."""
        return not (self._busy or len(self))

    def put(self, ticket: Ticket) -> bool:
        """Queue a ticket; False when that would break a bound.

        Only appends are bounded, and an empty queue takes any one: its caller holds the memory
        already.
        """
        if ticket.items and self._is_full(len(ticket.items), ticket.size_bytes):
            return False
        self._items += len(ticket.items)
        self._bytes += ticket.size_bytes
        if ticket.turn is Turn.FIRST:
            self._first.append(ticket)
        else:
            self._ordered.append(ticket)
        self._look()
        return True

    def _is_full(self, more_items: int, more_bytes: int) -> bool:
        return self._items > 0 and (
            self._items + more_items > QUEUE_ITEMS or self._bytes + more_bytes > QUEUE_BYTES
        )

    def _look(self) -> None:
        if self._busy:
            return
        if len(self) >= GATHER_TICKETS:
            self._give()
        elif not self._looking:
            self._looking = True
            self._loop.call_soon(self._consider, 0, 0)

    def _consider(self, known: int, rounds: int) -> None:
        waiting = len(self)
        if waiting > known and rounds < GATHER_ROUNDS:
            self._loop.call_soon(self._consider, waiting, rounds + 1)
            return
        self._looking = False
        if waiting and not self._busy:
            self._give()

    def _give(self) -> None:
        self._busy = True
        self._hand_over(self._next_group())

    def _next_group(self) -> list[Ticket]:
        group, self._first = self._first, []
        room = GROUP_ITEMS
        while self._ordered and room > 0:
            ticket = self._ordered.popleft()
            room -= len(ticket.items)
            group.append(ticket)
        return group

    def done(self, group: Sequence[Ticket]) -> None:
        """The writer is free again; give back the room that its group took."""
        for ticket in group:
            self._items -= len(ticket.items)
            self._bytes -= ticket.size_bytes
        self._busy = False
        if len(self):
            self._look()

    def drain(self) -> list[Ticket]:
        """Take out all that waits: nobody will write it."""
        group = [*self._first, *self._ordered]
        self._first, self._ordered = [], deque()
        return group

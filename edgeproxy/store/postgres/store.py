"""`PostgresStore`: the `Store` of several nodes, with the database's clock and its connections.

What each method does in SQL lies in the modules beside this one; here it is sent to the thread
that may do it. What acknowledges something waits for the synchronous standby; what delivery books
is safe on the primary's disk only, because losing it in a failover means sending again, which Snap
collapses. So delivery goes on while a standby is away.
"""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Self, TypeVar

import psycopg

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
from edgeproxy.store.patience import START_WAIT_S
from edgeproxy.store.postgres import gates, graves, holdings, leases, reads, schema, upkeep
from edgeproxy.store.postgres.clock import Clock
from edgeproxy.store.postgres.desk import Desk
from edgeproxy.store.postgres.ledger import Ledger
from edgeproxy.store.postgres.link import Link, conninfo, place
from edgeproxy.store.postgres.office import PostgresOffice
from edgeproxy.store.postgres.transaction import Work, read, write
from edgeproxy.store.postgres.writer import Writer

_PAUSE_S = (0.2, 2.0)
_SPREAD_S = 9
"""Callers that are refused come back within so many seconds, not as one."""

Say = Callable[..., None]
T = TypeVar("T")


class PostgresStore:
    """Made by `open`; see `Store` for what each method promises.

    A group of appends that wait together is one transaction and one commit. Reads see every write
    that was awaited before.
    """

    def __init__(
        self,
        dsn: str,
        *,
        examine: Callable[[Any], None],
        node: str,
        now_ms: Callable[[], int],
        on_fatal: Callable[[BaseException], None] | None,
        say: Say,
    ) -> None:
        self._clock = Clock()
        self._now_ms = now_ms
        self._say = say
        self._ledger = Ledger(node)
        link = Link(dsn, examine)
        self._writer = Writer(link, self._ledger, clock=self._clock, on_fatal=on_fatal)
        self._books = Desk(Link(dsn), "store-books")
        self._reader = Desk(Link(dsn), "store-reader")
        self._seeker = Desk(Link(dsn), "store-seeker")  # reads all there is: others need not wait
        self._foreign: set[int] = set()
        self._submitted: set[asyncio.Task[Sequence[Sequence[Fate]]]] = set()
        self._closing = asyncio.Lock()
        self._closed = False
        self.office = PostgresOffice(self._keep, self._read)

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        now_ms: Callable[[], int],
        on_fatal: Callable[[BaseException], None] | None = None,
        say: Say = lambda *_, **__: None,
        managed: bool = False,
        node: str | None = None,
        wait_s: float = START_WAIT_S,
    ) -> Self:
        """Open the store in a database, and make its tables where they are missing.

        Args:
            url: "postgresql://user@host/database", with any parameter that libpq knows.
            now_ms: The wall clock in Unix ms; only spreads when refused callers come back.
            on_fatal: Called in the event loop when the store can promise nothing any more.
            say: Writes a line for the operator: level, event, fields.
            managed: No warning that there is no synchronous standby.
            node: Names this machine in the ledger; by default the host's name.
            wait_s: How long to wait for the server.

        Raises:
            ConfigError: It cannot be reached, or cannot be used; says why and what would do.
        """
        try:
            dsn = conninfo(url)
        except psycopg.Error:
            raise schema.fault("is no URL that PostgreSQL understands") from None
        warned: set[str] = set()
        loop = asyncio.get_running_loop()

        def warn(advice: str) -> None:
            if advice not in warned:
                warned.add(advice)
                loop.call_soon_threadsafe(partial(say, "warning", "store", advice=advice))

        examine = partial(schema.examine, managed=managed, warn=warn)
        await asyncio.to_thread(_prepare, Link(dsn, examine), place(url), warn, wait_s)
        return cls(
            dsn,
            examine=examine,
            node=node or socket.gethostname(),
            now_ms=now_ms,
            on_fatal=on_fatal,
            say=say,
        )

    async def append(self, items: Sequence[Item]) -> Sequence[Sequence[Fate]]:
        """See `Store.append`. After ten seconds the caller is refused, and the commit goes on."""
        return await self._spread(self._writer.append(items))

    def submit(self, items: Sequence[Item], told: Told) -> None:
        """See `Store.submit`."""
        task = asyncio.get_running_loop().create_task(self.append(items))
        self._submitted.add(task)
        task.add_done_callback(partial(self._tell, told))

    def _tell(self, told: Told, task: asyncio.Task[Sequence[Sequence[Fate]]]) -> None:
        self._submitted.discard(task)
        error = task.exception()
        told(() if error is not None else task.result(), error)

    async def claim(self, integration: str, *, limit: int, max_bytes: int, lease_s: float) -> Lease:
        """See `Store.claim`. A lease is never longer than ten minutes."""
        work = partial(
            leases.claim,
            integration=integration,
            limit=limit,
            max_bytes=max_bytes,
            lease_s=lease_s,
        )
        return await self._book(work)

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
        work = partial(
            leases.settle,
            ledger=self._ledger,
            lease=lease,
            delivered=delivered,
            retry=retry,
            dead=dead,
        )
        return await self._book(work)

    async def renew(self, lease: Lease, lease_s: float) -> int:
        """See `Store.renew`."""
        return await self._book(partial(leases.renew, lease=lease, lease_s=lease_s))

    async def carried(self, lease: Lease) -> Sequence[int]:
        """See `Store.carried`."""
        return await self._read(partial(leases.carried, lease=lease))

    async def recover(self, *, everything: bool = False) -> int:
        """See `Store.recover`."""
        return await self._book(partial(leases.recover, everything=everything))

    async def gate(self, integration: str) -> Gate:
        """See `Store.gate`."""
        return await self._read(partial(gates.read, integration=integration))

    async def set_gate(self, gate: Gate) -> None:
        """See `Store.set_gate`."""
        await self._book(partial(gates.write, gate=gate))

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
        return await self._book(work)

    async def waiting(self, integration: str) -> tuple[int, float]:
        """See `Store.waiting`: counts up to 10 000; infinite seconds when no row waits at all."""
        return await self._read(partial(reads.waiting, integration=integration))

    async def recall(self, visitor: bytes) -> int:
        """See `Store.recall`. What this node appended before is erased, later events are not."""
        return await self._keep(partial(upkeep.recall, ledger=self._ledger, visitor=visitor))

    async def forget(self, visitor: bytes) -> int:
        """See `Store.forget`."""
        return await self._keep(partial(upkeep.forget, ledger=self._ledger, visitor=visitor))

    async def known(self, visitor: bytes) -> bytes:
        """See `Store.known`."""
        return await self._read(partial(reads.known, visitor=visitor))

    async def sweep(self, *, limit: int = 5000) -> int:
        """See `Store.sweep`: rows expired, and letters, keys and identities dropped."""
        moved = await self._book(partial(upkeep.sweep, ledger=self._ledger, limit=limit))
        await self._warn_of_foreign()
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
        """See `Store.visitors_with`. On a connection of its own, which is made when asked."""
        return await search.visitors_with(self._look, trait, value)

    async def _look(self, table: str, after: Any, text: bytes) -> search.Slice:
        work = partial(holdings.look, table=table, text=text)
        return await self._spread(self._seeker.ask(partial(read, work=work)))

    async def replay(self, ids: Sequence[int]) -> int:
        """See `Store.replay`."""
        return await self._keep(partial(graves.replay, ledger=self._ledger, ids=ids))

    async def discard(self, ids: Sequence[int]) -> int:
        """See `Store.discard`."""
        return await self._keep(partial(graves.discard, ledger=self._ledger, ids=ids))

    async def meta(self, name: str, value: str | None = None) -> str:
        """See `Store.meta`; "" when there is no such note. The name `store` is the store's own."""
        if value is None:
            return await self._read(partial(reads.note, name=name))
        return await self._keep(partial(upkeep.note, name=name, value=value))

    async def check(self) -> None:
        """See `Store.check`: a change of this node's ledger, safe like an event."""
        await self._keep(self._ledger.touch)

    async def close(self) -> None:
        """See `Store.close`. What the database has not taken after ten seconds is given up."""
        async with self._closing:
            if not self._closed:
                await self._writer.close()
                await self._books.close()
                await self._reader.close()
                await self._seeker.close()
                self._closed = True

    async def _keep(self, work: Work[T]) -> T:
        """Write what must survive a failover, in turn with the appends."""
        return await self._spread(self._writer.book(work))

    async def _book(self, work: Work[T]) -> T:
        """Write what may be done again after a failover."""
        call = partial(write, work=work, clock=self._clock, sync="local")
        return await self._spread(self._books.ask(call))

    async def _read(self, work: Work[T]) -> T:
        return await self._spread(self._reader.ask(partial(read, work=work)))

    async def _spread(self, call: Awaitable[T]) -> T:
        try:
            return await call
        except StoreBusy as busy:
            after_s = (busy.retry_after_s or 0) + self._now_ms() % _SPREAD_S
            raise StoreBusy(busy.code, busy.message, retry_after_s=after_s) from busy

    async def _warn_of_foreign(self) -> None:
        """Tell of transactions of others that last; each once. It is a courtesy, so it may fail."""
        try:
            found = dict(await self._read(lambda tx: list(upkeep.foreign(tx))))
        except (StoreBusy, psycopg.Error):
            return
        for pid, who in found.items():
            if pid not in self._foreign:
                minutes = upkeep.FOREIGN_S // 60
                advice = f"{who} keeps a transaction open for over {minutes} minutes; end it"
                self._say("warning", "store", advice=advice, server_pid=pid)
        self._foreign = set(found)


def _prepare(link: Link, where: str, warn: Callable[[str], None], wait_s: float) -> None:
    """Wait for the server, examine it, and bring the tables up to date."""
    deadline_s = time.monotonic() + wait_s
    pause_s = _PAUSE_S[0]
    while True:
        try:
            with link.connect() as db:
                schema.upgrade(db)
                return
        except psycopg.OperationalError as error:
            if time.monotonic() + pause_s >= deadline_s:
                fault = f"cannot be used: {where} does not answer: {schema.told(error)}"
                raise schema.fault(fault) from None
            warn(f"waiting for PostgreSQL at {where}: {schema.told(error)}")
        except psycopg.Error as error:
            raise schema.fault(f"cannot be used: {where} says: {schema.told(error)}") from None
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, _PAUSE_S[1])

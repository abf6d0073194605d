"""`PostgresJournal`: the `Journal` of several nodes, in the database of their store.

One thread writes and one reads, each on a connection of its own. Commits are neither synced nor
replicated before they return.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

import psycopg

from edgeproxy.errors import ConfigError, StoreBusy
from edgeproxy.journal import look, shelf
from edgeproxy.journal.base import DAY_MS, Bucket, Filter, Trace
from edgeproxy.journal.bounds import Bounds
from edgeproxy.journal.postgres import upkeep
from edgeproxy.journal.postgres.reads import PostgresIndex
from edgeproxy.journal.postgres.shelf import PostgresShelf
from edgeproxy.journal.postgres.tables import prepare, reading, writing
from edgeproxy.meter import Label
from edgeproxy.store.postgres.desk import Desk
from edgeproxy.store.postgres.link import Db, Link, conninfo
from edgeproxy.trace import Step

ROUNDS = 50
"""Transactions of one sweep."""

T = TypeVar("T")
Say = Callable[..., None]


class PostgresJournal:
    """Connects when it is needed; see `Journal`.

    Args:
        url: "postgresql://user@host/database", as the store's.
        now_ms: The wall clock in Unix ms.
        bounds: How much is kept.
        say: Writes a line for the operator: level, event, fields.
    """

    def __init__(
        self,
        url: str,
        *,
        now_ms: Callable[[], int],
        bounds: Bounds,
        say: Say = lambda *_, **__: None,
    ) -> None:
        dsn = conninfo(url)
        self._now_ms = now_ms
        self._bounds = bounds
        self._say = say
        self._off = False
        self._writer = Desk(Link(dsn, prepare), "journal-writer")
        self._reader = Desk(Link(dsn, prepare), "journal-reader")
        self._closed = False

    async def write(self, steps: Sequence[Step], counts: Mapping[Label, int], at_ms: int) -> bool:
        """See `Journal.write`."""
        nameless = [f"unnamed-{secrets.token_hex(8)}" for step in steps if not step.event_id]

        def work(db: Db) -> None:
            shelf.write(PostgresShelf(db), steps, counts, at_ms, nameless)
            upkeep.trim(db, self._bounds.max_bytes)

        return await self._write(work)

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
        return await self._read(PostgresIndex.totals)

    async def forget(self, visitor: bytes) -> int:
        """See `Journal.forget`."""
        work = partial(upkeep.forget, visitor=visitor, now_ms=self._now_ms())
        erased = some = await self._writer.ask(partial(writing, work=work))
        while some == upkeep.AT_ONCE:  # in between others may write
            some = await self._writer.ask(partial(writing, work=work))
            erased += some
        return erased

    async def sweep(self, now_ms: int) -> None:
        """See `Journal.sweep`."""
        keep_ms, max_bytes = self._bounds.keep_days * DAY_MS, self._bounds.max_bytes
        erased: list[int] = []

        def work(db: Db) -> None:
            erased.append(upkeep.age_out(db, now_ms, keep_ms) + upkeep.trim(db, max_bytes))

        for _ in range(ROUNDS):
            if not await self._write(work) or not erased[-1]:
                break
        await self._write(partial(upkeep.tidy, now_ms=now_ms))

    async def close(self) -> None:
        """See `Journal.close`."""
        if not self._closed:
            self._closed = True
            await self._reader.close()
            await self._writer.close()

    async def _read(self, work: Callable[[PostgresIndex], T]) -> T:
        return await self._reader.ask(partial(reading, work=lambda db: work(PostgresIndex(db))))

    async def _write(self, work: Callable[[Db], None]) -> bool:
        if self._closed:
            return False
        try:
            await self._writer.ask(partial(writing, work=work))
        except (StoreBusy, psycopg.Error) as error:
            self._note_off(error)
            return False
        if self._off:
            self._off = False
            self._say("info", "journal_on")
        return True

    def _note_off(self, error: Exception) -> None:
        if not self._off:
            self._off = True
            self._say(
                "warning",
                "journal_off",
                reason=_reason(error.__cause__ or error),
                advice="traces and counts are not kept until this is mended; events are not"
                " affected",
            )


def _reason(error: BaseException) -> str:
    if isinstance(error, ConfigError):
        return error.faults[0][1]
    return (str(error).strip() or type(error).__name__).splitlines()[0]

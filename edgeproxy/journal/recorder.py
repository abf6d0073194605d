"""`Recorder`: gathers the steps and counts of one process and hands them to the journal.

What cannot be kept is dropped and counted here, so that an event never waits for its trace: there
is a budget of events a second, a buffer that drops its oldest steps, and a journal that may fail.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

from edgeproxy.errors import StoreBusy
from edgeproxy.journal.base import Journal
from edgeproxy.meter import Label, Meter
from edgeproxy.trace import Followed, Step, Watch

FLUSH_S = 1.0
"""How far behind the journal may be."""

SWEEP_S = 60.0

STEPS_MAX = 10_000
"""Steps in the buffer; some 20 MB."""

FOLLOWED_MAX = 20_000
"""Events whose end is waited for."""

FORGOTTEN_MAX = 10_000
"""Visitors whose erasure waits for the journal."""

ERASED_AT_ONCE = 100
"""Visitors who are erased in one flush; each is synced to the disk."""


class Budget:
    """So many events a second. One batch may go beyond it, and the next ones pay for that.

    Args:
        rate: Events a second; 0 lets nothing pass.
        clock_s: A clock that is never set.
    """

    def __init__(self, rate: float, clock_s: Callable[[], float]) -> None:
        self._rate = rate
        self._clock_s = clock_s
        self._left = float(rate)
        self._filled_s = clock_s()

    def take(self, events: int) -> bool:
        """Whether so many events may be traced now."""
        now_s = self._clock_s()
        self._left = min(self._rate, self._left + (now_s - self._filled_s) * self._rate)
        self._filled_s = now_s
        if self._left <= 0:
            return False
        self._left -= events
        return True


class Recorder:
    """One of each process. Belongs to its event loop.

    Args:
        journal: Where it all goes; stays the caller's.
        now_ms: The wall clock in Unix ms.
        log: Writes a line: level, event, fields.
        events_per_second: How many are traced at the door, and again in delivery; 0 for none.
        also: Told every step of every event, whatever the budget; for the demo.
        clock_s: A clock that is never set.

    Attributes:
        meter: What is counted; "trace" counts steps "not_written" and "pushed_out", and events
            "over_budget".
        followed: The events whose end is still to be told.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        now_ms: Callable[[], int],
        log: Callable[..., None],
        events_per_second: float = 200,
        also: Watch | None = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.meter = Meter()
        self._journal = journal
        self._now_ms = now_ms
        self._log = log
        self._also = also
        self._off = not events_per_second
        self._door = Budget(events_per_second, clock_s)
        self._delivery = Budget(events_per_second, clock_s)
        self._steps: deque[Step] = deque(maxlen=STEPS_MAX)
        self._unwritten: Counter[Label] = Counter()
        self._forgotten: dict[bytes, None] = {}
        self._flushing = asyncio.Lock()
        self._open: dict[str, None] = {}
        self.followed = Followed(self._open, self._take)

    def watching(self, events: int) -> Watch | None:
        """Who wants the steps of so many events that come in; see `Watching`."""
        return self._within(self._door, events)

    def delivering(self, events: int) -> Watch | None:
        """The same for events on their way out, for those that are not `followed`."""
        return self._within(self._delivery, events)

    def _within(self, budget: Budget, events: int) -> Watch | None:
        if self._off:
            return self._also
        if budget.take(events):
            return self._take
        self.meter.counts["trace", "over_budget", "", ""] += events
        return self._also

    def _take(self, step: Step) -> None:
        if self._also is not None:
            self._also(step)
        if len(self._steps) == STEPS_MAX:
            self.meter.add("trace", "pushed_out")
        self._steps.append(step)
        if step.stage == "queued":
            self._open[step.event_id] = None
            if len(self._open) > FOLLOWED_MAX:
                del self._open[next(iter(self._open))]
        elif step.stage in ("rejected", "dead") or step.data.get("outcome") == "delivered":
            self._open.pop(step.event_id, None)

    def forgot(self, visitor: bytes) -> None:
        """Have a visitor's traces erased, at the next flush or as soon as the journal can."""
        self._forgotten[visitor] = None
        if len(self._forgotten) > FORGOTTEN_MAX:
            del self._forgotten[next(iter(self._forgotten))]

    async def run(self, stopping: asyncio.Event) -> None:
        """Flush and sweep until `stopping` is set, and then once more."""
        loop = asyncio.get_running_loop()
        swept_s = loop.time() - SWEEP_S
        while not stopping.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_S):
                    await stopping.wait()
                    break
            await self._guarded(self.flush)
            if loop.time() - swept_s >= SWEEP_S:
                swept_s = loop.time()
                await self._guarded(self._sweep)
        await self._guarded(self.flush)
        if self._forgotten:
            self._log("warning", "traces_not_erased", visitors=len(self._forgotten))

    async def flush(self) -> None:
        """Hand over what was gathered; the oldest wishes to be forgotten go first."""
        async with self._flushing:
            await self._flush()

    async def _flush(self) -> None:
        await self._erase()
        steps = list(self._steps)
        self._steps.clear()
        for label, n in self.meter.take().items():
            self._unwritten[label] += n
        if not (steps or self._unwritten):
            return
        if await self._journal.write(steps, self._unwritten, self._now_ms()):
            self._unwritten.clear()
        elif steps:
            self.meter.add("trace", "not_written", n=len(steps))

    async def _erase(self) -> None:
        for visitor in list(self._forgotten)[:ERASED_AT_ONCE]:
            try:
                await self._journal.forget(visitor)
            except StoreBusy:
                return
            self._forgotten.pop(visitor, None)

    async def _sweep(self) -> None:
        await self._journal.sweep(self._now_ms())

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do it; a fault of ours in here must not end the process, and is told."""
        try:
            await work()
        except Exception as error:
            with suppress(Exception):
                self._log("error", "journal_fault", exc_info=error)

"""What one process gathers for the journal: within a budget, bounded, and never in the way."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from edgeproxy.errors import StoreBusy
from edgeproxy.journal import open_journal
from edgeproxy.journal import recorder as module
from edgeproxy.journal.base import Filter, Journal
from edgeproxy.journal.bounds import Bounds
from edgeproxy.journal.recorder import (
    ERASED_AT_ONCE,
    FOLLOWED_MAX,
    FORGOTTEN_MAX,
    STEPS_MAX,
    Recorder,
)
from edgeproxy.meter import Label
from edgeproxy.trace import Step
from tests.fakes import KeptLog, eventually
from tests.steps import SHOP, START_MS, VISITOR, came, died, dropped, step, went

ACCEPTED = ("in", "shop", "accepted", "")


class Tick:
    """A clock in seconds that stands until it is moved."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Broken:
    """A journal that fails as told, in front of a real one."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.takes = True
        self.fault: Exception | None = None
        self.swept = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    async def write(self, steps: Sequence[Step], counts: Mapping[Label, int], at_ms: int) -> bool:
        if self.fault is not None:
            raise self.fault
        return self.takes and await self._journal.write(steps, counts, at_ms)

    async def forget(self, visitor: bytes) -> int:
        if not self.takes:
            raise StoreBusy("journal_off", "not now")
        return await self._journal.forget(visitor)

    async def sweep(self, now_ms: int) -> None:
        self.swept += 1
        await self._journal.sweep(now_ms)


class Desk:
    """A recorder over a real journal that can be broken."""

    def __init__(self, journal: Journal) -> None:
        self.journal = Broken(journal)
        self.log = KeptLog()
        self.tick = Tick()
        self.also: list[Step] = []

    def recorder(self, rate: float = 100, *, also: bool = False) -> Recorder:
        return Recorder(
            self.journal,
            now_ms=lambda: START_MS,
            log=self.log,
            events_per_second=rate,
            also=self.also.append if also else None,
            clock_s=self.tick,
        )

    async def ids(self) -> list[str]:
        return [trace.event_id for trace in await self.journal.traces(Filter())]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    journal = open_journal(
        f"sqlite://{tmp_path}/edge.db",
        now_ms=lambda: START_MS,
        bounds=Bounds(reserve_bytes=0),
    )
    await journal.write([], {}, START_MS)
    yield Desk(journal)
    await journal.close()


def tell(recorder: Recorder, *steps: Sequence[Step]) -> bool:
    """Tell as a caller does, asking first."""
    watch = recorder.watching(len(steps))
    for some in steps if watch is not None else ():
        for one in some:
            assert watch is not None
            watch(one)
    return watch is not None


async def test_steps_and_counts_reach_the_journal_at_the_next_flush(desk: Desk) -> None:
    recorder = desk.recorder()
    assert tell(recorder, came("e1"), went("e1"))
    recorder.meter.add(*ACCEPTED[:3], n=3)
    await recorder.flush()
    await recorder.flush()
    assert await desk.ids() == ["e1"]
    assert await desk.journal.totals() == {ACCEPTED: 3}


async def test_two_who_flush_at_once_write_everything_once(desk: Desk) -> None:
    recorder = desk.recorder()
    tell(recorder, came("e1"))
    recorder.meter.add(*ACCEPTED[:3], n=3)
    await asyncio.gather(recorder.flush(), recorder.flush())
    assert await desk.ids() == ["e1"]
    assert await desk.journal.totals() == {ACCEPTED: 3}


class TestBudget:
    async def test_so_many_events_a_second_are_told_and_the_rest_are_counted(
        self, desk: Desk
    ) -> None:
        recorder = desk.recorder(10)
        told = sum(tell(recorder, came(f"e{n}")) for n in range(30))
        assert told == 10
        assert recorder.meter.counts["trace", "over_budget", "", ""] == 20
        desk.tick.now_s = 0.5
        assert sum(tell(recorder, came(f"f{n}")) for n in range(30)) == 5
        desk.tick.now_s = 100.0
        assert sum(tell(recorder, came(f"g{n}")) for n in range(30)) == 10

    async def test_a_large_batch_is_told_whole_and_paid_for_later(self, desk: Desk) -> None:
        recorder = desk.recorder(10)
        assert recorder.delivering(35) is not None
        for now_s, told in ((1.0, False), (2.5, False), (2.6, True)):
            desk.tick.now_s = now_s
            assert (recorder.delivering(1) is not None) is told

    async def test_the_door_and_delivery_have_a_budget_each(self, desk: Desk) -> None:
        recorder = desk.recorder(1)
        assert recorder.watching(1) is not None
        assert recorder.watching(1) is None
        assert recorder.delivering(1) is not None

    async def test_switched_off_it_tells_nothing_and_counts_nothing(self, desk: Desk) -> None:
        recorder = desk.recorder(0)
        assert recorder.watching(1) is recorder.delivering(1) is None
        assert not recorder.meter.counts

    @pytest.mark.parametrize(("rate", "kept"), [(0, []), (1, ["e0"])])
    async def test_the_demo_is_told_everything_beside(
        self, desk: Desk, rate: float, kept: list[str]
    ) -> None:
        recorder = desk.recorder(rate, also=True)
        for n in range(3):
            assert tell(recorder, came(f"e{n}"))
        assert [one.event_id for one in desk.also] == ["e0", "e0", "e1", "e1", "e2", "e2"]
        await recorder.flush()
        assert await desk.ids() == kept


class TestFollowed:
    async def test_an_event_that_was_told_is_followed_to_its_end(self, desk: Desk) -> None:
        recorder = desk.recorder()
        tell(recorder, came("e1"), came("e2"), came("e3"), dropped("e4"))
        assert set(recorder.followed.ids) == {"e1", "e2", "e3"}
        recorder.followed.watch(step("answered", "e1", "PURCHASE", SHOP, outcome="transient"))
        for one in (*went("e1"), *died("e2")):
            recorder.followed.watch(one)
        recorder.followed.watch(step("rejected", "e3", "PURCHASE", SHOP, outcome="expired"))
        assert set(recorder.followed.ids) == set()

    async def test_only_so_many_are_followed(self, desk: Desk) -> None:
        recorder = desk.recorder()
        tell(recorder, [came(f"e{n}")[1] for n in range(FOLLOWED_MAX + 5)])
        assert len(recorder.followed.ids) == FOLLOWED_MAX
        assert "e4" not in recorder.followed.ids
        assert "e5" in recorder.followed.ids


class TestTrouble:
    async def test_steps_that_cannot_be_written_are_dropped_and_counts_are_kept(
        self, desk: Desk
    ) -> None:
        recorder = desk.recorder()
        desk.journal.takes = False
        tell(recorder, came("e1"))
        recorder.meter.add(*ACCEPTED[:3])
        await recorder.flush()
        recorder.meter.add(*ACCEPTED[:3])
        await recorder.flush()
        desk.journal.takes = True
        tell(recorder, came("e2"))
        await recorder.flush()
        assert await desk.ids() == ["e2"]
        assert await desk.journal.totals() == {ACCEPTED: 2, ("trace", "not_written", "", ""): 2}

    async def test_the_buffer_keeps_the_newest(self, desk: Desk) -> None:
        recorder = desk.recorder()
        tell(recorder, dropped("old"), [dropped(f"e{n}")[0] for n in range(STEPS_MAX)])
        assert recorder.meter.counts["trace", "pushed_out", "", ""] == 1
        await recorder.flush()
        assert await desk.journal.trace("old") is None
        assert await desk.journal.trace("e0") is not None


class TestForgotten:
    async def test_a_visitor_who_is_forgotten_leaves_the_buffer_too(self, desk: Desk) -> None:
        recorder = desk.recorder()
        tell(recorder, came("e1"))
        await recorder.flush()
        tell(recorder, came("e2"))
        recorder.forgot(bytes.fromhex(VISITOR))
        await recorder.flush()
        assert await desk.ids() == []

    async def test_it_is_tried_until_the_journal_can(self, desk: Desk) -> None:
        recorder = desk.recorder()
        tell(recorder, came("e1"))
        await recorder.flush()
        desk.journal.takes = False
        for n in range(ERASED_AT_ONCE):
            recorder.forgot(n.to_bytes(16))
        recorder.forgot(bytes.fromhex(VISITOR))
        await recorder.flush()
        assert await desk.ids() == ["e1"]
        desk.journal.takes = True
        await recorder.flush()
        await recorder.flush()
        assert await desk.ids() == []

    async def test_what_could_not_be_erased_by_the_end_is_said(self, desk: Desk) -> None:
        recorder = desk.recorder()
        desk.journal.takes = False
        for n in range(FORGOTTEN_MAX + 5):
            recorder.forgot(n.to_bytes(16))
        stopping = asyncio.Event()
        stopping.set()
        await recorder.run(stopping)
        assert desk.log.named("traces_not_erased") == [{"visitors": FORGOTTEN_MAX}]


class TestRun:
    async def test_it_flushes_and_sweeps_and_flushes_once_more_at_the_end(self, desk: Desk) -> None:
        recorder = desk.recorder()
        stopping = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(recorder.run(stopping))
            tell(recorder, came("e1"))
            await eventually(desk.ids, "the first is written")
            await eventually(lambda: desk.journal.swept, "it was swept")
            tell(recorder, came("e2"))
            stopping.set()
        assert await desk.ids() == ["e2", "e1"]
        assert module.FLUSH_S <= 1

    async def test_a_fault_of_ours_is_told_and_the_rest_goes_on(self, desk: Desk) -> None:
        recorder = desk.recorder()
        desk.journal.fault = ValueError("of ours")
        stopping = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(recorder.run(stopping))
            recorder.meter.add(*ACCEPTED[:3])
            await eventually(lambda: desk.log.named("journal_fault"), "the fault is told")
            desk.journal.fault = None
            stopping.set()
        assert (await desk.journal.totals())[ACCEPTED] == 1

"""Long replays: in slices, patient with a busy store, stopped without harm, and on record."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgeproxy.admin.letters import SLICE, Wanted, begin
from edgeproxy.errors import StoreBusy
from tests.admin_calls import Caller, calling
from tests.fakes import eventually
from tests.graveyard import SHOP, SITE, bury


class Watched:
    """The store, with a look between slices, and refusals at times."""

    def __init__(self, caller: Caller) -> None:
        self._store = caller.store
        self.slices: list[int] = []
        self.busy = 0
        self.most: float = math.inf
        """After so many slices it is busy for good."""
        self.door = asyncio.Event()
        self.door.set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def replay(self, ids: Sequence[int]) -> int:
        await self.door.wait()
        if self.busy or len(self.slices) >= self.most:
            self.busy -= 1
            raise StoreBusy("store_locked", "not now", retry_after_s=0)
        self.slices.append(len(ids))
        return await self._store.replay(ids)


async def test_it_goes_in_slices_and_ends_with_a_line_of_the_audit_log(tmp_path: Path) -> None:
    async with calling(tmp_path, SITE) as caller:
        store = Watched(caller)
        await bury(caller.store, *range(2 * SLICE + 7))
        state = replace(caller.state, store=store)
        progress = await begin(state, "replay", Wanted(reason="rejected", integration=SHOP), "jane")
        await progress.ended.wait()

        assert store.slices == [SLICE, SLICE, 7]
        assert (progress.job.state, progress.job.changed, progress.job.part) == ("done", 207, 1.0)
        (line,) = await caller.store.office.changes()
        assert (line.who, line.id) == ("jane", progress.job.id)
        assert line.detail == f"207 of 207 (rejected of {SHOP})"


async def test_what_dies_meanwhile_is_left_alone(tmp_path: Path) -> None:
    async with calling(tmp_path, SITE) as caller:
        store = Watched(caller)
        store.door.clear()
        await bury(caller.store, *range(SLICE + 1))
        progress = await begin(replace(caller.state, store=store), "replay", Wanted(), "jane")
        await eventually(lambda: progress.job.running, "it runs")
        await bury(caller.store, "later")
        store.door.set()
        await progress.ended.wait()

        assert progress.job.changed == SLICE + 1
        assert len(await caller.store.dead_letters()) == 1


async def test_it_waits_for_a_busy_store_and_goes_on(tmp_path: Path) -> None:
    async with calling(tmp_path, SITE) as caller:
        store = Watched(caller)
        store.busy = 1
        await bury(caller.store, "a")
        progress = await begin(replace(caller.state, store=store), "replay", Wanted(), "jane")
        await progress.ended.wait()
        assert (progress.job.state, progress.job.changed) == ("done", 1)
        assert progress.job.message == ""


async def test_it_says_so_when_the_store_stays_busy_and_nothing_is_lost(tmp_path: Path) -> None:
    async with calling(tmp_path, SITE) as caller:
        store = Watched(caller)
        store.most = 1
        await bury(caller.store, *range(SLICE + 1))
        progress = await begin(replace(caller.state, store=store), "replay", Wanted(), "jane")
        await eventually(lambda: store.slices, "a slice is done")
        progress.stop()  # it would wait for half a minute
        await progress.ended.wait()
        assert progress.job.state in ("failed", "stopped")
        assert len(await caller.store.dead_letters(limit=500)) == 1


async def test_stopped_it_ends_after_its_slice(tmp_path: Path) -> None:
    async with calling(tmp_path, SITE) as caller:
        store = Watched(caller)
        store.door.clear()
        await bury(caller.store, *range(3 * SLICE))
        state = replace(caller.state, store=store)
        progress = await begin(state, "replay", Wanted(), "jane")
        progress.stop()
        store.door.set()
        await progress.ended.wait()

        assert (progress.job.state, progress.job.changed) == ("stopped", SLICE)
        assert len(await caller.store.dead_letters(limit=500)) == 2 * SLICE
        (line,) = await caller.store.office.changes()
        assert line.detail.startswith(f"{SLICE} of {3 * SLICE}")

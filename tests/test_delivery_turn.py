"""Whose turn it is to deliver: one at a time, the next as soon as the one before is gone."""

import asyncio
from pathlib import Path

import pytest

from edgeproxy.delivery.turn import delivery_lock, in_turn
from edgeproxy.store.filelock import FileLock
from tests.fakes import KeptLog
from tests.raw_http import seen


class Turn:
    """A process that wants to deliver, as far as the lock is concerned."""

    def __init__(self, folder: Path) -> None:
        lock = delivery_lock(f"sqlite://{folder}/edge.db")
        assert lock is not None
        self.lock = lock
        self.log = KeptLog()
        self.stopping = asyncio.Event()
        self.works = False

    async def work(self) -> None:
        self.works = True
        await self.stopping.wait()
        self.works = False

    async def run(self) -> None:
        await in_turn(self.lock, self.work, stopping=self.stopping, log=self.log, look_s=0.01)


async def test_one_works_and_the_next_follows_when_it_ends(tmp_path: Path) -> None:
    one, two = Turn(tmp_path), Turn(tmp_path)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(one.run())
        await seen(lambda: one.works, "the first works")
        tasks.create_task(two.run())
        await seen(lambda: two.log.lines, "the second waits")
        assert not two.works
        one.stopping.set()
        await seen(lambda: two.works, "the second works")
        two.stopping.set()
    assert [event for _, event, _ in two.log.lines] == ["delivery_elsewhere", "delivery_taken_over"]
    assert one.log.lines == []


async def test_who_waits_can_be_stopped(tmp_path: Path) -> None:
    one, two = Turn(tmp_path), Turn(tmp_path)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(one.run())
        await seen(lambda: one.works, "the first works")
        two.stopping.set()
        await two.run()
        assert not two.works
        one.stopping.set()


async def test_work_that_fails_gives_the_turn_away(tmp_path: Path) -> None:
    async def fail() -> None:
        raise LookupError("mine")

    one, two = Turn(tmp_path), Turn(tmp_path)
    with pytest.raises(LookupError):
        await in_turn(one.lock, fail, stopping=one.stopping, log=one.log)
    assert two.lock.acquire(0)
    two.lock.close()


def test_the_lock_is_not_the_one_of_writers(tmp_path: Path) -> None:
    """Or who delivers would keep all others from writing."""
    delivery = delivery_lock(f"sqlite://{tmp_path}/edge.db")
    writers = FileLock(tmp_path / "edge.db.lock")
    assert delivery is not None
    assert delivery.acquire(0)
    assert writers.acquire(0)
    for lock in (delivery, writers):
        lock.close()


def test_a_store_that_hands_rows_to_many_has_no_such_lock() -> None:
    assert delivery_lock("postgresql://user@host/db") is None

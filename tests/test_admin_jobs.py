"""Jobs go on by themselves, are bounded in number, and end with the process or by themselves."""

import asyncio

import pytest

from edgeproxy.admin.jobs import KEPT, RUNNING_MAX, Job, Jobs, Progress, Work
from edgeproxy.errors import Conflict, Refused, StoreBusy
from tests.fakes import KeptLog


class Office:
    """Jobs with a clock and a log."""

    def __init__(self) -> None:
        self.jobs = Jobs()
        self.log = KeptLog()
        self.now_ms = 1000

    def begin(self, id: str, work: Work, total: int = 1) -> Progress:
        job = Job(id=id, action="replay", about="all", by="jane", total=total, began_ms=self.now_ms)
        return self.jobs.begin(
            job, work, now_ms=lambda: self.now_ms, stopping=lambda: False, log=self.log
        )


async def at_once(progress: Progress) -> None:
    progress.tell(seen=1)


async def until_stopped(progress: Progress) -> None:
    while not progress.stopping:
        await progress.pause(60)


async def test_one_that_ends_says_when_and_can_be_asked_for(anyio_backend: str) -> None:
    office = Office()
    assert office.begin("a", at_once).job.running
    progress = office.jobs.find("a")
    await progress.ended.wait()
    assert (progress.job.state, progress.job.ended_ms, progress.job.part) == ("done", 1000, 1.0)
    with pytest.raises(Refused, match="no such job"):
        office.jobs.find("b")


async def test_those_that_go_on_are_stopped_at_the_end_of_the_process() -> None:
    office = Office()
    progress = office.begin("a", until_stopped)
    await office.jobs.close()
    assert progress.job.state == "stopped"
    await office.jobs.close()


async def test_only_some_go_on_at_the_same_time() -> None:
    office = Office()
    for n in range(RUNNING_MAX):
        office.begin(str(n), until_stopped)
    with pytest.raises(Conflict, match="wait until one has ended"):
        office.begin("one more", at_once)
    await office.jobs.close()
    office.begin("now", at_once)
    await office.jobs.close()


async def test_a_refusal_and_a_fault_of_ours_are_told_and_end_it() -> None:
    office = Office()

    async def busy(_: Progress) -> None:
        raise StoreBusy("x", "The store is busy.")

    async def fault(_: Progress) -> None:
        raise ZeroDivisionError

    failed = [office.begin("a", busy), office.begin("b", fault)]
    await asyncio.gather(*(one.ended.wait() for one in failed))
    assert [one.job.state for one in failed] == ["failed", "failed"]
    assert failed[0].job.message == "The store is busy."
    assert "log" in failed[1].job.message
    assert len(office.log.named("job_failed")) == 1


async def test_old_ones_are_forgotten_the_newest_first_to_be_asked_for() -> None:
    office = Office()
    for n in range(KEPT + 3):
        await office.begin(str(n), at_once).ended.wait()
    await office.begin("last", at_once).ended.wait()
    names = [job.id for job in office.jobs.all()]
    assert (names[0], len(names)) == ("last", KEPT + 1)
    assert Job(id="", action="", about="", by="", began_ms=0).part == 0

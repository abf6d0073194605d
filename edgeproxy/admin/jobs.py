"""Long work that goes on when its browser is closed: with progress, in slices, stoppable."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Literal

import msgspec

from edgeproxy.errors import Conflict, EdgeproxyError, Refused

RUNNING_MAX = 4
KEPT = 50
"""So many jobs that have ended can still be asked for."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """How far a job is.

    Attributes:
        id: Names it.
        action: What it does: "replay" or "discard".
        about: To what, in words.
        by: Who began it.
        state: "stopped" was stopped by a person or by the end of the process; what was done stays.
        total: How many there were to do it to as it began.
        seen: How many it has come by.
        changed: To how many it was done.
        superseded: Replays that gave way to a later copy of the same event.
        missing: Ids that name nothing (any more).
        message: Why it failed or waits, "" otherwise.
        began_ms: Unix ms.
        ended_ms: Unix ms, None while it runs.
    """

    id: str
    action: str
    about: str
    by: str
    state: Literal["running", "done", "stopped", "failed"] = "running"
    total: int = 0
    seen: int = 0
    changed: int = 0
    superseded: int = 0
    missing: int = 0
    message: str = ""
    began_ms: int
    ended_ms: int | None = None

    @property
    def part(self) -> float:
        """How far it is, 0 to 1."""
        return (
            1.0 if self.state == "done" else min(1.0, self.seen / self.total) if self.total else 0
        )

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self.state == "running"


class Progress:
    """A job under way: where its work writes how far it is, and learns that it shall stop."""

    def __init__(self, job: Job, closing: Callable[[], bool]) -> None:
        self.job = job
        self.ended = asyncio.Event()
        self._stop = asyncio.Event()
        self._closing = closing

    def tell(self, **changes: object) -> None:
        """Write how far it is."""
        self.job = msgspec.structs.replace(self.job, **changes)

    def stop(self) -> None:
        """Have it end after the slice it is at."""
        self._stop.set()

    @property
    def stopping(self) -> bool:
        """Whether to begin no other slice."""
        return self._stop.is_set() or self._closing()

    async def pause(self, seconds: float) -> None:
        """Wait, unless it shall stop."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()


Work = Callable[[Progress], Awaitable[None]]


class Jobs:
    """The jobs of this process."""

    def __init__(self) -> None:
        self._jobs: dict[str, Progress] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(
        self,
        job: Job,
        work: Work,
        *,
        now_ms: Callable[[], int],
        stopping: Callable[[], bool],
        log: Callable[..., None],
    ) -> Progress:
        """Begin a job.

        Raises:
            Conflict: Too many go on.
        """
        if len([one for one in self._jobs.values() if one.job.running]) >= RUNNING_MAX:
            raise Conflict("too_many_jobs", "other jobs go on; wait until one has ended")
        progress = self._jobs[job.id] = Progress(job, stopping)
        task = asyncio.get_running_loop().create_task(_run(progress, work, now_ms, log))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._trim()
        return progress

    def find(self, id: str) -> Progress:
        """One job; raises Refused (404) when there is none, as after a restart."""
        if id not in self._jobs:
            raise Refused("not_found", "there is no such job in this process", status=404)
        return self._jobs[id]

    def all(self) -> list[Job]:
        """The newest first."""
        return [one.job for one in reversed(self._jobs.values())]

    async def close(self) -> None:
        """Stop them all, each after its slice."""
        for progress in self._jobs.values():
            progress.stop()
        await asyncio.gather(*self._tasks)

    def _trim(self) -> None:
        ended = [id for id, one in self._jobs.items() if not one.job.running]
        for id in ended[: max(0, len(ended) - KEPT)]:
            del self._jobs[id]


async def _run(
    progress: Progress, work: Work, now_ms: Callable[[], int], log: Callable[..., None]
) -> None:
    try:
        await work(progress)
        stopped = progress.stopping and progress.job.seen < progress.job.total
        progress.tell(state="stopped" if stopped else "done", message="")
    except EdgeproxyError as error:
        progress.tell(state="failed", message=getattr(error, "message", str(error)))
    except Exception as error:  # a task of its own: nobody else would hear of it
        log("error", "job_failed", action=progress.job.action, exc_info=error)
        progress.tell(state="failed", message="a fault of ours; the log says more")
    finally:
        progress.tell(ended_ms=now_ms())
        progress.ended.set()

"""Replaying and discarding dead letters in slices, so that events are never kept waiting."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from functools import partial
from typing import Literal, TypeVar

import msgspec

from edgeproxy.admin.jobs import Job, Progress
from edgeproxy.admin.state import AdminState
from edgeproxy.errors import StoreBusy
from edgeproxy.store.base import DeadCount, DeadLetter
from edgeproxy.store.office import Change

SLICE = 100
"""Dead letters of one transaction."""

TRIES = 20
_WAIT_S = 2.0

T = TypeVar("T")

Act = Literal["replay", "discard"]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which dead letters: these ids, or all that a filter lets pass."""

    ids: tuple[int, ...] | None = None
    integration: str | None = None
    reason: str | None = None
    name: str | None = None

    @property
    def words(self) -> str:
        """For people: "rejected, PURCHASE of shop-1"."""
        if self.ids is not None:
            return f"{len(self.ids)} chosen"
        said = ", ".join(filter(None, (self.reason, self.name))) or "all"
        return f"{said} of {self.integration}" if self.integration else said

    def takes(self, count: DeadCount) -> bool:
        """Whether the filter lets these pass."""
        return (
            self.integration in (None, count.integration)
            and self.reason in (None, count.reason)
            and self.name in (None, count.name)
        )


async def begin(state: AdminState, act: Act, wanted: Wanted, by: str) -> Progress:
    """Begin to replay or discard dead letters; those that die meanwhile are left alone."""
    if wanted.ids is None:
        total = sum(one.n for one in await state.store.dead_counts() if wanted.takes(one))
    else:
        total = len(wanted.ids)
    job = Job(
        id=state.new_id(),
        action=act,
        about=wanted.words,
        by=by,
        total=total,
        began_ms=state.now_ms(),
    )

    async def work(progress: Progress) -> None:
        try:
            await _carry_out(state, act, wanted, progress)
        finally:
            await _note(state, progress)

    return state.jobs.begin(job, work, now_ms=state.now_ms, stopping=state.stopping, log=state.log)


async def _carry_out(state: AdminState, act: Act, wanted: Wanted, progress: Progress) -> None:
    do = state.store.replay if act == "replay" else state.store.discard
    async with aclosing(_slices(state, wanted, progress)) as slices:
        async for asked, letters in slices:
            ids = [letter.id for letter in letters]
            done = await _patiently(progress, partial(do, ids)) if ids else 0
            job = progress.job
            progress.tell(
                seen=job.seen + asked,
                total=max(job.total, job.seen + asked),
                changed=job.changed + done,
                missing=job.missing + asked - len(ids),
                superseded=job.superseded + (len(ids) - done if act == "replay" else 0),
            )
            if act == "replay":
                for integration in {letter.integration for letter in letters}:
                    state.wake(integration)
            if progress.stopping:
                return


async def _slices(
    state: AdminState, wanted: Wanted, progress: Progress
) -> AsyncGenerator[tuple[int, Sequence[DeadLetter]], None]:
    """How many were asked for, and the letters, the newest first; each slice read as it is due."""
    if wanted.ids is not None:
        for start in range(0, len(wanted.ids), SLICE):
            chunk = wanted.ids[start : start + SLICE]
            ask = partial(state.store.dead_letters, ids=chunk, limit=SLICE)
            yield len(chunk), await _patiently(progress, ask)
        return
    before: int | None = None
    while True:
        ask = partial(
            state.store.dead_letters,
            integration=wanted.integration,
            reason=wanted.reason,
            name=wanted.name,
            before=before,
            limit=SLICE,
        )
        letters = await _patiently(progress, ask)
        if not letters:
            return
        yield len(letters), letters
        before = letters[-1].id


async def _patiently(progress: Progress, ask: Callable[[], Awaitable[T]]) -> T:
    """The answer of a store that may be busy for a while."""
    for _ in range(TRIES - 1):
        try:
            return await ask()
        except StoreBusy as busy:
            if progress.stopping:
                raise
            progress.tell(message=f"waits: {busy.message}")
            await progress.pause(min(_WAIT_S, busy.retry_after_s or _WAIT_S))
            progress.tell(message="")
    return await ask()


async def _note(state: AdminState, progress: Progress) -> None:
    """One line of the audit log about what was done."""
    job = progress.job
    more = f", {job.superseded} gave way to a later copy" if job.superseded else ""
    line = Change(
        who=job.by,
        action=job.action,
        kind="dead letters",
        id=job.id,
        detail=f"{job.changed} of {job.total} ({job.about}){more}"[:300],
    )
    with suppress(StoreBusy):  # the ledger knows it as well
        await state.office.note(line)

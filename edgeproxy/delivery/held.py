"""The rows of one lease for as long as they are ours, and the booking of what became of them."""

import asyncio
import math
from collections.abc import Sequence

from edgeproxy.delivery import backoff
from edgeproxy.delivery.batch import Batch
from edgeproxy.delivery.parts import Parts
from edgeproxy.errors import StoreBusy
from edgeproxy.outcome import Verdict
from edgeproxy.store.base import Dead, Lease, Retry


class Held:
    """Rows under a lease.

    Args:
        parts: What delivery works with.
        lease: Whose rows.
    """

    def __init__(self, parts: Parts, lease: Lease) -> None:
        self._parts = parts
        self._lease = lease
        self._now_s = asyncio.get_running_loop().time
        self._renewed_s = self._now_s()
        self._looked_s = self._renewed_s
        self._give_up_s = math.inf
        self._unsettled = {row.id: row for row in lease.rows}

    async def still(self) -> bool:
        """Extend the lease when it is time to; False when it was lost meanwhile."""
        if self._now_s() - self._renewed_s < self._parts.schedule.renew_s:
            return True
        self._renewed_s = self._now_s()
        if await self._parts.store.renew(self._lease, self._parts.schedule.lease_s):
            return True
        self._say("warning", "lease_lost", events=len(self._unsettled))
        self._unsettled.clear()
        return False

    async def look(self) -> None:
        """Forget rows that were erased, when it is time to ask: visitors may have withdrawn.

        What is sent at once is not asked about, what had to wait is.
        """
        if self._now_s() - self._looked_s < self._parts.schedule.look_s:
            return
        self._looked_s = self._now_s()
        gone = self._unsettled.keys() - await self._parts.store.carried(self._lease)
        for id_ in gone:
            del self._unsettled[id_]
        if gone:
            self._say("info", "rows_gone", events=len(gone))

    def left(self, batch: Batch) -> Batch:
        """What of a batch is still ours to send."""
        return tuple(each for each in batch if each.row.id in self._unsettled)

    async def settle(
        self,
        *,
        delivered: Sequence[int] = (),
        retry: Sequence[Retry] = (),
        dead: Sequence[Dead] = (),
    ) -> None:
        """Book outcomes; nothing happens for rows that are not ours any more.

        Raises:
            StoreBusy: The store could not be written for longer than we are patient.
        """
        ids = {*delivered, *(each.id for each in retry), *(each.id for each in dead)}
        if not ids or not self._unsettled:
            return
        booked = await self._patiently(delivered, retry, dead)
        for each in ids:
            self._unsettled.pop(each, None)
        if booked < len(ids):
            self._say("info", "rows_gone", events=len(ids) - booked)

    async def put_back(
        self, waiting: Sequence[Batch], verdict: Verdict | None = None, *, at_once: bool
    ) -> None:
        """Rows back into the queue: after a wait when they failed, else due at once.

        Args:
            waiting: Batches that were not sent, or to which Snap did not say yes or no.
            verdict: Why; only a failure counts as an attempt.
            at_once: Whether the gate decides when they are sent again, and not a wait.
        """
        failed = verdict is not None and verdict.kind == "transient"
        least_s = verdict.retry_after_s or 0.0 if verdict else 0.0
        draw = self._parts.draw()

        def delay_s(attempt: int) -> float:
            if at_once or not failed:
                return 0.0
            return max(backoff.slow(self._parts.schedule, attempt, draw), least_s)

        await self.settle(
            retry=[
                Retry(
                    id=each.row.id,
                    delay_s=delay_s(each.row.attempt),
                    error=verdict.message if verdict else "",
                    counted=failed,
                )
                for batch in waiting
                for each in batch
            ]
        )

    async def put_back_rest(self) -> None:
        """Put back what is not settled after a fault of our own; slowly, it may come again."""
        draw = self._parts.draw()
        await self.settle(
            retry=[
                Retry(
                    id=row.id,
                    delay_s=backoff.slow(self._parts.schedule, row.attempt, draw),
                    error="a fault in delivery",
                )
                for row in self._unsettled.values()
            ]
        )

    async def _patiently(
        self, delivered: Sequence[int], retry: Sequence[Retry], dead: Sequence[Dead]
    ) -> int:
        """Try again while the store is busy, because the events may be at Snap already."""
        for nap_s in self._parts.schedule.booking_s:
            try:
                return await self._book(delivered, retry, dead)
            except StoreBusy as busy:
                if self._parts.stopping.is_set() and self._is_over(busy):
                    raise
                await asyncio.sleep(nap_s)
        return await self._book(delivered, retry, dead)

    def _is_over(self, busy: StoreBusy) -> bool:
        """Whether a store that says no while work stops is not asked again.

        What is not booked then is sent again by the next life, with the same ids.
        """
        self._give_up_s = min(self._give_up_s, self._now_s() + self._parts.schedule.last_s)
        # A store that failed is why the process ends.
        return busy.code == "store_failed" or self._now_s() >= self._give_up_s

    async def _book(
        self, delivered: Sequence[int], retry: Sequence[Retry], dead: Sequence[Dead]
    ) -> int:
        return await self._parts.store.settle(
            self._lease, delivered=delivered, retry=retry, dead=dead
        )

    def _say(self, level: str, event: str, **fields: object) -> None:
        self._parts.say(level, event, integration=self._lease.integration, **fields)

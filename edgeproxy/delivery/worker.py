"""The loops of delivery: one for each integration, one that sweeps the store, one that counts.

A loop sleeps until somebody wakes it, until a row is due, or until a probe is; it never ends by
itself, and a fault in one loop leaves the others alone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial

from edgeproxy.delivery import gate
from edgeproxy.delivery.backoff import Schedule, doubled, jittered
from edgeproxy.delivery.batch import MAX_BYTES
from edgeproxy.delivery.census import DEAD_MAX, Census
from edgeproxy.delivery.courier import Courier
from edgeproxy.delivery.parts import Line, Log, Parts
from edgeproxy.meter import Meter
from edgeproxy.seal import Sealer
from edgeproxy.sites import Integration
from edgeproxy.snap.transport import Transport
from edgeproxy.store.base import Lease, Store
from edgeproxy.trace import Followed, Watching

POLL_S = 5.0
"""How long a loop sleeps at most; another process may have appended."""

_LOOK_S = 1.0
_SWEEP_S = 60.0
_SWEEP_ROWS = 5000
_FAULT_S = (1.0, 60.0)
_RACE_S = 0.05
_FULL = 0.9


class Wake:
    """Tells the loop of an integration that rows were appended. Not thread-safe."""

    def __init__(self) -> None:
        self._flags: dict[str, asyncio.Event] = {}

    def tell(self, integration: str) -> None:
        """Wake the loop of one integration; it costs nothing when it is awake."""
        self.flag(integration).set()

    def tell_all(self) -> None:
        """Wake every loop."""
        for flag in self._flags.values():
            flag.set()

    def flag(self, integration: str) -> asyncio.Event:
        """What the loop of an integration waits for."""
        flag = self._flags.get(integration)
        if flag is None:
            flag = self._flags[integration] = asyncio.Event()
        return flag


async def deliver(
    *,
    store: Store,
    integrations: Callable[[], Sequence[Integration]],
    transport: Transport,
    sealer: Sealer,
    clock: Callable[[], int],
    draw: Callable[[], float],
    wake: Wake,
    stopping: asyncio.Event,
    fingerprint: Callable[[Integration], str],
    log: Log,
    watching: Watching | None = None,
    followed: Followed | None = None,
    meter: Meter | None = None,
    alone: bool = True,
    schedule: Schedule = Schedule(),  # noqa: B008 - frozen
    poll_s: float = POLL_S,
    dead_max: int = DEAD_MAX,
) -> None:
    """Deliver until `stopping` is set, then finish: at most `grace_s` for requests in flight.

    Args:
        store: Where the rows are; stays the caller's.
        integrations: All that are configured, those that are switched off too; asked again and
            again, so that changes take effect.
        transport: Carries requests to Snap.
        sealer: Opens what was sealed beside the rows.
        clock: The wall clock in Unix ms.
        draw: A random number from 0 to 1.
        wake: Told by whoever appends rows or opens a gate.
        stopping: Ends delivery.
        fingerprint: Of what Snap judges in an integration (token, pixel, wire version), not
            reversible; a paused integration is probed at once when it changes.
        log: Writes a line: level, event, fields.
        watching: Who is told each step of each event; None costs nothing.
        followed: The events whose steps are told in any case.
        meter: Counts what becomes of events.
        alone: Whether no other process delivers from this store: then all leases are left over
            from an earlier life, and are taken back at the start.
        schedule: The waits.
        poll_s: How long to sleep at most when nothing is known to be due.
        dead_max: With so many dead letters an integration pauses instead of making more.
    """
    parts = Parts(
        store=store,
        transport=transport,
        sealer=sealer,
        now_ms=clock,
        draw=draw,
        fingerprint=fingerprint,
        stopping=stopping,
        log=log,
        watching=watching,
        followed=followed,
        meter=meter or Meter(),
        schedule=schedule,
    )
    worker = _Worker(parts, integrations, wake, alone=alone, poll_s=poll_s, dead_max=dead_max)
    await worker.run()


class _Worker:
    """All loops of this process."""

    def __init__(
        self,
        parts: Parts,
        integrations: Callable[[], Sequence[Integration]],
        wake: Wake,
        *,
        alone: bool,
        poll_s: float,
        dead_max: int,
    ) -> None:
        self._parts = parts
        self._store = parts.store
        self._integrations = integrations
        self._wake = wake
        self._alone = alone
        self._poll_s = poll_s
        self._courier = Courier(parts)
        self._census = Census(parts, integrations, dead_max=dead_max)

    async def run(self) -> None:
        """Start a loop for each integration that appears; end when work stops."""
        await self._repeat("recover", self._recover)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._repeat("sweep", self._sweep))
            tasks.create_task(self._repeat("census", self._census.round))
            await self._repeat("integrations", partial(self._begin, tasks, {}))
            self._courier.hurry(self._parts.schedule.grace_s)
            self._wake.tell_all()

    async def _repeat(self, name: str, round_: Callable[[], Awaitable[bool]]) -> None:
        """Repeat until a round says that there is no more to do, or work stops.

        A fault is logged once, however often it comes back, and the loop goes on after a pause.
        """
        seen, wait_s = "", 0.0
        while not self._parts.stopping.is_set():
            try:
                if not await round_():
                    return
                seen, wait_s = "", 0.0
            except Exception as error:
                if seen != type(error).__name__:
                    self._parts.say("error", "delivery_fault", loop=name, exc_info=error)
                seen, wait_s = type(error).__name__, doubled(wait_s, *_FAULT_S)
                await self._parts.pause(jittered(wait_s, self._parts.draw()))

    async def _begin(self, tasks: asyncio.TaskGroup, loops: dict[str, asyncio.Task[None]]) -> bool:
        """Start a loop for each integration that has none."""
        for each in self._integrations():
            if each.enabled and (each.id not in loops or loops[each.id].done()):
                round_ = partial(self._round, each.id, Line())
                loops[each.id] = tasks.create_task(self._repeat(each.id, round_))
        await self._parts.pause(_LOOK_S)
        return True

    async def _recover(self) -> bool:
        if count := await self._store.recover(everything=self._alone):
            self._parts.say("info", "leases_recovered", events=count)
        return False

    async def _sweep(self) -> bool:
        """One round of the store's housekeeping; the next one soon when there was much to do."""
        await self._store.recover()
        moved = await self._store.sweep(limit=_SWEEP_ROWS)
        await self._parts.pause(_SWEEP_S if moved < _SWEEP_ROWS else 0.1)
        return True

    async def _round(self, integration_id: str, line: Line) -> bool:
        """Claim and deliver, or sleep; False when the integration is gone."""
        integration = self._find(integration_id)
        if integration is None:
            return False
        flag = self._wake.flag(integration_id)
        if line.closed and (wait_s := await self._closed_for_s(integration, line)) > 0:
            await self._parts.pause(min(wait_s, _LOOK_S))
            return True
        flag.clear()
        lease = await self._claim(integration)
        if lease:
            await self._drain(integration, line, lease)
        else:
            await self._sleep(integration_id, line, flag)
        return True

    def _find(self, integration_id: str) -> Integration | None:
        """The integration as it is configured now; None when it is gone or switched off."""
        for each in self._integrations():
            if each.id == integration_id and each.enabled:
                return each
        return None

    async def _claim(self, integration: Integration) -> Lease:
        return await self._store.claim(
            integration.id,
            limit=integration.batch_max,
            max_bytes=MAX_BYTES,
            lease_s=self._parts.schedule.lease_s,
        )

    async def _drain(self, integration: Integration, line: Line, lease: Lease) -> None:
        """Deliver a lease and what waits behind it, then pause for a batch to gather.

        A full lease means that more waits: then there are two hands, and one makes its batch
        ready while Snap and the disk work on the other's. After a closed gate one goes ahead.
        """
        faults: list[Exception] = []
        eased = line.easing
        async with asyncio.TaskGroup() as hands:
            hands.create_task(self._carry(integration, line, lease, faults))
            if _is_full(lease, integration.batch_max) and not line.easing:
                hands.create_task(self._carry(integration, line, None, faults))
        if faults:
            raise faults[0]
        if not (lease.probe or eased):
            await self._parts.pause(integration.linger_ms / 1000)

    async def _carry(
        self, integration: Integration, line: Line, lease: Lease | None, faults: list[Exception]
    ) -> None:
        """One hand: delivers leases for as long as they come full.

        A fault is kept for the caller, because it must not cancel the other hand's request.
        """
        current: Integration | None = integration
        eased = line.easing
        try:
            while current is not None and not (self._parts.stopping.is_set() or faults):
                lease = lease or await self._claim(current)
                if lease:
                    await self._courier.deliver(lease, current, line)
                if line.closed or line.easing or eased or not _is_full(lease, current.batch_max):
                    return
                lease, current = None, self._find(current.id)
        except Exception as error:
            faults.append(error)

    async def _closed_for_s(self, integration: Integration, line: Line) -> float:
        """How long until a closed gate lets something through; opens it when its wait is over."""
        before = await self._store.gate(integration.id)
        after = gate.changed(gate.waited(before), self._parts.fingerprint(integration))
        if after != before:
            await self._store.set_gate(after)
            self._parts.say_moved(before, after)
        line.saw(after)
        if not line.closed:
            return 0.0
        return _LOOK_S if after.probe_in_s is None else max(after.probe_in_s, 0.0)

    async def _sleep(self, integration_id: str, line: Line, flag: asyncio.Event) -> None:
        """Nothing was handed out: sleep until that may have changed."""
        line.saw(await self._store.gate(integration_id))
        if line.closed:
            wait_s = _LOOK_S
        else:
            due, next_s = await self._store.waiting(integration_id)
            wait_s = _RACE_S if due else min(next_s, self._poll_s)
        if self._parts.stopping.is_set():
            return  # the waking at the end may have come before the flag was cleared
        with suppress(TimeoutError):
            async with asyncio.timeout(jittered(wait_s, self._parts.draw())):
                await flag.wait()


def _is_full(lease: Lease, limit: int) -> bool:
    """Whether more rows were probably waiting than the lease could take."""
    if len(lease.rows) >= limit:
        return True
    size_bytes = sum(len(row.body) + len(row.sealed) + len(row.known) for row in lease.rows)
    return size_bytes > _FULL * MAX_BYTES

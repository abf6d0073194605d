"""A store, our own Snap over real sockets, and delivery between them, a hundred times as fast."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from edgeproxy.delivery.backoff import Schedule
from edgeproxy.delivery.worker import Wake, deliver
from edgeproxy.outbound import Outbound
from edgeproxy.sandbox.app import serve_sandbox
from edgeproxy.sandbox.state import Sandbox
from edgeproxy.sites import Integration
from edgeproxy.snap.transport import SnapTransport
from edgeproxy.store.base import Gate, Store
from tests.fakes import (
    SEALER,
    KeptLog,
    LiveClock,
    event,
    eventually,
    integration,
    item,
    ledger,
    open_store,
    put,
)

SCALED = Schedule(
    fast_s=(0.01, 0.02, 0.04),
    slow_s=0.05,
    slow_max_s=0.2,
    throttle_s=0.05,
    breaker_s=0.05,
    breaker_max_s=0.2,
    paused_s=0.2,
)
"""The same schedule, a hundred times as fast."""


class Office:
    """A store, a sandbox, and delivery between them."""

    def __init__(self, store: Store, clock: LiveClock, snap: Sandbox, url: str) -> None:
        self.store = store
        self.clock = clock
        self.snap = snap
        self.url = url
        self.log = KeptLog()
        self.wake = Wake()
        self.stopping = asyncio.Event()
        self.integrations: list[Integration] = [integration(linger_ms=5)]
        self.outbound = Outbound(deadline_s=5)

    @asynccontextmanager
    async def delivering(self, **changes: Any) -> AsyncIterator[None]:
        """Delivery for the length of the block; then it must end within its grace."""
        self.stopping = asyncio.Event()
        keywords: dict[str, Any] = {
            "store": self.store,
            "integrations": lambda: self.integrations,
            "transport": SnapTransport(self.url, self.outbound),
            "sealer": SEALER,
            "clock": self.clock,
            "draw": lambda: 0.5,
            "wake": self.wake,
            "stopping": self.stopping,
            "fingerprint": lambda one: f"{one.access_token.reveal()} {one.pixel_id}",
            "log": self.log,
            "schedule": SCALED,
            **changes,
        }
        async with asyncio.timeout(90), asyncio.TaskGroup() as tasks:
            tasks.create_task(deliver(**keywords))
            try:
                yield
            finally:
                self.stopping.set()

    async def put(self, numbers: Sequence[int], **changes: Any) -> None:
        """Accept events, as the way in would."""
        to = self.integrations[0].id
        await put(
            self.store,
            *(item(event(n, time_ms=self.clock(), **changes), to=to) for n in numbers),
        )
        self.wake.tell(to)

    async def settled(self, **expected: int) -> None:
        """Wait until the ledger says so."""

        async def look() -> bool:
            return await ledger(self.store) == expected

        await eventually(look, f"the ledger says {expected}")

    async def gate_is(self, state: str) -> Gate:
        """Wait for a state of the gate."""

        async def look() -> Gate | None:
            gate = await self.store.gate(self.integrations[0].id)
            return gate if gate.state == state else None

        gate: Gate = await eventually(look, f"the gate is {state}")
        return gate

    def arrived(self) -> dict[str, int]:
        """How often each id counts at Snap."""
        return dict(Counter(one["client_dedup_id"] for one in self.snap.events))


@asynccontextmanager
async def open_office(folder: Path) -> AsyncIterator[Office]:
    """An office in a folder of its own."""
    clock = LiveClock()
    snap = Sandbox(now_ms=clock)
    async with open_store(folder, clock) as store, serve_sandbox(snap) as listener:
        made = Office(store, clock, snap, listener.url)
        yield made
        await made.outbound.close()


def ids(numbers: Sequence[int]) -> dict[str, int]:
    return {f"e{n}": 1 for n in numbers}

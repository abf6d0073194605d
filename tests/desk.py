"""A desk to deliver from: the real store, a clock, a log, and a Snap that answers as told."""

import asyncio
from typing import Any

from msgspec.structs import replace

from edgeproxy.delivery.backoff import Schedule
from edgeproxy.delivery.courier import Courier
from edgeproxy.delivery.parts import Line, Parts
from edgeproxy.errors import StoreBusy
from edgeproxy.store.base import Gate, Lease, Store
from edgeproxy.trace import Step
from edgeproxy.wire import WireResponse
from tests.fakes import SEALER, YES, Clock, FakeTransport, KeptLog, Play, integration, ledger

NO_ONE = WireResponse(status=400, body=b'{"status":"FAILED","reason":"Bad event"}')
QUICK = Schedule(fast_s=(0.001, 0.001, 0.001), booking_s=(0.001, 0.001))


class Desk:
    """A store with a clock, a courier, and what they need."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.log = KeptLog()
        self.steps: list[Step] = []
        self.stopping = asyncio.Event()
        self.line = Line()
        self.integration = integration()
        self.transport = FakeTransport()
        self.schedule = QUICK
        self.watched = False
        self.courier = self.new_courier()

    def new_courier(self, **changes: Any) -> Courier:
        parts = Parts(
            store=self.store,
            transport=self.transport,
            sealer=SEALER,
            now_ms=self.clock,
            draw=lambda: 0.5,
            fingerprint=lambda one: f"fp {one.access_token.reveal()}",
            stopping=self.stopping,
            log=self.log,
            watching=(lambda _: self.steps.append) if self.watched else None,
            schedule=self.schedule,
        )
        return Courier(replace(parts, **changes))

    async def claim(self, limit: int = 500) -> Lease:
        return await self.store.claim(
            self.integration.id, limit=limit, max_bytes=10_000_000, lease_s=120
        )

    async def deliver(self, play: Play | list[WireResponse] | None = None, **changes: Any) -> Lease:
        """Claim what is due and deliver it, with a Snap that plays so."""
        if play is not None:
            self.transport.play = FakeTransport(play).play
        lease = await self.claim()
        await self.new_courier(**changes).deliver(lease, self.integration, self.line)
        return lease

    async def ledger(self) -> dict[str, int]:
        return await ledger(self.store, self.integration.id)

    async def dead(self) -> list[tuple[str, str]]:
        letters = await self.store.dead_letters()
        return sorted((letter.reason, letter.detail) for letter in letters)

    async def gate(self) -> Gate:
        return await self.store.gate(self.integration.id)


class Slow:
    """A store that notes what is asked of the limiter, refuses it at times, loses leases."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.asked: list[dict[str, Any]] = []
        self.refusals: list[float] = []
        self.renewals: list[int] = []
        self.renewed_s: list[float] = []
        self.busy = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def acquire(self, integration_id: str, **limits: Any) -> float:
        self.asked.append(limits)
        return self.refusals.pop(0) if self.refusals else 0.0

    async def renew(self, lease: Lease, lease_s: float) -> int:
        self.renewed_s.append(lease_s)
        return self.renewals.pop(0)

    async def settle(self, lease: Lease, **outcomes: Any) -> int:
        if self.busy:
            self.busy -= 1
            raise StoreBusy("store_busy", "not now")
        return await self._store.settle(lease, **outcomes)


def refusing(*bad: str) -> Play:
    """Snap refuses a whole request when one of these ids is in it."""
    return lambda ids: NO_ONE if set(ids) & set(bad) else YES

"""What delivery works with, and what it remembers of an integration."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import msgspec

from edgeproxy.delivery.backoff import Schedule
from edgeproxy.delivery.gate import Pace, Record
from edgeproxy.meter import Meter
from edgeproxy.seal import Sealer
from edgeproxy.sites import Integration
from edgeproxy.snap.transport import Transport
from edgeproxy.store.base import Gate, Store
from edgeproxy.trace import Followed, Watching


class Log(Protocol):
    """Writes one line. An exception from it changes nothing."""

    def __call__(self, level: str, event: str, **fields: object) -> None:
        """Write `event` (snake_case) with its fields; levels are those of `logging`, lower case."""
        ...


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What delivery works with.

    Attributes:
        store: Where the rows are.
        transport: Carries requests.
        sealer: Opens what was sealed beside the rows.
        now_ms: The wall clock in Unix ms.
        draw: A random number from 0 to 1.
        fingerprint: Of what Snap judges in an integration (token, pixel); not reversible.
        stopping: Set when no new work may begin.
        log: Writes a line.
        watching: Who is told the steps, when somebody watches.
        followed: The events whose steps are told in any case.
        meter: What is counted; see `edgeproxy.delivery.counting`.
        schedule: The waits.
    """

    store: Store
    transport: Transport
    sealer: Sealer
    now_ms: Callable[[], int]
    draw: Callable[[], float]
    fingerprint: Callable[[Integration], str]
    stopping: asyncio.Event
    log: Log
    watching: Watching | None = None
    followed: Followed | None = None
    meter: Meter = msgspec.field(default_factory=Meter)
    schedule: Schedule = Schedule()

    def say(self, level: str, event: str, **fields: object) -> None:
        """Write a line, whatever becomes of it: a full disk must not lose an event."""
        with suppress(Exception):
            self.log(level, event, **fields)

    def say_moved(self, before: Gate, after: Gate) -> None:
        """Write that a gate has another state, loudly when it was closed."""
        if after.state != before.state:
            self.say(
                "info" if after.state == "open" else "warning",
                "gate_moved",
                integration=after.integration,
                before=before.state,
                after=after.state,
                reason=after.reason,
            )

    async def pause(self, seconds: float) -> None:
        """Wait, but not beyond the moment when work stops."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stopping.wait()


class Line:
    """What this process remembers of one integration from one lease to the next.

    Attributes:
        record: The answers so far.
        pace: A request rate below the configured one, after a 429.
        closed: Whether the gate is known to be closed.
        easing: Whether the gate has just opened: one request at a time until one does well.
        moving: Held while the gate is read and set, so that two hands move it once.
    """

    def __init__(self) -> None:
        self.record = Record()
        self.pace: Pace | None = None
        self.closed = False
        self.easing = False
        self.moving = asyncio.Lock()
        self._odd_s: dict[int, float] = {}

    def saw(self, gate: Gate) -> None:
        """Take note of the gate; one that has opened is passed slowly at first."""
        closed = gate.state != "open"
        self.easing = not closed and (self.easing or self.closed)
        self.closed = closed

    def names_odd(self, status: int, now_s: float, *, every_s: float) -> bool:
        """Whether a strange status is to be named now, not having been for so long."""
        named_s = self._odd_s.get(status)
        if named_s is not None and now_s - named_s < every_s:
            return False
        self._odd_s[status] = now_s
        return True

"""Delivers leases: one courier for all integrations, one trip for each lease."""

import asyncio
from contextlib import suppress

from edgeproxy.delivery.parts import Line, Parts
from edgeproxy.delivery.trip import Trip
from edgeproxy.sites import Integration
from edgeproxy.store.base import Lease


class Courier:
    """Delivers leases; one for all integrations."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._sending: set[asyncio.Timeout] = set()

    async def deliver(self, lease: Lease, integration: Integration, line: Line) -> None:
        """Send the rows of a lease and settle every one of them.

        Afterwards `line.closed` says whether an answer has closed the gate.

        Raises:
            Exception: Something that is neither Snap's fault nor the network's. The rows that are
                not settled yet have been put back.
        """
        trip = Trip(self._parts, self._sending, lease, integration, line)
        try:
            await trip.run()
        except Exception:
            with suppress(Exception):
                await trip.held.put_back_rest()
            raise

    def hurry(self, grace_s: float) -> None:
        """Give requests in flight so much time; the rows of those that need more go back."""
        at_s = asyncio.get_running_loop().time() + grace_s
        for scope in self._sending:
            scope.reschedule(at_s)

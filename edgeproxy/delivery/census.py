"""A look at the whole store now and then: rows whose integration is gone, too many dead letters."""

import asyncio
from collections.abc import Callable, Sequence

from edgeproxy.delivery import counting, gate
from edgeproxy.delivery.batch import MAX_BYTES
from edgeproxy.delivery.parts import Parts
from edgeproxy.sites import Integration
from edgeproxy.store.base import Counts, Dead, Gate

DEAD_MAX = 100_000
"""Of one integration: about 150 MB. Beyond it delivery pauses, because nothing is ever dropped."""

_ROWS = 500


class Census:
    """Counts what the store holds for each integration, and acts on it.

    An integration that is missing from the configuration may be missing by mistake. So its rows
    wait: only when it has been missing for `Schedule.removed_s` in the life of this process, and
    the oldest row has waited as long (so no other machine delivers them), they become dead letters
    `integration_removed`, which can be replayed once it is back.

    Args:
        parts: What delivery works with.
        integrations: All that are configured, those that are switched off too.
        dead_max: With so many dead letters an integration pauses.
    """

    def __init__(
        self, parts: Parts, integrations: Callable[[], Sequence[Integration]], *, dead_max: int
    ) -> None:
        self._parts = parts
        self._store = parts.store
        self._integrations = integrations
        self._dead_max = dead_max
        self._missing_since_s: dict[str, float] = {}

    async def round(self) -> bool:
        """Look once, then wait for the next look; always True."""
        configured = {one.id: one for one in self._integrations()}
        for counts in await self._store.stats():
            integration = configured.get(counts.integration)
            if integration is not None:
                self._missing_since_s.pop(integration.id, None)
                await self._cap(integration, counts)
            elif counts.pending:
                await self._await_return(counts)
        await self._parts.pause(self._parts.schedule.census_s)
        return True

    async def _cap(self, integration: Integration, counts: Counts) -> None:
        before = await self._store.gate(integration.id)
        after = gate.capped(
            before,
            full=counts.dead_now >= self._dead_max,
            schedule=self._parts.schedule,
            fingerprint=self._parts.fingerprint(integration),
        )
        if after != before:
            await self._store.set_gate(after)
            self._parts.say_moved(before, after)

    async def _await_return(self, counts: Counts) -> None:
        """Say that an integration is missing; give its rows up when it has been for long."""
        name, wait_s = counts.integration, self._parts.schedule.removed_s
        now_s = asyncio.get_running_loop().time()
        if name not in self._missing_since_s:
            self._missing_since_s[name] = now_s
            self._parts.say(
                "warning",
                "integration_missing",
                integration=name,
                events=counts.pending,
                advice="it is not in the configuration; its events wait for it to come back and "
                "become dead letters after a day",
            )
        if min(now_s - self._missing_since_s[name], counts.oldest_s) >= wait_s:
            await self._give_up(name)

    async def _give_up(self, name: str) -> None:
        """Bury what waits; a gate that a person closed stays closed, and its rows where they are.

        Any other gate is opened, because a closed one hands nothing out.
        """
        before = await self._store.gate(name)
        if before.state == "paused_manual":
            return
        if before.state != "open":
            await self._store.set_gate(Gate(integration=name))
        buried = 0
        while not self._parts.stopping.is_set():
            lease = await self._store.claim(
                name, limit=_ROWS, max_bytes=MAX_BYTES, lease_s=self._parts.schedule.lease_s
            )
            if not lease:
                break
            words = "its integration is no longer configured"
            dead = [
                Dead(id=row.id, reason="integration_removed", detail=words) for row in lease.rows
            ]
            buried += await self._store.settle(lease, dead=dead)
            fate = "dead.integration_removed"
            counting.unsent(self._parts.meter, lease.rows, fate, integration=name)
        if buried:
            self._parts.say("warning", "integration_removed", integration=name, events=buried)

"""How the proxy is, and its metrics for Prometheus."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from edgeproxy import __version__
from edgeproxy.admin.state import AdminState
from edgeproxy.errors import StoreBusy
from edgeproxy.health import health
from edgeproxy.health.look import KINDS, Look, span
from edgeproxy.health.report import Health
from edgeproxy.meter import Label
from edgeproxy.metrics import Snapshot, exposition
from edgeproxy.store.base import Counts, Gate
from edgeproxy.tally import Tally
from edgeproxy.web.endpoint import Call, Endpoint, Reply

LETTERS = 20
"""So many of the newest dead letters are looked through for the last errors."""

Window = Literal["1h", "24h", "7d"]


class HealthQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Over which time."""

    window: Window = "1h"


async def show_health(call: Call) -> Health:
    """How the proxy is, over the last hour, day or week."""
    state: AdminState = call.state
    now_ms = state.now_ms()
    since_ms, until_ms, step_ms = span(call.query.window, now_ms)
    stats = await state.store.stats()
    counts = await tally(state, KINDS, since_ms, until_ms, step_ms)
    return health(
        Look(
            now_ms=now_ms,
            since_ms=since_ms,
            until_ms=until_ms,
            step_ms=step_ms,
            sources=tuple(state.registry.sources.values()),
            stats=stats,
            gates=await _gates(state, stats),
            tally=counts or Tally(),
            counted=counts is not None,
            letters=await state.store.dead_letters(limit=LETTERS),
        )
    )


async def tally(
    state: AdminState, kinds: Sequence[str], since_ms: int, until_ms: int, step_ms: int
) -> Tally | None:
    """Counts of the journal; None when there are none now, which must not hide the rest."""
    if state.journal is None:
        return None
    try:
        return Tally(
            await state.journal.counts(kinds, since_ms=since_ms, until_ms=until_ms, step_ms=step_ms)
        )
    except StoreBusy:
        return None


async def show_metrics(call: Call) -> Reply:
    """The metrics, in the format that the caller prefers."""
    state: AdminState = call.state
    stats = await state.store.stats()
    snapshot = Snapshot(
        version=__version__,
        sources=tuple(state.registry.sources.values()),
        stats=stats,
        gates=await _gates(state, stats),
        totals=await _totals(state),
    )
    text, media = exposition(snapshot, call.headers.get(b"accept", b"").decode("latin-1"))
    return Reply(body=text, media=media)


async def _totals(state: AdminState) -> Mapping[Label, int]:
    """Counts since ever; none while they cannot be read, so that the queue can still be seen."""
    if state.journal is None:
        return {}
    try:
        totals: Mapping[Label, int] = await state.journal.totals()
    except StoreBusy:
        return {}
    return totals


async def _gates(state: AdminState, stats: Sequence[Counts]) -> Mapping[str, Gate]:
    """The gate of each integration that is configured or has a ledger."""
    names = {one.id for one in state.registry.configured()}
    names |= {counts.integration for counts in stats}
    return {name: await state.store.gate(name) for name in sorted(names)}


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/admin/health",
        handle=show_health,
        summary="Say how delivery is, for each integration and source",
        role="viewer",
        query=HealthQuery,
        answer=Health,
        tag="health",
    ),
    Endpoint(
        method="GET",
        path="/metrics",
        handle=show_metrics,
        summary="Give the metrics in Prometheus's format",
        role="viewer",
        media="text/plain",
        tag="health",
    ),
)

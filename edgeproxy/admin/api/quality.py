"""The match-quality estimate."""

import msgspec

from edgeproxy.admin.api.health import tally
from edgeproxy.admin.state import AdminState
from edgeproxy.quality import DAY_MS, DAYS, Quality, estimate
from edgeproxy.tally import Tally
from edgeproxy.web.endpoint import Call, Endpoint


class QualityQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of which integration; "" of all."""

    integration: str = ""


async def show_quality(call: Call) -> Quality:
    """How well Snap can recognise people, over the last 7 days; our own estimate."""
    return await quality_of(call.state, call.query.integration or None)


async def quality_of(state: AdminState, integration: str | None) -> Quality:
    """The estimate for one integration, or for all."""
    until_ms = (state.now_ms() // DAY_MS + 1) * DAY_MS
    found = await tally(state, ("cover", "low"), until_ms - DAYS * DAY_MS, until_ms, DAY_MS)
    counts = found or Tally()
    return estimate(
        [*counts.of("cover"), *counts.of("low")],
        state.settings.weights,
        until_ms=until_ms,
        integration=integration,
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/admin/match-quality",
        handle=show_quality,
        summary="Estimate how well Snap can match the events, and what would help",
        role="viewer",
        query=QualityQuery,
        answer=Quality,
        tag="health",
    ),
)

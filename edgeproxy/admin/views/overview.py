"""The first page: is everything delivered, and if not, what would help."""

from typing import Any

import msgspec

from edgeproxy.admin.api.alerts import show_alerts
from edgeproxy.admin.api.health import HealthQuery, show_health
from edgeproxy.admin.api.quality import quality_of
from edgeproxy.admin.pages import Page
from edgeproxy.alerts.book import Standing
from edgeproxy.health.report import Flow, Health
from edgeproxy.web.endpoint import Call

WINDOWS = (("1h", "1 h", "hour"), ("24h", "24 h", "24 hours"), ("7d", "7 d", "7 days"))
"""Code, what the tab says, and what sentences say."""

DROPS = {
    "no_consent": "No consent to advertising",
    "gpc": "Global Privacy Control",
    "bot": "Robots",
    "prefetch": "Prefetched pages that nobody saw",
    "unmapped": "Names without a mapping",
    "internal": "Internal: identify, consent, session",
}
"""Reason → what people call it."""


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """What the page shows.

    Attributes:
        health: Its twin's answer.
        window: Which of `WINDOWS`, in words.
        tabs: For the switch between them: (path, words, lit).
        score: The match-quality estimate of 7 days.
        raised: Alerts that are raised now.
        flow: A chart of events.
        slowness: A chart of latency.
        drops: (words, reason, how many) of what was not wanted.
        sources: How many there are.
        integrations: How many there are.
    """

    health: Health
    window: str
    tabs: tuple[tuple[str, str, bool], ...]
    score: float | None
    raised: tuple[Standing, ...]
    flow: dict[str, Any]
    slowness: dict[str, Any]
    drops: tuple[tuple[str, str, int], ...]
    sources: int
    integrations: int


async def show(call: Call) -> Overview:
    """What the page shows."""
    found = await show_health(call)
    quality = await quality_of(call.state, None)
    alerts = await show_alerts(call)
    window = call.query.window
    times = range(found.since_ms // 1000, found.until_ms // 1000, found.step_ms // 1000)
    return Overview(
        health=found,
        window=next(words for code, _, words in WINDOWS if code == window),
        tabs=tuple((f"/?window={code}", text, code == window) for code, text, _ in WINDOWS),
        score=quality.score,
        raised=tuple(one for one in alerts.standings if one.raised),
        flow=_flow_chart(found.flow, times),
        slowness=_slowness_chart(found.flow, times),
        drops=tuple((DROPS.get(reason, reason), reason, n) for reason, n in found.drops.items()),
        sources=len(call.state.registry.sources),
        integrations=len(call.state.registry.integrations),
    )


def _flow_chart(flow: Flow, times: range) -> dict[str, Any]:
    lines = [("Received", "soft", flow.received), ("Delivered", "good", flow.delivered)]
    lines += [("Sent again", "warn", flow.retried)] if any(flow.retried) else []
    lines += [("Dead", "bad", flow.dead)] if any(flow.dead) else []
    return {
        "x": list(times),
        "series": [{"label": label, "tone": tone, "values": ns} for label, tone, ns in lines],
        "unit": "count",
    }


def _slowness_chart(flow: Flow, times: range) -> dict[str, Any]:
    line = {"label": "95 % within", "tone": "info", "values": flow.p95_ms}
    return {"x": list(times), "series": [line], "unit": "ms"}


PAGES = (
    Page(
        path="/",
        title="Overview",
        template="overview.html",
        load=show,
        query=HealthQuery,
        menu="Overview",
        twin="/v1/admin/health",
    ),
)

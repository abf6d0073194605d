"""The match-quality coach."""

from typing import Any

import msgspec

from edgeproxy.admin.api.quality import QualityQuery, show_quality
from edgeproxy.admin.pages import Page
from edgeproxy.quality import Quality
from edgeproxy.quality.identifiers import IDENTIFIERS
from edgeproxy.web.endpoint import Call


class QualityView(msgspec.Struct, frozen=True, kw_only=True):
    """What the page shows.

    Attributes:
        quality: Its twin's answer.
        integrations: (id, name) to choose from.
        integration: The chosen one; "" for all.
        trend: A chart of the score by day.
        columns: Of the table by event.
        weights: (label, percent) of each identifier.
    """

    quality: Quality
    integrations: tuple[tuple[str, str], ...]
    integration: str
    trend: dict[str, Any]
    columns: tuple[tuple[str, str], ...]
    weights: tuple[tuple[str, float], ...]


async def show(call: Call) -> QualityView:
    """What the page shows."""
    quality = await show_quality(call)
    return QualityView(
        quality=quality,
        integrations=tuple(
            (one.id, one.name or one.id) for one in call.state.registry.configured()
        ),
        integration=call.query.integration,
        trend={
            "x": [day.at_ms // 1000 for day in quality.days],
            "series": [
                {"label": "Score", "tone": "info", "values": [day.score for day in quality.days]}
            ],
            "unit": "count",
        },
        columns=(
            ("Event", ""),
            ("Events", "num"),
            ("Score", "num"),
            *((one.label, "num") for one in quality.coverage),
        ),
        weights=tuple((one.label, getattr(quality.weights, one.name)) for one in IDENTIFIERS),
    )


PAGES = (
    Page(
        path="/match-quality",
        title="Match quality",
        template="quality.html",
        load=show,
        query=QualityQuery,
        menu="Match quality",
        twin="/v1/admin/match-quality",
    ),
)

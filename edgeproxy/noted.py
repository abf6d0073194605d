"""What Snap itself noted about an asset: the log of its test events, and its counts of the hour.

Only names, states and Snap's own sentences are taken over; what was sent stands in Snap's log too,
and stays there.
"""

from collections.abc import Mapping
from typing import Any, Literal, Protocol
from urllib.parse import quote

import msgspec

from edgeproxy.sites import Integration
from edgeproxy.wire import WireResponse

LINES_MAX = 100
_TEXT_MAX_CHARS = 300
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One test event in Snap's log. `at` is the event's time as Snap writes it."""

    name: str
    at: str
    status: str
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """Snap's count of the past hour, and when it saw the latest event (Unix ms; 0 for never)."""

    past_hour: int = 0
    latest_ms: int = 0


class Noted(msgspec.Struct, frozen=True, kw_only=True):
    """What Snap noted. `message` says why something is missing, "" when all is there.

    `lines` are the newest first; Snap keeps them for 24 hours.
    """

    message: str = ""
    lines: tuple[Line, ...] = ()
    test: Count = Count()
    live: Count = Count()


class Looker(Protocol):
    """Asks Snap for something."""

    async def look(
        self, path: str, query: Mapping[str, str], integration: Integration
    ) -> WireResponse:
        """GET with the integration's token; a network fault is a value, never an exception."""
        ...


async def noted(integration: Integration, looker: Looker) -> Noted:
    """Read Snap's log and counts of an integration's pixel or app."""
    logs = _object(await _look(integration, looker, "logs"))
    stats = _object(await _look(integration, looker, "stats"))
    found = logs.get("logs")
    counts = stats.get("stats")
    counts = counts if isinstance(counts, dict) else {}
    lines = found if isinstance(found, list) else []
    return Noted(
        message=_why(logs, "log") or _why(stats, "counts"),
        lines=tuple(_line(one) for one in reversed(lines[-LINES_MAX:]) if isinstance(one, dict)),
        test=_count(counts.get("test")),
        live=_count(counts.get("live")),
    )


async def _look(
    integration: Integration, looker: Looker, what: Literal["logs", "stats"]
) -> WireResponse:
    asset = integration.pixel_id or integration.snap_app_id
    if integration.api == "v2":
        query = {"asset_id": asset}
        return await looker.look(f"/v2/conversion/validate/{what}", query, integration)
    return await looker.look(f"/v3/{quote(asset, safe='')}/events/validate/{what}", {}, integration)


def _object(response: WireResponse) -> dict[str, Any]:
    """The answer's object; one with a `fault` when there is none."""
    if response.status != 200:
        return {"fault": f"Snap answered {response.status}" if response.status else "no answer"}
    try:
        found = msgspec.json.decode(response.body)
    except _UNREADABLE:
        found = None
    return found if isinstance(found, dict) else {"fault": "the answer cannot be read"}


def _why(answer: Mapping[str, Any], what: str) -> str:
    fault = answer.get("fault")
    return f"Snap's {what}: {fault}" if isinstance(fault, str) else ""


def _line(one: Mapping[str, Any]) -> Line:
    return Line(
        name=_text(one.get("event_type") or one.get("event_name")),
        at=_text(one.get("timestamp") or one.get("event_time")),
        status=_text(one.get("status")),
        errors=_texts(one.get("error_records")),
        warnings=_texts(one.get("warning_records")),
    )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(_text(one) for one in value[:20]) if isinstance(value, list) else ()


def _text(value: object) -> str:
    """A sentence of Snap's, or of an object its `reason`; in printable characters."""
    if isinstance(value, dict):
        value = value.get("reason", "")
    text = value if isinstance(value, str) else "" if value is None else str(value)
    return "".join(letter if letter.isprintable() else " " for letter in text[:_TEXT_MAX_CHARS])


def _count(value: object) -> Count:
    figures = value if isinstance(value, dict) else {}
    return Count(
        past_hour=_number(figures.get("event_count_past_hour")),
        latest_ms=_number(figures.get("latest_event_ts")),
    )


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        return 0
    return value if 0 <= value < 2**53 else 0

"""What delivery tells whoever watches: what was sent and what Snap said, without raw values."""

from collections.abc import Iterable, Mapping

import msgspec

from edgeproxy.delivery.batch import Batch, Ready
from edgeproxy.event import Event, decode_event
from edgeproxy.outcome import Verdict
from edgeproxy.store.base import Dead, Row
from edgeproxy.trace import Stage, Step
from edgeproxy.wire import WireRequest

_MASK = "••••"
_MASKED = frozenset(
    {
        "user_agent",
        "hashed_user_agent",
        "hashed_ip_address",
        "client_user_agent",
        "client_ip_address",
        "madid",
        "idfv",
    }
)
"""Fields of the wire that are raw, or whose digest can be reversed by trying all inputs."""


def sent(
    batch: Batch, places: Iterable[int], request: WireRequest, *, integration: str, at_ms: int
) -> list[Step]:
    """One step for each of these events of a request that is about to go out."""
    return [
        _step(
            batch[place],
            "sent",
            integration,
            at_ms,
            {
                "path": request.path,
                "attempt": batch[place].row.attempt,
                "events": request.events,
                "fields": _masked(batch[place].wire.fields),
                "low_match": batch[place].wire.low_match,
            },
        )
        for place in places
    ]


def answered(
    batch: Batch,
    places: Iterable[int],
    verdict: Verdict,
    latency_ms: float,
    *,
    integration: str,
    at_ms: int,
) -> list[Step]:
    """One step for each of these events of a request that was answered, or that met a fault."""
    return [
        _step(
            batch[place],
            "answered",
            integration,
            at_ms,
            {
                "outcome": _outcome(verdict, place),
                "status": verdict.status,
                "message": verdict.dead.get(place, verdict.message),
                "latency_ms": round(latency_ms, 1),
            },
        )
        for place in places
    ]


def buried(
    batch: Batch, places: Iterable[int], dead: Mapping[int, Dead], *, integration: str, at_ms: int
) -> list[Step]:
    """One step for each of these events that is a dead letter now; `dead` goes by row."""
    return [
        _step(
            batch[place],
            "dead",
            integration,
            at_ms,
            {
                "outcome": dead[batch[place].row.id].reason,
                "message": dead[batch[place].row.id].detail,
            },
        )
        for place in places
        if batch[place].row.id in dead
    ]


def unsent(row: Row, dead: Dead, *, integration: str, at_ms: int) -> Step:
    """The step of an event that could not be sent and became a dead letter."""
    try:
        event = decode_event(row.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        event = Event(id="", name=row.name, time_ms=row.event_time_ms, source="")
    return Step(
        at_ms=at_ms,
        stage="rejected",
        event_id=event.id,
        name=row.name,
        source=event.source,
        integration=integration,
        visitor=row.visitor.hex(),
        data={"outcome": dead.reason, "message": dead.detail},
    )


def _outcome(verdict: Verdict, place: int) -> str:
    if place in verdict.dead:
        return "rejected"
    return "delivered" if place in verdict.delivered else verdict.kind


def _step(
    ready: Ready, stage: Stage, integration: str, at_ms: int, data: dict[str, object]
) -> Step:
    return Step(
        at_ms=at_ms,
        stage=stage,
        event_id=ready.event.id,
        name=ready.event.name,
        source=ready.event.source,
        integration=integration,
        visitor=ready.row.visitor.hex(),
        data=data,
    )


def _masked(fields: Mapping[str, object]) -> dict[str, object]:
    return {
        name: _MASK if name in _MASKED else _masked(value) if isinstance(value, dict) else value
        for name, value in fields.items()
    }

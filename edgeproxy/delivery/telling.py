"""What delivery writes to the log about Snap's answers: how loud, and how often."""

from edgeproxy.delivery.batch import Batch
from edgeproxy.delivery.parts import Line, Parts
from edgeproxy.outcome import Verdict
from edgeproxy.snap import answers
from edgeproxy.store.base import SEEN_S
from edgeproxy.wire import WireResponse

ODD_EVERY_S = 3600.0
"""How often a status that no table knows is named."""


def answered(
    parts: Parts,
    line: Line,
    batch: Batch,
    verdict: Verdict,
    response: WireResponse,
    *,
    integration: str,
    now_s: float,
) -> None:
    """Write about one answer.

    Args:
        parts: Where to write.
        line: Remembers what was written before.
        batch: What was asked.
        verdict: The answer, read and scrubbed.
        response: As it came.
        integration: Whose events.
        now_s: Of a monotonic clock.
    """
    odd = response.status is not None and not answers.listed(response.status)
    parts.say(
        "debug" if odd else _level(verdict, response.fault),
        "snap_answered",
        integration=integration,
        events=len(batch),
        outcome=verdict.kind,
        snap_status=verdict.status,
        reason=verdict.message,
        duration_ms=round(response.latency_ms, 1),
    )
    if odd and line.names_odd(response.status or 0, now_s, every_s=ODD_EVERY_S):
        parts.say(
            "warning",
            "snap_status_unknown",
            integration=integration,
            snap_status=response.status,
            advice="it is treated like a 5xx: the events stay queued and are sent again",
        )


def delivered_late(parts: Parts, batch: Batch, verdict: Verdict, *, integration: str) -> None:
    """Count events that Snap took so late that an earlier, lost answer may count beside it.

    Snap collapses an id for 48 hours. An event that was handed out before and is older than that
    may have reached Snap twice.
    """
    oldest_ms = parts.now_ms() - SEEN_S * 1000
    late = sum(
        batch[place].row.attempt > 1 and batch[place].row.event_time_ms < oldest_ms
        for place in verdict.delivered
    )
    if late:
        parts.say("warning", "redelivered_after_window", integration=integration, events=late)


def _level(verdict: Verdict, fault: str) -> str:
    """How loud an answer is: a certificate that does not verify needs a person at once."""
    if fault == "tls" or verdict.kind == "paused_auth":
        return "error"
    if verdict.kind == "delivered":
        return "debug"
    return "info" if verdict.kind in ("partial", "rejected", "too_large") else "warning"

"""What became of one event at Snap: the values that the answers' reader gives to delivery."""

from typing import Literal

import msgspec

AnswerClass = Literal[
    "delivered",
    "partial",
    "rejected",
    "paused_auth",
    "too_large",
    "rate_limited",
    "transient",
    "ambiguous",
]

GateState = Literal["open", "probing", "paused_auth", "paused_reject", "paused_manual"]

DEAD_REASONS = (
    "rejected",
    "too_large",
    "expired",
    "ambiguous_200",
    "missing_price",
    "no_identifier",
    "unrenderable",
    "integration_removed",
)
"""Why an event stands in the dead letters; nothing else may stand there."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Snap's answer to one request of n events, read and classified.

    `delivered` and `dead` hold positions from 0; what is in neither stays queued. `dead` carries
    Snap's words for each position. `message` is what a person reads about the whole answer.
    `retry_after_s` is set when the answer dictates a wait.
    """

    kind: AnswerClass
    status: int | None = None
    delivered: tuple[int, ...] = ()
    dead: dict[int, str] = {}
    message: str = ""
    retry_after_s: float | None = None

"""What is read of the proxy at one moment, before it is judged."""

from collections.abc import Mapping, Sequence

import msgspec

from edgeproxy.sites import Source
from edgeproxy.store.base import Counts, DeadLetter, Gate
from edgeproxy.tally import Tally, series

WINDOWS: Mapping[str, tuple[int, int]] = {
    "1h": (3_600_000, 60_000),
    "24h": (86_400_000, 900_000),
    "7d": (604_800_000, 3_600_000),
}
"""Name of a window → its length and the length of a step, in ms."""

KINDS = ("in", "out", "answer", "wait", "snap", "limited")
"""What is counted and used here."""


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What was read at one moment, for one span of time.

    Attributes:
        now_ms: When.
        since_ms: Begin of the span, a multiple of the step.
        until_ms: Its end, a multiple of the step; not before `now_ms`.
        step_ms: Length of one point of the series.
        sources: All that are configured, with their integrations.
        stats: The ledger and queue of each integration.
        gates: Integration → its gate.
        tally: Counts of the span, of all `KINDS`.
        letters: The newest dead letters, newest first.
        counted: Whether the counts could be read.
    """

    now_ms: int
    since_ms: int
    until_ms: int
    step_ms: int
    sources: Sequence[Source]
    stats: Sequence[Counts]
    gates: Mapping[str, Gate]
    tally: Tally
    letters: Sequence[DeadLetter] = ()
    counted: bool = True

    def series(
        self, kind: str, name: str | None, outcomes: tuple[str, ...] = ("",)
    ) -> tuple[int, ...]:
        """Sums for each step, of counts whose second label begins with one of `outcomes`."""
        counts = (one for one in self.tally.of(kind, name) if one.label[2].startswith(outcomes))
        return series(counts, since_ms=self.since_ms, until_ms=self.until_ms, step_ms=self.step_ms)

    def per_s(self, n: int) -> float:
        """So many in the part of the span that is over, as a rate."""
        elapsed_ms = min(self.now_ms, self.until_ms) - self.since_ms
        return n * 1000 / elapsed_ms if elapsed_ms > 0 else 0.0


def span(window: str, now_ms: int) -> tuple[int, int, int]:
    """Begin, end and step in ms of a window of `WINDOWS` that ends with the present step."""
    length_ms, step_ms = WINDOWS[window]
    until_ms = (now_ms // step_ms + 1) * step_ms
    return until_ms - length_ms, until_ms, step_ms

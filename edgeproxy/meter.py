"""Counts of one process: what became of events, by fixed kinds and bounded labels.

A count has a kind and three labels, "" where one has no meaning. Kinds and labels come from closed
sets (sources, integrations, Snap names, reasons of ours), so that their number stays bounded.
"""

from collections import Counter

Label = tuple[str, str, str, str]
"""Kind and three labels."""


class Meter:
    """Counts since the start of the process. Not thread-safe.

    Attributes:
        counts: Label → how often; only ever grows. The hot path adds to it directly.
    """

    def __init__(self) -> None:
        self.counts: Counter[Label] = Counter()
        self._taken: dict[Label, int] = {}

    def add(self, kind: str, a: str = "", b: str = "", c: str = "", n: int = 1) -> None:
        """Count `n` more."""
        self.counts[kind, a, b, c] += n

    def take(self) -> dict[Label, int]:
        """What was added since the last call."""
        new = {
            label: n - self._taken.get(label, 0)
            for label, n in self.counts.items()
            if n != self._taken.get(label, 0)
        }
        self._taken = dict(self.counts)
        return new

    def intake(self) -> dict[str, int]:
        """What became of events at the door, over all sources, by outcome."""
        total: Counter[str] = Counter()
        for (kind, _, outcome, _), n in self.counts.items():
            if kind == "in":
                total[outcome] += n
        return dict(total)

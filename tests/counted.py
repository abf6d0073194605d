"""Counts as the journal hands them out, written short; and a journal that holds such counts."""

from collections import Counter
from collections.abc import Mapping, Sequence

from edgeproxy.errors import StoreBusy
from edgeproxy.journal.base import Bucket
from edgeproxy.meter import Label

NOW_MS = 1_790_000_040_000
"""Monday, 21 September 2026, 14:14:00 UTC."""


def bucket(kind: str, a: str = "", b: str = "", c: str = "", *, n: int = 1, at_ms: int) -> Bucket:
    """One count."""
    return Bucket(at_ms, (kind, a, b, c), n)


def cover(
    masks: Mapping[tuple[str, str], int], *, at_ms: int, integration: str = "shop"
) -> list[Bucket]:
    """(event type, mask) → delivered events, as delivery counts them."""
    return [
        bucket("cover", integration, name, mask, n=n, at_ms=at_ms)
        for (name, mask), n in masks.items()
    ]


class Counting:
    """The part of a journal that is read for numbers; `off` when it cannot be read."""

    def __init__(self, *counts: Bucket) -> None:
        self.held: Sequence[Bucket] = counts
        self.asked: list[tuple[Sequence[str], int, int, int]] = []
        self.off = False

    async def counts(
        self, kinds: Sequence[str], *, since_ms: int, until_ms: int, step_ms: int
    ) -> Sequence[Bucket]:
        """As `Journal.counts`."""
        self.asked.append((kinds, since_ms, until_ms, step_ms))
        self._readable()
        assert since_ms % step_ms == until_ms % step_ms == 0
        return [
            Bucket(one.at_ms // step_ms * step_ms, one.label, one.n)
            for one in self.held
            if one.label[0] in kinds and since_ms <= one.at_ms < until_ms
        ]

    async def totals(self) -> Mapping[Label, int]:
        """As `Journal.totals`."""
        self._readable()
        found: Counter[Label] = Counter()
        for one in self.held:
            found[one.label] += one.n
        return found

    def _readable(self) -> None:
        if self.off:
            raise StoreBusy("journal_off", "The journal is off.")

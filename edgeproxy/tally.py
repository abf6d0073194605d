"""Counts over time, and what can be read from them: sums, series, percentiles.

Pure. A count is what the journal keeps of `edgeproxy.meter`: a kind, three labels, a moment (the
begin of its step), and how often. Histograms are counts whose last label but one is the upper
bound of a bucket in ms, or "inf".
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Protocol

from edgeproxy.meter import Label

WAIT_MS = (100, 250, 500, 1000, 2500, 5000, 15_000, 60_000, 300_000, 3_600_000)
"""Bounds of the kind "wait": from acceptance to Snap's yes."""

SNAP_MS = (50, 100, 250, 500, 1000, 2500, 5000, 15_000)
"""Bounds of the kind "snap": one request, from the call to the last byte of the answer."""


class Counted(Protocol):
    """How often something happened in the step that begins at `at_ms` (Unix ms)."""

    @property
    def at_ms(self) -> int:
        """Begin of the step."""
        ...

    @property
    def label(self) -> Label:
        """Kind and three labels."""
        ...

    @property
    def n(self) -> int:
        """How often."""
        ...


class Tally:
    """Counts of a span of time, sorted once by kind and first label.

    Args:
        counts: Of any kinds, in any order.
    """

    def __init__(self, counts: Iterable[Counted] = ()) -> None:
        self._kinds: dict[str, dict[str, list[Counted]]] = {}
        for count in counts:
            kind, first, _, _ = count.label
            self._kinds.setdefault(kind, {}).setdefault(first, []).append(count)

    def of(self, kind: str, a: str | None = None) -> Sequence[Counted]:
        """The counts of a kind, with this first label when one is given."""
        found = self._kinds.get(kind, {})
        return tuple(chain.from_iterable(found.values())) if a is None else found.get(a, ())

    def firsts(self, *kinds: str) -> set[str]:
        """The first labels that occur under these kinds."""
        return {first for kind in kinds for first in self._kinds.get(kind, ())}

    def by_second(self, kind: str, a: str | None = None) -> Counter[str]:
        """Sums by the second label."""
        found: Counter[str] = Counter()
        for count in self.of(kind, a):
            found[count.label[2]] += count.n
        return found

    def total(self, kind: str, a: str | None = None) -> int:
        """The sum of a kind."""
        return sum(count.n for count in self.of(kind, a))

    def histogram(self, kind: str, a: str | None = None) -> dict[float, int]:
        """Upper bound in ms → how many fell below it and above the bound before."""
        return histogram(self.by_second(kind, a))


def histogram(named: Mapping[str, int]) -> dict[float, int]:
    """The buckets by their bounds instead of their names."""
    return {bound(text): n for text, n in named.items()}


@lru_cache(64)
def bound(text: str) -> float:
    """A bucket's label as a number; what is no number counts as without bound."""
    try:
        return float(text)
    except ValueError:
        return math.inf


def percentile(histogram: Mapping[float, int], share: float) -> float | None:
    """The value in ms that this share (0–1) stays below; None without any count.

    Inside a bucket it is interpolated. Beyond the last bound nothing is known, so the last bound
    is given: read it as "at least".
    """
    total = sum(histogram.values())
    if total <= 0:
        return None
    wanted, below, floor_ms = share * total, 0, 0.0
    for top_ms in sorted(histogram):
        n = histogram[top_ms]
        if below + n >= wanted and n:
            if math.isinf(top_ms):
                break
            return floor_ms + (top_ms - floor_ms) * (wanted - below) / n
        below, floor_ms = below + n, floor_ms if math.isinf(top_ms) else top_ms
    return floor_ms


def series(
    counts: Iterable[Counted], *, since_ms: int, until_ms: int, step_ms: int
) -> tuple[int, ...]:
    """Sums for each step of a span; what lies outside is left out."""
    sums = [0] * max(0, -(-(until_ms - since_ms) // step_ms))
    for count in counts:
        place = (count.at_ms - since_ms) // step_ms
        if 0 <= place < len(sums):
            sums[place] += count.n
    return tuple(sums)


def share(part: float, whole: float) -> float | None:
    """A part of a whole, from 0 to 1; None when there is no whole."""
    return part / whole if whole > 0 else None


def moments(since_ms: int, until_ms: int, step_ms: int) -> Sequence[int]:
    """The begin of each step of a span, in Unix ms."""
    return range(since_ms, until_ms, step_ms)

"""A made-up week of the made-up shop, as counts: so that charts have something to show.

Pure and seeded: the same instant gives the same week. Volumes are those of a small shop with the
faults of many: few visitors say who they are, some come by an ad, and one night Snap was down.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import count

from edgeproxy.demo.parts import INTEGRATION, SOURCE
from edgeproxy.meter import Label

MINUTE_MS = 60_000
QUARTER_MS = 15 * MINUTE_MS
HOUR_MS = 60 * MINUTE_MS
DAYS = 7

VISITS_A_DAY = 260
_BY_HOUR = (21, 19, 16, 14, 13, 12, 11, 11, 12, 12, 11, 10, 9, 7, 4, 2, 1, 1, 1, 2, 4, 8, 13, 19)
"""How busy the shop was so many hours ago: it is evening there, whenever somebody looks."""

_A_VISIT: Mapping[str, float] = {
    "PAGE_VIEW": 3.1,
    "VIEW_CONTENT": 1.5,
    "ADD_CART": 0.3,
    "START_CHECKOUT": 0.16,
    "PURCHASE": 0.09,
}
"""Events of a visit, on average."""

_SELLS = frozenset(_A_VISIT) - {"PAGE_VIEW"}
_OFTEN = (("c", 0.18), ("i", 1.0), ("s", 0.7))
_SELDOM = (("e", 0.07), ("n", 0.04), ("p", 0.03))
_GOODS = (("t", 0.86), ("v", 0.93))
"""Identifier → the share of events that carry it; the letters are those of `delivery.counting`."""

_TURNED_AWAY = (
    ("dropped.no_consent", 0.21),
    ("dropped.bot", 0.05),
    ("dropped.gpc", 0.02),
    ("dropped.unmapped", 0.012),
    ("duplicates", 0.02),
)
"""Outcome at the door → for each accepted event."""

_WAITS = (("250", 0.30), ("500", 0.62), ("1000", 0.07), ("2500", 0.01))
_SNAP = (("50", 0.10), ("100", 0.63), ("250", 0.24), ("500", 0.03))
"""Upper bound of a bucket in ms → the share of deliveries, or of requests, in it."""

_OUTAGE_AGO_MS = (53 * HOUR_MS, 52 * HOUR_MS)

Span = tuple[int, Counter[Label]]
Draw = Callable[[], float]


def week(now_ms: int, seed: int = 1954) -> Iterator[Span]:
    """The counts of the days before `now_ms`, by the begin of their span of time, oldest first.

    Spans are hours, then quarters of an hour on the last day, and minutes in the last hour: as
    finely as they can be shown.
    """
    draw = _seeded(seed)
    for at_ms, length_ms in _spans(now_ms):
        counts: Counter[Label] = Counter()
        ago_ms = now_ms - at_ms
        down = _OUTAGE_AGO_MS[0] >= ago_ms > _OUTAGE_AGO_MS[1]
        for name, often in _A_VISIT.items():
            visits = VISITS_A_DAY * _busy(ago_ms) * length_ms / HOUR_MS
            _deliver(counts, draw, name, _whole(draw, visits * often), down=down)
        if counts:
            yield at_ms, counts


def _spans(now_ms: int) -> Iterator[tuple[int, int]]:
    begin_ms = now_ms // HOUR_MS * HOUR_MS
    day_ms, hour_ms = begin_ms - 23 * HOUR_MS, begin_ms - HOUR_MS
    for since_ms, until_ms, length_ms in (
        (begin_ms - DAYS * 24 * HOUR_MS, day_ms, HOUR_MS),
        (day_ms, hour_ms, QUARTER_MS),
        (hour_ms, now_ms // MINUTE_MS * MINUTE_MS, MINUTE_MS),
    ):
        for at_ms in range(since_ms, until_ms, length_ms):
            yield at_ms, length_ms


def _busy(ago_ms: int) -> float:
    """The share of its day's visits that come in an hour; two days of the week are quieter."""
    day, hour = divmod(ago_ms // HOUR_MS, 24)
    return _BY_HOUR[hour] / sum(_BY_HOUR) * (0.8 if day in (2, 3) else 1.0)


def _deliver(counts: Counter[Label], draw: Draw, name: str, n: int, *, down: bool) -> None:
    for _ in range(n):
        counts["in", SOURCE, "accepted", ""] += 1
        counts["out", INTEGRATION, "delivered", name] += 1
        counts["cover", INTEGRATION, name, _mask(draw, name)] += 1
        counts["wait", INTEGRATION, "3600000" if down else _drawn(draw, _WAITS), ""] += 1
        counts["snap", INTEGRATION, _drawn(draw, _SNAP), ""] += 1
        counts["answer", INTEGRATION, "delivered", "200"] += 1
        if down:
            counts["out", INTEGRATION, "retry", name] += 1
            counts["answer", INTEGRATION, "transient", "503"] += 1
        for outcome, share in _TURNED_AWAY:
            if draw() < share:
                counts["in", SOURCE, outcome, ""] += 1


def _mask(draw: Draw, name: str) -> str:
    """The letters of what one event carried, sorted."""
    carried = (*_OFTEN, *_SELDOM, *(_GOODS if name in _SELLS else ()))
    return "".join(sorted(letter for letter, share in carried if draw() < share))


def _drawn(draw: Draw, shares: tuple[tuple[str, float], ...]) -> str:
    """One of the names, by their shares."""
    left = draw() * sum(share for _, share in shares)
    for name, share in shares[:-1]:
        left -= share
        if left < 0:
            return name
    return shares[-1][0]


def _whole(draw: Draw, wanted: float) -> int:
    """A whole number that is `wanted` on average, uneven as life is."""
    uneven = wanted * (0.6 + 0.8 * draw())
    return int(uneven) + (draw() < uneven % 1)


def _seeded(seed: int) -> Draw:
    """Numbers in [0, 1) that look random and are the same for the same seed."""
    number = count()

    def draw() -> float:
        digest = hashlib.blake2b(f"{seed} {next(number)}".encode(), digest_size=6).digest()
        return int.from_bytes(digest) / (1 << 48)

    return draw

"""Each question that the dashboard asks a full journal, and what erasing from it takes."""

import statistics
import time
from collections.abc import Awaitable, Callable, Iterator

import msgspec

from edgeproxy.health.look import KINDS, WINDOWS, span
from edgeproxy.journal.base import DAY_MS, HOUR_MS, Filter, Journal
from tests.bench.traces import EACH_MS, MONITOR, START_MS, id_of, steps_of, visitor_of

RUNS = 20
LONGEST_MS = 100
FORGOTTEN_MS = 60_000
"""Nobody waits for an erasure, and events do not."""

NOWHERE = "nowhere to be found"

Ask = Callable[[], Awaitable[object]]
Question = tuple[str, Filter, dict[str, int]]
"""A title, which traces, and the page."""


async def lists(journal: Journal, traces: int, looks: int) -> None:
    """The debugger's filters; `looks` is the greatest cursor of its live view."""
    for title, wanted, more in _filters(traces, looks):
        await timed(f"list: {title}", lambda w=wanted, m=more: journal.traces(w, **m))  # type: ignore[misc]


async def ways(journal: Journal, traces: int) -> None:
    """One event by its id."""
    for title, id_ in (
        ("one trace by its id", id_of(traces // 3)),
        ("one trace by an id that is none", "nowhere-to-be-found"),
        ("one trace by the beginning of many ids", "tag"),
    ):
        await timed(title, lambda i=id_: journal.trace(i))  # type: ignore[misc]


def _filters(traces: int, looks: int) -> Iterator[Question]:
    middle = traces // 2
    at_ms = START_MS + middle * EACH_MS
    yield from _pages(middle)
    yield from _live(looks)
    yield from _kinds(middle)
    yield from _visitors(middle)
    yield from _times(START_MS + traces * EACH_MS, at_ms)
    yield from _ids(middle)
    yield from _texts(traces)


def _pages(middle: int) -> Iterator[Question]:
    yield "all", Filter(), {}
    yield "all, 200 of them", Filter(), {"limit": 200}
    yield "all, the middle page", Filter(), {"before": middle}
    yield "all, the last page", Filter(), {"before": 60}


def _live(looks: int) -> Iterator[Question]:
    last = {"after": looks - 1}
    yield "live: nothing new", Filter(), {"after": looks}
    yield "live: changed since the last look", Filter(), last
    yield "live: since the last look, one name", Filter(name="PURCHASE"), last
    yield "live: since the last look, one visitor", Filter(visitor=MONITOR), last
    yield "live: since the last look, a text in none", Filter(text=NOWHERE), last
    yield "live: where it stands", Filter(), {"after": 0, "limit": 1}
    yield "live: since long ago", Filter(outcome="dead"), {"after": looks // 2}


def _kinds(middle: int) -> Iterator[Question]:
    yield "source, 1 in 1,000", Filter(source="outlet"), {}
    yield "source, 1 in 1,000, the middle page", Filter(source="outlet"), {"before": middle}
    yield "integration", Filter(integration="shop/pixel"), {}
    yield "name, 1 in 20", Filter(name="PURCHASE"), {}
    yield "a caller's name, 1 in 40", Filter(name="Own PAGE_VIEW 3"), {}
    yield "outcome, 1 in 50: names without a rule", Filter(outcome="dropped:unmapped"), {}
    yield "that and a source, 500 of them", Filter(source="shop", outcome="dropped"), {"limit": 500}
    yield "outcome, 1 in 100,000", Filter(outcome="dead"), {}
    yield "outcome and source, none at all", Filter(outcome="dead", source="outlet"), {}


def _visitors(middle: int) -> Iterator[Question]:
    yield "visitor", Filter(visitor=visitor_of(middle)), {}
    yield "visitor, none of it", Filter(visitor="ee" * 16), {}
    yield "visitor, and one name", Filter(visitor=visitor_of(middle), name="PAGE_VIEW"), {}
    yield "visitor, and a text in none", Filter(visitor=visitor_of(middle), text=NOWHERE), {}
    yield "visitor with 50,000 traces", Filter(visitor=MONITOR), {}
    yield "visitor with 50,000, all that is held", Filter(visitor=MONITOR), {"limit": 5000}
    yield "visitor with 50,000, the middle page", Filter(visitor=MONITOR), {"before": middle}
    yield "visitor with 50,000, a text in none", Filter(visitor=MONITOR, text=NOWHERE), {}


def _times(last_ms: int, middle_ms: int) -> Iterator[Question]:
    hour = Filter(since_ms=middle_ms - HOUR_MS, until_ms=middle_ms)
    yield "the last hour", Filter(since_ms=last_ms - HOUR_MS), {}
    yield "the last day, rare", Filter(since_ms=last_ms - DAY_MS, outcome="dead"), {}
    yield "a time to come", Filter(since_ms=last_ms + DAY_MS), {}
    yield "an hour of the middle", hour, {}
    for title, more in (
        ("delivered", {"outcome": "delivered"}),
        ("none", {"outcome": "dead", "source": "outlet"}),
        ("a text in none", {"text": NOWHERE}),
        ("four filters", {"source": "shop", "integration": "shop/app", "name": "PURCHASE",
                          "outcome": "delivered"}),
    ):  # fmt: skip
        yield f"an hour of the middle, {title}", msgspec.structs.replace(hour, **more), {}
    yield "a purchase of the middle", Filter(name="PURCHASE", until_ms=middle_ms), {}


def _ids(middle: int) -> Iterator[Question]:
    yield "text: an id", Filter(text=id_of(middle)), {}
    yield "text: the first two letters of ids", Filter(text=id_of(middle)[:2]), {}
    yield "text: the first letter of ids", Filter(text=id_of(middle)[:1]), {}
    yield "text: as a quarter of ids begins", Filter(text="tag-"), {}
    yield "text: that, of a rare source", Filter(text="tag-", source="outlet"), {}
    yield "text: that, the last page", Filter(text="tag-"), {"before": 60}
    yield "text: as 30,000 old ids begin", Filter(text="tag-17065"), {}
    yield "text: as 230,000 old ids begin", Filter(text="tag-1706"), {}


def _texts(traces: int) -> Iterator[Question]:
    yield "text: in all of the newest", Filter(text="ORD-"), {}
    yield "text: in one of the newest", Filter(text=f"ORD-{traces - 900}"), {}
    yield "text: in no trace", Filter(text=NOWHERE), {}
    yield "text: in no trace, the middle page", Filter(text=NOWHERE), {"before": traces // 2}
    yield "text: in no purchase", Filter(text=NOWHERE, name="PURCHASE"), {}
    yield "text: in none of an integration", Filter(text=NOWHERE, integration="shop/app"), {}
    yield "text: in none that was delivered", Filter(text=NOWHERE, outcome="delivered"), {}
    yield "text: a name, which is rare", Filter(text="own purchase 24"), {}
    yield "text: an outcome, which is rare", Filter(text="dead:rej"), {}


async def counts(journal: Journal, now_ms: int) -> None:
    """The dashboard's charts, the coach's week and what alerts compare."""
    for window in WINDOWS:
        since_ms, until_ms, step_ms = span(window, now_ms)
        for kinds in (KINDS, ("out",), ("in",)):
            await _counted(
                journal,
                f"{window}, {' '.join(kinds)}",
                kinds,
                until_ms - since_ms,
                (until_ms, step_ms),
            )
    end = (now_ms, DAY_MS)
    await _counted(journal, "7 d by the day, cover low", ("cover", "low"), 7 * DAY_MS, end)
    await _counted(journal, "29 d by the hour, out", ("out",), 29 * DAY_MS, (now_ms, HOUR_MS))
    await timed("totals", journal.totals)


async def _counted(
    journal: Journal, title: str, kinds: tuple[str, ...], back_ms: int, end: tuple[int, int]
) -> None:
    until_ms, step_ms = end
    await timed(
        f"counts: {title}",
        lambda: journal.counts(
            kinds, since_ms=until_ms - back_ms, until_ms=until_ms, step_ms=step_ms
        ),
    )


async def erasing(journal: Journal, bounded: Journal, traces: int, now_ms: int) -> None:
    """What takes traces away; `bounded` is the same journal, which may hold almost nothing."""
    some = iter(range(0, traces, traces // RUNS))
    await timed(
        "forget a visitor with 20 traces",
        lambda: journal.forget(bytes.fromhex(visitor_of(next(some)))),
    )
    await timed("sweep: nothing is too old", lambda: journal.sweep(now_ms))
    late = iter(range(traces, traces + RUNS))
    await timed(
        "write one event at the bound: 2,000 go",
        lambda: bounded.write(steps_of(next(late)), {}, now_ms),
    )
    await timed(
        "forget a visitor with 50,000 traces, bit by bit",
        lambda: journal.forget(bytes.fromhex(MONITOR)),
        runs=1,
        longest_ms=FORGOTTEN_MS,
    )


async def timed(title: str, ask: Ask, runs: int = RUNS, longest_ms: int = LONGEST_MS) -> None:
    """Print how long it takes."""
    spent = []
    for _ in range(runs):
        began = time.perf_counter()
        await ask()
        spent.append((time.perf_counter() - began) * 1000)
    usual = statistics.median(spent)
    loud = "" if usual < longest_ms else "   TOO SLOW"
    print(f"  {title:<52} {usual:8.1f} ms, at worst {max(spent):8.1f}{loud}")

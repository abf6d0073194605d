"""The journal with a million traces: what an event's trace costs, and how long each query takes.

On both engines; PostgreSQL is the tests' own, with the settings that it comes with. In the
environment `JOURNAL_TRACES` sets another number of traces, `JOURNAL_ENGINE` (sqlite, postgresql)
one of the engines.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

from edgeproxy.delivery import counting
from edgeproxy.delivery.batch import Ready
from edgeproxy.delivery.parts import Parts
from edgeproxy.delivery.tale import Tale
from edgeproxy.event import Event, Goods, Person
from edgeproxy.journal import open_journal
from edgeproxy.journal.base import HOUR_MS, MINUTE_MS, Filter, Journal
from edgeproxy.journal.bounds import MIB, Bounds
from edgeproxy.journal.recorder import Recorder
from edgeproxy.outcome import Verdict
from edgeproxy.sites import Integration, Secret
from edgeproxy.snap import DIALECTS
from edgeproxy.store.base import Row
from edgeproxy.trace import Followed, Step
from edgeproxy.wire import WireRequest, WireResponse
from tests import postgres
from tests.bench import journal_queries
from tests.bench.traces import EACH_MS, EVENTS, START_MS, minute_of, steps_of

GROUP = 2000
BATCH = 500
COUNTED = 20_000
LIVE_S = 1800
"""For so long counts are written every second, as one process does."""


def run() -> None:
    """Print what writing costs, and the time of each query."""
    traces = int(os.environ.get("JOURNAL_TRACES", "1000000"))
    one = os.environ.get("JOURNAL_ENGINE")
    for engine, bench in (("sqlite", _sqlite), ("postgresql", _postgres)):
        if one in (None, engine):
            print(f"\njournal ({engine}), {traces:,} traces of 4 steps")
            bench(traces)


def _sqlite(traces: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        asyncio.run(
            _run(f"sqlite://{name}/bench.db", traces, lambda: _size_bytes(folder), lambda: None)
        )


def _postgres(traces: int) -> None:
    # What a server has that nobody has set up.
    with postgres.server(shared_buffers="128MB") as server:
        asyncio.run(
            _run(
                server.url(),
                traces,
                lambda: int(server.execute("SELECT pg_database_size('postgres')")[0][0]),
                lambda: server.execute("ANALYZE"),
            )
        )


async def _run(
    url: str, traces: int, size_bytes: Callable[[], int], settle: Callable[[], object]
) -> None:
    """Fill a journal and question it.

    Args:
        url: Of the store.
        traces: So many.
        size_bytes: What it takes on disk.
        settle: Does what the engine would have done by itself some minutes later.
    """
    now_ms = START_MS + traces * EACH_MS
    journal = _open(url, now_ms, 64_000 * MIB)
    bounded = _open(url, now_ms, MIB)
    try:
        await _hot_path(journal)
        _delivery()
        await _fill(journal, traces)
        print(f"  {'on disk, each event':<52} {size_bytes() / traces:8.0f} B")
        await _fill_counts(journal, now_ms)
        settle()
        [last] = await journal.traces(Filter(), limit=1)
        await journal_queries.lists(journal, traces, last.changed)
        await journal_queries.ways(journal, traces)
        await journal_queries.counts(journal, now_ms)
        await journal_queries.erasing(journal, bounded, traces, now_ms)
    finally:
        await bounded.close()
        await journal.close()


def _open(url: str, now_ms: int, max_bytes: int) -> Journal:
    bounds = Bounds(max_bytes=max_bytes, reserve_bytes=MIB)
    return open_journal(url, now_ms=lambda: now_ms, bounds=bounds)


async def _hot_path(journal: Journal) -> None:
    """What the event loop pays: within the budget, and beyond it."""
    for title, rate in (("within the budget", 1e12), ("over the budget", 1e-9)):
        recorder = Recorder(
            journal, now_ms=lambda: START_MS, log=lambda *_, **__: None, events_per_second=rate
        )
        recorder.watching(1)
        steps = [steps_of(number) for number in range(1000)]
        began = time.process_time()
        for _ in range(20):
            for four in steps:
                watch = recorder.watching(1)
                if watch is not None:
                    for step in four:
                        watch(step)
        spent = (time.process_time() - began) / COUNTED
        print(f"  {'the loop, each event, ' + title:<52} {spent * 1e6:8.2f} µs")


def _delivery() -> None:
    """What counting adds to each delivered event, with nothing traced any more."""
    integration = Integration(
        id="shop/pixel", source="shop", access_token=Secret("t"), pixel_id="67d34640"
    )
    batch = tuple(_ready(number, integration) for number in range(BATCH))
    followed = Followed({f"other-{number}" for number in range(20_000)}, lambda _: None)
    parts = Parts(
        store=None,  # type: ignore[arg-type]
        transport=None,  # type: ignore[arg-type]
        sealer=None,  # type: ignore[arg-type]
        now_ms=lambda: START_MS,
        draw=lambda: 0.5,
        fingerprint=lambda _: "",
        stopping=asyncio.Event(),
        log=lambda *_, **__: None,
        watching=lambda _: None,
        followed=followed,
    )
    verdict = Verdict(kind="delivered", status=200, delivered=tuple(range(BATCH)))
    response = WireResponse(status=200, latency_ms=80.0)
    request = WireRequest(path="/v2/conversion", body=b"", token_in="header", events=BATCH)
    began = time.process_time()
    for _ in range(200):
        tale = Tale(parts, batch, "shop/pixel")
        tale.sent(request)
        tale.answered(verdict, 80.0)
        counting.answered(parts.meter, verdict, response, integration="shop/pixel")
        counting.delivered(
            parts.meter, batch, verdict.delivered, integration="shop/pixel", waited_s=0.1
        )
    spent = (time.process_time() - began) / 200 / BATCH
    print(f"  {'delivery, each event, counted and not traced':<52} {spent * 1e6:8.2f} µs")


def _ready(number: int, integration: Integration) -> Ready:
    event = Event(
        id=f"e{number}",
        name=EVENTS[number % 100],
        time_ms=START_MS,
        source="shop",
        page_url="https://www.example.com/",
        scid="11111111-2222-4333-8444-555555555555",
        who=Person(email_sha256="ab" * 32) if number % 3 else Person(),
        goods=Goods(price=Decimal(5), currency="USD", item_ids=("A",) * (number % 2)),
    )
    row = Row(
        id=number, key=b"", visitor=b"v" * 16, name=event.name, body=b"", sealed=b"", known=b"",
        attempt=1, event_time_ms=START_MS, age_s=number / 100,
    )  # fmt: skip
    return Ready(row=row, event=event, wire=DIALECTS["v2"].encode(event, integration, None))


async def _fill(journal: Journal, traces: int) -> None:
    spent = []
    for flush in _flushes(traces):
        began = time.perf_counter()
        assert await journal.write(flush, {}, START_MS)
        spent.append((time.perf_counter() - began) / GROUP)
    whole = len(spent) * 9 // 10
    for title, some in (
        ("an empty journal", spent[:1]),
        ("a full one", spent[whole - 20 : whole]),
        ("a full one, in two flushes", spent[-20:]),
    ):
        print(f"  {'the thread, each event, into ' + title:<52} {_us(some):8.1f} µs")


def _flushes(traces: int) -> Iterator[list[Step]]:
    """What is written at once; of the last tenth the second half comes with the next events."""
    behind: list[Step] = []
    for first in range(0, traces, GROUP):
        ways = [steps_of(number) for number in range(first, first + GROUP)]
        cut = 4 if first < traces * 0.9 else 2
        yield behind + [step for way in ways for step in way[:cut]]
        behind = [step for way in ways for step in way[cut:]]
    yield behind


def _us(spent: list[float]) -> float:
    return statistics.median(spent) * 1e6


def _size_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


async def _fill_counts(journal: Journal, now_ms: int) -> None:
    """By the hour, for 8 days by the quarter, for a day by the minute, and of late every second."""
    times = [now_ms - ago * HOUR_MS for ago in range(35 * 24, 0, -1)]
    times += [now_ms - ago * 15 * MINUTE_MS for ago in range(8 * 24 * 4, 0, -1)]
    times += [now_ms - ago * MINUTE_MS for ago in range(26 * 60, 0, -1)]
    times += [now_ms - ago * 1000 for ago in range(LIVE_S, 0, -1)]
    spent = []
    for at_ms in times:
        counts = minute_of(at_ms // MINUTE_MS)
        began = time.perf_counter()
        assert await journal.write([], counts, at_ms)
        spent.append((time.perf_counter() - began) / len(counts))
    print(f"  {'the thread, each label once a second':<52} {_us(spent[-LIVE_S:]):8.1f} µs")
    await journal.sweep(now_ms)

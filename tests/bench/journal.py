"""The journal with a million traces: what an event's trace costs, and how long each query takes.

`JOURNAL_TRACES` in the environment sets another number of traces.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path

from edgeproxy.delivery import counting
from edgeproxy.delivery.batch import Ready
from edgeproxy.delivery.parts import Parts
from edgeproxy.delivery.tale import Tale
from edgeproxy.event import Event, Goods, Person
from edgeproxy.journal import open_journal
from edgeproxy.journal.base import DAY_MS, HOUR_MS, MINUTE_MS, Filter, Journal
from edgeproxy.journal.bounds import MIB, Bounds
from edgeproxy.journal.recorder import Recorder
from edgeproxy.meter import Label
from edgeproxy.outcome import Verdict
from edgeproxy.sites import Integration, Secret
from edgeproxy.snap import DIALECTS
from edgeproxy.store.base import Row
from edgeproxy.trace import Followed, Step
from edgeproxy.wire import WireRequest, WireResponse

START_MS = 1_706_540_000_000
EVENTS = ("PAGE_VIEW",) * 60 + ("VIEW_CONTENT",) * 25 + ("ADD_CART",) * 10 + ("PURCHASE",) * 5
GROUP = 2000
BATCH = 500
COUNTED = 20_000
LONGEST_MS = 100


def run() -> None:
    """Print what writing costs, and the time of each query."""
    asyncio.run(_run(int(os.environ.get("JOURNAL_TRACES", "1000000"))))


async def _run(traces: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        bounds = Bounds(max_bytes=64_000 * MIB, reserve_bytes=MIB)
        journal = open_journal(f"sqlite://{name}/bench.db", now_ms=lambda: 0, bounds=bounds)
        try:
            print(f"\njournal, {traces:,} traces of 4 steps")
            await _hot_path(journal)
            _delivery()
            await _fill(journal, traces, Path(name))
            await _fill_counts(journal)
            await _queries(journal, traces)
            await _count_queries(journal)
        finally:
            await journal.close()


def _steps(number: int) -> list[Step]:
    """What one event leaves behind, as the door and delivery tell it."""
    name = EVENTS[number % 100]
    at_ms = START_MS + number * 500
    id_ = f"{number * 2654435761 % 2**32:08x}-1c2d-4e3f-8a4b-{number:012x}"
    visitor = f"{number // 20:032x}"
    event = {
        "id": id_, "name": name, "time_ms": at_ms, "source": "shop", "privacy": "match",
        "page_url": f"https://www.example.com/products/{number % 997}", "scid": id_,
        "click_id": "click-" + id_, "who": {"email_sha256": "ab" * 32, "phone_sha256": "cd" * 32},
        "goods": {"price": "129.99", "currency": "USD", "order_id": f"ORD-{number}",
                  "item_ids": ["SKU-A", "SKU-B"], "number_items": "3"},
        "device": {"model": "iPhone", "os_version": "17.2", "os": "iOS", "browser": "Safari"},
        "address_hmac": "0" * 24, "agent_hmac": "1" * 24,
    }  # fmt: skip
    fields = {
        "pixel_id": "67d34640-b7a4-42a8-b821-6434d70f08a4", "event_type": name,
        "event_conversion_type": "WEB", "timestamp": at_ms, "client_dedup_id": id_,
        "page_url": event["page_url"], "user_agent": "••••", "hashed_ip_address": "••••",
        "hashed_email": "ab" * 32, "hashed_phone_number": "cd" * 32, "click_id": "click-" + id_,
        "uuid_c1": id_, "hashed_sc_cookie": id_, "price": 129.99, "currency": "USD",
        "item_ids": ["SKU-A", "SKU-B"], "number_items": 3,
    }  # fmt: skip

    def step(stage: str, called: str, to: str, data: dict[str, object]) -> Step:
        return Step(
            at_ms=at_ms,
            stage=stage,  # type: ignore[arg-type]
            event_id=id_,
            name=called,
            source="shop" if number % 1000 else "outlet",
            integration=to,
            visitor=visitor,
            data=data,
        )

    came = step("received", "Own " + name, "", {"event": event})
    if number % 50 == 7:
        return [came, step("dropped", "Own " + name, "", {"reason": "unmapped"})]
    rule: dict[str, object] = {"received_id": id_, "rule": "catalog"}
    sent = {"path": "/v2/conversion", "attempt": 1, "events": 40, "fields": fields}
    answer = {"outcome": "delivered", "status": 200, "message": "", "latency_ms": 80.1}
    steps = [
        came,
        step("queued", name, "shop/pixel", rule),
        step("sent", name, "shop/pixel", sent),
        step("answered", name, "shop/pixel", answer),
    ]
    if number % 100_000 == 99:
        steps[3:] = [step("dead", name, "shop/pixel", {"outcome": "rejected", "message": "no"})]
    return steps


async def _hot_path(journal: Journal) -> None:
    """What the event loop pays: within the budget, and beyond it."""
    for title, rate in (("within the budget", 1e12), ("over the budget", 1e-9)):
        recorder = Recorder(
            journal, now_ms=lambda: START_MS, log=lambda *_, **__: None, events_per_second=rate
        )
        recorder.watching(1)
        steps = [_steps(number) for number in range(1000)]
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


async def _fill(journal: Journal, traces: int, folder: Path) -> None:
    spent: list[float] = []
    for first in range(0, traces, GROUP):
        steps = [step for number in range(first, first + GROUP) for step in _steps(number)]
        began = time.perf_counter()
        assert await journal.write(steps, {}, START_MS)
        spent.append((time.perf_counter() - began) / GROUP)
        if first == 0:
            print(
                f"  {'the thread, each event, into an empty journal':<52} {spent[0] * 1e6:8.1f} µs"
            )
    size = _size_bytes(folder)
    last = statistics.median(spent[-20:])
    print(f"  {'the thread, each event, into a full one':<52} {last * 1e6:8.1f} µs")
    print(f"  {'on disk, each event':<52} {size / traces:8.0f} B")


def _size_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def _minute(minute: int) -> Mapping[Label, int]:
    """What one minute of two busy integrations counts: some 120 labels."""
    counts: dict[Label, int] = {("in", "shop", "accepted", ""): 60_000}
    for to in ("shop/pixel", "shop/app"):
        for name in sorted(set(EVENTS)):
            counts["out", to, "delivered", name] = 100 + minute % 7
            for mask in ("ceipst", "ceips", "eips", "is", "s", "cs"):
                counts["cover", to, name, mask] = 10
        for bucket in ("100", "250", "500", "1000", "2500", "5000", "15000", "60000", "inf"):
            counts["wait", to, bucket, ""] = 50
            counts["snap", to, bucket, ""] = 50
        for status in ("200", "429", "500"):
            counts["answer", to, "delivered", status] = 9
    return counts


async def _fill_counts(journal: Journal) -> None:
    """35 days: every hour, and of the last eight days every minute."""
    now_ms = START_MS + 35 * DAY_MS
    times = [START_MS + hour * HOUR_MS for hour in range(27 * 24)]
    times += [now_ms - ago * MINUTE_MS for ago in range(8 * 24 * 60, 0, -1)]
    spent = []
    for at_ms in times:
        counts = _minute(at_ms // MINUTE_MS)
        began = time.perf_counter()
        await journal.write([], counts, at_ms)
        spent.append((time.perf_counter() - began) / len(counts))
    each = statistics.median(spent)
    print(f"  {'the thread, each label once a second':<52} {each * 1e6:8.1f} µs")


def _filters(traces: int) -> Iterator[tuple[str, Filter, dict[str, int]]]:
    last_ms = START_MS + traces * 500
    middle = traces // 2
    one = _steps(middle)[0]
    yield "all", Filter(), {}
    yield "all, the middle page", Filter(), {"before": middle}
    yield "changed since the last look", Filter(), {"after": traces // GROUP - 1}
    yield "source, 1 in 1,000", Filter(source="outlet"), {}
    yield "integration", Filter(integration="shop/pixel"), {}
    yield "name, 1 in 20", Filter(name="PURCHASE"), {}
    yield "outcome, 1 in 100,000", Filter(outcome="dead"), {}
    yield "outcome and source, none at all", Filter(outcome="dead", source="outlet"), {}
    yield "visitor", Filter(visitor=one.visitor), {}
    yield (
        "an hour of the middle",
        Filter(since_ms=one.at_ms - HOUR_MS, until_ms=one.at_ms, outcome="delivered"),
        {},
    )
    yield "a purchase of the middle", Filter(name="PURCHASE", until_ms=one.at_ms), {}
    yield "text: an id", Filter(text=one.event_id), {}
    yield "text: a word of many", Filter(text="ORD-"), {}
    yield "text: in no trace", Filter(text="nowhere to be found"), {}
    yield "text: none of a name", Filter(text="nowhere", name="PURCHASE"), {}
    yield "the last hour", Filter(since_ms=last_ms - HOUR_MS), {}


async def _queries(journal: Journal, traces: int) -> None:
    for title, wanted, more in _filters(traces):
        await _timed(f"list: {title}", lambda w=wanted, m=more: journal.traces(w, **m))  # type: ignore[misc]
    id_ = _steps(traces // 3)[0].event_id
    await _timed("one trace by its id", lambda: journal.trace(id_))


async def _count_queries(journal: Journal) -> None:
    now_ms = START_MS + 35 * DAY_MS
    kinds = ("in", "out", "answer", "wait", "snap")
    for title, back_ms, step_ms in (
        ("1 h by the minute", HOUR_MS, MINUTE_MS),
        ("24 h by the quarter", DAY_MS, 15 * MINUTE_MS),
        ("7 d by the hour", 7 * DAY_MS, HOUR_MS),
        ("7 d by the day", 7 * DAY_MS, DAY_MS),
    ):
        for named in (kinds, ("cover",)):
            await _timed(
                f"counts: {title}, {' '.join(named)}",
                lambda b=back_ms, s=step_ms, k=named: journal.counts(  # type: ignore[misc]
                    k, since_ms=now_ms - b, until_ms=now_ms, step_ms=s
                ),
            )
    await _timed("totals", journal.totals)


async def _timed(title: str, ask: Callable[[], Awaitable[object]]) -> None:
    spent = []
    for _ in range(7):
        began = time.perf_counter()
        await ask()
        spent.append((time.perf_counter() - began) * 1000)
    usual = statistics.median(spent)
    loud = "" if usual < LONGEST_MS else "   TOO SLOW"
    print(f"  {title:<52} {usual:8.1f} ms, the first time {spent[0]:6.1f}{loud}")

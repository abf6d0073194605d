"""The journal of a running proxy: traces and counts beside events, and never in their way."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from edgeproxy.errors import StoreBusy
from edgeproxy.journal import open_journal
from edgeproxy.journal.base import DAY_MS, Filter, Journal, Trace
from edgeproxy.meter import Label
from tests.edge import Snap, StartEdge, batch, now_ms, purchase
from tests.until import until

T = TypeVar("T")


def asked(edge: StartEdge, work: Callable[[Journal], Awaitable[T]]) -> T | None:
    """What the journal of a proxy says; None while there is none."""

    async def ask() -> T | None:
        journal = open_journal(f"sqlite://{file(edge)}", now_ms=now_ms)
        try:
            return await work(journal)
        except StoreBusy:
            return None
        finally:
            await journal.close()

    return asyncio.run(ask())


def file(edge: StartEdge) -> Path:
    return Path(edge.settings()["EDGEPROXY_STORE__URL"].removeprefix("sqlite://"))


def traces(edge: StartEdge, wanted: Filter = Filter()) -> list[Trace]:  # noqa: B008 - frozen
    return list(asked(edge, lambda journal: journal.traces(wanted, limit=1000)) or [])


def outcome(edge: StartEdge, id_: str) -> str:
    trace = asked(edge, lambda journal: journal.trace(id_))
    return trace.outcome if trace is not None else ""


def totals(edge: StartEdge) -> dict[Label, int]:
    return dict(asked(edge, lambda journal: journal.totals()) or {})


def test_a_trace_tells_what_came_in_what_was_sent_and_what_snap_said(
    edge: StartEdge, snap: Snap
) -> None:
    edge.start().post(purchase())
    until(lambda: outcome(edge, "order-7") == "delivered", "the answer is traced")
    trace = asked(edge, lambda journal: journal.trace("order-7"))
    assert trace is not None
    assert [step.stage for step in trace.steps] == ["received", "queued", "sent", "answered"]
    received, queued, sent, answered = trace.steps
    event = received.data["event"]
    assert isinstance(event, dict)
    assert len(event["who"]["email_sha256"]) == 64
    assert queued.data["rule"]
    fields = sent.data["fields"]
    assert isinstance(fields, dict)
    assert (fields["price"], fields["user_agent"]) == (129.99, "••••")
    assert (answered.data["status"], answered.data["outcome"]) == (200, "delivered")
    assert trace.visitor == trace.steps[2].visitor != ""
    assert (trace.said, trace.name) == ("Order Completed", "PURCHASE")


def test_what_goes_nowhere_is_traced_with_its_reason(edge: StartEdge) -> None:
    life = edge.start()
    life.post(batch({"name": "Quiz Finished"}))
    life.post(batch({"name": "page", "id": "p1"}), headers={"Sec-GPC": "1"})
    life.post(batch({"name": "page", "id": "p2"}), headers={"User-Agent": "Googlebot/2.1"})
    life.post(batch({"name": "page", "id": "p3"}, consent={"ad": False}))
    life.post(batch({"name": "page", "id": "p4", "time": 1}))
    until(lambda: len(traces(edge)) == 5, "all are traced")
    assert {trace.outcome for trace in traces(edge)} >= {
        "dropped:unmapped",
        "dropped:gpc",
        "dropped:bot",
    }


def test_a_dead_letter_is_traced_with_its_reason(edge: StartEdge, snap: Snap) -> None:
    life = edge.start()
    snap.sandbox.answer_with(status=400, body={"status": "FAILED", "reason": "Bad event"})
    life.post(batch({"name": "page", "id": "p1"}))
    until(lambda: outcome(edge, "p1") == "dead:rejected", "its end is traced")
    (trace,) = traces(edge, Filter(outcome="dead"))
    assert trace.event_id == "p1"


def test_events_are_counted_from_the_door_to_the_answer(edge: StartEdge, snap: Snap) -> None:
    life = edge.start()
    life.post(purchase())
    life.post(purchase())
    snap.arrived(1)
    [one] = [label[1] for label in until(lambda: delivered(edge), "it is counted")]
    duplicates = ("in", "default", "duplicates", "")
    until(lambda: totals(edge).get(duplicates), "what came after it is counted, too")
    found = totals(edge)
    assert found["in", "default", "accepted", ""] == 1
    assert found[duplicates] == 1
    assert found["out", one, "delivered", "PURCHASE"] == 1
    assert found["answer", one, "delivered", "200"] == 1
    assert found["cover", one, "PURCHASE", "ceipstv"] == 1
    assert sum(n for label, n in found.items() if label[0] == "wait") == 1
    now = now_ms()
    buckets = asked(
        edge,
        lambda journal: journal.counts(
            ["in"], since_ms=now - DAY_MS, until_ms=now + 1, step_ms=60_000
        ),
    )
    assert buckets is not None
    assert sum(bucket.n for bucket in buckets) == 2


def delivered(edge: StartEdge) -> list[Label]:
    return [label for label in totals(edge) if label[0] == "out"]


def test_what_was_gathered_last_is_written_when_the_proxy_ends(edge: StartEdge, snap: Snap) -> None:
    life = edge.start()
    life.post(purchase())
    snap.arrived(1)
    life.stop()
    assert outcome(edge, "order-7") == "delivered"


def test_several_workers_write_one_journal(edge: StartEdge, snap: Snap) -> None:
    life = edge.start("--workers", "2")
    for number in range(20):
        life.post(batch({"name": "page", "id": f"p{number}"}))
    snap.arrived(20)
    until(
        lambda: len(traces(edge, Filter(outcome="delivered"))) == 20,
        "all are traced to their end, whoever took them in",
    )
    until(
        lambda: totals(edge).get(("in", "default", "accepted", "")) == 20,
        "and are counted by whoever took them in, each once a second",
    )
    life.stop()
    assert len(traces(edge)) == 20
    assert totals(edge)["in", "default", "accepted", ""] == 20


@pytest.mark.parametrize("obstacle", ["damage", "folder"])
def test_a_journal_that_cannot_be_used_costs_no_event(
    edge: StartEdge, snap: Snap, obstacle: str
) -> None:
    journal = file(edge).with_name(file(edge).name + ".journal")
    journal.parent.mkdir(parents=True, exist_ok=True)
    if obstacle == "folder":
        journal.mkdir()
    else:
        journal.write_bytes(b"x" * 20_000)
    life = edge.start()
    for number in range(3):
        assert life.post(batch({"name": "page", "id": f"p{number}"})).status == 202
    snap.arrived(3)
    word = {"folder": "journal_off", "damage": "journal_begun_anew"}[obstacle]
    until(lambda: word in life.log.read_text(), "it is said once")
    life.stop()
    assert life.log.read_text().count(word) == 1
    assert "Traceback" not in life.log.read_text()


def test_switched_off_it_counts_and_traces_nothing(edge: StartEdge, snap: Snap) -> None:
    edge.start(EDGEPROXY_DEBUGGER__ENABLED="false").post(purchase())
    snap.arrived(1)
    until(lambda: delivered(edge), "it is counted")
    assert traces(edge) == []


def test_over_the_budget_events_leave_no_trace_and_go_on(edge: StartEdge, snap: Snap) -> None:
    life = edge.start(EDGEPROXY_DEBUGGER__EVENTS_PER_SECOND="0.001")
    for number in range(5):
        life.post(batch({"name": "page", "id": f"p{number}"}))
    snap.arrived(5)
    until(lambda: sum(totals(edge).get(one, 0) for one in delivered(edge)) == 5, "all are counted")
    assert len(traces(edge)) < 5
    assert totals(edge)["trace", "over_budget", "", ""] >= 4


def test_a_visitor_who_withdraws_is_erased_from_the_traces(edge: StartEdge, snap: Snap) -> None:
    life = edge.start()
    first = life.post(purchase())
    until(lambda: outcome(edge, "order-7") == "delivered", "it is traced")
    assert life.post({"ad": False}, path="/consent", cookie=first.jar).status < 300
    until(lambda: outcome(edge, "order-7") == "", "it is erased")

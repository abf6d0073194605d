"""How the proxy is: rates, verdicts and cures from what was read."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from edgeproxy.health import ERRORS_MAX, health
from edgeproxy.health.look import KINDS, WINDOWS, Look, span
from edgeproxy.health.problems import CURES, GATES, LATE_S, REMOVED
from edgeproxy.health.report import Health, IntegrationHealth
from edgeproxy.journal.base import Bucket
from edgeproxy.sites import Integration, Secret, Source
from edgeproxy.store.base import Counts, DeadLetter, Gate
from edgeproxy.tally import Tally
from tests.counted import NOW_MS, bucket

MINUTE_MS = 60_000
SHOP = Integration(id="shop-1", source="shop", name="Shop", access_token=Secret("t"))
SITE = Source(id="shop", integrations=(SHOP,))
SINCE_MS, UNTIL_MS, STEP_MS = span("1h", NOW_MS)


def look(
    counts: Iterable[Bucket] = (),
    *,
    stats: Counts | None = None,
    gate: Gate | None = None,
    integration: Integration | None = SHOP,
    letters: tuple[DeadLetter, ...] = (),
) -> Look:
    return Look(
        now_ms=NOW_MS,
        since_ms=SINCE_MS,
        until_ms=UNTIL_MS,
        step_ms=STEP_MS,
        sources=(replace(SITE, integrations=(integration,) if integration else ()),),
        stats=(stats,) if stats else (),
        gates={"shop-1": gate} if gate else {},
        tally=Tally(counts),
        letters=letters,
    )


def of(counts: Iterable[Bucket] = (), **more: Any) -> IntegrationHealth:
    return health(look(counts, **more)).integrations[0]


def counted(**numbers: float) -> Counts:
    return Counts(integration="shop-1", **numbers)  # type: ignore[arg-type]


def at(minutes_ago: int) -> int:
    return NOW_MS - minutes_ago * MINUTE_MS


def letter(died_ms: int, integration: str = "shop-1") -> DeadLetter:
    return DeadLetter(
        id=1,
        integration=integration,
        name="PURCHASE",
        body=b"",
        event_time_ms=died_ms,
        died_ms=died_ms,
        attempt=1,
        reason="rejected",
        detail="Invalid currency",
    )


@pytest.mark.parametrize("window", WINDOWS)
def test_a_window_ends_with_the_present_step_and_is_as_long_as_it_says(window: str) -> None:
    length_ms, step_ms = WINDOWS[window]
    since_ms, until_ms, step = span(window, NOW_MS)

    assert (until_ms - since_ms, step) == (length_ms, step_ms)
    assert since_ms % step_ms == until_ms % step_ms == 0
    assert until_ms - step_ms <= NOW_MS < until_ms


def test_rates_are_of_events_that_ended_and_of_requests() -> None:
    one = of(
        [
            bucket("out", "shop-1", "delivered", "PURCHASE", n=90, at_ms=at(5)),
            bucket("out", "shop-1", "dead.rejected", "PURCHASE", n=10, at_ms=at(5)),
            bucket("out", "shop-1", "retry", "PURCHASE", n=50, at_ms=at(5)),
            bucket("answer", "shop-1", "delivered", "200", n=2, at_ms=at(5)),
            bucket("answer", "shop-1", "partial", "200", n=1, at_ms=at(5)),
            bucket("answer", "shop-1", "transient", "503", n=1, at_ms=at(5)),
            bucket("limited", "shop-1", n=4, at_ms=at(5)),
        ]
    )

    assert (one.delivered, one.dead, one.retried) == (90, 10, 50)
    assert (one.success_rate, one.error_rate, one.requests, one.limited) == (0.9, 0.25, 4, 4)


def test_without_any_event_there_are_no_rates() -> None:
    one = of()

    assert (one.success_rate, one.error_rate) == (None, None)
    assert (one.wait.p50_ms, one.wait.p99_ms, one.throughput_per_s) == (None, None, 0)
    assert set(one.flow.p95_ms) == {None}


def test_throughput_counts_only_the_time_that_is_over() -> None:
    elapsed_s = (NOW_MS - SINCE_MS) / 1000
    one = of([bucket("out", "shop-1", "delivered", n=100, at_ms=at(5))])

    assert one.throughput_per_s == pytest.approx(100 / elapsed_s)
    at_once = replace(look(), now_ms=SINCE_MS)
    assert health(at_once).throughput_per_s == 0


def test_latencies_come_from_their_own_histograms() -> None:
    one = of(
        [
            bucket("wait", "shop-1", "1000", n=10, at_ms=at(5)),
            bucket("snap", "shop-1", "100", n=10, at_ms=at(5)),
            bucket("wait", "other", "300000", n=10, at_ms=at(5)),
        ]
    )

    assert (one.wait.p50_ms, one.snap.p50_ms) == (500, 50)
    assert one.wait.p99_ms == pytest.approx(990)


def test_series_have_a_point_for_each_step() -> None:
    whole = health(
        look(
            [
                bucket("in", "shop", "accepted", n=5, at_ms=at(1)),
                bucket("in", "shop", "dropped.bot", n=2, at_ms=at(1)),
                bucket("out", "shop-1", "delivered", n=4, at_ms=at(0)),
                bucket("out", "shop-1", "dead.expired", n=1, at_ms=at(0)),
                bucket("out", "shop-1", "retry", n=3, at_ms=at(59)),
                bucket("wait", "shop-1", "1000", n=4, at_ms=at(0)),
            ]
        )
    )

    assert len(whole.flow.received) == len(whole.flow.p95_ms) == 60
    assert whole.flow.received[-2:] == (7, 0)
    assert (whole.flow.delivered[-1], whole.flow.dead[-1], whole.flow.retried[0]) == (4, 1, 3)
    assert whole.flow.p95_ms[-1] == pytest.approx(950)
    assert whole.integrations[0].flow.received == ()
    assert whole.integrations[0].flow.delivered == whole.flow.delivered


@pytest.mark.parametrize(("per_minute", "use"), [(None, 0.5), (60, 25.0), (6000, 0.5)])
def test_the_busiest_step_says_how_much_of_the_rate_limit_is_used(
    per_minute: int | None, use: float
) -> None:
    one = of(
        [bucket("answer", "shop-1", "delivered", "200", n=1500, at_ms=at(5))],
        integration=replace(SHOP, rate_limit_per_minute=per_minute),
    )

    assert one.rate_limit_use == pytest.approx(use)


def test_the_last_errors_are_answers_and_dead_letters_newest_first() -> None:
    one = of(
        [
            bucket("answer", "shop-1", "transient", "503", n=2, at_ms=at(30)),
            bucket("answer", "shop-1", "transient", "503", n=1, at_ms=at(20)),
            bucket("answer", "shop-1", "paused_auth", "401", n=1, at_ms=at(40)),
            bucket("answer", "shop-1", "delivered", "200", n=1, at_ms=at(1)),
        ],
        letters=(letter(at(10)), letter(SINCE_MS - 1), letter(at(1), "other")),
    )

    assert [(error.at_ms, error.detail, error.count) for error in one.errors] == [
        (at(10), "Invalid currency", None),
        (at(20), "503", 3),
        (at(40), "401", 1),
    ]
    assert one.errors[0].what == "PURCHASE became a dead letter: rejected"


def test_only_so_many_errors_are_shown() -> None:
    counts = [bucket("answer", "shop-1", "transient", str(n), at_ms=at(n)) for n in range(1, 20)]

    assert len(of(counts).errors) == ERRORS_MAX


def test_what_came_in_is_told_by_source_with_the_reasons_of_drops() -> None:
    whole = health(
        look(
            [
                bucket("in", "shop", "accepted", n=10, at_ms=at(1)),
                bucket("in", "shop", "duplicates", n=3, at_ms=at(1)),
                bucket("in", "shop", "rejected", n=2, at_ms=at(1)),
                bucket("in", "shop", "dropped.bot", n=4, at_ms=at(1)),
                bucket("in", "blog", "dropped.bot", n=1, at_ms=at(1)),
                bucket("in", "blog", "dropped.no_consent", n=6, at_ms=at(1)),
            ]
        )
    )
    blog, shop = whole.sources

    assert (shop.accepted, shop.duplicates, shop.rejected, shop.drops) == (10, 3, 2, {"bot": 4})
    assert blog.drops == {"no_consent": 6, "bot": 1}
    assert list(whole.drops.items()) == [("no_consent", 6), ("bot", 5)]
    assert (whole.received, whole.duplicates) == (26, 3)


def test_all_is_well_when_everything_is_delivered() -> None:
    whole = health(look(stats=counted(accepted=5, delivered=5)))

    assert (whole.level, whole.problems, whole.empty) == ("ok", (), False)
    assert whole.sentence == "Everything is delivered"


def test_a_queue_that_moves_is_no_problem() -> None:
    whole = health(look(stats=counted(accepted=5, pending=5, leased=2, oldest_s=3)))

    assert (whole.level, whole.waiting, whole.oldest_s) == ("ok", 5, 3)
    assert whole.integrations[0].waiting == 3
    assert whole.integrations[0].in_flight == 2
    assert "5 events in the queue" in whole.sentence


def test_a_proxy_that_never_saw_an_event_says_so() -> None:
    assert health(look()).empty
    assert health(look()).sentence == "No event has come in yet"
    assert not health(look([bucket("in", "shop", "dropped.bot", at_ms=at(1))])).empty
    assert not health(look(stats=counted(duplicate=1))).empty


def verdict(whole: Health) -> tuple[str, list[tuple[str, str]]]:
    return whole.level, [(one.level, one.title) for one in whole.problems]


@pytest.mark.parametrize(
    ("state", "level"),
    [
        ("probing", "attention"),
        ("paused_auth", "failing"),
        ("paused_reject", "failing"),
        ("paused_manual", "attention"),
    ],
)
def test_a_closed_gate_is_shown_with_its_reason_and_its_cure(state: Any, level: str) -> None:
    gate = Gate(integration="shop-1", state=state, reason="401: no", since_ms=7, probe_in_s=60)
    whole = health(look(gate=gate))
    one, problem = whole.integrations[0], whole.problems[0]

    assert verdict(whole) == (level, [(level, GATES[gate.state])])
    assert (problem.detail, problem.cure) == ("401: no", CURES[gate.state])
    assert (one.gate, one.reason, one.since_ms, one.next_probe_s) == (state, "401: no", 7, 60)


@pytest.mark.parametrize(
    ("more", "level"),
    [
        ({}, "failing"),
        ({"gate": Gate(integration="shop-1", state="probing")}, "failing"),
        ({"gate": Gate(integration="shop-1", state="paused_manual")}, "attention"),
        ({"integration": replace(SHOP, enabled=False)}, "attention"),
        ({"integration": None}, "attention"),
    ],
)
def test_an_old_backlog_is_a_fault_unless_a_person_wants_it_so(
    more: Mapping[str, Any], level: str
) -> None:
    whole = health(look(stats=counted(accepted=1, pending=1, oldest_s=LATE_S), **more))

    assert verdict(whole)[0] == level
    assert whole.integrations[0].level == level
    assert len(whole.problems) == 1
    assert "1 event waits" in whole.problems[0].detail
    younger = look(stats=counted(accepted=1, pending=1, oldest_s=LATE_S - 1), **more)
    assert health(younger).level != "failing"


def test_an_integration_without_a_row_in_the_configuration_is_told_apart() -> None:
    one = of(stats=counted(accepted=1, pending=1), integration=None)

    assert (one.configured, one.enabled, one.cure, one.rate_limit_use) == (
        False,
        False,
        REMOVED,
        None,
    )


def test_one_that_is_switched_off_with_nothing_waiting_is_fine() -> None:
    assert health(look(integration=replace(SHOP, enabled=False))).level == "ok"


def test_dead_letters_want_a_look() -> None:
    whole = health(look(stats=counted(accepted=2, dead=2, dead_now=2)))

    assert verdict(whole) == ("attention", [("attention", "has dead letters")])
    assert whole.problems[0].detail == "2 events that Snap did not take"
    assert whole.sentence == "1 thing needs a look; nothing is lost"


def test_a_ledger_that_does_not_add_up_is_the_worst_and_comes_first() -> None:
    whole = health(look(stats=counted(accepted=5, delivered=3, dead=1, dead_now=1)))

    assert verdict(whole) == (
        "failing",
        [("failing", "the ledger does not add up"), ("attention", "has dead letters")],
    )
    assert whole.sentence == "1 thing keeps events from Snap"
    assert not whole.integrations[0].balanced
    assert whole.integrations[0].ledger["delivered"] == 3


def test_the_words_cover_every_gate_and_the_kinds_are_those_that_are_used() -> None:
    assert set(GATES) == set(CURES)
    assert set(KINDS) == {"in", "out", "answer", "wait", "snap", "limited"}

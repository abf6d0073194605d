"""When something is worth an alert: each rule at its threshold, and well within it."""

from collections.abc import Iterable
from typing import Any

import pytest
from msgspec.structs import replace

from edgeproxy.alerts.rules import (
    DAY_MS,
    EVENTS_LEAST,
    HOUR_MS,
    RULES,
    VISITS_LEAST,
    WEEK_MS,
    Reading,
    Sight,
    readings,
)
from edgeproxy.journal.base import Bucket
from edgeproxy.settings import Thresholds
from edgeproxy.sites import Integration, Secret, Source
from edgeproxy.store.base import Counts, Gate
from edgeproxy.tally import Tally
from tests.counted import NOW_MS, bucket

SHOP = Integration(id="shop-1", source="shop", access_token=Secret("t"))
SITE = Source(id="shop", integrations=(SHOP,))
LIMITS = Thresholds()
OFF = Thresholds(
    success_percent=0,
    backlog_minutes=0,
    dead_per_hour=0,
    zero_expected=0,
    consent_drop_percent=0,
    token_days=0,
)
MINUTE_MS = 60_000


def sight(recent: Iterable[Bucket] = (), hours: Iterable[Bucket] = (), **more: Any) -> Sight:
    given = {"sources": (SITE,), **more}
    return Sight(now_ms=NOW_MS, recent=Tally(recent), hours=Tally(hours), **given)


def says(rule: str, seen: Sight, limits: Thresholds = LIMITS) -> tuple[bool, bool]:
    """Whether the rule finds it bad, and whether fine."""
    reading = only(rule, seen, limits)
    return reading.bad, reading.fine


def only(rule: str, seen: Sight, limits: Thresholds = LIMITS) -> Reading:
    (reading,) = [one for one in readings(seen, limits) if one.rule == rule]
    return reading


BAD, FINE, BETWEEN = (True, False), (False, True), (False, False)


def test_every_rule_says_something_and_a_threshold_of_0_switches_it_off() -> None:
    assert {one.rule for one in readings(sight(), LIMITS)} == {rule.name for rule in RULES}
    assert {one.rule for one in readings(sight(), OFF)} == {"gate"}
    assert all(one.fine and not one.bad for one in readings(sight(), LIMITS))


def test_an_integration_that_is_switched_off_is_nobodys_concern() -> None:
    off = replace(SITE, integrations=(replace(SHOP, enabled=False),))
    gate = Gate(integration="shop-1", state="paused_auth")
    seen = sight(sources=(off,), gates={"shop-1": gate})

    assert {one.rule for one in readings(seen, LIMITS)} == {"consent"}


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("open", FINE),
        ("probing", BETWEEN),
        ("paused_auth", BAD),
        ("paused_reject", BAD),
        ("paused_manual", FINE),
    ],
)
def test_a_gate_that_closed_by_itself_is_bad(state: Any, said: tuple[bool, bool]) -> None:
    gate = Gate(integration="shop-1", state=state, reason="401")
    reading = only("gate", sight(gates={"shop-1": gate}))

    assert (reading.bad, reading.fine) == said
    assert reading.text == ("delivery is paused: 401" if reading.bad else "delivery goes on")


@pytest.mark.parametrize(
    ("oldest_s", "said"), [(900, BAD), (899, BETWEEN), (450, BETWEEN), (449, FINE), (0, FINE)]
)
def test_a_backlog_is_judged_by_its_oldest_event(oldest_s: float, said: tuple[bool, bool]) -> None:
    stats = (Counts(integration="shop-1", pending=3, oldest_s=oldest_s),)

    assert says("backlog", sight(stats=stats)) == said
    by_hand = Gate(integration="shop-1", state="paused_manual")
    assert says("backlog", sight(stats=stats, gates={"shop-1": by_hand})) == FINE


def outs(delivered: int, retried: int = 0, minutes_ago: int = 5) -> list[Bucket]:
    at_ms = NOW_MS - minutes_ago * MINUTE_MS
    return [
        bucket("out", "shop-1", "delivered", "PURCHASE", n=delivered, at_ms=at_ms),
        bucket("out", "shop-1", "retry", "PURCHASE", n=retried, at_ms=at_ms),
    ]


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        (outs(94, 6), BAD),
        (outs(95, 5), BETWEEN),
        (outs(97, 3), BETWEEN),
        (outs(98, 2), FINE),
        (outs(0, EVENTS_LEAST), BAD),
        (outs(0, EVENTS_LEAST - 1), FINE),
        (outs(0, 100, minutes_ago=31), FINE),
        ([*outs(98, 2), bucket("out", "shop-1", "test", n=900, at_ms=NOW_MS)], FINE),
        ([], FINE),
    ],
)
def test_the_success_rate_is_of_the_last_half_hour_and_of_enough_events(
    counts: list[Bucket], said: tuple[bool, bool]
) -> None:
    assert says("success", sight(counts)) == said


@pytest.mark.parametrize(("n", "said"), [(10, BAD), (9, BETWEEN), (5, BETWEEN), (4, FINE)])
def test_dead_letters_are_counted_over_an_hour(n: int, said: tuple[bool, bool]) -> None:
    counts = [
        bucket("out", "shop-1", "dead.expired", n=1, at_ms=NOW_MS - 5 * MINUTE_MS),
        bucket("out", "shop-1", "dead.rejected", n=n - 1, at_ms=NOW_MS - 50 * MINUTE_MS),
        bucket("out", "shop-1", "dead.rejected", n=99, at_ms=NOW_MS - 61 * MINUTE_MS),
        bucket("out", "shop-1", "delivered", n=99, at_ms=NOW_MS),
    ]
    reading = only("dead", sight(counts))

    assert (reading.bad, reading.fine) == said
    assert reading.text.endswith("within an hour (rejected, expired)")


HOUR = NOW_MS // HOUR_MS * HOUR_MS
"""The present hour's begin."""


def sold(*hours: tuple[int, int], weeks: int = 4, name: str = "PURCHASE") -> list[Bucket]:
    """(hours ago, conversions) pairs, in each of the weeks before, but not in the present one."""
    return [
        bucket("out", "shop-1", "delivered", name, n=n, at_ms=HOUR - ago * HOUR_MS - week * WEEK_MS)
        for ago, n in hours
        for week in range(1, weeks + 1)
    ]


LONG_AGO = bucket("out", "shop-1", "delivered", "SEARCH", at_ms=HOUR - 4 * WEEK_MS - DAY_MS)


def now_sold(hours_ago: int) -> Bucket:
    return bucket("out", "shop-1", "delivered", "PURCHASE", at_ms=HOUR - hours_ago * HOUR_MS)


def test_an_hour_without_a_conversion_is_bad_where_many_were_usual() -> None:
    reading = only("conversions", sight(hours=[LONG_AGO, *sold((1, 8))]))

    assert reading.bad
    assert reading.text.startswith("no conversion for 1 h; 8 are usual")
    assert says("conversions", sight(hours=[LONG_AGO, *sold((1, 6))])) == FINE


def test_a_small_shop_is_judged_by_a_longer_silence() -> None:
    quiet = [LONG_AGO, *sold((1, 2), (2, 2), (3, 2), (4, 2))]

    assert only("conversions", sight(hours=quiet)).text.startswith("no conversion for 6 h; 8")
    assert says("conversions", sight(hours=[*quiet, now_sold(4)])) == FINE


@pytest.mark.parametrize(
    ("hours", "why"),
    [
        ([LONG_AGO, *sold((1, 99)), now_sold(1)], "one came in the hour"),
        ([LONG_AGO, *sold((1, 99)), now_sold(0)], "one came in the present hour"),
        ([LONG_AGO, *sold((25, 99))], "other hours of the day are usual"),
        ([LONG_AGO, *sold((1, 99), name="PAGE_VIEW")], "views are no conversions"),
        (sold((1, 99), weeks=1), "one week of history is not enough"),
        (
            [LONG_AGO, *[b for b in sold((1, 99)) if b.at_ms > HOUR - 3 * WEEK_MS]],
            "some week had none in these hours",
        ),
    ],
)
def test_silence_is_no_alarm_when(hours: list[Bucket], why: str) -> None:
    assert says("conversions", sight(hours=hours)) == FINE, why


def test_one_great_sale_does_not_make_the_usual() -> None:
    counts = [LONG_AGO, *sold((1, 1), weeks=4)]
    counts.append(bucket("out", "shop-1", "delivered", "PURCHASE", n=500, at_ms=HOUR - WEEK_MS - 1))

    assert says("conversions", sight(hours=counts)) == FINE


def test_while_nothing_is_sent_silence_is_no_news() -> None:
    gate = Gate(integration="shop-1", state="probing")
    hours = [LONG_AGO, *sold((1, 99))]

    assert says("conversions", sight(hours=hours, gates={"shop-1": gate})) == FINE


def agreed(yes: int, no: int, days_ago: float) -> list[Bucket]:
    at_ms = NOW_MS - round(days_ago * DAY_MS)
    return [
        bucket("in", "shop", "accepted", n=yes, at_ms=at_ms),
        bucket("in", "shop", "dropped.no_consent", n=no - no // 2, at_ms=at_ms),
        bucket("in", "shop", "dropped.gpc", n=no // 2, at_ms=at_ms),
        bucket("in", "shop", "dropped.bot", n=10_000, at_ms=at_ms),
    ]


@pytest.mark.parametrize(
    ("yes", "said"),
    [(559, BAD), (561, BETWEEN), (679, BETWEEN), (681, FINE), (1000, FINE)],
)
def test_consent_is_compared_with_the_week_before(yes: int, said: tuple[bool, bool]) -> None:
    counts = [*agreed(yes, 1000 - yes, 0.5), *agreed(800, 200, 3), *agreed(0, 5000, 9)]

    assert says("consent", sight(hours=counts)) == said


@pytest.mark.parametrize(
    "counts",
    [
        [*agreed(0, VISITS_LEAST - 1, 0.5), *agreed(800, 200, 3)],
        [*agreed(0, 1000, 0.5), *agreed(VISITS_LEAST - 1, 0, 3)],
    ],
)
def test_too_few_visitors_say_nothing_of_consent(counts: list[Bucket]) -> None:
    assert says("consent", sight(hours=counts)) == FINE


@pytest.mark.parametrize(("days", "said"), [(365, BAD), (364, FINE)])
def test_a_token_ages_from_its_first_use(days: int, said: tuple[bool, bool]) -> None:
    tokens = {"shop-1": NOW_MS - days * DAY_MS}

    assert says("token", sight(tokens=tokens)) == said

"""The match-quality coach: the estimate, and what it advises."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.catalog import SNAP_NAMES
from edgeproxy.quality import DAY_MS, NOTE, Quality, estimate
from edgeproxy.quality.identifiers import IDENTIFIERS, SELLING
from edgeproxy.quality.scale import Scale
from edgeproxy.settings import Weights
from tests.counted import NOW_MS, bucket, cover

ALL = "cepsinxvt"
UNTIL_MS = (NOW_MS // DAY_MS + 1) * DAY_MS
DEFAULT = Weights()

masks = st.lists(st.sampled_from(f"{ALL}m"), unique=True).map("".join)
names = st.sampled_from(sorted(SNAP_NAMES))


def points(name: str, mask: str, weights: Weights) -> float:
    return Scale(weights).points(name, mask)


def judged(found: dict[tuple[str, str], int], weights: Weights = DEFAULT) -> Quality:
    return estimate(cover(found, at_ms=NOW_MS), weights, until_ms=UNTIL_MS)


def test_nothing_is_0_and_everything_is_100() -> None:
    assert points("PURCHASE", "", DEFAULT) == 0
    assert points("PURCHASE", ALL, DEFAULT) == pytest.approx(100)
    assert points("PAGE_VIEW", "cepsinx", DEFAULT) == pytest.approx(100)


def test_a_stronger_identifier_is_worth_more_than_a_weaker_one_alone() -> None:
    web = [one for one in IDENTIFIERS if one.letter in "cepsinx"]
    alone = [points("PAGE_VIEW", one.letter, DEFAULT) for one in web]

    assert alone == sorted(alone, reverse=True)
    assert len(set(alone)) == 7


@given(names, masks, st.sampled_from(ALL))
def test_no_identifier_ever_lowers_the_score(name: str, mask: str, letter: str) -> None:
    more = points(name, mask + letter, DEFAULT)

    assert 0 <= points(name, mask, DEFAULT) <= more <= 100 + 1e-9


def test_missing_value_and_items_cost_points_only_where_something_is_sold() -> None:
    for name in sorted(SELLING):
        assert points(name, "e", DEFAULT) < points(name, "ev", DEFAULT)
        assert points(name, "ev", DEFAULT) < points(name, "evt", DEFAULT)
    assert points("PAGE_VIEW", "e", DEFAULT) == points("PAGE_VIEW", "evt", DEFAULT)


def test_without_an_event_there_is_no_score_and_no_advice() -> None:
    empty = judged({})

    assert (empty.score, empty.events, empty.types, empty.actions) == (None, 0, (), ())
    assert [one.share for one in empty.coverage] == [None] * (len(IDENTIFIERS) - 1)
    assert [day.score for day in empty.days] == [None] * 7
    assert empty.note == NOTE
    assert "estimate" in NOTE


def test_the_score_of_a_type_is_the_mean_of_its_events() -> None:
    found = judged({("PURCHASE", "evt"): 3, ("PURCHASE", "vt"): 1})

    assert found.types[0].score == pytest.approx(points("PURCHASE", "evt", DEFAULT) * 3 / 4)
    assert found.events == 4


def test_conversions_weigh_five_times_as_much_as_views() -> None:
    found = judged({("SIGN_UP", "e"): 1, ("PAGE_VIEW", ""): 5})

    assert found.score == pytest.approx(points("SIGN_UP", "e", DEFAULT) / 2)


def test_the_type_with_most_at_stake_comes_first() -> None:
    found = judged({("PAGE_VIEW", "s"): 4, ("SIGN_UP", "s"): 1, ("SEARCH", "s"): 1})

    assert [one.name for one in found.types] == ["SEARCH", "SIGN_UP", "PAGE_VIEW"]


def test_coverage_of_goods_counts_only_events_that_sell() -> None:
    found = judged({("PURCHASE", "ev"): 1, ("PAGE_VIEW", "e"): 3})
    shares = {one.name: (one.events, one.of, one.share) for one in found.coverage}

    assert shares["email"] == (4, 4, 1.0)
    assert shares["value"] == (1, 1, 1.0)
    assert shares["item_ids"] == (0, 1, 0.0)
    assert shares["phone"] == (0, 4, 0.0)
    assert {one.of for one in found.types[1].coverage if one.name == "value"} <= {0, 1}


def test_days_are_judged_apart_and_an_empty_day_has_no_score() -> None:
    counts = [
        *cover({("SIGN_UP", ""): 2}, at_ms=UNTIL_MS - 7 * DAY_MS),
        *cover({("SIGN_UP", "cepsinx"): 1}, at_ms=UNTIL_MS - 1),
        *cover({("SIGN_UP", "e"): 9}, at_ms=UNTIL_MS - 7 * DAY_MS - 1),
    ]
    days = estimate(counts, DEFAULT, until_ms=UNTIL_MS).days

    assert [(day.events, day.score) for day in (days[0], days[1])] == [(2, 0.0), (0, None)]
    assert days[-1].score == pytest.approx(100)
    assert [day.at_ms for day in days] == [UNTIL_MS - (7 - n) * DAY_MS for n in range(7)]


def test_one_integration_can_be_judged_alone() -> None:
    counts = [
        *cover({("SIGN_UP", "e"): 1}, at_ms=NOW_MS),
        *cover({("SIGN_UP", ""): 7}, at_ms=NOW_MS, integration="other"),
        bucket("low", "other", n=5, at_ms=NOW_MS),
        bucket("low", "shop", n=2, at_ms=NOW_MS),
    ]
    alone = estimate(counts, DEFAULT, until_ms=UNTIL_MS, integration="shop")

    assert (alone.events, alone.low_match) == (1, 2)
    assert estimate(counts, DEFAULT, until_ms=UNTIL_MS).low_match == 7


def test_the_advice_for_anonymous_purchases_is_the_e_mail() -> None:
    found = judged({("PURCHASE", "sivt"): 100})
    first = found.actions[0]

    assert first.name == "email"
    assert "identify" in first.title
    assert (first.share_now, first.share_then, first.most_on) == (0.0, 0.95, "PURCHASE")
    assert first.points == pytest.approx(
        0.95 * (points("PURCHASE", "esivt", DEFAULT) - points("PURCHASE", "sivt", DEFAULT))
    )


def test_following_the_advice_raises_the_score_by_what_was_said() -> None:
    before = judged({("PURCHASE", "sivt"): 90, ("PURCHASE", "esivt"): 10})
    advice = next(one for one in before.actions if one.name == "email")
    after = judged({("PURCHASE", "sivt"): 5, ("PURCHASE", "esivt"): 95})

    assert before.score is not None
    assert after.score == pytest.approx(before.score + advice.points)


def test_at_most_three_actions_the_best_first_and_none_without_effect() -> None:
    many = judged({("PURCHASE", ""): 10})
    done = judged({("PURCHASE", ALL): 10})

    assert len(many.actions) == 3
    assert [a.points for a in many.actions] == sorted(
        (a.points for a in many.actions), reverse=True
    )
    assert done.actions == ()
    assert all(one.how.endswith(".") for one in many.actions)


def test_what_already_goes_beyond_the_reachable_share_is_no_advice() -> None:
    found = judged({("PAGE_VIEW", "e"): 50, ("PAGE_VIEW", ""): 50})

    assert "email" not in {one.name for one in found.actions}


@given(st.dictionaries(st.tuples(names, masks), st.integers(1, 1000), max_size=20))
def test_whatever_was_counted_gives_a_score_in_range(found: dict[tuple[str, str], int]) -> None:
    quality = judged(found)

    assert quality.score is None or 0 <= quality.score <= 100 + 1e-9
    assert all(0 <= one.share_now <= one.share_then <= 1 + 1e-9 for one in quality.actions)
    assert all(0 < one.points <= 100 for one in quality.actions)


def test_weights_are_the_operators_to_choose() -> None:
    only_phone = Weights(
        click_id=0, email=0, scid=0, ip_and_agent=0, name_and_address=0, external_id=0
    )
    nothing = Weights(
        click_id=0, email=0, phone=0, scid=0, ip_and_agent=0, name_and_address=0, external_id=0
    )

    assert points("SIGN_UP", "p", only_phone) == pytest.approx(100)
    assert points("SIGN_UP", "ces", only_phone) == 0
    assert points("SIGN_UP", ALL, nothing) == 0
    assert judged({("SIGN_UP", "p"): 1}, only_phone).weights is only_phone


def test_every_weight_has_an_identifier() -> None:
    assert {one.name for one in IDENTIFIERS} == {field.name for field in fields(Weights)}
    assert sorted(one.letter for one in IDENTIFIERS) == sorted(f"{ALL}m")


def test_an_apps_advertising_id_counts_where_it_is_and_is_missed_nowhere_else() -> None:
    web = judged({("APP_OPEN", "i"): 1})
    app = judged({("APP_OPEN", "im"): 1, ("PAGE_VIEW", "i"): 1})

    assert points("APP_OPEN", "i", DEFAULT) < points("APP_OPEN", "im", DEFAULT)
    assert points("APP_OPEN", f"{ALL}m", DEFAULT) == pytest.approx(100)
    assert "mobile_ad_id" not in {one.name for one in web.coverage}
    assert {len(one.coverage) for one in app.types} == {len(IDENTIFIERS)} == {len(app.coverage)}
    assert "mobile_ad_id" not in {one.name for one in (*web.actions, *app.actions)}

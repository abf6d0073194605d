"""Counts over time: sums, series, percentiles."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.tally import WAIT_MS, Tally, bound, moments, percentile, series, share
from tests.counted import bucket


def test_sums_are_of_one_kind_and_one_first_label() -> None:
    tally = Tally(
        [
            bucket("out", "shop", "delivered", "PURCHASE", n=3, at_ms=0),
            bucket("out", "shop", "delivered", "SEARCH", n=2, at_ms=60_000),
            bucket("out", "shop", "retry", "", n=1, at_ms=0),
            bucket("out", "other", "delivered", "", n=10, at_ms=0),
            bucket("in", "shop", "delivered", "", n=100, at_ms=0),
        ]
    )

    assert tally.by_second("out", "shop") == {"delivered": 5, "retry": 1}
    assert tally.by_second("out") == {"delivered": 15, "retry": 1}
    assert tally.total("out", "shop") == 6
    assert tally.total("nothing") == 0
    assert tally.firsts("out") == {"shop", "other"}
    assert tally.firsts("in", "nothing") == {"shop"}


def test_a_series_has_a_sum_for_each_step_and_leaves_out_what_lies_outside() -> None:
    counts = [bucket("out", at_ms=at_ms) for at_ms in (99, 100, 109, 110, 139, 140)]

    assert series(counts, since_ms=100, until_ms=140, step_ms=10) == (2, 1, 0, 1)
    assert list(moments(100, 140, 10)) == [100, 110, 120, 130]
    assert series(counts, since_ms=100, until_ms=100, step_ms=10) == ()
    assert len(series([], since_ms=100, until_ms=141, step_ms=10)) == 5


def test_a_share_of_nothing_is_none() -> None:
    assert share(1, 4) == 0.25
    assert share(0, 0) is None


def test_a_bucket_without_a_readable_bound_counts_as_the_last() -> None:
    assert (bound("250"), bound("inf"), bound("?")) == (250, math.inf, math.inf)


@pytest.mark.parametrize(
    ("histogram", "at", "ms"),
    [
        ({}, 0.5, None),
        ({100.0: 0}, 0.5, None),
        ({100.0: 10}, 0.5, 50),
        ({100.0: 10, 250.0: 10}, 0.5, 100),
        ({100.0: 10, 250.0: 10}, 0.75, 175),
        ({100.0: 0, 250.0: 10}, 0.5, 175),  # an empty bucket still says where the next begins
        ({100.0: 98, math.inf: 2}, 0.99, 100),  # at least the last bound; more is not known
        ({math.inf: 2}, 0.5, 0),
    ],
)
def test_a_percentile_is_read_from_the_buckets(
    histogram: dict[float, int], at: float, ms: float | None
) -> None:
    assert percentile(histogram, at) == (None if ms is None else pytest.approx(ms))


@given(
    st.dictionaries(
        st.sampled_from([*map(float, WAIT_MS), math.inf]), st.integers(1, 1000), min_size=1
    )
)
def test_percentiles_never_fall_and_stay_within_the_bounds(histogram: dict[float, int]) -> None:
    found = [percentile(histogram, at / 100) for at in range(1, 100)]
    values = [value for value in found if value is not None]

    assert len(values) == 99
    assert values == sorted(values)
    assert 0 <= values[0] <= values[-1] <= WAIT_MS[-1]


def test_a_histogram_is_made_of_the_second_labels() -> None:
    tally = Tally([bucket("wait", "shop", "100", at_ms=0), bucket("wait", "shop", "inf", at_ms=5)])

    assert tally.histogram("wait", "shop") == {100.0: 1, math.inf: 1}

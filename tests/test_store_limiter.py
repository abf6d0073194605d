"""The limiter's arithmetic: never too many in a window, and not fewer than it must be."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.store.limiter import Bucket, per_minute, per_second, take

NOW_US = 1_706_540_000_000_000


def granted(bucket: Bucket, gaps_us: list[int]) -> list[int]:
    """When requests were granted, asking after each gap."""
    tat_us, now_us, found = 0, NOW_US, []
    for gap_us in gaps_us:
        now_us += gap_us
        tat_us, wait_s = take(bucket, tat_us, now_us)
        if wait_s == 0:
            found.append(now_us)
    return found


@given(
    rate=st.floats(0.5, 2000),
    burst=st.integers(1, 200),
    gaps_us=st.lists(st.integers(0, 200_000), max_size=400),
)
def test_a_window_of_t_seconds_holds_rate_times_t_and_a_burst(
    rate: float, burst: int, gaps_us: list[int]
) -> None:
    times = granted(per_second(rate, burst), gaps_us)
    for first, from_us in enumerate(times):
        for last in range(first, len(times)):
            window_s = (times[last] - from_us) / 1_000_000
            assert last - first + 1 <= rate * window_s * 1.0001 + burst + 1e-3


@given(limit=st.integers(1, 60), gap_us=st.integers(0, 3_000_000))
def test_a_minute_holds_no_more_than_its_limit(limit: int, gap_us: int) -> None:
    times = granted(per_minute(limit), [gap_us] * 300)
    for from_us in times:
        assert sum(from_us <= at_us < from_us + 60_000_000 for at_us in times) <= limit


def test_whoever_waits_as_told_is_granted_at_the_full_rate() -> None:
    bucket = per_second(50, 5)
    tat_us, now_us, times = 0, NOW_US, []
    while now_us < NOW_US + 10_000_000:
        tat_us, wait_s = take(bucket, tat_us, now_us)
        if wait_s == 0:
            times.append(now_us)
        now_us += round(wait_s * 1_000_000)
    assert len(times) == 5 + 10 * 50 - 1 or len(times) == 5 + 10 * 50
    assert all(b - a in (0, 20_000) for a, b in pairwise(times))


def test_a_rest_fills_the_bucket_and_no_more() -> None:
    bucket = per_second(10, 3)
    assert len(granted(bucket, [0] * 5 + [10_000_000] + [0] * 5)) == 6


@pytest.mark.parametrize("back_s", [1, 3600, 86_400])
def test_a_clock_set_back_costs_one_interval(back_s: int) -> None:
    bucket = per_second(10, 3)
    tat_us, _ = take(bucket, 0, NOW_US)
    _, wait_s = take(bucket, tat_us, NOW_US - back_s * 1_000_000)
    assert wait_s == pytest.approx(0.1)

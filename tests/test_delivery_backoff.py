"""How long delivery waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.delivery.backoff import Schedule, doubled, fast, jittered, slow

SCHEDULE = Schedule()
MIDDLE = 0.5


def test_quick_attempts_come_half_a_second_one_and_two_seconds_later_and_then_no_more() -> None:
    waits = [fast(SCHEDULE, failures, MIDDLE) for failures in (1, 2, 3, 4, 5)]
    assert waits == [0.5, 1.0, 2.0, None, None]


@pytest.mark.parametrize(
    ("attempt", "wait_s"),
    [(1, 30), (2, 60), (3, 120), (4, 240), (5, 480), (6, 900), (7, 900), (5000, 900)],
)
def test_rows_put_back_wait_half_a_minute_doubling_to_a_quarter_of_an_hour(
    attempt: int, wait_s: float
) -> None:
    assert slow(SCHEDULE, attempt, MIDDLE) == wait_s


@given(wait_s=st.floats(0, 1e6), draw=st.floats(0, 1))
def test_jitter_stays_within_a_fifth(wait_s: float, draw: float) -> None:
    assert wait_s * 0.799 <= jittered(wait_s, draw) <= wait_s * 1.201


def test_every_wait_is_jittered() -> None:
    assert fast(SCHEDULE, 1, 0.0) == 0.4
    assert fast(SCHEDULE, 1, 1.0) == pytest.approx(0.6)
    assert slow(SCHEDULE, 1, 0.0) == 24
    assert slow(SCHEDULE, 99, 1.0) == pytest.approx(1080)


def test_a_wait_doubles_from_its_first_to_its_longest() -> None:
    waits = [0.0]
    for _ in range(8):
        waits.append(doubled(waits[-1], 5, 300))
    assert waits == [0, 5, 10, 20, 40, 80, 160, 300, 300]

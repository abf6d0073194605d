"""Numbers as people read them."""

from collections.abc import Callable
from typing import Any

import pytest

from edgeproxy.admin.figures import ago, duration, number, percent, short, size


@pytest.mark.parametrize(
    ("show", "value", "text"),
    [
        (number, None, "–"),
        (number, 0, "0"),
        (number, 1234567, "1,234,567"),
        (number, 2.5, "2.5"),
        (number, 2.0, "2"),
        (short, None, "–"),
        (short, 9999, "9,999"),
        (short, 12345, "12.3 k"),
        (short, 123456, "123 k"),
        (short, 1_200_000, "1.2 M"),
        (short, 5e9, "5.0 G"),
        (short, -12345, "-12.3 k"),
        (percent, None, "–"),
        (percent, 0, "0 %"),
        (percent, 1, "100 %"),
        (percent, 0.98765, "98.8 %"),
        (percent, 0.99999, "99.9 %"),
        (percent, 0.00001, "0.1 %"),
        (duration, None, "–"),
        (duration, 0, "0 ms"),
        (duration, 850.4, "850 ms"),
        (duration, 1500, "1.5 s"),
        (duration, 2004, "2 s"),
        (duration, 12_000, "12 s"),
        (duration, 90_000, "1.5 min"),
        (duration, 3_600_000, "1 h"),
        (duration, 47 * 3_600_000, "47 h"),
        (duration, 72 * 3_600_000, "3 d"),
        (size, None, "–"),
        (size, 999, "999 B"),
        (size, 1500, "1.5 kB"),
        (size, 2_500_000, "2.5 MB"),
        (size, 3e9, "3.0 GB"),
    ],
)
def test_a_number_is_short_and_true(show: Callable[[Any], str], value: Any, text: str) -> None:
    assert show(value) == text


def test_a_moment_is_told_by_its_distance() -> None:
    assert ago(1000, 1500) == "just now"
    assert ago(1000, 121_000) == "2 min ago"
    assert ago(2000, 1000) == "just now"

"""The limit on one caller's requests: bursts pass, floods do not, memory is bounded."""

import pytest

from edgeproxy.errors import Refused
from edgeproxy.public.flood import CALLERS_MAX, Flood

ONE, OTHER = "203.0.113.7", "203.0.113.8"


class Clock:
    """Seconds, by hand."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def flood(clock: Clock) -> Flood:
    return Flood(rate=10, burst=20, clock_s=clock)


def passed(flood: Flood, count: int, address: str = "", *cookies: bytes) -> int:
    """How many of so many requests pass."""
    through = 0
    for _ in range(count):
        try:
            flood.check(address, cookies)
        except Refused:
            continue
        through += 1
    return through


def test_a_burst_passes_and_what_is_beyond_it_does_not(flood: Flood) -> None:
    assert passed(flood, 100, ONE) == 20


def test_after_a_burst_the_rate_counts(flood: Flood, clock: Clock) -> None:
    passed(flood, 100, ONE)
    through = 0
    for _ in range(300):
        clock.now_s += 0.01
        through += passed(flood, 1, ONE)
    assert through == pytest.approx(30, abs=1)
    clock.now_s += 2.001
    assert passed(flood, 100, ONE) == 20


def test_the_refusal_says_when_to_come_back(flood: Flood) -> None:
    passed(flood, 20, ONE)
    with pytest.raises(Refused) as caught:
        flood.check(ONE, ())
    assert (caught.value.status, caught.value.code) == (429, "too_many_requests")
    assert caught.value.retry_after_s == 1


def test_one_caller_s_flood_is_not_another_s(flood: Flood) -> None:
    passed(flood, 100, ONE)
    assert passed(flood, 20, OTHER) == 20


def test_a_subscriber_s_ipv6_addresses_are_one_caller(flood: Flood) -> None:
    assert passed(flood, 15, "2001:db8::1") + passed(flood, 15, "2001:db8::2") == 20
    assert passed(flood, 15, "2001:db8:0:1::1") == 15


@pytest.mark.parametrize("address", ["", "127.0.0.1", "::1", "10.1.2.3", "fe80::1"])
def test_our_own_machines_are_not_counted(flood: Flood, address: str) -> None:
    """They ask for visitors whom they did not name."""
    assert passed(flood, 100, address) == 100


def test_a_visitor_is_counted_from_whatever_address(flood: Flood) -> None:
    """A captured cookie that many machines replay."""
    jar = b"_ga=1; _scid=visitor-1; cart=2"
    through = sum(passed(flood, 1, f"203.0.113.{number}", jar) for number in range(100))
    assert through == 20
    assert passed(flood, 1, ONE, b"_scid=visitor-1") == 0
    assert passed(flood, 1, ONE, b"_scid=visitor-10") == 1
    assert passed(flood, 1, ONE, b"_ga=1", b"_scid=visitor-1") == 0


def test_a_jar_without_visitor_counts_by_address_only(flood: Flood) -> None:
    assert passed(flood, 100, "", b"_ga=1; _scclid=2") == 100


def test_anything_can_be_a_caller(flood: Flood) -> None:
    for _ in range(20):
        flood.count("key shop-1")
    with pytest.raises(Refused):
        flood.count("key shop-1")
    flood.count("key shop-2")


def test_endless_callers_take_bounded_memory(clock: Clock) -> None:
    flood = Flood(rate=10, burst=20, clock_s=clock, callers_max=100)
    for number in range(10_000):
        flood.count(f"caller {number}")
    assert len(flood._young) + len(flood._old) <= 200
    assert CALLERS_MAX <= 20_000


def test_callers_of_long_ago_take_no_memory(flood: Flood, clock: Clock) -> None:
    for number in range(100):
        flood.count(f"caller {number}")
    for _ in range(2):
        clock.now_s += 2.001
        flood.count("another")
    assert len(flood._young) + len(flood._old) <= 2


def test_a_change_of_generation_forgets_nobody_too_early(flood: Flood, clock: Clock) -> None:
    clock.now_s += 1.9
    assert passed(flood, 100, ONE) == 20
    clock.now_s += 0.2  # the generation of the burst is over
    assert passed(flood, 100, OTHER) == 20
    assert passed(flood, 100, ONE) == pytest.approx(2, abs=1)
    clock.now_s += 2.1
    assert passed(flood, 100, ONE) == 20


def test_a_visitor_s_name_of_any_length_is_cut(clock: Clock) -> None:
    flood = Flood(rate=10, burst=20, clock_s=clock)
    flood.check("", (b"_scid=" + b"x" * 10_000,))
    [name] = flood._young
    assert len(name) == 200

"""How often somebody may be wrong."""

from edgeproxy.admin.throttle import BURST, BURST_ALL, EACH_S, Throttle


class Seconds:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_nobody_waits_who_was_not_wrong() -> None:
    throttle = Throttle(Seconds())
    assert [throttle.wait_s("a") for _ in range(100)] == [0] * 100


def test_patience_ends_and_comes_back_little_by_little() -> None:
    clock = Seconds()
    throttle = Throttle(clock)
    for _ in range(BURST):
        assert throttle.wait_s("a") == 0
        throttle.failed("a")
    assert throttle.wait_s("a") == int(EACH_S) + 1
    assert throttle.wait_s("b") == 0
    clock.now += EACH_S
    assert throttle.wait_s("a") == 0
    throttle.failed("a")
    assert throttle.wait_s("a") > 0
    clock.now += 3600
    for _ in range(BURST):
        assert throttle.wait_s("a") == 0
        throttle.failed("a")
    assert throttle.wait_s("a") > 0


def test_all_together_have_one_patience() -> None:
    throttle = Throttle(Seconds())
    for number in range(BURST_ALL):
        throttle.failed(str(number))
    assert throttle.wait_s("somebody else") == 1


def test_addresses_do_not_fill_the_memory() -> None:
    clock = Seconds()
    throttle = Throttle(clock)
    for number in range(10_050):
        throttle.failed(str(number))
    clock.now += 60
    assert throttle.wait_s("10049") == 0
    assert len(throttle._each) == 10_000

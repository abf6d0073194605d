"""Counting: what is added, what is new since the last look, and the sum over sources."""

from edgeproxy.meter import Meter


def test_take_gives_only_what_was_added_since_the_last_take() -> None:
    meter = Meter()
    meter.add("in", "shop", "accepted", n=3)
    assert meter.take() == {("in", "shop", "accepted", ""): 3}
    assert meter.take() == {}
    meter.add("in", "shop", "accepted")
    meter.add("answer", "snap", "delivered")
    assert meter.take() == {
        ("in", "shop", "accepted", ""): 1,
        ("answer", "snap", "delivered", ""): 1,
    }


def test_intake_sums_over_sources_and_knows_only_the_door() -> None:
    meter = Meter()
    meter.add("in", "shop", "accepted", n=2)
    meter.add("in", "blog", "accepted", n=5)
    meter.add("in", "blog", "dropped.gpc")
    meter.add("answer", "snap", "delivered", n=9)
    assert meter.intake() == {"accepted": 7, "dropped.gpc": 1}

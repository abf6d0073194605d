"""The made-up week: the same for the same instant, in order, and worth looking at."""

from collections import Counter

from edgeproxy.catalog import SNAP_NAMES
from edgeproxy.demo.history import DAYS, HOUR_MS, MINUTE_MS, Span, week
from edgeproxy.demo.parts import INTEGRATION, SOURCE
from edgeproxy.meter import Label
from edgeproxy.quality import estimate
from edgeproxy.settings import Weights
from edgeproxy.tally import SNAP_MS, WAIT_MS

NOW_MS = 1_800_000_000_000 + 17 * MINUTE_MS + 1234
DAY_MS = 24 * HOUR_MS


class Count:
    """As the journal gives it."""

    def __init__(self, at_ms: int, label: Label, n: int) -> None:
        self.at_ms, self.label, self.n = at_ms, label, n


def summed(spans: list[Span]) -> Counter[Label]:
    whole: Counter[Label] = Counter()
    for _, counts in spans:
        whole.update(counts)
    return whole


def test_the_same_instant_gives_the_same_week() -> None:
    assert list(week(NOW_MS)) == list(week(NOW_MS))
    assert list(week(NOW_MS)) != list(week(NOW_MS, seed=2))


def test_it_is_told_in_order_ends_before_now_and_reaches_a_week_back() -> None:
    moments = [at_ms for at_ms, _ in week(NOW_MS)]
    assert moments == sorted(set(moments))
    assert NOW_MS - 3 * MINUTE_MS < moments[-1] < NOW_MS
    assert DAYS * DAY_MS <= NOW_MS - moments[0] < DAYS * DAY_MS + 2 * HOUR_MS


def test_labels_are_those_that_are_counted() -> None:
    bounds = {str(bound) for bound in (*WAIT_MS, *SNAP_MS)}
    for kind, first, second, third in summed(list(week(NOW_MS))):
        assert first == (SOURCE if kind == "in" else INTEGRATION)
        if kind in ("wait", "snap"):
            assert second in bounds
        if kind == "cover":
            assert second in SNAP_NAMES
            assert list(third) == sorted(third)


def test_every_event_that_came_was_delivered() -> None:
    whole = summed(list(week(NOW_MS)))
    accepted = whole["in", SOURCE, "accepted", ""]
    delivered = sum(n for label, n in whole.items() if label[0] == "out" and "retry" not in label)
    assert accepted == delivered > 3000


def test_there_is_one_outage_and_it_is_over() -> None:
    late = [
        at_ms for at_ms, counts in week(NOW_MS) if counts["answer", INTEGRATION, "transient", "503"]
    ]
    assert late
    assert max(late) - min(late) < HOUR_MS
    assert 2 * DAY_MS < NOW_MS - max(late) < 3 * DAY_MS


def test_the_coach_has_room_to_advise_identify() -> None:
    counts = [Count(at_ms, label, n) for at_ms, each in week(NOW_MS) for label, n in each.items()]
    told = estimate(counts, Weights(), until_ms=(NOW_MS // DAY_MS + 1) * DAY_MS)
    assert told.score is not None
    assert 40 < told.score < 70
    assert told.actions[0].name == "email"

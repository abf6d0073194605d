"""When an integration stops and goes on: each row of the gate table, the breaker, the pace."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from edgeproxy.delivery import gate
from edgeproxy.delivery.backoff import Schedule
from edgeproxy.delivery.gate import FULL, THROTTLED, Pace, Record
from edgeproxy.outcome import AnswerClass, GateState, Verdict
from edgeproxy.store.base import Gate

SCHEDULE = Schedule()
OPEN = Gate(integration="i")
PROBING = Gate(integration="i", state="probing", reason="HTTP 503", probe_in_s=5.0, backoff_s=5.0)
WAITING = replace(PROBING, reason=THROTTLED)
AUTH = Gate(
    integration="i", state="paused_auth", reason="401", probe_in_s=900.0, backoff_s=900.0,
    token_fp="old",
)  # fmt: skip
REJECT = replace(AUTH, state="paused_reject")
MANUAL = Gate(integration="i", state="paused_manual", reason="by a person")
FAILED: AnswerClass = "transient"
REFUSED: AnswerClass = "rejected"
KINDS: tuple[AnswerClass, ...] = (
    "delivered", "partial", "rejected", "paused_auth", "too_large", "rate_limited", "transient",
    "ambiguous",
)  # fmt: skip


def after(
    before: Gate,
    kind: AnswerClass,
    *,
    record: Record = Record(),  # noqa: B008 - frozen
    probe: bool = True,
    retry_after_s: float | None = None,
    fingerprint: str = "new",
) -> Gate:
    return gate.after(
        before,
        Verdict(kind=kind, message=f"said {kind}", retry_after_s=retry_after_s),
        record,
        schedule=SCHEDULE,
        probe=probe,
        fingerprint=fingerprint,
    )


def noted(*kinds: AnswerClass, at_s: float = 0.0, refused: int = 0) -> Record:
    record = Record()
    for kind in kinds:
        record = gate.note(record, kind, now_s=at_s, schedule=SCHEDULE, refused=refused)
    return record


# The breaker.


def test_five_failures_in_a_row_trip_the_breaker_and_four_do_not() -> None:
    assert not gate.tripped(noted(*[FAILED] * 4))
    assert gate.tripped(noted(*[FAILED] * 5))


def test_a_good_answer_breaks_the_row() -> None:
    assert not gate.tripped(noted(*[FAILED] * 4, "delivered", *[FAILED] * 4))


def test_what_is_no_failure_neither_breaks_the_row_nor_extends_it() -> None:
    others: list[AnswerClass] = ["rejected", "too_large", "ambiguous", "paused_auth"]
    assert not gate.tripped(noted(*[FAILED] * 4, *others))
    assert gate.tripped(noted(*[FAILED] * 4, *others, "transient"))


def test_half_of_twenty_within_the_window_trip_the_breaker() -> None:
    pattern: list[AnswerClass] = [FAILED, "delivered"] * 10
    assert gate.tripped(noted(*pattern))
    assert not gate.tripped(noted(*pattern[:-2]))
    assert not gate.tripped(noted("delivered", "delivered", "delivered", *pattern[1:-1]))


def test_what_lies_before_the_window_does_not_count() -> None:
    half: list[AnswerClass] = [FAILED, "delivered"]
    record = noted(*half * 9, at_s=100.0)
    later = gate.note(record, "transient", now_s=129.9, schedule=SCHEDULE)
    later = gate.note(later, "delivered", now_s=129.9, schedule=SCHEDULE)
    assert gate.tripped(later)
    much_later = gate.note(record, "transient", now_s=130.0, schedule=SCHEDULE)
    much_later = gate.note(much_later, "delivered", now_s=130.0, schedule=SCHEDULE)
    assert not gate.tripped(much_later)


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.floats(0, 2)), max_size=200))
def test_a_record_stays_small_whatever_comes(steps: list[tuple[AnswerClass, float]]) -> None:
    record, now_s = Record(), 0.0
    for kind, wait_s in steps:
        now_s += wait_s
        record = gate.note(record, kind, now_s=now_s, schedule=SCHEDULE)
    assert len(record.window) <= gate.WINDOW_S + 1
    assert all(failures <= answers for _, answers, failures in record.window)


def test_a_tripped_breaker_closes_an_open_gate_for_five_seconds() -> None:
    tripped = noted(*[FAILED] * 5)
    closed = after(OPEN, "transient", record=tripped, probe=False)
    assert (closed.state, closed.probe_in_s, closed.backoff_s) == ("probing", 5.0, 5.0)
    assert closed.reason == "said transient"
    assert after(OPEN, "transient", record=noted("transient"), probe=False) == OPEN
    longer = after(OPEN, "transient", record=tripped, probe=False, retry_after_s=60.0)
    assert (longer.probe_in_s, longer.backoff_s) == (60.0, 60.0)


def test_each_failed_probe_doubles_the_wait_up_to_five_minutes() -> None:
    state, waits = PROBING, []
    for _ in range(8):
        state = after(state, "transient")
        waits.append(state.probe_in_s)
        assert (state.state, state.good, state.backoff_s) == ("probing", 0, state.probe_in_s)
    assert waits == [10, 20, 40, 80, 160, 300, 300, 300]


def test_a_failed_probe_after_a_good_one_begins_the_doubling_anew() -> None:
    state = after(replace(PROBING, good=2, backoff_s=300.0), "transient")
    assert (state.probe_in_s, state.good) == (5.0, 0)


def test_an_answer_that_says_nothing_is_a_failed_probe() -> None:
    assert after(PROBING, "ambiguous").probe_in_s == 10


def test_three_good_probes_open_the_gate_and_come_without_a_wait() -> None:
    first = after(PROBING, "delivered")
    assert (first.state, first.good, first.probe_in_s) == ("probing", 1, 0.0)
    second = after(first, "partial")
    assert (second.state, second.good) == ("probing", 2)
    assert after(second, "delivered") == OPEN


def test_a_refused_probe_proves_nothing_but_the_next_one_comes_soon() -> None:
    long = replace(PROBING, backoff_s=300.0, good=2)
    kinds: tuple[AnswerClass, ...] = ("rejected", "too_large")
    for kind in kinds:
        state = after(long, kind)
        assert (state.state, state.good, state.probe_in_s) == ("probing", 2, 5.0)
        assert state.backoff_s == 300


# 429.


def test_429_closes_the_gate_for_as_long_as_snap_says() -> None:
    for before in (OPEN, PROBING, WAITING):
        state = after(before, "rate_limited", probe=False, retry_after_s=42.0)
        assert (state.state, state.reason) == ("probing", THROTTLED)
        assert (state.probe_in_s, state.backoff_s) == (42.0, 42.0)


def test_429_without_a_time_means_five_seconds_doubling_until_an_event_is_delivered() -> None:
    record, waits = Record(), []
    for _ in range(3):
        record = gate.note(record, "rate_limited", now_s=0, schedule=SCHEDULE)
        waits.append(after(OPEN, "rate_limited", record=record).probe_in_s)
    assert waits == [5, 10, 20]
    assert gate.cleared(record).throttle_s == 20
    assert gate.note(record, "delivered", now_s=0, schedule=SCHEDULE).throttle_s == 0
    for _ in range(20):
        record = gate.note(record, "rate_limited", now_s=0, schedule=SCHEDULE)
    assert record.throttle_s == 3600


def test_the_gate_opens_by_itself_when_the_wait_of_a_429_is_over() -> None:
    assert gate.waited(WAITING) == WAITING
    assert gate.waited(replace(WAITING, probe_in_s=0.0)) == OPEN
    for other in (replace(PROBING, probe_in_s=0.0), replace(AUTH, reason=THROTTLED), OPEN):
        assert gate.waited(other) == other


def test_after_a_429_one_good_probe_is_enough() -> None:
    assert after(WAITING, "delivered") == OPEN


def test_a_failed_probe_after_a_429_begins_the_breaker_anew() -> None:
    state = after(replace(WAITING, backoff_s=3600.0), "transient")
    assert (state.reason, state.probe_in_s) == ("said transient", 5.0)


def test_429_to_the_probe_of_a_paused_integration_keeps_it_paused() -> None:
    for before in (AUTH, REJECT):
        assert after(before, "rate_limited", retry_after_s=3000.0) == replace(
            before, probe_in_s=3000.0
        )
        assert after(before, "rate_limited", retry_after_s=1.0) == before
        assert after(before, "rate_limited", probe=False, retry_after_s=3000.0) == before


# Settings that are wrong.


@pytest.mark.parametrize("before", [OPEN, PROBING, WAITING, AUTH, REJECT])
@pytest.mark.parametrize("probe", [True, False])
def test_a_wrong_token_pauses_with_a_probe_each_quarter_of_an_hour(
    before: Gate, *, probe: bool
) -> None:
    state = after(before, "paused_auth", probe=probe)
    assert (state.state, state.reason, state.token_fp) == ("paused_auth", "said paused_auth", "new")
    assert (state.probe_in_s, state.backoff_s) == (900.0, 900.0)


def test_a_good_probe_ends_the_pause() -> None:
    assert after(AUTH, "delivered") == OPEN
    assert after(REJECT, "partial") == OPEN


def test_a_paused_integration_is_probed_at_once_when_its_configuration_changes() -> None:
    for paused in (AUTH, REJECT):
        assert gate.changed(paused, "old") == paused
        changed = gate.changed(paused, "new")
        assert (changed.state, changed.probe_in_s, changed.token_fp) == (paused.state, 0.0, "new")
    for other in (OPEN, PROBING, MANUAL):
        assert gate.changed(other, "new") == other


def test_a_probe_refused_for_itself_shows_that_the_token_is_right() -> None:
    """But it is no proof that events are taken: three good probes are wanted."""
    state = after(AUTH, "rejected")
    assert (state.state, state.probe_in_s) == ("probing", 5.0)


def test_a_failed_probe_leaves_a_pause_as_it_is() -> None:
    kinds: tuple[AnswerClass, ...] = ("transient", "ambiguous")
    for before in (AUTH, REJECT):
        for kind in kinds:
            assert after(before, kind, record=noted(*[FAILED] * 9)) == before
    assert after(REJECT, "rejected") == REJECT


# The guard against refusals in a row.


def test_twenty_refused_events_in_a_row_pause_the_integration() -> None:
    nineteen = noted(*[REFUSED] * 19, refused=1)
    twenty = noted(*[REFUSED] * 20, refused=1)
    assert after(OPEN, "rejected", record=nineteen, probe=False) == OPEN
    state = after(OPEN, "rejected", record=twenty, probe=False)
    assert (state.state, state.probe_in_s, state.token_fp) == ("paused_reject", 900.0, "new")


def test_a_success_between_refusals_begins_the_count_anew() -> None:
    record = noted(*[REFUSED] * 19, refused=1)
    record = gate.note(record, "partial", now_s=0, schedule=SCHEDULE)
    record = gate.note(record, "rejected", now_s=0, schedule=SCHEDULE, refused=1)
    assert not gate.stuck(record)


def test_events_that_die_of_answers_without_a_meaning_count_as_refused() -> None:
    record = noted("ambiguous", refused=500)
    assert gate.moves("ambiguous", record)
    assert after(OPEN, "ambiguous", record=record, probe=False).state == "paused_reject"


# Too many dead letters.


def test_too_many_dead_letters_close_an_open_gate_and_fewer_open_it() -> None:
    state = gate.capped(OPEN, full=True, schedule=SCHEDULE, fingerprint="new")
    assert (state.state, state.reason, state.probe_in_s) == ("paused_reject", FULL, 900.0)
    assert after(state, "delivered") == state
    assert gate.capped(state, full=True, schedule=SCHEDULE, fingerprint="new") == state
    assert gate.capped(state, full=False, schedule=SCHEDULE, fingerprint="new") == OPEN


@pytest.mark.parametrize("before", [PROBING, WAITING, AUTH, REJECT, MANUAL])
@pytest.mark.parametrize("full", [True, False])
def test_the_number_of_dead_letters_moves_no_gate_that_something_else_closed(
    before: Gate, *, full: bool
) -> None:
    assert gate.capped(before, full=full, schedule=SCHEDULE, fingerprint="new") == before


# In general.


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_person_closed_only_a_person_opens(kind: AnswerClass) -> None:
    record = noted(*[FAILED] * 9, *[REFUSED] * 1, refused=99)
    for probe in (True, False):
        assert after(MANUAL, kind, record=record, probe=probe) == MANUAL


@pytest.mark.parametrize("before", [PROBING, AUTH, REJECT])
@pytest.mark.parametrize("kind", ["delivered", "partial", "rejected", "transient", "ambiguous"])
def test_only_a_probe_moves_a_closed_gate(before: Gate, kind: AnswerClass) -> None:
    """A request that was on its way when the gate closed is late news."""
    assert after(before, kind, record=noted(*[FAILED] * 9), probe=False) == before


@given(
    kind=st.sampled_from(KINDS),
    state=st.sampled_from(["open", "probing", "paused_auth", "paused_reject", "paused_manual"]),
    failures=st.integers(0, 6),
    refused=st.integers(0, 25),
    probe=st.booleans(),
)
def test_an_open_gate_moves_only_when_the_answer_is_said_to_move_it(
    kind: AnswerClass, state: GateState, failures: int, refused: int, *, probe: bool
) -> None:
    """Delivery reads the gate only then."""
    record = noted(*[FAILED] * failures, "rejected", refused=refused)
    before = Gate(integration="i", state=state, backoff_s=5.0)
    result = after(before, kind, record=record, probe=probe)
    if state == "open" and result != before:
        assert gate.moves(kind, record)
    assert result.integration == "i"
    assert (result.probe_in_s is None) == (result.state in ("open", "paused_manual")) or (
        result == before
    )


def test_a_gate_that_moved_forgets_what_moved_it() -> None:
    record = gate.cleared(noted(*[FAILED] * 5, "rejected", refused=20))
    assert not gate.tripped(record)
    assert not gate.stuck(record)


# The pace after a 429.


def test_the_rate_is_halved_down_to_one_request_a_second() -> None:
    pace, rates = None, []
    for _ in range(7):
        pace = gate.slowed(pace, 50.0, 0.0)
        rates.append(gate.rate(pace, 50.0, 0.0))
    assert rates == [25, 12.5, 6.25, 3.125, 1.5625, 1, 1]


def test_a_rate_configured_below_one_stays() -> None:
    assert gate.rate(gate.slowed(None, 0.5, 0.0), 0.5, 0.0) == 0.5


def test_a_slowed_rate_grows_by_a_tenth_each_ten_seconds_up_to_the_configured_one() -> None:
    pace = Pace(rate_rps=10.0, since_s=100.0)
    assert gate.rate(pace, 50.0, 109.9) == 10.0
    assert gate.rate(pace, 50.0, 110.0) == pytest.approx(11.0)
    assert gate.rate(pace, 50.0, 120.0) == pytest.approx(12.1)
    assert gate.rate(pace, 50.0, 1_000_000.0) == 50.0
    assert gate.rate(None, 50.0, 0.0) == 50.0

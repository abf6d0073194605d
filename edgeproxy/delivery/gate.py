"""When an integration stops, and when it goes on. Pure: time and configuration come in.

The gate is kept in the store and shared by all processes; a `Record` is what one process saw.

| gate | entered by | left by |
|---|---|---|
| open | normal | |
| probing | many failures; 429 | three good probes; the end of the wait that a 429 asked for |
| paused_auth | a wrong token or pixel | a good probe, a new token, a person |
| paused_reject | 20 events refused in a row | a good probe, another configuration, a person |
| paused_reject | too many dead letters | fewer of them, a person |
| paused_manual | a person | a person |
"""

from msgspec import Struct
from msgspec.structs import replace

from edgeproxy.delivery.backoff import Schedule, doubled
from edgeproxy.outcome import AnswerClass, GateState, Verdict
from edgeproxy.store.base import Gate

THROTTLED = "Snap asked for a pause (429)"
"""The reason by which a gate is known to open when its wait is over."""

FULL = (
    "there are too many dead letters: look at them with `edgeproxy dead ls`, then replay or discard"
)
"""The reason by which a gate is known to open when there are fewer."""

FAILURES_IN_ROW = 5
WINDOW_S = 30
WINDOW_ANSWERS = 20
REFUSED_IN_ROW = 20
GOOD_PROBES = 3
RAISE_EVERY_S = 10.0


class Record(Struct, frozen=True, kw_only=True):
    """What one process remembers of the answers to one integration.

    Attributes:
        failed_in_row: Requests without a usable answer since the last good one.
        refused_in_row: Events that became dead letters since the last good answer.
        window: (second, answers, failures) of the last `WINDOW_S` seconds.
        throttle_s: The wait that the last 429 means when it names none.
    """

    failed_in_row: int = 0
    refused_in_row: int = 0
    window: tuple[tuple[int, int, int], ...] = ()
    throttle_s: float = 0.0


class Pace(Struct, frozen=True, kw_only=True):
    """A request rate below the configured one, and since when."""

    rate_rps: float
    since_s: float


def note(
    record: Record, kind: AnswerClass, *, now_s: float, schedule: Schedule, refused: int = 0
) -> Record:
    """The record after one more answer.

    Args:
        record: So far.
        kind: What the answer was. Refused payloads are neither failures nor successes.
        now_s: Of a monotonic clock.
        schedule: The waits.
        refused: How many events the answer made dead letters while it delivered none.
    """
    if kind in ("delivered", "partial"):
        return Record(window=_slid(record.window, now_s, failed=0))
    if kind == "transient":
        window = _slid(record.window, now_s, failed=1)
        return replace(record, failed_in_row=record.failed_in_row + 1, window=window)
    if kind == "rate_limited":
        wait_s = doubled(record.throttle_s, schedule.throttle_s, schedule.throttle_max_s)
        return replace(record, throttle_s=wait_s)
    return replace(record, refused_in_row=record.refused_in_row + refused)


def _slid(
    window: tuple[tuple[int, int, int], ...], now_s: float, *, failed: int
) -> tuple[tuple[int, int, int], ...]:
    second = int(now_s)
    kept = [part for part in window if part[0] > second - WINDOW_S]
    answers, failures = 1, failed
    if kept and kept[-1][0] == second:
        _, before, failures_before = kept.pop()
        answers, failures = before + 1, failures_before + failed
    return (*kept, (second, answers, failures))


def tripped(record: Record) -> bool:
    """Whether requests fail so often that sending batches makes no sense."""
    answers = sum(part[1] for part in record.window)
    failures = sum(part[2] for part in record.window)
    return record.failed_in_row >= FAILURES_IN_ROW or (
        answers >= WINDOW_ANSWERS and failures * 2 >= answers
    )


def stuck(record: Record) -> bool:
    """Whether so many events were refused in a row that it is probably not the events."""
    return record.refused_in_row >= REFUSED_IN_ROW


def moves(kind: AnswerClass, record: Record) -> bool:
    """Whether an answer, already noted, may close an open gate."""
    if kind == "transient":
        return tripped(record)
    return kind in ("paused_auth", "rate_limited") or stuck(record)


def cleared(record: Record) -> Record:
    """The record for a gate that has moved: what closed it once must not close it again."""
    return Record(throttle_s=record.throttle_s)


def after(
    gate: Gate,
    verdict: Verdict,
    record: Record,
    *,
    schedule: Schedule,
    probe: bool,
    fingerprint: str,
) -> Gate:
    """The gate after an answer; equal to `gate` when nothing changes.

    Args:
        gate: As it stands in the store.
        verdict: The answer.
        record: With this answer already noted.
        schedule: The waits.
        probe: Whether the request was a probe; only a probe opens a gate or puts the next off.
        fingerprint: Of the configuration that the request was made with.
    """
    if gate.state == "paused_manual":
        return gate
    if verdict.kind == "paused_auth":
        return _paused(gate, "paused_auth", verdict.message, schedule, fingerprint)
    if verdict.kind == "rate_limited":
        return _throttled(gate, verdict, record, schedule, probe=probe)
    if gate.state == "open":
        return _from_open(gate, verdict, record, schedule, fingerprint)
    return _after_probe(gate, verdict, schedule) if probe else gate


def changed(gate: Gate, fingerprint: str) -> Gate:
    """The gate when the configuration may have changed: a paused one probes at once if it did."""
    if gate.state not in ("paused_auth", "paused_reject") or gate.token_fp == fingerprint:
        return gate
    return replace(gate, token_fp=fingerprint, probe_in_s=0.0)


def waited(gate: Gate) -> Gate:
    """The gate as time has gone on: open when the wait that a 429 asked for is over."""
    over = gate.reason == THROTTLED and gate.state == "probing" and (gate.probe_in_s or 0.0) <= 0
    return Gate(integration=gate.integration) if over else gate


def capped(gate: Gate, *, full: bool, schedule: Schedule, fingerprint: str) -> Gate:
    """The gate after the dead letters were counted; `full` says that they are too many."""
    if full and gate.state == "open":
        return _paused(gate, "paused_reject", FULL, schedule, fingerprint)
    if not full and gate.state == "paused_reject" and gate.reason == FULL:
        return Gate(integration=gate.integration)
    return gate


def slowed(pace: Pace | None, limit_rps: float, now_s: float) -> Pace:
    """Half of the present rate, after a 429; at least one request a second."""
    half = rate(pace, limit_rps, now_s) / 2
    return Pace(rate_rps=min(max(half, 1.0), limit_rps), since_s=now_s)


def rate(pace: Pace | None, limit_rps: float, now_s: float) -> float:
    """The present rate: a slowed one grows by 10 % every 10 s up to the configured one."""
    if pace is None:
        return limit_rps
    steps = min(int((now_s - pace.since_s) / RAISE_EVERY_S), 200)
    return min(pace.rate_rps * 1.1**steps, limit_rps)


def _paused(
    gate: Gate, state: GateState, reason: str, schedule: Schedule, fingerprint: str
) -> Gate:
    return Gate(
        integration=gate.integration,
        state=state,
        reason=reason,
        probe_in_s=schedule.paused_s,
        backoff_s=schedule.paused_s,
        token_fp=fingerprint,
    )


def _probing(gate: Gate, reason: str, wait_s: float) -> Gate:
    return Gate(
        integration=gate.integration,
        state="probing",
        reason=reason,
        probe_in_s=wait_s,
        backoff_s=wait_s,
    )


def _throttled(
    gate: Gate, verdict: Verdict, record: Record, schedule: Schedule, *, probe: bool
) -> Gate:
    wait_s = verdict.retry_after_s or record.throttle_s
    if gate.state in ("paused_auth", "paused_reject"):
        return replace(gate, probe_in_s=max(wait_s, schedule.paused_s)) if probe else gate
    return _probing(gate, THROTTLED, wait_s)


def _from_open(
    gate: Gate, verdict: Verdict, record: Record, schedule: Schedule, fingerprint: str
) -> Gate:
    if not moves(verdict.kind, record):
        return gate
    if verdict.kind == "transient":
        wait_s = max(schedule.breaker_s, verdict.retry_after_s or 0.0)
        return _probing(gate, verdict.message, wait_s)
    return _paused(gate, "paused_reject", verdict.message, schedule, fingerprint)


def _after_probe(gate: Gate, verdict: Verdict, schedule: Schedule) -> Gate:
    if verdict.kind in ("delivered", "partial"):
        return _after_good_probe(gate)
    if verdict.kind in ("rejected", "too_large"):
        return _after_refused_probe(gate, schedule)
    return _after_failed_probe(gate, verdict, schedule)


def _after_good_probe(gate: Gate) -> Gate:
    if gate.reason == FULL:
        return gate
    good = gate.good + 1
    if gate.state == "probing" and gate.reason != THROTTLED and good < GOOD_PROBES:
        return replace(gate, good=good, probe_in_s=0.0)
    return Gate(integration=gate.integration)


def _after_refused_probe(gate: Gate, schedule: Schedule) -> Gate:
    """Snap judged the event, so it answers and takes the token; the event was no good proof."""
    if gate.state == "paused_reject":
        return gate
    if gate.state == "paused_auth":
        return _probing(gate, gate.reason, schedule.breaker_s)
    return replace(gate, probe_in_s=min(gate.backoff_s, schedule.breaker_s))


def _after_failed_probe(gate: Gate, verdict: Verdict, schedule: Schedule) -> Gate:
    if gate.state != "probing":
        return gate
    # After a good probe the doubling begins anew: Snap answers at least now and then.
    last_s = 0.0 if gate.reason == THROTTLED or gate.good else gate.backoff_s
    wait_s = doubled(last_s, schedule.breaker_s, schedule.breaker_max_s)
    return _probing(gate, verdict.message, max(wait_s, verdict.retry_after_s or 0.0))

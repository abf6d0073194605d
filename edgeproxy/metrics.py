"""Prometheus metrics, made of what the store and the journal hold.

Nothing is counted here: every process and node reads the same numbers, so it does not matter which
of them is asked, and a restart sets no counter back. Labels come from closed sets; what is in none
of them is counted as "other".
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from edgeproxy.catalog import SNAP_NAMES
from edgeproxy.meter import Label
from edgeproxy.outcome import DEAD_REASONS, AnswerClass, GateState
from edgeproxy.sites import Source
from edgeproxy.store.base import LEDGER, Counts, Gate
from edgeproxy.tally import SNAP_MS, WAIT_MS, bound

OTHER = "other"

DROP_REASONS = frozenset({"bot", "prefetch", "unmapped", "internal", "no_consent", "gpc"})
"""Why an event is not wanted, as the way in names it."""

GATES: tuple[GateState, ...] = GateState.__args__  # type: ignore[attr-defined]
ANSWERS: frozenset[str] = frozenset(AnswerClass.__args__)  # type: ignore[attr-defined]

_UNTRACED = frozenset({"over_budget", "pushed_out", "not_written"})
_FAULTS = frozenset({"timeout", "refused", "tls", "dns", "reset", "protocol", "too_long"})
_STATUSES = frozenset(
    map(str, (200, 201, 202, 204, 400, 401, 403, 404, 408, 410, 413, 422, 425, 429))
) | frozenset(map(str, (500, 502, 503, 504)))


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What was read for one answer.

    Attributes:
        version: Of this program.
        sources: All that are configured, with their integrations.
        stats: The ledger and queue of each integration.
        gates: Integration → its gate.
        totals: Counts since ever, of all processes and nodes.
    """

    version: str
    sources: Sequence[Source]
    stats: Sequence[Counts]
    gates: Mapping[str, Gate]
    totals: Mapping[Label, int]


def exposition(snapshot: Snapshot, accept: str = "") -> tuple[bytes, str]:
    """The text and its media type, in the format that the `Accept` header asks for."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(snapshot))
    encode, media = choose_encoder(accept)
    return encode(registry), media


def families(snapshot: Snapshot) -> Iterator[Metric]:
    """Every metric there is."""
    build = GaugeMetricFamily("edgeproxy_build_info", "The version that runs.", labels=["version"])
    build.add_metric([snapshot.version], 1)
    yield build
    yield from _came_in(snapshot)
    yield from _went_out(snapshot)
    yield from _asked(snapshot)
    yield from _stands(snapshot)
    yield from _gates(snapshot)
    untraced: Counter[tuple[str, ...]] = Counter()
    for (kind, reason, _, _), n in snapshot.totals.items():
        if kind == "trace":
            untraced[_of(reason, _UNTRACED),] += n
    yield _counter(
        "edgeproxy_untraced_steps",
        "Steps that the debugger left out, by reason; the events themselves went their way.",
        ("reason",),
        untraced,
    )


class _Collected(Collector):
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterable[Metric]:
        return families(self._snapshot)


def _came_in(snapshot: Snapshot) -> Iterator[Metric]:
    received: Counter[tuple[str, ...]] = Counter()
    dropped: Counter[tuple[str, ...]] = Counter()
    ours = {source.id for source in snapshot.sources}
    for (kind, source, outcome, _), n in snapshot.totals.items():
        if kind != "in":
            continue
        name = _of(source, ours)
        what, _, reason = outcome.partition(".")
        received[name, _of(what, _OUTCOMES)] += n
        if what == "dropped":
            dropped[name, _of(reason, DROP_REASONS)] += n
    yield _counter(
        "edgeproxy_received_events",
        "Events that came in, by what became of them at the door.",
        ("source", "outcome"),
        received,
    )
    yield _counter(
        "edgeproxy_dropped_events",
        "Events that were not wanted, by reason.",
        ("source", "reason"),
        dropped,
    )


_OUTCOMES = frozenset({"accepted", "duplicates", "rejected", "dropped"})


def _went_out(snapshot: Snapshot) -> Iterator[Metric]:
    ours = _integrations(snapshot)
    delivered: Counter[tuple[str, ...]] = Counter()
    dead: Counter[tuple[str, ...]] = Counter()
    retried: Counter[tuple[str, ...]] = Counter()
    low: Counter[tuple[str, ...]] = Counter()
    for (kind, integration, outcome, name), n in snapshot.totals.items():
        who = _of(integration, ours)
        if kind == "low":
            low[who,] += n
        elif kind == "out" and outcome == "delivered":
            delivered[who, _of(name, SNAP_NAMES)] += n
        elif kind == "out" and outcome == "retry":
            retried[who,] += n
        elif kind == "out" and outcome.startswith("dead."):
            dead[who, _of(outcome.removeprefix("dead."), DEAD_REASONS)] += n
    yield _counter(
        "edgeproxy_delivered_events",
        "Events that Snap took.",
        ("integration", "event"),
        delivered,
    )
    yield _counter(
        "edgeproxy_dead_events",
        "Events that became dead letters.",
        ("integration", "reason"),
        dead,
    )
    yield _counter(
        "edgeproxy_retried_events", "Events put back to be sent again.", ("integration",), retried
    )
    yield _counter(
        "edgeproxy_low_match_events",
        "Events delivered without what Snap needs to match them.",
        ("integration",),
        low,
    )


def _asked(snapshot: Snapshot) -> Iterator[Metric]:
    ours = _integrations(snapshot)
    requests: Counter[tuple[str, ...]] = Counter()
    limited: Counter[tuple[str, ...]] = Counter()
    for (kind, integration, outcome, status), n in snapshot.totals.items():
        if kind == "answer":
            requests[_of(integration, ours), _of(outcome, ANSWERS), _status(status)] += n
        elif kind == "limited":
            limited[_of(integration, ours),] += n
    yield _counter(
        "edgeproxy_snap_requests",
        "Requests to Snap, by what the answer meant and its status or fault.",
        ("integration", "outcome", "status"),
        requests,
    )
    yield _counter(
        "edgeproxy_limited_requests",
        "Requests that waited for the rate limit.",
        ("integration",),
        limited,
    )
    yield _histogram(
        "edgeproxy_delivery_seconds",
        "From acceptance of an event to Snap's yes.",
        snapshot,
        "wait",
        WAIT_MS,
    )
    yield _histogram(
        "edgeproxy_snap_request_seconds", "One request to Snap.", snapshot, "snap", SNAP_MS
    )


def _stands(snapshot: Snapshot) -> Iterator[Metric]:
    ours = _integrations(snapshot)
    known = [counts for counts in snapshot.stats if counts.integration in ours]
    ledger = CounterMetricFamily(
        "edgeproxy_ledger_events",
        "The ledger: what became of every event that was accepted.",
        labels=["integration", "entry"],
    )
    for counts in known:
        for entry in LEDGER:
            ledger.add_metric([counts.integration, entry], getattr(counts, entry))
    yield ledger
    for name, words, read in (
        ("edgeproxy_waiting_events", "Events that wait to be sent.", _waiting),
        ("edgeproxy_in_flight_events", "Events that are being sent.", _leased),
        ("edgeproxy_oldest_event_age_seconds", "Age of the oldest event that waits.", _oldest),
        ("edgeproxy_dead_letters", "Dead letters that are there now.", _dead_now),
        ("edgeproxy_ledger_balanced", "1 when the ledger adds up, else 0.", _balanced),
    ):
        gauge = GaugeMetricFamily(name, words, labels=["integration"])
        for counts in known:
            gauge.add_metric([counts.integration], read(counts))
        yield gauge


def _waiting(counts: Counts) -> float:
    return counts.pending - counts.leased


def _leased(counts: Counts) -> float:
    return counts.leased


def _oldest(counts: Counts) -> float:
    return counts.oldest_s


def _dead_now(counts: Counts) -> float:
    return counts.dead_now


def _balanced(counts: Counts) -> float:
    return float(counts.balanced)


def _gates(snapshot: Snapshot) -> Iterator[Metric]:
    state = GaugeMetricFamily(
        "edgeproxy_gate",
        "1 for the state that an integration's gate is in, 0 for the others.",
        labels=["integration", "state"],
    )
    enabled = GaugeMetricFamily(
        "edgeproxy_integration_enabled",
        "1 when an integration is switched on, else 0.",
        labels=["integration"],
    )
    for source in snapshot.sources:
        for one in source.integrations:
            gate = snapshot.gates.get(one.id) or Gate(integration=one.id)
            for name in GATES:
                state.add_metric([one.id, name], float(gate.state == name))
            enabled.add_metric([one.id], float(one.enabled))
    yield state
    yield enabled


def _integrations(snapshot: Snapshot) -> set[str]:
    """Configured, or with a ledger: a removed one keeps its numbers."""
    configured = {one.id for source in snapshot.sources for one in source.integrations}
    return configured | {counts.integration for counts in snapshot.stats}


def _of(label: str, known: Iterable[str]) -> str:
    return label if label in known else OTHER


def _status(text: str) -> str:
    """A status that is met in practice, or its class; a fault by its name."""
    if text in _STATUSES or text in _FAULTS:
        return text
    return f"{text[0]}xx" if len(text) == 3 and text.isdecimal() and text[0] in "12345" else OTHER


def _counter(
    name: str, words: str, labels: tuple[str, ...], counts: Mapping[tuple[str, ...], int]
) -> Metric:
    family = CounterMetricFamily(name, words, labels=labels)
    for values, n in sorted(counts.items()):
        family.add_metric(values, n)
    return family


def _histogram(
    name: str, words: str, snapshot: Snapshot, kind: str, bounds_ms: Sequence[int]
) -> Metric:
    """A histogram without a sum: the journal keeps how many, not how long exactly."""
    found: dict[str, Counter[float]] = {}
    ours = _integrations(snapshot)
    for (its, integration, top, _), n in snapshot.totals.items():
        if its == kind:
            found.setdefault(_of(integration, ours), Counter())[bound(top)] += n
    family = HistogramMetricFamily(name, words, labels=["integration"])
    for integration, counts in sorted(found.items()):
        buckets = [
            (str(top_ms / 1000), sum(n for top, n in counts.items() if top <= top_ms))
            for top_ms in bounds_ms
        ]
        buckets.append(("+Inf", sum(counts.values())))
        family.add_metric([integration], buckets, sum_value=None)
    return family

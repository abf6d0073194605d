"""What is said of the proxy: the values that the page and its JSON twin show."""

from typing import Literal

import msgspec

from edgeproxy.outcome import GateState

Level = Literal["ok", "attention", "failing"]

LEVELS: tuple[Level, ...] = ("ok", "attention", "failing")
"""From good to bad."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a person should know, and what would help."""

    level: Level
    integration: str
    title: str
    detail: str
    cure: str


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Percentiles in ms, read from a histogram; None without any value."""

    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that was no yes, or a dead letter. `count` is None for a single event."""

    at_ms: int
    what: str
    detail: str
    count: int | None = None


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """Events in each step of the span, for charts; all of the same length."""

    received: tuple[int, ...] = ()
    delivered: tuple[int, ...] = ()
    retried: tuple[int, ...] = ()
    dead: tuple[int, ...] = ()
    p95_ms: tuple[float | None, ...] = ()


class IntegrationHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One integration.

    `success_rate` is of events: delivered of those that came to an end. `error_rate` is of
    requests to Snap: those without a yes. `rate_limit_use` is the busiest step's share of the
    request rate that is allowed. `wait` runs from acceptance to Snap's yes, `snap` is one request.
    `next_probe_s` is set when a closed gate is going to try again.
    """

    id: str
    name: str
    source: str
    configured: bool
    enabled: bool
    level: Level
    gate: GateState
    reason: str
    cure: str
    since_ms: int
    next_probe_s: float | None
    waiting: int
    in_flight: int
    oldest_s: float
    dead_now: int
    balanced: bool
    delivered: int
    dead: int
    retried: int
    success_rate: float | None
    error_rate: float | None
    requests: int
    throughput_per_s: float
    rate_limit_use: float | None
    limited: int
    wait: Latency
    snap: Latency
    errors: tuple[Failure, ...]
    flow: Flow
    ledger: dict[str, int]


class SourceHealth(msgspec.Struct, frozen=True, kw_only=True):
    """What came in from one site; `drops` are events that were not wanted, by reason."""

    id: str
    accepted: int
    duplicates: int
    rejected: int
    drops: dict[str, int]
    flow: tuple[int, ...]


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, the worst integration first.

    `empty` says that nothing has ever come in. Without `counted` the counts could not be read:
    rates, latencies and series say nothing then; queues, gates and ledgers are exact.
    """

    at_ms: int
    since_ms: int
    until_ms: int
    step_ms: int
    level: Level
    sentence: str
    empty: bool
    counted: bool
    problems: tuple[Problem, ...]
    integrations: tuple[IntegrationHealth, ...]
    sources: tuple[SourceHealth, ...]
    flow: Flow
    received: int
    delivered: int
    duplicates: int
    drops: dict[str, int]
    success_rate: float | None
    throughput_per_s: float
    wait: Latency
    waiting: int
    oldest_s: float
    dead_now: int

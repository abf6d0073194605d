"""How the proxy is: numbers of the store and of the journal made into rates, verdicts and cures.

Pure: a `Look` goes in, a `Health` comes out; the page and its JSON twin both show it.
"""

from collections import Counter
from collections.abc import Mapping

from edgeproxy.health.look import Look
from edgeproxy.health.problems import CURES, REMOVED, level_of, problems_of, sentence, worst_first
from edgeproxy.health.report import (
    LEVELS,
    Failure,
    Flow,
    Health,
    IntegrationHealth,
    Latency,
    Level,
    SourceHealth,
)
from edgeproxy.sites import Integration
from edgeproxy.store.base import LEDGER, Counts, Gate
from edgeproxy.tally import histogram, moments, percentile, share

ERRORS_MAX = 8
"""So many of the last errors are shown."""

GOOD_ANSWERS = frozenset({"delivered", "partial"})

ANSWERS: Mapping[str, str] = {
    "rejected": "Snap refused events",
    "too_large": "Snap found a request too large",
    "paused_auth": "Snap did not accept the token or the pixel",
    "rate_limited": "Snap asked for a pause",
    "transient": "Snap did not answer, or had a fault",
    "ambiguous": "Snap's answer was not clear",
}
"""Kind of an answer → what it says."""


def health(look: Look) -> Health:
    """Judge what was read."""
    sources = tuple(_source(look, name) for name in _source_ids(look))
    integrations = tuple(
        sorted(
            (_integration(look, name) for name in _integration_ids(look)),
            key=lambda one: (-LEVELS.index(one.level), one.id),
        )
    )
    problems = worst_first(problem for one in integrations for problem in problems_of(one))
    level: Level = max((one.level for one in problems), key=LEVELS.index, default="ok")
    empty = not any(one.accepted or one.duplicate for one in look.stats) and not any(
        map(_received, sources)
    )
    drops: Counter[str] = Counter()
    for source in sources:
        drops.update(source.drops)
    outcomes = look.tally.by_second("out")
    ended = outcomes["delivered"] + _dead(outcomes)
    return Health(
        at_ms=look.now_ms,
        since_ms=look.since_ms,
        until_ms=look.until_ms,
        step_ms=look.step_ms,
        level=level,
        sentence=sentence(level, problems, integrations, empty=empty),
        empty=empty,
        counted=look.counted,
        problems=problems,
        integrations=integrations,
        sources=sources,
        flow=_flow(look, None),
        received=sum(map(_received, sources)),
        delivered=outcomes["delivered"],
        duplicates=sum(one.duplicates for one in sources),
        drops=dict(drops.most_common()),
        success_rate=share(outcomes["delivered"], ended),
        throughput_per_s=look.per_s(outcomes["delivered"]),
        wait=_latency(look, "wait", None),
        waiting=sum(one.waiting + one.in_flight for one in integrations),
        oldest_s=max((one.oldest_s for one in integrations), default=0.0),
        dead_now=sum(one.dead_now for one in integrations),
    )


def _source_ids(look: Look) -> list[str]:
    return sorted({source.id for source in look.sources} | look.tally.firsts("in"))


def _integration_ids(look: Look) -> list[str]:
    ours = {one.id for source in look.sources for one in source.integrations}
    return sorted(ours | {counts.integration for counts in look.stats})


def _received(one: SourceHealth) -> int:
    return one.accepted + one.duplicates + one.rejected + sum(one.drops.values())


def _source(look: Look, name: str) -> SourceHealth:
    outcomes = look.tally.by_second("in", name)
    drops = {
        outcome.removeprefix("dropped."): n
        for outcome, n in outcomes.most_common()
        if outcome.startswith("dropped.")
    }
    return SourceHealth(
        id=name,
        accepted=outcomes["accepted"],
        duplicates=outcomes["duplicates"],
        rejected=outcomes["rejected"],
        drops=drops,
        flow=look.series("in", name),
    )


def _integration(look: Look, name: str) -> IntegrationHealth:
    one = next((i for s in look.sources for i in s.integrations if i.id == name), None)
    counts = next((c for c in look.stats if c.integration == name), Counts(integration=name))
    gate = look.gates.get(name, Gate(integration=name))
    outcomes, answers = look.tally.by_second("out", name), look.tally.by_second("answer", name)
    dead, requests = _dead(outcomes), sum(answers.values())
    good = sum(answers[kind] for kind in GOOD_ANSWERS)
    return IntegrationHealth(
        id=name,
        name=one.name if one else "",
        source=one.source if one else "",
        configured=one is not None,
        enabled=one is not None and one.enabled,
        level=level_of(one, counts, gate),
        gate=gate.state,
        reason=gate.reason,
        cure=CURES[gate.state] if one else REMOVED,
        since_ms=gate.since_ms,
        next_probe_s=gate.probe_in_s,
        waiting=counts.pending - counts.leased,
        in_flight=counts.leased,
        oldest_s=counts.oldest_s,
        dead_now=counts.dead_now,
        balanced=counts.balanced,
        delivered=outcomes["delivered"],
        dead=dead,
        retried=outcomes["retry"],
        success_rate=share(outcomes["delivered"], outcomes["delivered"] + dead),
        error_rate=share(requests - good, requests),
        requests=requests,
        throughput_per_s=look.per_s(outcomes["delivered"]),
        rate_limit_use=_use(look, one) if one else None,
        limited=look.tally.total("limited", name),
        wait=_latency(look, "wait", name),
        snap=_latency(look, "snap", name),
        errors=_errors(look, name),
        flow=_flow(look, name),
        ledger={field: getattr(counts, field) for field in LEDGER},
    )


def _dead(outcomes: Mapping[str, int]) -> int:
    return sum(n for outcome, n in outcomes.items() if outcome.startswith("dead."))


def _use(look: Look, one: Integration) -> float | None:
    busiest = max(look.series("answer", one.id), default=0)
    rate_rps = one.rate_limit_rps
    if one.rate_limit_per_minute is not None:
        rate_rps = min(rate_rps, one.rate_limit_per_minute / 60)
    return share(busiest, rate_rps * look.step_ms / 1000)


def _latency(look: Look, kind: str, name: str | None) -> Latency:
    found = look.tally.histogram(kind, name)
    return Latency(
        p50_ms=percentile(found, 0.50),
        p95_ms=percentile(found, 0.95),
        p99_ms=percentile(found, 0.99),
    )


def _flow(look: Look, name: str | None) -> Flow:
    return Flow(
        received=look.series("in", None) if name is None else (),
        delivered=look.series("out", name, ("delivered",)),
        retried=look.series("out", name, ("retry",)),
        dead=look.series("out", name, ("dead.",)),
        p95_ms=_slowness(look, name),
    )


def _slowness(look: Look, name: str | None) -> tuple[float | None, ...]:
    """The 95th percentile of each step."""
    steps: dict[int, dict[str, int]] = {}
    for count in look.tally.of("wait", name):
        buckets = steps.setdefault((count.at_ms - look.since_ms) // look.step_ms, {})
        buckets[count.label[2]] = buckets.get(count.label[2], 0) + count.n
    return tuple(
        percentile(histogram(steps.get(place, {})), 0.95)
        for place, _ in enumerate(moments(look.since_ms, look.until_ms, look.step_ms))
    )


def _errors(look: Look, name: str) -> tuple[Failure, ...]:
    """The last answers without a yes, by their text, and the last dead letters; newest first."""
    answers: dict[tuple[str, str], tuple[int, int]] = {}
    for count in look.tally.of("answer", name):
        _, _, kind, status = count.label
        if kind not in GOOD_ANSWERS:
            at_ms, n = answers.get((kind, status), (0, 0))
            answers[kind, status] = max(at_ms, count.at_ms), n + count.n
    found = [
        Failure(at_ms=at_ms, what=ANSWERS.get(kind, kind), detail=status, count=n)
        for (kind, status), (at_ms, n) in answers.items()
    ]
    found += [
        Failure(
            at_ms=letter.died_ms,
            what=f"{letter.name} became a dead letter: {letter.reason}",
            detail=letter.detail,
        )
        for letter in look.letters
        if letter.integration == name and letter.died_ms >= look.since_ms
    ]
    return tuple(sorted(found, key=lambda one: -one.at_ms)[:ERRORS_MAX])

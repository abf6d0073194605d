"""What is wrong with an integration, how bad it is, and what would help; in words. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from edgeproxy.health.report import LEVELS, IntegrationHealth, Level, Problem
from edgeproxy.outcome import GateState
from edgeproxy.sites import Integration
from edgeproxy.store.base import Counts, Gate

LATE_S = 900.0
"""A backlog older than this is a fault: one pass of the longest retry wait."""

CURES: Mapping[GateState, str] = {
    "open": "",
    "probing": "nothing to do: it is tried again and goes on by itself",
    "paused_auth": "correct the access token or the pixel id; the events are kept and go out as "
    "soon as Snap takes one",
    "paused_reject": "see the dead letters for what Snap refuses; one event is tried every "
    "15 minutes, the others are kept",
    "paused_manual": "it was paused by hand and goes on when it is resumed",
}
"""Gate → what a person can do."""

REMOVED = "it is not in the configuration: events wait for it, and become dead letters after a day"

GATES: Mapping[GateState, str] = {
    "open": "delivers",
    "probing": "is being tried again",
    "paused_auth": "is paused: Snap does not accept the token or the pixel",
    "paused_reject": "is paused: Snap refuses its events",
    "paused_manual": "was paused by hand",
}
"""Gate → what it means, after the integration's name."""


_CLOSED = frozenset({"paused_auth", "paused_reject"})


def level_of(one: Integration | None, counts: Counts, gate: Gate) -> Level:
    """How bad it is; a paused or missing one is only bad while events wait for it."""
    off = one is None or not one.enabled or gate.state == "paused_manual"
    late = counts.oldest_s >= LATE_S and not off
    if not counts.balanced or late or (gate.state in _CLOSED and not off):
        return "failing"
    idle = off and counts.pending > 0
    return "attention" if idle or gate.state != "open" or counts.dead_now else "ok"


def problems_of(one: IntegrationHealth) -> Iterable[Problem]:
    """What is wrong with it; nothing when its level is ok."""

    def problem(level: Level, title: str, detail: str, cure: str) -> Problem:
        return Problem(level=level, integration=one.id, title=title, detail=detail, cure=cure)

    if not one.balanced:
        yield problem(
            "failing",
            "the ledger does not add up",
            "some event is neither delivered nor dead, erased or waiting",
            "run `edgeproxy doctor` and report what it says",
        )
    if not one.configured or not one.enabled:
        if one.waiting + one.in_flight:
            yield problem("attention", "is switched off", _waits(one), _switched_off(one))
    elif one.gate != "open":
        yield problem(one.level, GATES[one.gate], one.reason or _waits(one), one.cure)
    elif one.oldest_s >= LATE_S:
        yield problem(
            "failing",
            "is behind",
            _waits(one),
            "raise rate_limit_rps if Snap allows more, and look at the last errors",
        )
    if one.dead_now:
        yield problem(
            "attention",
            "has dead letters",
            f"{_counted(one.dead_now, 'event')} that Snap did not take",
            "look at their reasons, cure those, then replay or discard them",
        )


def _waits(one: IntegrationHealth) -> str:
    n = one.waiting + one.in_flight
    return f"{_counted(n, 'event')} {'waits' if n == 1 else 'wait'}"


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _switched_off(one: IntegrationHealth) -> str:
    return "switch it on, or discard what waits" if one.configured else REMOVED


def worst_first(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Sorted by level."""
    return tuple(sorted(problems, key=lambda one: -LEVELS.index(one.level)))


def sentence(
    level: Level,
    problems: Sequence[Problem],
    integrations: Sequence[IntegrationHealth],
    *,
    empty: bool,
) -> str:
    """The whole in one sentence."""
    if problems:
        n = sum(one.level == level for one in problems)
        if level == "failing":
            return f"{_counted(n, 'thing')} {'keeps' if n == 1 else 'keep'} events from Snap"
        return f"{_counted(n, 'thing')} {'needs' if n == 1 else 'need'} a look; nothing is lost"
    if empty:
        return "No event has come in yet"
    waiting = sum(one.waiting + one.in_flight for one in integrations)
    if waiting:
        return f"Everything is on its way: {_counted(waiting, 'event')} in the queue"
    return "Everything is delivered"

"""When something is worth an alert. Pure: what was seen comes in, readings come out.

A reading is bad beyond its threshold and fine again only well within it; between the two nothing
changes. Together with the patience of its rule that keeps a value at the edge from telling people
the same thing over and over.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median

import msgspec

from edgeproxy.catalog import VIEWS
from edgeproxy.settings import Thresholds
from edgeproxy.sites import Integration, Source
from edgeproxy.store.base import Counts, Gate
from edgeproxy.tally import Counted, Tally, share

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
WEEK_MS = 7 * DAY_MS

RECENT_MS = 30 * 60_000
"""The success rate is of this span."""

WEEK_H = 7 * 24

WEEKS = 4
"""So many weeks back the usual number of conversions is looked for."""

WEEKS_LEAST = 2
"""With fewer weeks of history nothing is usual."""

SPANS_H = (1, 2, 3, 6, 12, 24)
"""Hours without a conversion; the shortest in which enough were to be expected is judged."""

EVENTS_LEAST = 20
"""A rate of fewer events says nothing."""

VISITS_LEAST = 200
"""A share of consent of fewer events says nothing."""

CONSENT_DAYS = 7
"""The last day is compared with so many before it."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of alert.

    A reading must be bad for `raise_after_s` without a break to raise it, and fine for
    `clear_after_s` without a break to clear it.
    """

    name: str
    title: str
    about: str
    raise_after_s: int = 0
    clear_after_s: int = 0


RULES: tuple[Rule, ...] = (
    Rule(
        name="gate",
        title="Delivery paused",
        about="Snap does not accept the token or the pixel, or refuses event after event.",
        clear_after_s=300,
    ),
    Rule(
        name="backlog",
        title="Backlog too old",
        about="The oldest event that waits is too old.",
        raise_after_s=60,
        clear_after_s=300,
    ),
    Rule(
        name="success",
        title="Success rate low",
        about="Too few of the last 30 minutes' events went out at once.",
        raise_after_s=120,
        clear_after_s=600,
    ),
    Rule(
        name="dead",
        title="Dead letters",
        about="Too many events became dead letters within an hour.",
        clear_after_s=600,
    ),
    Rule(
        name="conversions",
        title="No conversions",
        about="None came in hours in which some are usual on this weekday.",
    ),
    Rule(
        name="consent",
        title="Fewer visitors consent",
        about="The share of events with consent fell against the week before.",
        raise_after_s=1800,
        clear_after_s=3600,
    ),
    Rule(
        name="token",
        title="Access token old",
        about="An access token has been in use for long.",
    ),
)


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule says of one subject, an integration or a source, now."""

    rule: str
    subject: str
    bad: bool
    fine: bool
    text: str


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen.

    Attributes:
        now_ms: When.
        sources: All that are configured.
        stats: The queue of each integration.
        gates: Integration → its gate.
        recent: Counts "out" of the last hour, by the minute.
        hours: Counts "out" of the last weeks and "in" of the last days, by the hour.
        tokens: Integration → since when its token is in use, Unix ms.
    """

    now_ms: int
    sources: Sequence[Source]
    stats: Sequence[Counts] = ()
    gates: Mapping[str, Gate] = {}
    recent: Tally
    hours: Tally
    tokens: Mapping[str, int] = {}

    def integrations(self) -> Iterator[Integration]:
        """All that are switched on."""
        return (one for source in self.sources for one in source.integrations if one.enabled)

    def gate(self, name: str) -> Gate:
        """An integration's gate."""
        return self.gates.get(name) or Gate(integration=name)


def readings(sight: Sight, limits: Thresholds) -> tuple[Reading, ...]:
    """What every rule says of everything; a rule whose threshold is 0 says nothing."""
    return tuple(reading for rule in _RULES for reading in rule(sight, limits))


def _gates(sight: Sight, limits: Thresholds) -> Iterator[Reading]:
    for one in sight.integrations():
        gate = sight.gate(one.id)
        why = f": {gate.reason}" if gate.reason else ""
        bad = gate.state in ("paused_auth", "paused_reject")
        fine = gate.state in ("open", "paused_manual")
        text = f"delivery is paused{why}" if bad else "delivery goes on"
        yield Reading(rule="gate", subject=one.id, bad=bad, fine=fine, text=text)


def _backlog(sight: Sight, limits: Thresholds) -> Iterator[Reading]:
    if not limits.backlog_minutes:
        return
    waits_s = {counts.integration: counts for counts in sight.stats}
    for one in sight.integrations():
        counts = waits_s.get(one.id) or Counts(integration=one.id)
        minutes = counts.oldest_s / 60
        by_hand = sight.gate(one.id).state == "paused_manual"
        yield Reading(
            rule="backlog",
            subject=one.id,
            bad=minutes >= limits.backlog_minutes and not by_hand,
            fine=minutes < limits.backlog_minutes / 2 or by_hand,
            text=f"{_events(counts.pending)} in the queue, the oldest for {minutes:.0f} minutes"
            if counts.pending
            else "the queue is empty",
        )


def _success(sight: Sight, limits: Thresholds) -> Iterator[Reading]:
    if not limits.success_percent:
        return
    for one in sight.integrations():
        outs = [
            count
            for count in sight.recent.of("out", one.id)
            if count.at_ms > sight.now_ms - RECENT_MS and count.label[2] != "test"
        ]
        events = sum(count.n for count in outs)
        good = sum(count.n for count in outs if count.label[2] == "delivered")
        percent = 100 * (share(good, events) or 0.0)
        few = events < EVENTS_LEAST
        yield Reading(
            rule="success",
            subject=one.id,
            bad=not few and percent < limits.success_percent,
            fine=few or percent >= (limits.success_percent + 100) / 2,
            text=f"{percent:.1f} % of the last 30 minutes' events went out at once"
            if events
            else "no event in the last 30 minutes",
        )


def _dead(sight: Sight, limits: Thresholds) -> Iterator[Reading]:
    if not limits.dead_per_hour:
        return
    for one in sight.integrations():
        reasons: dict[str, int] = {}
        for count in sight.recent.of("out", one.id):
            kind, _, reason = count.label[2].partition(".")
            if kind == "dead" and count.at_ms > sight.now_ms - HOUR_MS:
                reasons[reason] = reasons.get(reason, 0) + count.n
        n = sum(reasons.values())
        why = ", ".join(sorted(reasons, key=lambda reason: (-reasons[reason], reason)))
        yield Reading(
            rule="dead",
            subject=one.id,
            bad=n >= limits.dead_per_hour,
            fine=n < limits.dead_per_hour / 2,
            text=f"{_events(n)} became dead letters within an hour" + (f" ({why})" if why else ""),
        )


def _events(n: int) -> str:
    return f"{n or 'no'} event{'' if n == 1 else 's'}"


def _conversions(sight: Sight, limits: Thresholds) -> Iterator[Reading]:
    if not limits.zero_expected:
        return
    for one in sight.integrations():
        sold = [
            count
            for count in sight.hours.of("out", one.id)
            if count.label[2] == "delivered" and count.label[3] not in VIEWS
        ]
        found = _silence(sold, sight.now_ms, limits.zero_expected)
        # While nothing is sent, that nothing arrives is no news: another rule tells why.
        bad = found is not None and sight.gate(one.id).state == "open"
        hours, usual = found or (0, 0.0)
        text = f"no conversion for {hours} h; {usual:.0f} are usual for these hours of the weekday"
        yield Reading(
            rule="conversions",
            subject=one.id,
            bad=bad,
            fine=not bad,
            text=text if bad else "conversions come in",
        )


def _silence(sold: Sequence[Counted], now_ms: int, expected: float) -> tuple[int, float] | None:
    """Hours without a conversion, and how many were usual; None when nothing is wrong.

    Usual is the median of the same hours of the weeks before, none of which may have been without.
    The present hour only counts when something came in.
    """
    by_hour: Counter[int] = Counter()
    for count in sold:
        by_hour[count.at_ms // HOUR_MS] += count.n
    end = now_ms // HOUR_MS
    weeks = min(WEEKS, (end - min(by_hour, default=end)) // WEEK_H)
    if weeks < WEEKS_LEAST or by_hour[end]:
        return None
    for hours in SPANS_H:
        sums = [
            sum(by_hour[hour - week * WEEK_H] for hour in range(end - hours, end))
            for week in range(weeks + 1)
        ]
        if sums[0]:
            return None
        if min(sums[1:]) > 0 and median(sums[1:]) >= expected:
            return hours, median(sums[1:])
    return None


def _consent(sight: Sight, limits: Thresholds) -> Iterator[Reading]:
    if not limits.consent_drop_percent:
        return
    today_ms = sight.now_ms - DAY_MS
    begin_ms = today_ms - CONSENT_DAYS * DAY_MS
    for source in sight.sources:
        counts = sight.hours.of("in", source.id)
        now = _agreed([count for count in counts if count.at_ms >= today_ms])
        before = _agreed([count for count in counts if begin_ms <= count.at_ms < today_ms])
        if now is None or before is None:
            yield Reading(
                rule="consent", subject=source.id, bad=False, fine=True, text="too few events"
            )
            continue
        lost = limits.consent_drop_percent / 100
        yield Reading(
            rule="consent",
            subject=source.id,
            bad=now <= before * (1 - lost),
            fine=now > before * (1 - lost / 2),
            text=f"{now * 100:.0f} % of the last day's events had consent, "
            f"{before * 100:.0f} % in the week before",
        )


def _agreed(counts: Sequence[Counted]) -> float | None:
    """The share of events with consent; None when too few came in."""
    yes = no = 0
    for count in counts:
        if count.label[2] in ("dropped.no_consent", "dropped.gpc"):
            no += count.n
        elif count.label[2] in ("accepted", "duplicates"):
            yes += count.n
    return yes / (yes + no) if yes + no >= VISITS_LEAST else None


def _tokens(sight: Sight, limits: Thresholds) -> Iterator[Reading]:
    if not limits.token_days:
        return
    for one in sight.integrations():
        days = (sight.now_ms - sight.tokens.get(one.id, sight.now_ms)) // DAY_MS
        old = days >= limits.token_days
        text = f"the access token has been in use for {days} days; make a new one at Snap"
        yield Reading(
            rule="token",
            subject=one.id,
            bad=old,
            fine=not old,
            text=text if old else "the access token is young enough",
        )


_RULES: tuple[Callable[[Sight, Thresholds], Iterator[Reading]], ...] = (
    _gates,
    _backlog,
    _success,
    _dead,
    _conversions,
    _consent,
    _tokens,
)

"""The match-quality coach: how well Snap can recognise the people behind the events. Pure.

Our own estimate, not Snap's score: Snap publishes neither its formula nor what each identifier
weighs. The order of the weights follows what Snap says of its identifiers, strongest first: click
id, e-mail, phone, its own cookie, address and browser, name and address.

A weight is the chance, in percent, that a person is recognised by that identifier alone. With
several, the chances of not being recognised multiply; what every identifier together reaches is
100 points. On events that sell something, missing value or item ids cost a share of the points.

An identifier is one letter of the masks that delivery counts: c click id, s `_scid`, e e-mail,
p phone, m an app's advertising id, i address and browser, n name and postal address, x the shop's
own id, v value and currency, t item ids. What only an app can have is not missed elsewhere: 100
points are reached without it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from edgeproxy.catalog import VIEWS
from edgeproxy.quality.identifiers import APP, GOODS, IDENTIFIERS, SELLING, Identifier
from edgeproxy.quality.scale import Scale
from edgeproxy.settings import Weights
from edgeproxy.tally import Counted, moments, share

DAY_MS = 86_400_000

DAYS = 7

NOTE = (
    "Our own estimate: Snap does not publish how it matches. Compare it with the event quality "
    "score in Snap's Events Manager."
)

_ASKED = frozenset(
    {
        "PURCHASE",
        "START_CHECKOUT",
        "ADD_BILLING",
        "SIGN_UP",
        "LOGIN",
        "SUBSCRIBE",
        "START_TRIAL",
        "SAVE",
        "RESERVE",
    }
)
"""Events at which people have usually typed who they are."""

CONVERSION_WEIGHT = 5
"""An event that is more than a view counts so many times in the overall score."""


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """How many of the events that could carry an identifier do; `share` is None without any."""

    name: str
    label: str
    events: int
    of: int
    share: float | None


class TypeQuality(msgspec.Struct, frozen=True, kw_only=True):
    """One event type. `score` is from 0 to 100."""

    name: str
    events: int
    score: float
    coverage: tuple[Coverage, ...]


class DayQuality(msgspec.Struct, frozen=True, kw_only=True):
    """One day (UTC); `score` is None without events."""

    at_ms: int
    events: int
    score: float | None


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """What would raise the score, by how many points, and to which coverage we think it can go."""

    name: str
    title: str
    how: str
    points: float
    share_now: float
    share_then: float
    most_on: str


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """The estimate for a span of days; `score` is None without events."""

    score: float | None
    events: int
    low_match: int
    types: tuple[TypeQuality, ...]
    coverage: tuple[Coverage, ...]
    days: tuple[DayQuality, ...]
    actions: tuple[Action, ...]
    weights: Weights
    note: str = NOTE


_Masks = Counter[tuple[str, str]]
"""(event type, mask) → events."""


def estimate(
    counts: Iterable[Counted],
    weights: Weights,
    *,
    until_ms: int,
    integration: str | None = None,
    days: int = DAYS,
) -> Quality:
    """Judge what was delivered.

    Args:
        counts: Of the kinds "cover" (integration, type, mask) and "low" (integration).
        weights: What each identifier is worth.
        until_ms: The end of the last day, a multiple of a day.
        integration: Only of this one; all when None.
        days: How many days to show.
    """
    chosen = [count for count in counts if integration in (None, count.label[1])]
    masks, scale = _masks(chosen), Scale(weights)
    apps = any(APP in mask for _, mask in masks)
    shown = tuple(one for one in IDENTIFIERS if one.letter != APP or apps)
    return Quality(
        score=_overall(masks, scale),
        events=sum(masks.values()),
        low_match=sum(count.n for count in chosen if count.label[0] == "low"),
        types=_types(masks, scale, shown),
        coverage=_coverage(masks, shown),
        days=_days(chosen, scale, until_ms - days * DAY_MS, until_ms),
        actions=_actions(masks, scale),
        weights=weights,
    )


def _masks(counts: Iterable[Counted]) -> _Masks:
    masks: _Masks = Counter()
    for count in counts:
        kind, _, name, mask = count.label
        if kind == "cover":
            masks[name, mask] += count.n
    return masks


def _overall(masks: Mapping[tuple[str, str], int], scale: Scale) -> float | None:
    whole = sum(_importance(name) * n for (name, _), n in masks.items())
    if not whole:
        return None
    got = sum(scale.points(name, mask) * _importance(name) * n for (name, mask), n in masks.items())
    return got / whole


def _importance(name: str) -> int:
    return 1 if name in VIEWS else CONVERSION_WEIGHT


def _types(masks: _Masks, scale: Scale, shown: Sequence[Identifier]) -> tuple[TypeQuality, ...]:
    """Each type, the one with most at stake first."""
    found = []
    for name in {name for name, _ in masks}:
        own: _Masks = Counter({key: n for key, n in masks.items() if key[0] == name})
        events = sum(own.values())
        score = sum(scale.points(name, mask) * n for (_, mask), n in own.items()) / events
        found.append(
            TypeQuality(name=name, events=events, score=score, coverage=_coverage(own, shown))
        )
    return tuple(sorted(found, key=lambda one: (-one.events * _importance(one.name), one.name)))


def _coverage(masks: _Masks, shown: Sequence[Identifier]) -> tuple[Coverage, ...]:
    found = []
    for one in shown:
        able = {key: n for key, n in masks.items() if _can_carry(one, key[0])}
        having = sum(n for (_, mask), n in able.items() if one.letter in mask)
        whole = sum(able.values())
        found.append(
            Coverage(
                name=one.name, label=one.label, events=having, of=whole, share=share(having, whole)
            )
        )
    return tuple(found)


def _can_carry(one: Identifier, name: str) -> bool:
    return one.letter not in GOODS or name in SELLING


def _days(
    counts: Sequence[Counted], scale: Scale, since_ms: int, until_ms: int
) -> tuple[DayQuality, ...]:
    found = []
    for at_ms in moments(since_ms, until_ms, DAY_MS):
        masks = _masks(count for count in counts if at_ms <= count.at_ms < at_ms + DAY_MS)
        found.append(
            DayQuality(at_ms=at_ms, events=sum(masks.values()), score=_overall(masks, scale))
        )
    return tuple(found)


def _actions(masks: _Masks, scale: Scale) -> tuple[Action, ...]:
    """The three that would raise the overall score most; none that changes nothing to speak of."""
    found = [action for one in IDENTIFIERS if (action := _action(one, masks, scale)) is not None]
    worth = [action for action in found if action.points >= 0.1]
    return tuple(sorted(worth, key=lambda action: -action.points)[:3])


def _action(one: Identifier, masks: _Masks, scale: Scale) -> Action | None:
    """What it would do if the reachable share of each type carried the identifier.

    Among the events that lack it, all are taken to be as likely to gain it.
    """
    able, having = _carrying(one, masks)
    if not able:
        return None
    whole = sum(_importance(name) * n for (name, _), n in masks.items())
    then = {name: max(having[name], _reach(one, name) * n) for name, n in able.items()}
    gains = dict.fromkeys(able, 0.0)
    for (name, mask), n in masks.items():
        lacking = able[name] - having[name]
        if name in able and one.letter not in mask and lacking:
            more = scale.points(name, mask + one.letter) - scale.points(name, mask)
            gaining = (then[name] - having[name]) / lacking
            gains[name] += more * n * gaining * _importance(name)
    events = sum(able.values())
    return Action(
        name=one.name,
        title=one.title,
        how=one.how,
        points=sum(gains.values()) / whole,
        share_now=sum(having.values()) / events,
        share_then=sum(then.values()) / events,
        most_on=max(gains, key=lambda name: (gains[name], name)),
    )


def _carrying(one: Identifier, masks: _Masks) -> tuple[Counter[str], Counter[str]]:
    """By type: the events that could carry the identifier, and those that do."""
    able: Counter[str] = Counter()
    having: Counter[str] = Counter()
    for (name, mask), n in masks.items():
        if _can_carry(one, name):
            able[name] += n
            having[name] += n if one.letter in mask else 0
    return able, having


def _reach(one: Identifier, name: str) -> float:
    return one.asked if name in _ASKED else one.other

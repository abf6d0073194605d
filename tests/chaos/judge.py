"""When the faults are over: was every promise kept?"""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgeproxy.event import decode_event
from edgeproxy.outcome import DEAD_REASONS
from edgeproxy.store.base import Counts
from tests import canary
from tests.chaos.oracle import Oracle
from tests.chaos.producer import Producer
from tests.chaos.snap import Record, Story, stories_by_pixel
from tests.chaos.world import BURST, INTEGRATIONS, RPS, World

SHOWN = 5
DRAIN_S = 60.0
FRESH_S = 10.0
END_S = 30.0
TWO_HANDS = 2
"""Requests that one proxy may have on the way at once for an integration: what waited on a slow
way arrives together with what was sent later."""

COUNTED_AGAIN = ("PAGE_VIEW", "ADD_CART")
"""Snap counts a repetition of these after a second, whatever the id."""


@dataclass
class Findings:
    """What a judge saw.

    Attributes:
        broken: A sentence for each promise that was not kept, with its number.
        figures: Numbers for the table.
    """

    broken: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)

    def add(self, number: str, sentences: Iterable[str]) -> None:
        """Note sentences under a promise; of many the first few."""
        found = list(sentences)
        self.broken += [f"{number}: {sentence}" for sentence in found[:SHOWN]]
        if len(found) > SHOWN:
            self.broken.append(f"{number}: and {len(found) - SHOWN} more")


@dataclass(frozen=True)
class Case:
    """What is judged: what was sent, what came, and where the rest is."""

    oracle: Oracle
    record: Record
    counts: Mapping[str, Counts]
    before: Mapping[str, Counts]
    dead: Mapping[str, Mapping[str, str]]
    jumps: int
    nodes: int

    def grown(self, integration: str, kind: str) -> int:
        """How far a number of the ledger rose in this round."""
        now, then = self.counts.get(integration), self.before.get(integration)
        return int(getattr(now, kind, 0)) - int(getattr(then, kind, 0))


def judge(
    world: World, before: Mapping[str, Counts], *, drain_s: float = DRAIN_S, calm: bool = False
) -> Findings:
    """Restart, wait, and hold everything against the promises. The faults must be over.

    Args:
        world: Of which.
        before: Its ledger when the round began.
        drain_s: How long the queue may take to empty.
        calm: Whether the proxies go on as they are, without a restart.
    """
    found = Findings()
    world.snap.mode = None
    if not calm:
        world.take_token()
        world.stop()
    world.start()
    began_s = time.monotonic()
    found.add("I5", _drained(world, drain_s))
    found.figures["drained in s"] = time.monotonic() - began_s
    began_s = time.monotonic()
    found.add("I5", _fresh(world))
    found.figures["fresh event in s"] = time.monotonic() - began_s
    if not calm:
        found.add("I8", _leaks(world))
        world.stop()
    case = Case(
        oracle=world.oracle,
        record=world.snap.renew(),
        counts=world.counts(),
        before=before,
        dead=_dead(world),
        jumps=world.clock_jumps,
        nodes=len(world.nodes),
    )
    for number, look in PROMISES:
        found.add(number, look(case))
    found.add("I8", _leaks(world))
    found.broken += world.oracle.wrong[:SHOWN]
    _count(found, case)
    return found


def _drained(world: World, within_s: float) -> Iterator[str]:
    deadline_s = time.monotonic() + within_s
    while waiting := {name: each.pending for name, each in world.counts().items() if each.pending}:
        if time.monotonic() > deadline_s:
            yield f"still pending after {within_s:g} s: {waiting}"
            return
        world.tend()
        time.sleep(0.1)


def _fresh(world: World) -> Iterator[str]:
    """A new event, sent now, must arrive at every pixel."""
    rng = random.Random(world.round)
    producer = Producer(f"r{world.round}fresh", rng, world.oracle, world.life)
    post = producer.make(1)
    deadline_s = time.monotonic() + FRESH_S
    while not world.oracle.acknowledged.issuperset(one.id for one in post[1]):
        world.tend()
        if (life := world.life()) is not None:
            producer.send(life, post)
        if time.monotonic() > deadline_s:
            yield "a fresh event was not accepted"
            return
        time.sleep(0.05)
    (event,) = post[1]
    wanted = {(pixel, event.id) for pixel in INTEGRATIONS.values()}
    while not wanted.issubset(world.snap.record.stories):
        if time.monotonic() > deadline_s:
            yield f"a fresh event was not delivered within {FRESH_S:g} s"
            return
        time.sleep(0.02)


def _dead(world: World) -> dict[str, dict[str, str]]:
    """Pixel → event id → reason, of the dead letters of this round."""
    found: dict[str, dict[str, str]] = {pixel: {} for pixel in INTEGRATIONS.values()}
    for letter in world.letters():
        id_ = decode_event(letter.body).id
        if id_ in world.oracle.sent:
            found[INTEGRATIONS[letter.integration]][id_] = letter.reason
    return found


def _conserved(case: Case) -> Iterator[str]:
    """I1: the ledger balances, and agrees with what was answered and what arrived."""
    stories = stories_by_pixel(case.record)
    for name, pixel in INTEGRATIONS.items():
        counts = case.counts.get(name, Counts(integration=name))
        if not counts.balanced:
            yield f"the ledger of {name} does not balance: {counts}"
        accepted, delivered = case.grown(name, "accepted"), case.grown(name, "delivered")
        # A letter that died at the other pixel only may be accepted again for that one alone.
        least = case.oracle.accepted - sum(len(case.dead[p]) for p in case.dead if p != pixel)
        if accepted < least:
            yield f"{name}: at least {least} were acknowledged, {accepted} are in the ledger"
        arrived = sum(story.taken > 0 for story in stories[pixel].values())
        if delivered > arrived:
            yield f"{name}: the ledger has {delivered} delivered, Snap took {arrived}"


def _kept(case: Case) -> Iterator[str]:
    """I2: each acknowledged event is at Snap, or a dead letter that says why."""
    stories = stories_by_pixel(case.record)
    for pixel in INTEGRATIONS.values():
        there = {id_ for id_, story in stories[pixel].items() if story.taken}
        there |= case.dead[pixel].keys()
        groups = {case.oracle.sent[id_].group for id_ in there if id_ in case.oracle.sent}
        for group in sorted(case.oracle.promised_groups() - groups):
            yield f"{group} was acknowledged, and is neither at {pixel[:8]} nor a dead letter"
        for id_, reason in case.dead[pixel].items():
            yield from _wrongly_dead(id_, reason, stories[pixel].get(id_))


def _wrongly_dead(id_: str, reason: str, story: Story | None) -> Iterator[str]:
    if reason not in DEAD_REASONS:
        yield f"{id_} is dead for {reason!r}, which is no reason"
    if reason in ("rejected", "ambiguous_200") and story is not None and not story.refusable:
        yield f"{id_} is dead as {reason}, but Snap never said no to it"


def _whole(case: Case) -> Iterator[str]:
    """I3: only what was sent arrives, as it was sent, the same each time."""
    timed = case.jumps == 0  # a time that a wrong clock finds in the future is corrected
    for (pixel, id_), story in case.record.stories.items():
        sent = case.oracle.sent.get(id_)
        if sent is None:
            yield f"{id_!r} arrived and was never sent"
            continue
        if story.altered is not None:
            yield f"{id_} changed between attempts: {_difference(story.first, story.altered)}"
        for field_, value in sent.wire(pixel, timed=timed).items():
            if (came := _at(story.first, field_)) != value:
                yield f"{id_}: {field_} was sent as {value!r} and arrived as {came!r}"


def _at(event: Mapping[str, Any], path: str) -> object:
    value: Any = event
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _difference(first: Mapping[str, Any], later: Mapping[str, Any]) -> str:
    fields = [name for name in {**first, **later} if first.get(name) != later.get(name)]
    return ", ".join(f"{name} {first.get(name)!r} → {later.get(name)!r}" for name in fields)


def _collapsed(case: Case) -> Iterator[str]:
    """I4: each event and each order is accepted once, by us and by Snap."""
    released = sum(len(dead) for dead in case.dead.values())
    most = len(case.oracle.promised_groups()) + released
    if case.oracle.accepted > most:
        yield f"{case.oracle.accepted} were accepted of {most} that are different"
    most = len(case.oracle.sent_groups()) + released
    for name in INTEGRATIONS:
        if (accepted := case.grown(name, "accepted")) > most:
            yield f"{name}: the ledger accepted {accepted} of {most} that were ever sent"
    for (pixel, id_), story in case.record.stories.items():
        sent = case.oracle.sent.get(id_)
        if sent and story.counted > 1 and sent.name not in COUNTED_AGAIN:
            yield f"{id_} was counted {story.counted} times at {pixel[:8]}"
    yield from _orders_twice(case)


def _orders_twice(case: Case) -> Iterator[str]:
    seen: dict[tuple[str, str], str] = {}
    for (pixel, id_), story in case.record.stories.items():
        sent = case.oracle.sent.get(id_)
        if sent is None or not story.taken or id_ in case.dead[pixel]:
            continue
        other = seen.setdefault((pixel, sent.group), id_)
        if other != id_:
            yield f"order {sent.group} arrived as {other} and as {id_}"


def _paced(case: Case) -> Iterator[str]:
    """I6: in every window at most rate x time + burst, as seen at Snap."""
    for name, pixel in INTEGRATIONS.items():
        at_s = [one.at_s for one in case.record.arrivals if one.pixel == pixel]
        most = over(at_s, RPS, BURST + TWO_HANDS * case.nodes)
        # A clock set forward fills the bucket: a jump may cost a burst, and no more.
        if most > case.jumps * BURST:
            yield f"{name}: {most:.1f} requests more than {RPS:g} a second and {BURST} at once"


def over(at_s: Sequence[float], rps: float, burst: float) -> float:
    """By how many requests the worst window breaks the limit; 0 or less when none does."""
    level, worst, last_s = 0.0, -burst, at_s[0] if at_s else 0.0
    for now_s in at_s:
        level = max(0.0, level - (now_s - last_s) * rps) + 1
        worst, last_s = max(worst, level - burst), now_s
    return worst


def _patient(case: Case) -> Iterator[str]:
    """The gate: a pixel that says 401 is asked again rarely."""
    for name, pixel in INTEGRATIONS.items():
        refused = [one for one in case.record.arrivals if one.pixel == pixel and one.status == 401]
        most = over([one.at_s for one in refused], 1.3, 1 + 2 * TWO_HANDS * case.nodes)
        if most > 0:
            yield f"{name}: {len(refused)} requests were answered with 401, too many in a row"


def _leaks(world: World) -> Iterator[str]:
    for folder in (world.folder, *world.place.folders):
        yield from canary.leaks(folder.rglob("*"))


PROMISES: tuple[tuple[str, Callable[[Case], Iterator[str]]], ...] = (
    ("I1", _conserved),
    ("I2", _kept),
    ("I3", _whole),
    ("I4", _collapsed),
    ("I6", _paced),
    ("gate", _patient),
)


def _count(found: Findings, case: Case) -> None:
    oracle = case.oracle
    found.figures |= {
        "calls": oracle.posts,
        "acknowledged events": len(oracle.acknowledged),
        "calls with unknown outcome": oracle.unknown,
        "rubbish refused": oracle.refused,
        "duplicates collapsed": oracle.duplicates,
        "requests to Snap": len(case.record.arrivals),
        "sent more than once": sum(one.attempts > 1 for one in case.record.stories.values()),
        "dead letters": sum(len(dead) for dead in case.dead.values()),
    }

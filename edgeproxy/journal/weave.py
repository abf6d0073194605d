"""From steps to traces: which steps belong together, and what they make of an event. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from edgeproxy.journal.base import Filter, Trace
from edgeproxy.trace import Step

ID_CHARS = 200
NAME_CHARS = 100
UNNAMED = "unnamed"

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_STEPS = msgspec.json.Decoder(list[Step])
_ORDER = {
    stage: place
    for place, stage in enumerate(
        ("received", "dropped", "duplicate", "queued", "sent", "answered", "rejected", "dead")
    )
}
_WORST_FIRST = ("dead", "rejected", "retry", "waiting", "delivered", "dropped", "duplicate")


class Shape(NamedTuple):
    """What many traces have in common; filters choose shapes first, and then their traces."""

    source: str
    integration: str
    name: str
    said: str
    rule: str
    outcome: str
    test: bool


class Stored(NamedTuple):
    """A trace as it lies in an engine, without its steps."""

    number: int
    changed: int
    event_id: str
    wire_id: str
    visitor: bytes
    at_ms: int
    shape: Shape


class Draft:
    """What the steps of one batch say of one trace.

    Attributes:
        begun: Whether it is known how the event came in.
        outcome: "" when it does not change what is known.
    """

    def __init__(self, step: Step) -> None:
        self.begun = False
        self.event_id = self.wire_id = plain(step.event_id, ID_CHARS)
        self.source = plain(step.source, ID_CHARS)
        # The door tells it beside the rule.
        to = step.integration or str(step.data.get("integration", ""))
        self.integration = plain(to, ID_CHARS)
        self.name = plain(step.name, NAME_CHARS)
        self.said = self.rule = ""
        self.visitor = b""
        self.at_ms = step.at_ms
        self.outcome = ""
        self.test = False
        self.steps: list[Step] = []

    @property
    def key(self) -> tuple[str, str, str]:
        """What names it: no two traces that wait have the same."""
        return (self.wire_id, self.integration, self.name)

    @property
    def joins(self) -> bool:
        """Whether it may belong to a trace that is there already."""
        return not self.outcome.startswith(("duplicate", "dropped", "rejected"))

    def begin(self, step: Step, event_id: str, received: Step | None) -> None:
        """Note how it came in: the step that tells its fate at the door, and what was received."""
        self.begun = True
        self.event_id = plain(event_id, ID_CHARS)
        self.wire_id = self.wire_id or self.event_id
        self.said = plain(received.name if received else step.name, NAME_CHARS)
        self.rule = plain(str(step.data.get("rule", "")), NAME_CHARS)
        if received is not None:
            self.at_ms = min(self.at_ms, received.at_ms)
            self.add(received)
        self.add(step)

    def add(self, step: Step) -> None:
        """Note one more step."""
        self.steps.append(step)
        self.outcome = plain(outcome_of(step), NAME_CHARS) or self.outcome
        self.test = self.test or _is_test(step)
        if step.visitor and not self.visitor:
            self.visitor = bytes.fromhex(step.visitor)

    def shape(self, before: Shape | None = None) -> Shape:
        """Its shape, completed by that of the trace that it joins."""
        old = before or Shape("", "", "", "", "", "waiting", False)
        return Shape(
            self.source or old.source,
            self.integration,
            self.name,
            self.said or old.said,
            self.rule or old.rule,
            self.outcome or old.outcome,
            self.test or old.test,
        )


def weave(steps: Iterable[Step], nameless: Sequence[str]) -> list[Draft]:
    """The steps, sorted into traces, in the order in which these begin.

    Args:
        steps: In order, of many events; of an event's first ones any may be missing.
        nameless: Ids for events that came without one, in turn.
    """
    drafts: list[Draft] = []
    under_way: dict[tuple[str, str, str], Draft] = {}
    received: dict[tuple[str, str], Step] = {}
    names = iter(nameless)
    for step in steps:
        if step.stage == "received":
            received[step.source, step.event_id] = step
            continue
        if not step.event_id and not _at_the_door(step):
            step = msgspec.structs.replace(step, event_id=next(names, UNNAMED))
        draft = Draft(step)
        known = under_way.get(draft.key)
        if not _at_the_door(step):
            draft = known or draft
            draft.add(step)
        else:
            event_id = str(step.data.get("received_id", "")) or step.event_id
            first = received.get((step.source, event_id))
            if step.stage == "queued" and known is not None and not known.begun:
                draft = known  # delivery was faster
            draft.begin(step, event_id or next(names, UNNAMED), first)
        if draft is not known:
            drafts.append(draft)
        if draft.joins:
            under_way[draft.key] = draft
    return drafts


def _at_the_door(step: Step) -> bool:
    return step.stage in ("queued", "duplicate", "dropped") or (
        step.stage == "rejected" and not step.integration
    )


def outcome_of(step: Step) -> str:
    """What a step makes of its event, as a trace's `outcome`; "" when nothing new."""
    data = step.data
    match step.stage:
        case "duplicate":
            return "duplicate"
        case "dropped":
            return f"dropped:{data.get('reason', '')}"
        case "rejected" if not step.integration:
            return f"rejected:{data.get('code', '')}"
        case "rejected" | "dead":
            return f"dead:{data.get('outcome', '')}"
        case "answered":
            return "delivered" if data.get("outcome") == "delivered" else "retry"
        case _:
            return ""


def _is_test(step: Step) -> bool:
    event = step.data.get("event")
    if isinstance(event, Mapping):
        return event.get("test") is True
    return str(step.data.get("path", "")).endswith("/validate")


def plain(text: str, most: int) -> str:
    """The text as every engine can keep it, and not too long."""
    if text.isascii() and len(text) <= most and "\0" not in text:
        return text
    return text[:most].encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def encode_steps(steps: Sequence[Step]) -> str:
    """Steps as JSON; those whose data cannot be written go without."""
    try:
        return _ENCODER.encode(steps).decode()
    except (TypeError, ValueError, RecursionError):
        return _ENCODER.encode([_bare(step) for step in steps]).decode()


def _bare(step: Step) -> Step:
    return msgspec.structs.replace(
        step,
        event_id=plain(step.event_id, ID_CHARS),
        name=plain(step.name, NAME_CHARS),
        source=plain(step.source, ID_CHARS),
        integration=plain(step.integration, ID_CHARS),
        data={"unreadable": True},
    )


def decode_steps(parts: Iterable[str]) -> list[Step]:
    """The steps of stored parts; a part that cannot be read is left out."""
    steps: list[Step] = []
    for part in parts:
        try:
            steps += _STEPS.decode(part)
        except (msgspec.DecodeError, RecursionError):
            continue
    return steps


def trace_of(stored: Stored, steps: Sequence[Step] = ()) -> Trace:
    """The value for callers."""
    shape = stored.shape
    return Trace(
        number=stored.number,
        changed=stored.changed,
        event_id=stored.event_id,
        wire_id=stored.wire_id,
        source=shape.source,
        integration=shape.integration,
        name=shape.name,
        said=shape.said,
        rule=shape.rule,
        visitor=stored.visitor.hex(),
        at_ms=stored.at_ms,
        outcome=shape.outcome,
        test=shape.test,
        steps=tuple(steps),
    )


def merged(found: Sequence[tuple[Stored, Sequence[Step]]]) -> Trace | None:
    """All traces of one event as one: the steps of all, and the outcome of the worst."""
    if not found:
        return None
    newest = max(stored.number for stored, _ in found)
    source = next(stored.shape.source for stored, _ in found if stored.number == newest)
    mine = [each for each in found if each[0].shape.source == source]
    worst, _ = min(mine, key=lambda each: (_rank(each[0].shape.outcome), each[0].number))
    every: list[Step] = []
    for _, steps in mine:
        # Each branch tells what was received.
        every += [step for step in steps if step.stage != "received" or step not in every]
    every.sort(key=lambda step: (step.at_ms, _ORDER[step.stage]))
    return trace_of(worst, every)


def _rank(outcome: str) -> int:
    return _WORST_FIRST.index(outcome.partition(":")[0])


def passes(wanted: Filter, shape: Shape) -> bool:
    """Whether traces of a shape may pass; visitor, text and time are judged apart."""
    name = wanted.name.casefold()
    return (
        wanted.source in ("", shape.source)
        and wanted.integration in ("", shape.integration)
        and wanted.outcome in ("", shape.outcome, shape.outcome.partition(":")[0])
        and name in ("", shape.name.casefold(), shape.said.casefold())
    )


def says(text: str, shape: Shape) -> bool:
    """Whether a text is in one of the words of a shape."""
    folded = text.casefold()
    return any(
        folded in word.casefold()
        for word in (shape.name, shape.said, shape.outcome, shape.rule, shape.integration)
    )


def visitor_of(wanted: Filter) -> bytes | None:
    """The filter's visitor; None for one that names nobody."""
    try:
        return bytes.fromhex(wanted.visitor)
    except ValueError:
        return None


def shape_of(columns: Sequence[Any]) -> Shape:
    """A shape from a row's columns."""
    source, integration, name, said, rule, outcome, test = columns
    return Shape(source, integration, name, said, rule, outcome, bool(test))

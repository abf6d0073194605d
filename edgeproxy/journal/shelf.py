"""How steps and counts are written, the same for every engine: what joins what, under which number.

An engine is a `Shelf`: a few sets of rows inside one transaction.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from edgeproxy.journal.base import DAY_MS, HOUR_MS, MINUTE_MS
from edgeproxy.journal.weave import Draft, Shape, Stored, encode_steps, weave
from edgeproxy.meter import Label
from edgeproxy.trace import Step

PARTS = 256
"""So many times steps can be added to a trace; its outcome changes still."""

SHAPES_MAX = 4000
"""Beyond so many shapes callers' names are no longer told apart: anybody can invent names."""

OTHER = "…"
"""Stands for a caller's name then."""

GONE_MS = HOUR_MS
"""For so long no trace of an erased visitor begins: other processes may still hold steps."""

LEVELS = ((MINUTE_MS, 26 * HOUR_MS), (15 * MINUTE_MS, 8 * DAY_MS), (HOUR_MS, 35 * DAY_MS))
"""(length, how long it is kept) of the steps in which counts are summed up."""


class Slot(NamedTuple):
    """A trace that is there, with the part to which steps may be added next."""

    stored: Stored
    part: int


class Shelf(Protocol):
    """What an engine does inside a transaction that excludes other writers."""

    def gone(self, at_ms: int) -> set[bytes]:
        """The visitors of whom nothing may begin."""
        ...

    def beat(self, traces: int) -> tuple[int, int]:
        """The number of this change, and the first of so many new numbers for traces."""
        ...

    def slots(self, wire_ids: Sequence[str]) -> Sequence[Slot]:
        """The traces with these ids, oldest first."""
        ...

    def shapes(self, wanted: Sequence[Shape]) -> dict[Shape, int]:
        """The number of each shape, made when missing; fewer, when there are too many."""
        ...

    def put(self, traces: Sequence[tuple[Stored, int]]) -> None:
        """Add traces, or change those with the same number; with the number of the shape."""
        ...

    def add(self, parts: Sequence[tuple[int, int, str]]) -> None:
        """Add steps: trace, part, JSON."""
        ...

    def count(self, counts: Mapping[Label, int], at_ms: int) -> None:
        """Add to the totals and to each level."""
        ...


def write(
    shelf: Shelf,
    steps: Sequence[Step],
    counts: Mapping[Label, int],
    at_ms: int,
    nameless: Sequence[str],
) -> None:
    """Write what one process has gathered.

    Args:
        shelf: A transaction under way.
        steps: In order.
        counts: What is new.
        at_ms: When, Unix ms.
        nameless: Ids for events that came without one.
    """
    if counts:
        shelf.count(counts, at_ms)
    drafts = weave(steps, nameless)
    gone = shelf.gone(at_ms) if drafts else set()
    drafts = [draft for draft in drafts if draft.visitor not in gone]
    if drafts:
        _write_traces(shelf, drafts)


def _write_traces(shelf: Shelf, drafts: Sequence[Draft]) -> None:
    slots = _by_key(shelf.slots([draft.wire_id for draft in drafts if draft.joins]))
    joined = [(draft, _joined(draft, slots)) for draft in drafts]
    changed, number = shelf.beat(sum(slot is None for _, slot in joined))
    places: list[tuple[Stored, int, str]] = []
    for draft, slot in joined:
        if slot is None:
            places.append((_begun(draft, number, changed), 0, encode_steps(draft.steps)))
            number += 1
        else:
            stored = _went_on(draft, slot.stored, changed)
            places.append((stored, slot.part, encode_steps(draft.steps)))
    known = shelf.shapes(list({stored.shape for stored, _, _ in places}))
    put = []
    for stored, _, _ in places:
        shape = stored.shape if stored.shape in known else nameless_shape(stored.shape)
        put.append((stored, known[shape]))
    shelf.put(put)
    shelf.add([(stored.number, part, body) for stored, part, body in places if part < PARTS])


def _by_key(slots: Sequence[Slot]) -> dict[tuple[str, str, str], Slot]:
    return {
        (slot.stored.wire_id, slot.stored.shape.integration, slot.stored.shape.name): slot
        for slot in slots
        if slot.stored.shape.outcome != "duplicate"
    }


def _joined(draft: Draft, slots: dict[tuple[str, str, str], Slot]) -> Slot | None:
    """The trace that a draft goes on with.

    One that tells how the event came in joins only what lacks that: delivery's process was first
    to write. Else the id came in anew, after a dead letter.
    """
    slot = slots.get(draft.key) if draft.joins else None
    if slot is None or (draft.begun and slot.stored.shape.said):
        return None
    return slots.pop(draft.key)


def _begun(draft: Draft, number: int, changed: int) -> Stored:
    return Stored(
        number,
        changed,
        draft.event_id,
        draft.wire_id,
        draft.visitor,
        draft.at_ms,
        draft.shape(),
    )


def _went_on(draft: Draft, before: Stored, changed: int) -> Stored:
    return before._replace(
        changed=changed,
        event_id=draft.event_id if draft.begun else before.event_id,
        visitor=before.visitor or draft.visitor,
        at_ms=min(before.at_ms, draft.at_ms),
        shape=draft.shape(before.shape),
    )


def nameless_shape(shape: Shape) -> Shape:
    """The shape that stands for all of callers' names, when there are too many."""
    name = shape.name if shape.integration else OTHER
    return shape._replace(name=name, said=OTHER)


def level_of(step_ms: int) -> int:
    """The place in `LEVELS` of the longest steps that fit into one of this length."""
    fits = [place for place, (length_ms, _) in enumerate(LEVELS) if step_ms % length_ms == 0]
    return max(fits, default=0)

"""How traces are found, the same for every engine: through their shapes.

Of each shape that passes, an index gives the newest traces, so that the rarest of a million is
found as fast as the latest.
"""

import heapq
import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from edgeproxy.journal.base import SCANNED, Bucket, Filter, Trace
from edgeproxy.journal.shelf import LEVELS, level_of
from edgeproxy.journal.weave import (
    Shape,
    Stored,
    decode_steps,
    merged,
    passes,
    plain,
    says,
    trace_of,
    visitor_of,
)
from edgeproxy.meter import Label

SKEW_MS = 60_000
"""By so much the order of numbers may differ from that of time."""

GLANCE = 2000
"""So many of the newest traces are looked through before indexes are asked."""

MOST = 5000
"""Traces of one visitor, changes since a look, or ids that begin alike, that are considered."""

WALKED = 50_000
"""Where more ids begin alike they are looked for in so many of the newest traces."""

TEXT_CHARS = 500
FOREVER_MS = 1 << 62


class Span(NamedTuple):
    """Between which numbers and times (Unix ms) to look."""

    low: int
    high: int
    since_ms: int
    until_ms: int


Hit = tuple[int, int]
"""The numbers of a trace and of its shape."""


class Index(Protocol):
    """What an engine finds, each time newest first and at most `most`; inside one snapshot."""

    def shapes(self) -> Mapping[int, Shape]:
        """All shapes."""
        ...

    def first_since(self, at_ms: int) -> int | None:
        """The trace that came in first at that moment or later."""
        ...

    def newest(self, span: Span, most: int) -> Sequence[Hit]:
        """Of all traces."""
        ...

    def of_shapes(self, shapes: Collection[int], span: Span, each: int) -> Sequence[Hit]:
        """Of each of these shapes so many; the shapes in any order."""
        ...

    def of_visitor(self, visitor: bytes, span: Span, most: int) -> Sequence[Hit]:
        """Of one visitor."""
        ...

    def changed(self, after: int, span: Span, most: int) -> Sequence[Hit]:
        """Changed since, the latest change first."""
        ...

    def of_ids(self, prefix: str, shapes: Collection[int], span: Span, most: int) -> Sequence[int]:
        """Of these shapes, with an id on the wire that begins so; see `MOST` and `WALKED`."""
        ...

    def saying(self, text: str, numbers: Sequence[int], most: int) -> set[int]:
        """Of these traces, in this order, the first that have the (lower-case) text in a step."""
        ...

    def stored(self, numbers: Sequence[int]) -> Iterable[Stored]:
        """These traces, in any order."""
        ...

    def named(self, event_id: str) -> Sequence[Stored]:
        """Received or sent with this id, newest first."""
        ...

    def steps(self, number: int) -> Iterable[str]:
        """The parts of a trace's steps, as JSON, in order."""
        ...

    def labels(self, kinds: Sequence[str]) -> Sequence[tuple[int, Label]]:
        """The labels of some kinds, with their numbers."""
        ...

    def sums(
        self, level: int, labels: Sequence[int], since_ms: int, until_ms: int, step_ms: int
    ) -> Iterable[tuple[int, int, int]]:
        """Label, begin of the step and sum, of what is stored at a level."""
        ...


def traces(
    index: Index, wanted: Filter, before: int | None, after: int | None, limit: int
) -> list[Trace]:
    """See `Journal.traces`."""
    wanted = msgspec.structs.replace(wanted, text=plain(wanted.text, TEXT_CHARS))
    chosen = {id_: shape for id_, shape in index.shapes().items() if passes(wanted, shape)}
    span = _span(index, wanted, before)
    if not chosen or span is None:
        return []
    numbers = _numbers(index, wanted, chosen, span, after, limit)
    found = {stored.number: stored for stored in index.stored(numbers)}
    return [trace_of(found[number]) for number in numbers]


def _span(index: Index, wanted: Filter, before: int | None) -> Span | None:
    """Where to look; None when nothing can be there."""
    low, high = 0, FOREVER_MS if before is None else before
    if wanted.since_ms is not None:
        first = index.first_since(wanted.since_ms - SKEW_MS)
        if first is None:
            return None
        low = first
    if wanted.until_ms is not None:
        beyond = index.first_since(wanted.until_ms + SKEW_MS)
        high = high if beyond is None else min(high, beyond)
    until_ms = FOREVER_MS if wanted.until_ms is None else wanted.until_ms
    return Span(low, high, wanted.since_ms or 0, until_ms)


def _numbers(
    index: Index,
    wanted: Filter,
    chosen: Mapping[int, Shape],
    span: Span,
    after: int | None,
    limit: int,
) -> list[int]:
    if after is None and not wanted.visitor:
        if wanted.text:
            return _saying(index, wanted.text, chosen, span, limit)
        return _newest(index, chosen, span, limit)
    numbers = _few(index, wanted, chosen, span, after)
    if wanted.text:
        numbers = _judged(index, wanted.text, numbers)
    return numbers[:limit]


def _few(
    index: Index, wanted: Filter, chosen: Mapping[int, Shape], span: Span, after: int | None
) -> list[int]:
    """What a visitor, or a look before, narrows down so much that the rest is judged one by one."""
    visitor = visitor_of(wanted)
    if visitor is None:
        return []
    mine = index.of_visitor(visitor, span, MOST) if visitor else ()
    if after is None:
        return [number for number, shape in mine if shape in chosen]
    changed = [number for number, shape in index.changed(after, span, MOST) if shape in chosen]
    if not visitor:
        return changed
    numbers = {number for number, _ in mine}
    return [number for number in changed if number in numbers]


def _newest(index: Index, chosen: Collection[int], span: Span, limit: int) -> list[int]:
    """The newest traces of some shapes."""
    glance = max(GLANCE, limit)
    hits = index.newest(span, glance)
    numbers = [number for number, shape in hits if shape in chosen]
    if len(numbers) >= limit or len(hits) < glance:
        return numbers[:limit]
    return _merged(index, chosen, span, limit)


def _merged(index: Index, shapes: Collection[int], span: Span, limit: int) -> list[int]:
    """The newest of some shapes, from the newest of each.

    In two rounds: `limit` of every shape would be hundreds of thousands. After a first few of
    each, only a shape whose few are all among the newest may have more of them, and there cannot
    be many such. That is less than 2 * limit * sqrt(shapes) in all.
    """
    few = math.isqrt(limit * limit // max(1, len(shapes))) + 1
    hits = list(index.of_shapes(shapes, span, min(few, limit)))
    newest = heapq.nlargest(limit, (number for number, _ in hits))
    least = newest[-1] if len(newest) == limit else 0
    among = Counter(shape for number, shape in hits if number >= least)
    more = [shape for shape, n in among.items() if few <= n < limit]
    rest = index.of_shapes(more, span, limit) if more else ()
    return heapq.nlargest(limit, {number for number, _ in (*hits, *rest)})


def _saying(
    index: Index, text: str, chosen: Mapping[int, Shape], span: Span, limit: int
) -> list[int]:
    """The newest traces with a text in their words, at the beginning of their id, or in a step."""
    worded = [id_ for id_, shape in chosen.items() if says(text, shape)]
    found = set(_newest(index, worded, span, limit)) if worded else set()
    for prefix in {text, text.lower()}:
        found.update(index.of_ids(prefix, chosen, span, limit))
    scanned = _newest(index, chosen, span, SCANNED)
    found |= index.saying(text.lower(), scanned, limit)
    return heapq.nlargest(limit, found)


def _judged(index: Index, text: str, numbers: Sequence[int]) -> list[int]:
    """Of a few traces those that have a text, in the same order."""
    few = numbers[:SCANNED]
    found = index.saying(text.lower(), few, len(few))
    for stored in index.stored(few):
        if says(text, stored.shape) or stored.wire_id.lower().startswith(text.lower()):
            found.add(stored.number)
    return [number for number in few if number in found]


def trace(index: Index, event_id: str) -> Trace | None:
    """See `Journal.trace`."""
    event_id = plain(event_id, TEXT_CHARS)
    found = index.named(event_id)
    if found and event_id not in {stored.event_id for stored in found}:
        found = index.named(found[0].event_id)  # it was one of several ids on the wire
    return merged([(stored, decode_steps(index.steps(stored.number))) for stored in found])


def counts(
    index: Index, kinds: Sequence[str], since_ms: int, until_ms: int, step_ms: int
) -> list[Bucket]:
    """See `Journal.counts`."""
    level = level_of(step_ms)
    since_ms -= since_ms % LEVELS[level][0]
    labels = dict(index.labels(kinds))
    sums = index.sums(level, list(labels), since_ms, until_ms, step_ms)
    found = [Bucket(at_ms, labels[label], n) for label, at_ms, n in sums]
    return sorted(found, key=lambda bucket: (bucket.at_ms, bucket.label))

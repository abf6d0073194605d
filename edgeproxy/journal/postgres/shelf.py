"""`Shelf` for PostgreSQL: the statements of writing. Each method runs inside a transaction."""

from collections.abc import Mapping, Sequence
from typing import Any

from edgeproxy.journal.shelf import LEVELS, SHAPES_MAX, Slot, nameless_shape
from edgeproxy.journal.weave import Shape, Stored, shape_of
from edgeproxy.meter import Label
from edgeproxy.store.postgres.link import Db
from edgeproxy.store.postgres.text import storable

EACH_BYTES = 500
"""What a trace takes beside its steps."""

COLUMNS = """
t.number, t.changed, coalesce(t.event, t.wire), t.wire, coalesce(t.visitor, ''::bytea), t.at,
s.source, s.integration, s.name, s.said, s.rule, s.outcome, s.test
"""
_GONE = "SELECT visitor FROM journal_gone WHERE until > %s"
_BEAT = """
UPDATE journal_beat SET changed = changed + 1, number = number + %s RETURNING changed, number
"""
_SLOTS = f"""
SELECT {COLUMNS}, (SELECT max(part) FROM journal_step WHERE trace = t.number)
FROM journal_trace AS t JOIN journal_shape AS s ON s.id = t.shape
WHERE t.wire = ANY(%s::text[]) ORDER BY t.number
"""  # noqa: S608 - made of constants
_WANTED = """
unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::boolean[])
  AS w (source, integration, name, said, rule, outcome, test)
"""
_SHAPES = f"""
SELECT id, source, integration, name, said, rule, outcome, test
FROM journal_shape NATURAL JOIN {_WANTED}
"""  # noqa: S608 - made of constants
_NEW_SHAPES = f"""
INSERT INTO journal_shape (source, integration, name, said, rule, outcome, test)
SELECT * FROM {_WANTED} ON CONFLICT DO NOTHING
"""  # noqa: S608 - made of constants
_PUT = """
INSERT INTO journal_trace AS t (number, changed, event, wire, visitor, at, shape)
SELECT number, changed, nullif(event, wire), wire, nullif(visitor, ''::bytea), at, shape
FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::bytea[], %s::bigint[],
  %s::integer[]) AS p (number, changed, event, wire, visitor, at, shape)
ON CONFLICT (number) DO UPDATE SET changed = excluded.changed, event = excluded.event,
  visitor = excluded.visitor, at = excluded.at, shape = excluded.shape
"""
_ADD = """
INSERT INTO journal_step (trace, part, body)
SELECT * FROM unnest(%s::bigint[], %s::integer[], %s::text[]) ON CONFLICT DO NOTHING
"""
_GREW = "UPDATE journal_beat SET bytes = bytes + %s"
_LABELS = """
INSERT INTO journal_label AS l (kind, a, b, c, total)
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[])
ON CONFLICT (kind, a, b, c) DO UPDATE SET total = l.total + excluded.total
RETURNING id, kind, a, b, c
"""
_TALLY = """
INSERT INTO journal_tally AS t (level, label, at, n)
SELECT * FROM unnest(%s::smallint[], %s::integer[], %s::bigint[], %s::bigint[])
ON CONFLICT (level, label, at) DO UPDATE SET n = t.n + excluded.n
"""


class PostgresShelf:
    """A transaction under way; see `Shelf`."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def gone(self, at_ms: int) -> set[bytes]:
        """See `Shelf.gone`."""
        return {bytes(visitor) for (visitor,) in self._db.execute(_GONE, (at_ms,))}

    def beat(self, traces: int) -> tuple[int, int]:
        """See `Shelf.beat`."""
        row: Any = self._db.execute(_BEAT, (traces,)).fetchone()
        changed, number = row
        return changed, number - traces

    def slots(self, wire_ids: Sequence[str]) -> Sequence[Slot]:
        """See `Shelf.slots`."""
        return [
            Slot(stored_of(columns), 0 if last is None else last + 1)
            for *columns, last in self._db.execute(_SLOTS, (list(set(wire_ids)),))
        ]

    def shapes(self, wanted: Sequence[Shape]) -> dict[Shape, int]:
        """See `Shelf.shapes`."""
        found = self._known(wanted)
        missing = [shape for shape in wanted if shape not in found]
        if missing:
            row: Any = self._db.execute("SELECT count(*) FROM journal_shape").fetchone()
            room = max(0, SHAPES_MAX - row[0])
            new = missing[:room] + [nameless_shape(shape) for shape in missing[room:]]
            self._db.execute(_NEW_SHAPES, _columns(new))
            found |= self._known(new)
        return found

    def _known(self, wanted: Sequence[Shape]) -> dict[Shape, int]:
        rows = self._db.execute(_SHAPES, _columns(wanted))
        return {shape_of(columns): id_ for id_, *columns in rows}

    def put(self, traces: Sequence[tuple[Stored, int]]) -> None:
        """See `Shelf.put`."""
        rows = [
            (one.number, one.changed, one.event_id, one.wire_id, one.visitor, one.at_ms, shape)
            for one, shape in traces
        ]
        self._db.execute(_PUT, _columns(rows))

    def add(self, parts: Sequence[tuple[int, int, str]]) -> None:
        """See `Shelf.add`."""
        if parts:
            self._db.execute(_ADD, _columns(parts))
            size = sum(len(body) + (0 if part else EACH_BYTES) for _, part, body in parts)
            self._db.execute(_GREW, (size,))

    def count(self, counts: Mapping[Label, int], at_ms: int) -> None:
        """See `Shelf.count`."""
        labels: dict[tuple[str, ...], int] = {}
        for label, n in counts.items():
            storing = tuple(storable(word) for word in label)
            labels[storing] = labels.get(storing, 0) + n
        written = self._db.execute(_LABELS, _columns([(*label, n) for label, n in labels.items()]))
        rows = [
            (level, id_, at_ms - at_ms % length_ms, labels[tuple(label)])
            for id_, *label in written
            for level, (length_ms, _) in enumerate(LEVELS)
        ]
        self._db.execute(_TALLY, _columns(rows))


def _columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def stored_of(columns: Sequence[Any]) -> Stored:
    """A trace from the columns of `COLUMNS`."""
    number, changed, event_id, wire_id, visitor, at_ms, *shape = columns
    return Stored(number, changed, event_id, wire_id, bytes(visitor), at_ms, shape_of(shape))

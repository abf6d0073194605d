"""`Shelf` for SQLite: the statements of writing. Each method runs inside a transaction."""

from collections.abc import Mapping, Sequence
from typing import Any

import apsw

from edgeproxy.journal.shelf import LEVELS, PARTS, SHAPES_MAX, Slot, nameless_shape
from edgeproxy.journal.weave import Shape, Stored, shape_of
from edgeproxy.meter import Label

COLUMNS = """
t.number, t.changed, coalesce(t.event, t.wire), t.wire, coalesce(t.visitor, x''), t.at,
s.source, s.integration, s.name, s.said, s.rule, s.outcome, s.test
"""
_GONE = "SELECT visitor FROM gone WHERE until > ?"
_BEAT = """
UPDATE beat SET changed = changed + 1, number = number + ? RETURNING changed, number
"""
_SLOTS = f"""
SELECT {COLUMNS}, (SELECT max(id) FROM step WHERE id >= {PARTS} * t.number
  AND id < {PARTS} * (t.number + 1))
FROM trace AS t JOIN shape AS s ON s.id = t.shape WHERE t.wire = ?
"""  # noqa: S608 - made of constants
_SHAPE = """
SELECT id FROM shape WHERE source = ? AND integration = ? AND name = ? AND said = ? AND rule = ?
  AND outcome = ? AND test = ?
"""
_NEW_SHAPE = """
INSERT INTO shape (source, integration, name, said, rule, outcome, test)
VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id
"""
_PUT = """
INSERT INTO trace (number, changed, event, wire, visitor, at, shape) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (number) DO UPDATE SET changed = excluded.changed, event = excluded.event,
  visitor = excluded.visitor, at = excluded.at, shape = excluded.shape
"""
_ADD = "INSERT OR IGNORE INTO step (id, body) VALUES (?, ?)"
_LABEL = """
INSERT INTO label (kind, a, b, c, total) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (kind, a, b, c) DO UPDATE SET total = total + excluded.total RETURNING id
"""
_TALLY = """
INSERT INTO tally (level, label, at, n) VALUES (?, ?, ?, ?)
ON CONFLICT (level, label, at) DO UPDATE SET n = n + excluded.n
"""


class SqliteShelf:
    """A transaction under way; see `Shelf`."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db

    def gone(self, at_ms: int) -> set[bytes]:
        """See `Shelf.gone`."""
        return {visitor for (visitor,) in self._db.execute(_GONE, (at_ms,))}

    def beat(self, traces: int) -> tuple[int, int]:
        """See `Shelf.beat`."""
        row: Any = self._db.execute(_BEAT, (traces,)).get
        changed, number = row
        return changed, number - traces

    def slots(self, wire_ids: Sequence[str]) -> Sequence[Slot]:
        """See `Shelf.slots`."""
        found = []
        for wire_id in dict.fromkeys(wire_ids):
            for *columns, last in self._db.execute(_SLOTS, (wire_id,)):
                part = 0 if last is None else last % PARTS + 1
                found.append(Slot(stored_of(columns), part))
        return sorted(found, key=lambda slot: slot.stored.number)

    def shapes(self, wanted: Sequence[Shape]) -> dict[Shape, int]:
        """See `Shelf.shapes`."""
        found: dict[Shape, int] = {}
        room: int | None = None
        waiting = list(wanted)
        while waiting:
            shape = waiting.pop()
            number = self._db.execute(_SHAPE, shape).get
            if number is None:
                room = self._room() if room is None else room
                coarse = nameless_shape(shape)
                if room <= 0 and shape != coarse:
                    waiting.append(coarse)
                    continue
                room -= 1
                number = self._db.execute(_NEW_SHAPE, shape).get
            found[shape] = int(number)
        return found

    def _room(self) -> int:
        return SHAPES_MAX - int(self._db.execute("SELECT count(*) FROM shape").get)

    def put(self, traces: Sequence[tuple[Stored, int]]) -> None:
        """See `Shelf.put`."""
        self._db.executemany(_PUT, [_row(stored, shape) for stored, shape in traces])

    def add(self, parts: Sequence[tuple[int, int, str]]) -> None:
        """See `Shelf.add`."""
        self._db.executemany(_ADD, [(number * PARTS + part, body) for number, part, body in parts])

    def count(self, counts: Mapping[Label, int], at_ms: int) -> None:
        """See `Shelf.count`."""
        rows: list[tuple[int, int, int, int]] = []
        for label, n in counts.items():
            id_ = self._db.execute(_LABEL, (*label, n)).get
            rows += [
                (level, id_, at_ms - at_ms % length_ms, n)
                for level, (length_ms, _) in enumerate(LEVELS)
            ]
        self._db.executemany(_TALLY, rows)


def _row(stored: Stored, shape: int) -> tuple[Any, ...]:
    return (
        stored.number,
        stored.changed,
        None if stored.event_id == stored.wire_id else stored.event_id,
        stored.wire_id,
        stored.visitor or None,
        stored.at_ms,
        shape,
    )


def stored_of(columns: Sequence[Any]) -> Stored:
    """A trace from the columns of `COLUMNS`."""
    number, changed, event_id, wire_id, visitor, at_ms, *shape = columns
    return Stored(number, changed, event_id, wire_id, visitor, at_ms, shape_of(shape))

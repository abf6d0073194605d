"""`Index` for SQLite: the statements of reading. Each method runs inside one transaction."""

from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import apsw

from edgeproxy.journal.look import MOST, WALKED, Hit, Span
from edgeproxy.journal.shelf import PARTS
from edgeproxy.journal.sqlite.shelf import COLUMNS, stored_of
from edgeproxy.journal.weave import Shape, Stored, shape_of
from edgeproxy.meter import Label

_SHAPES = "SELECT id, source, integration, name, said, rule, outcome, test FROM shape"
_TRACES = f"""
SELECT {COLUMNS} FROM trace AS t JOIN shape AS s ON s.id = t.shape WHERE t.number IN carray(?)
"""  # noqa: S608 - made of constants
_SPAN = "number >= ?2 AND number < ?3 AND at >= ?4 AND at < ?5"
_NEWEST = f"SELECT number, shape FROM trace WHERE {_SPAN} ORDER BY number DESC LIMIT ?1"  # noqa: S608
_OF_SHAPE = f"""
SELECT number, shape FROM trace INDEXED BY trace_shape WHERE shape = ?6 AND {_SPAN}
ORDER BY number DESC LIMIT ?1
"""  # noqa: S608 - made of constants
_OF_VISITOR = f"""
SELECT number, shape FROM trace INDEXED BY trace_visitor WHERE visitor = ?6 AND {_SPAN}
ORDER BY number DESC LIMIT ?1
"""  # noqa: S608 - made of constants
_CHANGED = f"""
SELECT number, shape FROM trace INDEXED BY trace_changed WHERE changed > ?6 AND {_SPAN}
ORDER BY changed DESC, number DESC LIMIT ?1
"""  # noqa: S608 - made of constants
_ALIKE = """
SELECT count(*) FROM (
  SELECT 1 FROM trace INDEXED BY trace_wire WHERE wire >= ? AND wire < ? LIMIT ?
)
"""
_OF_FEW_IDS = f"""
SELECT number FROM trace INDEXED BY trace_wire
WHERE wire >= ?6 AND wire < ?7 AND shape IN carray(?8) AND {_SPAN}
ORDER BY number DESC LIMIT ?1
"""  # noqa: S608 - made of constants
_OF_MANY_IDS = f"""
SELECT number FROM (
  SELECT number, wire, shape FROM trace WHERE {_SPAN} ORDER BY number DESC LIMIT {WALKED}
) WHERE wire >= ?6 AND wire < ?7 AND shape IN carray(?8) ORDER BY number DESC LIMIT ?1
"""  # noqa: S608 - made of constants
_LAST = "\U0010ffff"
_SAYING = f"""
SELECT c.value FROM carray(?1) AS c CROSS JOIN step AS s
ON s.id >= {PARTS} * c.value AND s.id < {PARTS} * (c.value + 1)
WHERE instr(lower(s.body), ?2)
"""  # noqa: S608 - made of constants
_FIRST_SINCE = "SELECT number FROM trace WHERE at >= ? ORDER BY at LIMIT 1"
_NAMED = f"""
SELECT {COLUMNS} FROM trace AS t JOIN shape AS s ON s.id = t.shape
WHERE t.wire = ?1 OR (t.wire > ?1 || '-' AND t.wire < ?1 || '.' AND t.event = ?1)
ORDER BY t.number DESC LIMIT 100
"""  # noqa: S608 - made of constants
_STEPS = "SELECT body FROM step WHERE id >= ? AND id < ? ORDER BY id"
_SUMS = """
SELECT at - at % ?1, sum(n) FROM tally WHERE level = ?2 AND label = ?3 AND at >= ?4 AND at < ?5
GROUP BY 1
"""


class SqliteIndex:
    """A snapshot of the journal; see `Index`."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db

    def shapes(self) -> Mapping[int, Shape]:
        """See `Index.shapes`."""
        return {id_: shape_of(columns) for id_, *columns in self._rows(_SHAPES)}

    def first_since(self, at_ms: int) -> int | None:
        """See `Index.first_since`."""
        return next((number for (number,) in self._rows(_FIRST_SINCE, at_ms)), None)

    def newest(self, span: Span, most: int) -> Sequence[Hit]:
        """See `Index.newest`."""
        return self._rows(_NEWEST, most, *span)

    def of_shapes(self, shapes: Collection[int], span: Span, each: int) -> Sequence[Hit]:
        """See `Index.of_shapes`."""
        found: list[Hit] = []
        for shape in shapes:
            found += self._rows(_OF_SHAPE, each, *span, shape)
        return found

    def of_visitor(self, visitor: bytes, span: Span, most: int) -> Sequence[Hit]:
        """See `Index.of_visitor`."""
        return self._rows(_OF_VISITOR, most, *span, visitor)

    def changed(self, after: int, span: Span, most: int) -> Sequence[Hit]:
        """See `Index.changed`."""
        return self._rows(_CHANGED, most, *span, after)

    def of_ids(self, prefix: str, shapes: Collection[int], span: Span, most: int) -> Sequence[int]:
        """See `Index.of_ids`."""
        alike = prefix, prefix + _LAST
        [(count,)] = self._rows(_ALIKE, *alike, MOST + 1)
        sql = _OF_FEW_IDS if count <= MOST else _OF_MANY_IDS
        passing = apsw.carray(array("q", shapes))
        return [number for (number,) in self._rows(sql, most, *span, *alike, passing)]

    def saying(self, text: str, numbers: Sequence[int], most: int) -> set[int]:
        """See `Index.saying`."""
        found: set[int] = set()
        if numbers:
            rows: Any = self._db.execute(_SAYING, (apsw.carray(array("q", numbers)), text))
            for (number,) in rows:
                found.add(number)
                if len(found) >= most:
                    break
        return found

    def stored(self, numbers: Sequence[int]) -> Iterable[Stored]:
        """See `Index.stored`."""
        rows = self._rows(_TRACES, apsw.carray(array("q", numbers))) if numbers else []
        return [stored_of(columns) for columns in rows]

    def named(self, event_id: str) -> Sequence[Stored]:
        """See `Index.named`."""
        return [stored_of(columns) for columns in self._rows(_NAMED, event_id)]

    def steps(self, number: int) -> Iterable[str]:
        """See `Index.steps`."""
        return [body for (body,) in self._rows(_STEPS, number * PARTS, (number + 1) * PARTS)]

    def labels(self, kinds: Sequence[str]) -> Sequence[tuple[int, Label]]:
        """See `Index.labels`."""
        marks = ",".join("?" * len(kinds))
        sql = f"SELECT id, kind, a, b, c FROM label WHERE kind IN ({marks})"  # noqa: S608 - marks
        return [(id_, (kind, a, b, c)) for id_, kind, a, b, c in self._rows(sql, *kinds)]

    def sums(
        self, level: int, labels: Sequence[int], since_ms: int, until_ms: int, step_ms: int
    ) -> Iterable[tuple[int, int, int]]:
        """See `Index.sums`."""
        for label in labels:
            for at_ms, n in self._rows(_SUMS, step_ms, level, label, since_ms, until_ms):
                yield label, at_ms, n

    def totals(self) -> dict[Label, int]:
        """See `Journal.totals`."""
        rows = self._rows("SELECT kind, a, b, c, total FROM label")
        return {(kind, a, b, c): total for kind, a, b, c, total in rows}

    def _rows(self, sql: str, *params: Any) -> list[Any]:
        return self._db.execute(sql, params).fetchall()

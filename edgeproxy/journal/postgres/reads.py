"""`Index` for PostgreSQL: the statements of reading. Each method runs inside one snapshot."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from edgeproxy.journal.look import MOST, WALKED, Hit, Span
from edgeproxy.journal.postgres.shelf import COLUMNS, stored_of
from edgeproxy.journal.weave import Shape, Stored, shape_of
from edgeproxy.meter import Label
from edgeproxy.store.postgres.link import Db

_LAST = "\U0010ffff"
_SHAPES = "SELECT id, source, integration, name, said, rule, outcome, test FROM journal_shape"
_STORED = f"""
SELECT {COLUMNS} FROM unnest(%s::bigint[]) AS wanted (number) CROSS JOIN LATERAL (
  SELECT * FROM journal_trace WHERE number = wanted.number LIMIT 1
) AS t JOIN journal_shape AS s ON s.id = t.shape
"""  # noqa: S608 - made of constants
_SPAN = "number >= %(low)s AND number < %(high)s AND at >= %(since)s AND at < %(until)s"
_HITS = "SELECT number, shape FROM journal_trace WHERE"
_NEWEST = f"{_HITS} {_SPAN} ORDER BY number DESC LIMIT %(most)s"
# Rows are compared here, where `visitor = …` and an order by the number alone would say the same:
# the planner then would rather walk through everybody's traces, newest first, if this visitor has
# many. These may be old.
_OF_VISITOR = f"""
{_HITS} visitor IS NOT NULL AND (visitor, number) >= (%(visitor)s, %(low)s)
AND (visitor, number) < (%(visitor)s, %(high)s) AND at >= %(since)s AND at < %(until)s
ORDER BY visitor DESC, number DESC LIMIT %(most)s
"""
_CHANGED = f"""
{_HITS} changed > %(after)s AND {_SPAN} ORDER BY changed DESC, number DESC LIMIT %(most)s
"""
_ALIKE = """
SELECT count(*) FROM (
  SELECT 1 FROM journal_trace WHERE wire >= %s AND wire < %s ORDER BY wire LIMIT %s
) AS t
"""
_OF_FEW_IDS = f"""
SELECT number FROM (
  SELECT number, shape, at FROM journal_trace WHERE wire >= %(first)s AND wire < %(last)s
  ORDER BY wire LIMIT {MOST}
) AS t WHERE shape = ANY(%(shapes)s::integer[]) AND {_SPAN} ORDER BY number DESC LIMIT %(most)s
"""  # noqa: S608 - made of constants
_OF_MANY_IDS = f"""
SELECT number FROM (
  SELECT number, shape, wire FROM journal_trace WHERE {_SPAN} ORDER BY number DESC LIMIT {WALKED}
) AS t WHERE shape = ANY(%(shapes)s::integer[]) AND wire >= %(first)s AND wire < %(last)s
ORDER BY number DESC LIMIT %(most)s
"""  # noqa: S608 - made of constants
_OF_SHAPES = f"""
SELECT t.number, t.shape FROM unnest(%(shapes)s::integer[]) AS wanted (id) CROSS JOIN LATERAL (
  {_HITS} (shape, number) >= (wanted.id, %(low)s) AND (shape, number) < (wanted.id, %(high)s)
  AND at >= %(since)s AND at < %(until)s ORDER BY shape DESC, number DESC LIMIT %(most)s
) AS t
"""  # noqa: S608 - made of constants
_SAYING = """
SELECT s.trace FROM unnest(%s::bigint[]) AS wanted (number) CROSS JOIN LATERAL (
  SELECT trace FROM journal_step
  WHERE trace = wanted.number AND position(%s IN lower(body COLLATE "C")) > 0
  ORDER BY part LIMIT 1
) AS s
"""
_FIRST_SINCE = "SELECT number FROM journal_trace WHERE at >= %s ORDER BY at LIMIT 1"
_NAMED = """
(
  SELECT number FROM journal_trace WHERE wire >= %(id)s AND wire <= %(id)s
  ORDER BY wire DESC, number DESC LIMIT 100
) UNION (
  SELECT number FROM journal_trace WHERE event >= %(id)s AND event <= %(id)s
  ORDER BY event DESC, number DESC LIMIT 100
) ORDER BY number DESC LIMIT 100
"""
_STEPS = "SELECT body FROM journal_step WHERE trace = %s ORDER BY part"
_LABELS = "SELECT id, kind, a, b, c FROM journal_label WHERE kind = ANY(%s::text[])"
_SUMS = """
SELECT label, at - at %% %s, sum(n)::bigint FROM journal_tally
WHERE level = %s AND label = ANY(%s::integer[]) AND at >= %s AND at < %s GROUP BY 1, 2
"""


class PostgresIndex:
    """A snapshot of the journal; see `Index`."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def shapes(self) -> Mapping[int, Shape]:
        """See `Index.shapes`."""
        return {id_: shape_of(columns) for id_, *columns in self._rows(_SHAPES)}

    def first_since(self, at_ms: int) -> int | None:
        """See `Index.first_since`."""
        return next((number for (number,) in self._rows(_FIRST_SINCE, (at_ms,))), None)

    def newest(self, span: Span, most: int) -> Sequence[Hit]:
        """See `Index.newest`."""
        return self._rows(_NEWEST, _params(span, most))

    def of_shapes(self, shapes: Collection[int], span: Span, each: int) -> Sequence[Hit]:
        """See `Index.of_shapes`."""
        return self._rows(_OF_SHAPES, _params(span, each, shapes=list(shapes)))

    def of_visitor(self, visitor: bytes, span: Span, most: int) -> Sequence[Hit]:
        """See `Index.of_visitor`."""
        return self._rows(_OF_VISITOR, _params(span, most, visitor=visitor))

    def changed(self, after: int, span: Span, most: int) -> Sequence[Hit]:
        """See `Index.changed`."""
        return self._rows(_CHANGED, _params(span, most, after=after))

    def of_ids(self, prefix: str, shapes: Collection[int], span: Span, most: int) -> Sequence[int]:
        """See `Index.of_ids`."""
        first, last = prefix, prefix + _LAST
        [(count,)] = self._rows(_ALIKE, (first, last, MOST + 1))
        sql = _OF_FEW_IDS if count <= MOST else _OF_MANY_IDS
        params = _params(span, most, first=first, last=last, shapes=list(shapes))
        return [number for (number,) in self._rows(sql, params)]

    def saying(self, text: str, numbers: Sequence[int], most: int) -> set[int]:
        """See `Index.saying`."""
        rows = self._rows(_SAYING, (list(numbers), text))
        found = {number for (number,) in rows}
        return set([number for number in numbers if number in found][:most])

    def stored(self, numbers: Sequence[int]) -> Iterable[Stored]:
        """See `Index.stored`."""
        rows = self._rows(_STORED, (list(numbers),))
        return [stored_of(columns) for columns in rows]

    def named(self, event_id: str) -> Sequence[Stored]:
        """See `Index.named`."""
        numbers = [number for (number,) in self._rows(_NAMED, {"id": event_id})]
        return sorted(self.stored(numbers), reverse=True)

    def steps(self, number: int) -> Iterable[str]:
        """See `Index.steps`."""
        return [body for (body,) in self._rows(_STEPS, (number,))]

    def labels(self, kinds: Sequence[str]) -> Sequence[tuple[int, Label]]:
        """See `Index.labels`."""
        rows = self._rows(_LABELS, (list(kinds),))
        return [(id_, (kind, a, b, c)) for id_, kind, a, b, c in rows]

    def sums(
        self, level: int, labels: Sequence[int], since_ms: int, until_ms: int, step_ms: int
    ) -> Iterable[tuple[int, int, int]]:
        """See `Index.sums`."""
        return self._rows(_SUMS, (step_ms, level, list(labels), since_ms, until_ms))

    def totals(self) -> dict[Label, int]:
        """See `Journal.totals`."""
        rows = self._rows("SELECT kind, a, b, c, total FROM journal_label")
        return {(kind, a, b, c): total for kind, a, b, c, total in rows}

    def _rows(self, sql: str, params: Any = ()) -> list[Any]:
        return self._db.execute(sql, params).fetchall()


def _params(span: Span, most: int, **more: object) -> dict[str, object]:
    return {
        "low": span.low,
        "high": span.high,
        "since": span.since_ms,
        "until": span.until_ms,
        "most": most,
        **more,
    }

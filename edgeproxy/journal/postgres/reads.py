"""`Index` for PostgreSQL: the statements of reading. Each method runs inside one snapshot."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from edgeproxy.journal.look import Hit, Span
from edgeproxy.journal.postgres.shelf import COLUMNS, stored_of
from edgeproxy.journal.weave import Shape, Stored, shape_of
from edgeproxy.meter import Label
from edgeproxy.store.postgres.link import Db

_LAST = "\U0010ffff"
_SHAPES = "SELECT id, source, integration, name, said, rule, outcome, test FROM journal_shape"
_FROM = f"SELECT {COLUMNS} FROM journal_trace AS t JOIN journal_shape AS s ON s.id = t.shape"  # noqa: S608
_SPAN = "number >= %(low)s AND number < %(high)s AND at >= %(since)s AND at < %(until)s"
_HITS = "SELECT number, shape FROM journal_trace WHERE"
_NEWEST = f"{_HITS} {_SPAN} ORDER BY number DESC LIMIT %(most)s"
_OF_VISITOR = f"{_HITS} visitor = %(visitor)s AND {_SPAN} ORDER BY number DESC LIMIT %(most)s"
_CHANGED = f"""
{_HITS} changed > %(after)s AND {_SPAN} ORDER BY changed DESC, number DESC LIMIT %(most)s
"""
_OF_IDS = f"""
{_HITS} wire >= %(first)s AND wire < %(last)s AND {_SPAN} ORDER BY number DESC LIMIT %(most)s
"""
_OF_SHAPES = f"""
SELECT t.number FROM unnest(%(shapes)s::integer[]) AS wanted (id) CROSS JOIN LATERAL (
  SELECT number FROM journal_trace WHERE shape = wanted.id AND {_SPAN}
  ORDER BY number DESC LIMIT %(most)s
) AS t
"""  # noqa: S608 - made of constants
_SAYING = """
SELECT DISTINCT trace FROM journal_step
WHERE trace = ANY(%s::bigint[]) AND position(%s IN lower(body)) > 0
"""
_FIRST_SINCE = "SELECT number FROM journal_trace WHERE at >= %s ORDER BY at LIMIT 1"
_NAMED = f"""
{_FROM} WHERE t.wire = %(id)s
OR (t.wire > %(id)s || '-' AND t.wire < %(id)s || '.' AND t.event = %(id)s)
ORDER BY t.number DESC LIMIT 100
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

    def of_shapes(self, shapes: Collection[int], span: Span, each: int) -> Sequence[int]:
        """See `Index.of_shapes`."""
        rows = self._rows(_OF_SHAPES, _params(span, each, shapes=list(shapes)))
        return [number for (number,) in rows]

    def of_visitor(self, visitor: bytes, span: Span, most: int) -> Sequence[Hit]:
        """See `Index.of_visitor`."""
        return self._rows(_OF_VISITOR, _params(span, most, visitor=visitor))

    def changed(self, after: int, span: Span, most: int) -> Sequence[Hit]:
        """See `Index.changed`."""
        return self._rows(_CHANGED, _params(span, most, after=after))

    def of_ids(self, prefix: str, span: Span, most: int) -> Sequence[Hit]:
        """See `Index.of_ids`."""
        return self._rows(_OF_IDS, _params(span, most, first=prefix, last=prefix + _LAST))

    def saying(self, text: str, numbers: Sequence[int], most: int) -> set[int]:
        """See `Index.saying`."""
        rows = self._rows(_SAYING, (list(numbers), text))
        found = {number for (number,) in rows}
        return set([number for number in numbers if number in found][:most])

    def stored(self, numbers: Sequence[int]) -> Iterable[Stored]:
        """See `Index.stored`."""
        rows = self._rows(f"{_FROM} WHERE t.number = ANY(%s::bigint[])", (list(numbers),))
        return [stored_of(columns) for columns in rows]

    def named(self, event_id: str) -> Sequence[Stored]:
        """See `Index.named`."""
        rows = self._rows(_NAMED, {"id": event_id})
        return [stored_of(columns) for columns in rows]

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

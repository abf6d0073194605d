"""How much of a PostgreSQL journal a question looks at: never all of it, whatever was written."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from edgeproxy.journal import look
from edgeproxy.journal.base import HOUR_MS, Filter
from edgeproxy.journal.look import WALKED
from edgeproxy.journal.postgres.reads import PostgresIndex
from edgeproxy.journal.postgres.tables import prepare, reading
from edgeproxy.store.postgres.link import Db, Link
from tests import postgres
from tests.steps import START_MS

TRACES = 100_000
BOUND = 10_000
MONITOR = "ff" * 16
ALL = Filter()

FILL = (
    # Of the first tenth are 10 kinds that came no more, of the rest 10 others.
    """
    INSERT INTO journal_shape (source, integration, name, said, rule, outcome, test)
    SELECT CASE WHEN n < 10 THEN 'old' ELSE 'shop' END, 'shop/pixel', 'K' || n, 'Own K' || n,
      'catalog', 'delivered', false
    FROM generate_series(0, 19) AS n ORDER BY n
    """,
    # A quarter of the first quarter is a monitor's. Ids of the first third begin alike.
    f"""
    INSERT INTO journal_trace (number, changed, event, wire, visitor, at, shape)
    SELECT n, n / 100, CASE WHEN n % 1000 = 5 THEN 'event-' || n END,
      CASE WHEN n < {TRACES} / 3 THEN 'tag-' ELSE '' END || md5(n::text),
      decode(CASE WHEN n < {TRACES} / 4 AND n % 4 = 0 THEN '{MONITOR}'
        ELSE md5((n / 20)::text) END, 'hex'),
      {START_MS} + n * 500,
      CASE WHEN n < {TRACES} / 10 THEN 1 ELSE 11 END + n % 10
    FROM generate_series(1, {TRACES}) AS n
    """,  # noqa: S608 - made of constants
    f"""
    INSERT INTO journal_step SELECT n, 0, 'what happened to ' || n
    FROM generate_series(1, {TRACES}) AS n
    """,  # noqa: S608 - made of constants
)


class Watched(psycopg.Connection[tuple[Any, ...]]):
    """A connection that has each question explained first, and sums up the rows looked at."""

    visited = 0

    def execute(self, query: Any, params: Any = None, **more: Any) -> Any:
        """See `psycopg.Connection.execute`."""
        if query.lstrip("( \n").startswith("SELECT") and "journal_" in query:
            [(explained,)] = super().execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", params)
            self.visited += _visited(explained[0]["Plan"])
        return super().execute(query, params, **more)


def _visited(plan: dict[str, Any]) -> int:
    """Rows of traces and steps; of their kinds there are few, and all are looked at."""
    below: int = sum(map(_visited, plan.get("Plans", ())))
    if plan.get("Relation Name") not in ("journal_trace", "journal_step"):
        return below
    removed = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
    rows: float = plan["Actual Rows"] + sum(plan.get(name, 0) for name in removed)
    return below + int(rows * plan["Actual Loops"])


class WatchedLink(Link):
    """A link whose connection is watched."""

    def __init__(self, db: Watched) -> None:
        super().__init__("")
        self._watched = db

    def use(self) -> Db:
        """See `Link.use`."""
        return self._watched


@pytest.fixture(scope="module", params=["analyzed", "not yet analyzed"])
def link(request: pytest.FixtureRequest) -> Iterator[WatchedLink]:
    """A full journal, with and without what the planner should know of it."""
    schema = postgres.Schema(postgres.shared())
    with Watched.connect(schema.url, autocommit=True) as db:
        prepare(db)
        db.execute("ALTER TABLE journal_trace SET (autovacuum_enabled = off)")
        db.execute("ALTER TABLE journal_step SET (autovacuum_enabled = off)")
        for sql in FILL:
            db.execute(sql)
        if request.param == "analyzed":
            db.execute("ANALYZE journal_shape, journal_trace, journal_step")
        yield WatchedLink(db)
    schema.drop()


def asked(link: WatchedLink, ask: Callable[[PostgresIndex], Any]) -> tuple[Any, int]:
    """What is answered, and how many rows of the journal were looked at for it."""
    db = link.use()
    assert isinstance(db, Watched)
    db.visited = 0
    return reading(link, lambda db: ask(PostgresIndex(db))), db.visited


@pytest.mark.parametrize(
    ("wanted", "more", "found", "bound"),
    [
        (ALL, {}, 50, BOUND),
        (ALL, {"before": TRACES // 2}, 50, BOUND),
        (ALL, {"after": TRACES // 100 - 2}, 50, BOUND),
        (ALL, {"after": 0, "limit": 1}, 1, BOUND),
        (Filter(source="old"), {}, 50, BOUND),
        (Filter(source="old"), {"limit": 1000}, 1000, BOUND),
        (Filter(source="old"), {"before": 1000}, 50, BOUND),
        (Filter(name="k3"), {}, 50, BOUND),
        (Filter(visitor=MONITOR), {}, 50, BOUND),
        (Filter(visitor=MONITOR, source="old"), {"before": 1000}, 50, BOUND),
        (Filter(visitor="ee" * 16), {}, 0, BOUND),
        (Filter(since_ms=START_MS + TRACES * 500 - HOUR_MS), {}, 50, BOUND),
        (
            Filter(since_ms=START_MS + HOUR_MS, until_ms=START_MS + 2 * HOUR_MS, source="shop"),
            {},
            50,
            BOUND,
        ),
        (Filter(text="nowhere"), {}, 0, BOUND),
        (Filter(text="nowhere", source="old"), {}, 0, BOUND),
        (Filter(text="nowhere", visitor=MONITOR), {}, 0, BOUND),
        (Filter(text="happened"), {}, 50, BOUND),
        (Filter(text="tag-ab"), {}, 50, BOUND),
        (Filter(text="tag-ab", source="old"), {"limit": 10}, 10, BOUND),
        (Filter(text="tag-"), {}, 0, BOUND + WALKED),
        (Filter(text="tag-"), {"before": TRACES // 3}, 50, BOUND + WALKED),
    ],
)
def test_a_list_looks_at_a_bounded_part(
    link: WatchedLink, wanted: Filter, more: dict[str, int], found: int, bound: int
) -> None:
    before, after, limit = more.get("before"), more.get("after"), more.get("limit", 50)
    traces, visited = asked(link, lambda index: look.traces(index, wanted, before, after, limit))
    assert len(traces) == found
    assert visited <= bound


@pytest.mark.parametrize(
    ("id_", "there"), [("event-1005", True), ("tag", False), ("nowhere", False)]
)
def test_one_trace_is_found_without_looking_at_others(
    link: WatchedLink, id_: str, there: bool
) -> None:
    trace, visited = asked(link, lambda index: look.trace(index, id_))
    assert (trace is not None) == there
    assert visited <= 10

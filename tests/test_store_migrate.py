"""Schema steps are applied once each, in order, and never backwards."""

from importlib.resources import files
from pathlib import Path

import apsw
import pytest

from edgeproxy.errors import ConfigError
from edgeproxy.store import STORES
from edgeproxy.store.migrate import Step, migrate, steps
from edgeproxy.store.sqlite.file import WRITER_PRAGMAS, set_pragmas, upgrade
from edgeproxy.store.sqlite.store import SqliteStore
from tests.contract.store_world import APP, NEW, OLD, SHOP, VISITOR, Clock, entry, put, take

OLD_STORES = Path(__file__).parent / "contract" / "old_stores"


class Notebook:
    """A database that notes what is applied to it."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.applied: list[int] = []

    def version(self) -> int:
        return self.at

    def apply(self, step: Step) -> None:
        self.applied.append(step.number)


STEPS = [Step(number, "") for number in (1, 2, 3)]


@pytest.mark.parametrize(("at", "applied"), [(0, [1, 2, 3]), (2, [3]), (3, [])])
def test_what_is_missing_is_applied_in_order(at: int, applied: list[int]) -> None:
    database = Notebook(at)
    assert migrate(database, STEPS) == 3
    assert database.applied == applied


def test_a_newer_schema_is_refused_untouched() -> None:
    database = Notebook(4)
    with pytest.raises(ConfigError, match="its schema is number 4, this version knows up to 3"):
        migrate(database, STEPS)
    assert database.applied == []


@pytest.mark.parametrize("engine", ["postgres", "sqlite"])
def test_the_files_of_each_engine_are_numbered_without_a_gap(engine: str) -> None:
    found = steps(engine)
    assert [step.number for step in found] == list(range(1, len(found) + 1))
    assert all("CREATE" in step.sql for step in found[:1])


def test_every_engine_has_schema_files() -> None:
    folders = files("edgeproxy.store").joinpath("schema").iterdir()
    assert sorted(folder.name for folder in folders) == ["postgres", "sqlite"]
    assert len(STORES) == 2


SQLITE = [step.number for step in steps("sqlite")]


def old_store(path: Path, number: int) -> None:
    """A store as an older version left it."""
    path.touch(0o600)
    db = apsw.Connection(str(path))
    set_pragmas(db, WRITER_PRAGMAS)
    db.execute((OLD_STORES / f"sqlite-{number:04}.sql").read_text())
    db.close()


@pytest.mark.parametrize("number", SQLITE)
async def test_a_store_of_each_older_version_goes_on(tmp_path: Path, number: int) -> None:
    """Fault row 14. A new step needs a dump of a store with that schema, beside the others."""
    old_store(tmp_path / "edge.db", number)
    store = await SqliteStore.open(str(tmp_path / "edge.db"), now_ms=Clock())
    counts = {one.integration: one for one in await store.stats()}[SHOP]
    assert counts.balanced
    assert (counts.pending, counts.leased, counts.dead_now, counts.delivered) == (2, 1, 1, 1)
    assert await put(store, *[entry(name) for name in ("one", "two", "three")]) == [OLD] * 3
    assert await put(store, entry("four")) == [NEW]
    assert (await store.gate(APP)).reason == "401"
    assert await store.known(VISITOR) == b'{"em":"x"}'
    assert await store.meta("visitor_key") == "fingerprint"
    await store.recover(everything=True)
    rows = (await take(store)).rows
    assert [row.body for row in rows] == [entry(name).body for name in ("one", "two", "four")]
    assert [row.attempt for row in rows] == [2, 2, 1]
    await store.close()
    db = apsw.Connection(str(tmp_path / "edge.db"))
    assert db.pragma("user_version") == SQLITE[-1]
    db.close()


def test_a_step_that_fails_leaves_nothing_of_itself() -> None:
    db = apsw.Connection(":memory:")
    upgrade(db)
    before = db.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall()
    last = SQLITE[-1]
    step = Step(last + 1, "CREATE TABLE one (a); INSERT INTO one VALUES (1); CREATE TABLE meta (a)")
    with pytest.raises(apsw.SQLError, match="already exists"):
        upgrade(db, [*steps("sqlite"), step])
    assert db.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall() == before
    assert db.pragma("user_version") == last
    assert not db.in_transaction

"""The PostgreSQL journal against what servers do: events go on, and the journal mends itself."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest

from edgeproxy.errors import StoreBusy
from edgeproxy.journal import open_journal
from edgeproxy.journal.base import Filter, Journal
from edgeproxy.journal.bounds import Bounds
from edgeproxy.journal.postgres import upkeep
from edgeproxy.journal.postgres.tables import TABLES, VERSION
from edgeproxy.journal.postgres.upkeep import AT_ONCE
from tests import postgres
from tests.fakes import KeptLog, eventually
from tests.steps import START_MS, VISITOR, came, went

COUNTS = {("in", "shop", "accepted", ""): 1}


class Bench:
    """A schema, and the journals that are open in it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.log = KeptLog()
        self.opened: list[Journal] = []

    def open(self) -> Journal:
        made = open_journal(self.url, now_ms=lambda: START_MS, bounds=Bounds(), say=self.log)
        self.opened.append(made)
        return made

    @property
    def said(self) -> list[str]:
        return [event for _, event, _ in self.log.lines]

    async def close(self) -> None:
        for journal in self.opened:
            await journal.close()


@pytest.fixture
def schema() -> Iterator[postgres.Schema]:
    made = postgres.Schema(postgres.shared())
    yield made
    made.drop()


@pytest.fixture
async def bench(schema: postgres.Schema) -> AsyncIterator[Bench]:
    made = Bench(schema.url)
    yield made
    await made.close()


async def ids(journal: Journal) -> list[str]:
    return [trace.event_id for trace in await journal.traces(Filter())]


async def readable(journal: Journal) -> list[str]:
    """The ids; none while it cannot be read."""
    try:
        return await ids(journal)
    except StoreBusy:
        return []


async def write(journal: Journal, id_: str) -> bool:
    return await journal.write(came(id_), COUNTS, START_MS)


async def test_its_tables_are_its_own_and_made_when_needed(
    bench: Bench, schema: postgres.Schema
) -> None:
    assert await write(bench.open(), "e1")
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = %s"
    found = {name for (name,) in schema.execute(tables, (schema.name,))}
    assert found == {f"journal_{name}" for name in TABLES}


async def test_many_nodes_may_begin_at_once(bench: Bench) -> None:
    journals = [bench.open() for _ in range(6)]
    taken = await asyncio.gather(*[write(one, f"e{n}") for n, one in enumerate(journals)])
    assert taken == [True] * 6
    assert len(await ids(journals[0])) == 6


async def test_tables_of_an_older_version_are_made_anew(
    bench: Bench, schema: postgres.Schema
) -> None:
    assert await write(bench.open(), "e1")
    schema.execute("UPDATE journal_beat SET version = 0")
    journal = bench.open()
    assert await write(journal, "e2")
    assert await ids(journal) == ["e2"]


async def test_tables_of_a_later_version_are_left_alone(
    bench: Bench, schema: postgres.Schema
) -> None:
    assert await write(bench.open(), "e1")
    schema.execute("UPDATE journal_beat SET version = %s", (VERSION + 1,))
    journal = bench.open()
    assert not await write(journal, "e2")
    await journal.sweep(START_MS)
    with pytest.raises(StoreBusy):
        await ids(journal)
    assert bench.said == ["journal_off"]
    assert schema.execute("SELECT count(*) FROM journal_trace") == [(1,)]


async def test_a_role_that_may_not_make_tables_goes_without(schema: postgres.Schema) -> None:
    role = f"poor_{schema.name}"
    schema.execute(f"CREATE ROLE {role} LOGIN")
    schema.execute(f"GRANT USAGE ON SCHEMA {schema.name} TO {role}")
    bench = Bench(schema.url.replace("//edge@", f"//{role}@"))
    journal = bench.open()
    assert [await write(journal, id_) for id_ in ("e1", "e2")] == [False, False]
    assert bench.said == ["journal_off"]
    await bench.close()
    schema.execute(f"REVOKE ALL ON SCHEMA {schema.name} FROM {role}")
    schema.execute(f"DROP ROLE {role}")


async def test_a_writer_that_holds_the_journal_costs_one_time(
    bench: Bench, schema: postgres.Schema
) -> None:
    journal = bench.open()
    assert await write(journal, "e1")
    with psycopg.connect(schema.url) as db:
        db.execute("SELECT 1 FROM journal_beat FOR UPDATE")
        assert not await write(journal, "e2")
        assert not await journal.write([], COUNTS, START_MS)
        assert await ids(journal) == ["e1"]
    assert await write(journal, "e3")
    assert bench.said == ["journal_off", "journal_on"]


async def test_a_visitor_with_very_many_traces_is_erased_bit_by_bit(
    bench: Bench, schema: postgres.Schema
) -> None:
    journal = bench.open()
    assert await write(journal, "e1")
    many = 2 * AT_ONCE + 1
    schema.execute(
        "INSERT INTO journal_trace SELECT n + 1, 1, NULL, 'more-' || n, decode(%s, 'hex'), %s, 1"
        " FROM generate_series(1, %s) AS n",
        (VISITOR, START_MS, many),
    )
    with psycopg.connect(schema.url) as db:
        assert upkeep.forget(db, bytes.fromhex(VISITOR), START_MS) == AT_ONCE
    forget, other = journal.forget(bytes.fromhex(VISITOR)), came("e2", visitor="cd" * 16)
    left, written = await asyncio.gather(forget, journal.write(other, COUNTS, START_MS))
    assert (left, written) == (many + 1 - AT_ONCE, True)
    assert await ids(journal) == ["e2"]


@pytest.mark.slow
async def test_the_journal_comes_back_with_its_server() -> None:
    with postgres.server() as server:
        bench = Bench(server.url())
        journal = bench.open()
        assert await write(journal, "e1")
        assert await ids(journal) == ["e1"]
        server.stop()
        for _ in range(3):
            assert not await write(journal, "lost")
        with pytest.raises(StoreBusy):
            await ids(journal)
        with pytest.raises(StoreBusy):
            await journal.forget(b"v" * 16)
        assert bench.said == ["journal_off"]
        server.start()
        await eventually(lambda: write(journal, "e2"), "it is written again", within_s=20)
        found = await eventually(lambda: readable(journal), "it is read again", within_s=20)
        assert found == ["e2", "e1"]
        assert bench.said == ["journal_off", "journal_on"]
        await bench.close()


async def test_a_connection_that_was_cut_is_made_again(
    bench: Bench, schema: postgres.Schema
) -> None:
    journal = bench.open()
    assert await write(journal, "e1")
    assert await ids(journal) == ["e1"]
    schema.execute(
        "SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity"
        " WHERE application_name = 'edgeproxy' AND query LIKE '%journal%'"
        " AND pid <> pg_backend_pid()"
    )
    assert await ids(journal) == ["e1"]
    taken = [await journal.write(went("e1"), {}, START_MS) for _ in range(2)]
    assert taken[-1]
    assert [one.outcome for one in await journal.traces(Filter())] == ["delivered"]


async def test_a_table_of_somebody_else_is_left_alone(
    bench: Bench, schema: postgres.Schema
) -> None:
    schema.execute("CREATE TABLE journal_beat (version integer)")
    journal = bench.open()
    assert [await write(journal, id_) for id_ in ("e1", "e2")] == [False, False]
    [said] = bench.log.named("journal_off")
    assert "not of this program" in str(said["reason"])
    assert schema.execute("SELECT count(*) FROM journal_beat") == [(0,)]

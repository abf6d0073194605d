"""What every store promises of records and the audit log, on each row of STORES."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import psycopg
import pytest

from edgeproxy.errors import Conflict
from edgeproxy.store import STORES, open_store
from edgeproxy.store.migrate import steps
from edgeproxy.store.office import AUDIT_LINES, Change, Office, Record
from tests import postgres
from tests.contract.store_world import START_MS, World, entry, put


@pytest.fixture(params=sorted(STORES))
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    made = World(request.param, tmp_path)
    try:
        yield made
    finally:
        await made.close()
        made.end()


@pytest.fixture
async def office(world: World) -> Office:
    return (await world.open()).office


def line(action: str = "create", id_: str = "shop") -> Change:
    return Change(who="jane", action=action, kind="source", id=id_, detail="It was made.")


class TestRecords:
    async def test_a_record_comes_back_as_it_was_put(self, world: World, office: Office) -> None:
        world.clock.pass_s(1)
        assert await office.put("source", "shop", b"\x00body") == 1
        made = Record(
            kind="source", id="shop", body=b"\x00body", version=1, changed_ms=START_MS + 1000
        )
        assert await office.record("source", "shop") == made
        assert await office.records("source") == [made]

    async def test_each_change_has_the_next_version(self, office: Office) -> None:
        for version in (1, 2, 3):
            assert await office.put("source", "shop", b"%d" % version) == version
        found = await office.record("source", "shop")
        assert found is not None
        assert (found.version, found.body) == (3, b"3")

    async def test_kinds_are_apart_and_ids_in_order(self, office: Office) -> None:
        for kind, name in (("source", "b"), ("source", "a"), ("token", "a")):
            await office.put(kind, name, kind.encode())
        assert [one.id for one in await office.records("source")] == ["a", "b"]
        assert [one.body for one in await office.records("token")] == [b"token"]
        assert await office.records("session") == []
        assert await office.record("session", "a") is None

    async def test_what_is_deleted_is_gone_and_begins_anew(self, office: Office) -> None:
        await office.put("source", "shop", b"1")
        assert await office.put("source", "shop", None) == 0
        assert await office.record("source", "shop") is None
        assert await office.put("source", "shop", b"2") == 1

    async def test_deleting_what_is_not_there_is_no_fault(self, office: Office) -> None:
        assert await office.put("source", "shop", None) == 0


class TestExpectations:
    @pytest.mark.parametrize("expect", [1, 7])
    async def test_nothing_is_changed_that_is_not_there(self, office: Office, expect: int) -> None:
        with pytest.raises(Conflict):
            await office.put("source", "shop", b"x", expect=expect, change=line())
        with pytest.raises(Conflict):
            await office.put("source", "shop", None, expect=expect, change=line())
        assert await office.records("source") == []
        assert await office.changes() == []
        assert await office.edition() == 0

    @pytest.mark.parametrize("expect", [0, 1, 3])
    async def test_another_version_is_a_conflict_and_nothing_changes(
        self, office: Office, expect: int
    ) -> None:
        for body in (b"1", b"2"):
            await office.put("source", "shop", body)
        edition = await office.edition()
        with pytest.raises(Conflict):
            await office.put("source", "shop", b"x", expect=expect, change=line())
        if expect:
            with pytest.raises(Conflict):
                await office.put("source", "shop", None, expect=expect, change=line())
        found = await office.record("source", "shop")
        assert found is not None
        assert (found.version, found.body) == (2, b"2")
        assert await office.changes() == []
        assert await office.edition() == edition

    async def test_the_right_version_is_changed_and_deleted(self, office: Office) -> None:
        assert await office.put("source", "shop", b"1", expect=0) == 1
        assert await office.put("source", "shop", b"2", expect=1) == 2
        assert await office.put("source", "shop", None, expect=2) == 0
        assert await office.records("source") == []

    async def test_of_many_that_expect_the_same_one_succeeds(self, world: World) -> None:
        """Two nodes: neither change is lost without its maker hearing of it."""
        offices = [(await world.open()).office for _ in range(2)]
        for expect in (0, 1):
            wishes = [
                one.put("source", "shop", b"%d" % number, expect=expect)
                for number, one in enumerate(offices * 4)
            ]
            done = await asyncio.gather(*wishes, return_exceptions=True)
            assert [one for one in done if not isinstance(one, Conflict)] == [expect + 1]

    async def test_without_expectation_all_succeed_one_after_the_other(self, world: World) -> None:
        offices = [(await world.open()).office for _ in range(2)]
        done = await asyncio.gather(*(one.put("token", "a", b"x") for one in offices * 4))
        assert sorted(done) == list(range(1, 9))

    async def test_a_conflict_harms_no_event_beside_it(self, world: World) -> None:
        store = await world.open()
        conflict, fates = await asyncio.gather(
            store.office.put("source", "shop", b"x", expect=5),
            put(store, entry("one")),
            return_exceptions=True,
        )
        assert isinstance(conflict, Conflict)
        assert not isinstance(fates, BaseException)
        assert (await world.counts()).pending == 1


class TestEdition:
    async def test_it_grows_with_what_all_processes_want_to_hear_of(self, office: Office) -> None:
        seen = [await office.edition()]
        for kind, body in (("source", b"1"), ("integration", b"1"), ("source", None)):
            await office.put(kind, "shop", body)
            seen.append(await office.edition())
        assert seen == sorted(set(seen))

    async def test_it_stays_for_all_else(self, office: Office) -> None:
        await office.put("token", "a", b"1")
        await office.put("session", "a", b"1")
        await office.note(line())
        assert await office.edition() == 0

    async def test_every_process_sees_it(self, world: World) -> None:
        one, other = await world.open(), await world.open()
        await one.office.put("source", "shop", b"1")
        assert await other.office.edition() == 1
        assert [record.id for record in await other.office.records("source")] == ["shop"]


class TestAudit:
    async def test_a_change_and_its_line_are_written_together(
        self, world: World, office: Office
    ) -> None:
        await office.put("source", "shop", b"1", change=line())
        world.clock.pass_s(60)
        await office.put("source", "shop", None, change=line("delete"))
        late, early = await office.changes()
        assert early == msgspec.structs.replace(line(), at_ms=START_MS, number=early.number)
        assert (late.action, late.at_ms) == ("delete", START_MS + 60_000)
        assert late.number > early.number

    async def test_a_line_without_a_record(self, office: Office) -> None:
        await office.note(line("pause"))
        assert [one.action for one in await office.changes()] == ["pause"]
        assert await office.records("source") == []

    async def test_lines_come_page_by_page_newest_first(self, office: Office) -> None:
        for number in range(5):
            await office.note(line(id_=str(number)))
        first = await office.changes(limit=2)
        second = await office.changes(before=first[-1].number, limit=2)
        assert [one.id for one in (*first, *second)] == ["4", "3", "2", "1"]

    async def test_texts_that_a_database_cannot_hold_are_told_nevertheless(
        self, office: Office
    ) -> None:
        await office.note(msgspec.structs.replace(line(), detail="söme\x00thing"))
        [told] = await office.changes()
        assert told.detail.startswith("söme")

    async def test_the_oldest_lines_go_when_there_are_too_many(
        self, world: World, office: Office
    ) -> None:
        await office.note(line(id_="oldest"))
        await office.note(line(id_="old"))
        [newest, _] = await office.changes()
        _pretend_many(world.url, newest.number + AUDIT_LINES - 2)
        await office.note(line(id_="new"))
        assert [one.id for one in await office.changes()] == ["new", "old"]


def _pretend_many(url: str, number: int) -> None:
    """Let the next line have the number after this one."""
    if url.startswith("sqlite"):
        import apsw

        db = apsw.Connection(url.removeprefix("sqlite://"))
        db.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'audit'", (number,))
        db.close()
        return
    with psycopg.connect(url, autocommit=True) as server:
        server.execute("SELECT setval(pg_get_serial_sequence('audit', 'number'), %s)", (number,))


async def test_records_outlive_the_process(world: World) -> None:
    store = await world.open()
    await store.office.put("integration", "pixel", b"box", change=line())
    await world.close()
    office = (await world.open()).office
    assert [one.body for one in await office.records("integration")] == [b"box"]
    assert await office.edition() == 1
    assert len(await office.changes()) == 1


async def test_a_database_of_the_first_version_gets_the_tables() -> None:
    schema = postgres.Schema(postgres.shared())
    try:
        with psycopg.connect(schema.url, autocommit=True) as db:
            db.execute("CREATE TABLE meta (name text PRIMARY KEY, value text NOT NULL)")
            db.execute(steps("postgres")[0].sql)
            db.execute("INSERT INTO meta VALUES ('schema', '1'), ('visitor_key', 'kept')")
        store = await open_store(schema.url, now_ms=lambda: START_MS)
        assert await store.office.put("source", "shop", b"1") == 1
        assert await store.office.edition() == 1
        assert await store.meta("visitor_key") == "kept"
        await store.close()
    finally:
        schema.drop()

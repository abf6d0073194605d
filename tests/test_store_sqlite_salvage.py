"""What a damaged store held is brought back: all but what stood in the bad pages."""

import os
from pathlib import Path

import apsw
import pytest

from edgeproxy.errors import ConfigError, Failed
from edgeproxy.store.base import Binding, Dead, Gate, Item
from edgeproxy.store.filelock import FileLock
from edgeproxy.store.office import Change
from edgeproxy.store.sqlite.damage import close_untouched
from edgeproxy.store.sqlite.file import connect, open_files
from edgeproxy.store.sqlite.runs import YOUNG_MAX
from edgeproxy.store.sqlite.salvage import Salvaged, salvage
from edgeproxy.store.sqlite.store import SqliteStore
from tests.contract.damage import PAGE, break_page, overwrite
from tests.contract.store_world import NEW, OLD, SHOP, VISITOR, Clock, entry, ids, put, take

EVENTS = 2000
BODY = b"b" * 700


class Wreck:
    """A store with events, dead letters and the rest, closed; and the place of a new one."""

    def __init__(self, folder: Path) -> None:
        self.old = folder / "old" / "edge.db"
        self.new = folder / "new" / "edge.db"
        self.clock = Clock()

    async def fill(self) -> None:
        store = await SqliteStore.open(str(self.old), now_ms=self.clock)
        await store.append([Item((entry("gone"),), Binding(visitor=VISITOR, traits=b'{"a":"b"}'))])
        lease = await take(store)
        await store.settle(lease, delivered=ids(lease))
        await put(store, *[entry(f"d{n}", body=BODY) for n in range(20)])
        lease = await take(store)
        dead = [Dead(id=row.id, reason="rejected", detail="why") for row in lease.rows]
        await store.settle(lease, dead=dead)
        await put(store, *[entry(f"e{n}", body=BODY, visitor=VISITOR) for n in range(EVENTS)])
        await store.set_gate(Gate(integration=SHOP, state="paused_manual", reason="me"))
        await store.meta("visitor_key", "fingerprint")
        await store.close()

    def page_of(self, table: str, *, nth: int) -> int:
        """The number of one of a table's pages, the root being the first."""
        db = apsw.Connection(str(self.old), flags=apsw.SQLITE_OPEN_READONLY)
        sql = "SELECT pageno FROM dbstat WHERE name = ? ORDER BY path"
        pages = [number for (number,) in db.execute(sql, (table,))]
        db.close()
        return int(pages[nth])

    def salvage(self) -> Salvaged:
        return salvage(self.old, self.new, now_ms=self.clock, wait_s=0.05)


@pytest.fixture
async def wreck(tmp_path: Path) -> Wreck:
    made = Wreck(tmp_path)
    await made.fill()
    return made


async def test_a_sound_store_comes_over_whole(wreck: Wreck) -> None:
    assert wreck.salvage() == Salvaged(pending=EVENTS, dead=20, known=0, unreadable=0, keys=1)
    store = await SqliteStore.open(str(wreck.new), now_ms=wreck.clock)
    counts = (await store.stats())[0]
    assert counts.balanced
    assert (counts.pending, counts.dead_now, counts.accepted) == (EVENTS, 20, EVENTS + 20)
    assert await store.known(VISITOR) == b'{"a":"b"}'
    assert (await store.gate(SHOP)).reason == "me"
    assert await store.meta("visitor_key") == "fingerprint"
    assert await put(store, entry("gone"), entry("e7"), entry("d7")) == [OLD, OLD, NEW]
    await store.set_gate(Gate(integration=SHOP))
    rows = [row for _ in range(2) for row in (await take(store, limit=5000)).rows]
    assert len(rows) == EVENTS + 1
    assert {row.body for row in rows} == {BODY, entry("d7").body}
    assert {row.visitor for row in rows} == {VISITOR, b""}
    assert {letter.detail for letter in await store.dead_letters()} == {"why"}
    await store.close()


async def test_doing_it_twice_brings_nothing_twice(wreck: Wreck) -> None:
    wreck.salvage()
    assert wreck.salvage() == Salvaged(pending=0, dead=0, known=EVENTS + 20, unreadable=0, keys=0)


@pytest.mark.parametrize("nth", [5, 200, -1])
async def test_around_a_bad_page_all_comes_over(wreck: Wreck, nth: int) -> None:
    break_page(wreck.old, wreck.page_of("outbox", nth=nth))
    done = wreck.salvage()
    assert 0 < done.unreadable <= 8
    assert done.pending == EVENTS - done.unreadable
    assert done.dead == 20


async def test_around_a_bad_inner_page_the_rest_comes_over(wreck: Wreck) -> None:
    await wreck.fill()
    db = apsw.Connection(str(wreck.old), flags=apsw.SQLITE_OPEN_READONLY)
    sql = "SELECT pageno FROM dbstat WHERE name = 'outbox' AND pagetype = 'internal'"
    inner = [number for (number,) in db.execute(sql)]
    db.close()
    break_page(wreck.old, inner[-1])
    done = wreck.salvage()
    assert done.unreadable
    assert done.pending + done.unreadable >= EVENTS


@pytest.mark.parametrize("table", ["seen", "outbox_due", "dead", "identity", "ledger", "meta"])
async def test_any_other_table_may_be_lost(wreck: Wreck, table: str) -> None:
    break_page(wreck.old, wreck.page_of(table, nth=0))
    done = wreck.salvage()
    assert done.pending == EVENTS
    assert done.dead == (0 if table == "dead" else 20)


async def test_a_table_whose_root_is_lost_gives_nothing_and_takes_no_time(wreck: Wreck) -> None:
    break_page(wreck.old, wreck.page_of("outbox", nth=0))
    break_page(wreck.old, wreck.page_of("outbox_due", nth=0))
    done = wreck.salvage()
    assert (done.pending, done.dead) == (0, 20)


async def test_a_bad_page_of_keys_loses_keys_on_one_page_only(wreck: Wreck) -> None:
    lease_keys = [entry(f"x{n}") for n in range(EVENTS)]
    store = await SqliteStore.open(str(wreck.old), now_ms=wreck.clock)
    await store.set_gate(Gate(integration=SHOP))
    await put(store, *lease_keys)
    while lease := await take(store, limit=5000):
        await store.settle(lease, delivered=ids(lease))
    await store.close()
    break_page(wreck.old, wreck.page_of("seen", nth=20))
    assert 2 * EVENTS - 300 < wreck.salvage().keys < 2 * EVENTS + 1


async def test_the_keys_in_runs_come_over_but_for_one_page(wreck: Wreck) -> None:
    count = 2 * YOUNG_MAX
    store = await SqliteStore.open(str(wreck.old), now_ms=wreck.clock)
    await store.set_gate(Gate(integration=SHOP))
    await put(store, *[entry(f"x{n}") for n in range(count)])
    while lease := await take(store, limit=5000):
        await store.settle(lease, delivered=ids(lease))
    await store.close()
    break_page(wreck.old, wreck.page_of("seen_old", nth=-1))
    assert count < wreck.salvage().keys + 300 < count + 300 + EVENTS + 2


@pytest.mark.parametrize("offset", [0, 100])
async def test_a_head_that_is_lost_is_made_anew(wreck: Wreck, offset: int) -> None:
    overwrite(wreck.old, offset, PAGE - offset, b"\xff")
    before = wreck.old.read_bytes()
    assert wreck.salvage().pending == EVENTS
    assert wreck.old.read_bytes() == before
    assert [one for one in os.listdir(wreck.old.parent) if one.startswith("salvage-")] == []


async def test_a_file_cut_short_gives_what_is_left(wreck: Wreck) -> None:
    os.truncate(wreck.old, wreck.old.stat().st_size // 2)
    done = wreck.salvage()
    assert EVENTS // 3 < done.pending < EVENTS


async def test_what_stands_in_the_log_comes_over_too(wreck: Wreck) -> None:
    files, writer, reader = open_files(wreck.old, now_ms=wreck.clock)
    with writer:
        writer.execute("UPDATE outbox SET error = 'from the log' WHERE id = 500")
    reader.close()
    close_untouched(writer)
    files.close()
    wreck.salvage()
    db = connect(wreck.new, readonly=True)
    assert db.execute("SELECT count(*) FROM outbox WHERE error = 'from the log'").get == 1
    db.close()


async def test_a_row_that_cannot_be_one_is_left_out(wreck: Wreck) -> None:
    db = apsw.Connection(str(wreck.old))
    db.execute("PRAGMA writable_schema = on")
    db.execute("UPDATE sqlite_schema SET sql = replace(sql, ') STRICT', ')') WHERE name = 'outbox'")
    db.close()
    db = apsw.Connection(str(wreck.old))
    db.execute("UPDATE outbox SET due = 'soon', name = x'ff' WHERE id = 500")
    db.close()
    done = wreck.salvage()
    assert (done.pending, done.unreadable) == (EVENTS - 1, 1)


class TestRefused:
    async def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(Failed, match=r"there is no file .*edge\.db"):
            Wreck(tmp_path).salvage()

    async def test_the_store_itself(self, wreck: Wreck) -> None:
        wreck.new = wreck.old
        with pytest.raises(Failed, match="is the store itself"):
            wreck.salvage()

    async def test_something_that_never_was_a_store(self, wreck: Wreck) -> None:
        wreck.old.write_bytes(b"these are my notes, keep them " * 20)
        with pytest.raises(Failed, match=r"nothing of .*edge\.db can be read as a store"):
            wreck.salvage()

    async def test_a_place_that_cannot_be_used(self, wreck: Wreck) -> None:
        wreck.new = Path("/proc/edge/edge.db")
        with pytest.raises(ConfigError, match="cannot be used"):
            wreck.salvage()

    async def test_a_store_that_another_process_keeps_locked(
        self, wreck: Wreck, tmp_path: Path
    ) -> None:
        store = await SqliteStore.open(str(wreck.new), now_ms=wreck.clock)
        await store.close()
        held = FileLock(tmp_path / "new" / "edge.db.lock")
        assert held.try_acquire()
        with pytest.raises(ConfigError, match="is being opened by another process"):
            wreck.salvage()
        held.close()


async def test_what_people_made_comes_over_and_is_seen_by_who_runs_already(wreck: Wreck) -> None:
    before = await SqliteStore.open(str(wreck.old), now_ms=wreck.clock)
    change = Change(who="jane", action="create", kind="source", id="store")
    await before.office.put("source", "store", b"made", change=change)
    await before.office.put("integration", "store", b"box")
    await before.close()
    running = await SqliteStore.open(str(wreck.new), now_ms=wreck.clock)
    edition = await running.office.edition()
    wreck.salvage()
    assert await running.office.edition() > edition
    assert [one.body for one in await running.office.records("source")] == [b"made"]
    assert [one.body for one in await running.office.records("integration")] == [b"box"]
    assert [one.who for one in await running.office.changes()] == ["jane"]
    await running.close()

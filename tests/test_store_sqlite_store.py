"""What is SQLite's own: faults of the file, room on the disk, and costs that must not grow."""

import asyncio
import math
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from edgeproxy.errors import StoreBusy
from edgeproxy.store.base import SEEN_S, Binding, Gate, Item
from edgeproxy.store.space import Limits
from edgeproxy.store.sqlite import append, gates, leases, upkeep
from edgeproxy.store.sqlite.file import open_files
from edgeproxy.store.sqlite.store import SqliteStore
from tests.contract.store_world import NEW, SHOP, VISITOR, Clock, entry, ids, put, take
from tests.fakes import eventually

PLENTY = Limits(max_bytes=2**40, reserve_bytes=0)
ROW_BYTES = 2000


class Place:
    """A store in a folder, and what it said when it could not go on."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "edge.db"
        self.fatal: list[BaseException] = []
        self.stores: list[SqliteStore] = []

    async def open(self, limits: Limits = PLENTY) -> SqliteStore:
        store = await SqliteStore.open(
            str(self.path), now_ms=Clock(), on_fatal=self.fatal.append, limits=limits
        )
        self.stores.append(store)
        return store


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    made = Place(tmp_path)
    yield made
    for store in made.stores:
        await store.close()


def damage(path: Path) -> None:
    """Overwrite all but the first page, from another process: our own would drop locks."""
    code = "import os, sys; f = open(sys.argv[1], 'r+b'); f.seek(4096); f.write(b'x' * 400_000)"
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)


async def some(store: SqliteStore, count: int) -> None:
    fates = await put(store, *[entry(body=b"b" * ROW_BYTES) for _ in range(count)])
    assert fates == [NEW] * count


class TestFatal:
    async def test_a_deleted_database_is_noticed(self, place: Place) -> None:
        store = await place.open()
        await some(store, 3)
        place.path.unlink()

        async def refused() -> bool:
            try:
                await some(store, 1)
            except StoreBusy as error:
                return error.code == "store_failed"
            return False

        await eventually(refused, "the store refuses")
        await eventually(lambda: place.fatal, "the process is told")
        assert [type(error) for error in place.fatal] == [FileNotFoundError]
        with pytest.raises(StoreBusy):
            await store.check()

    async def test_a_damaged_page_stops_the_writer(self, place: Place) -> None:
        store = await place.open()
        await some(store, 200)
        await store.close()
        store = await place.open()
        damage(place.path)
        with pytest.raises(StoreBusy) as caught:
            await take(store, limit=200)
        assert caught.value.code == "store_failed"
        await eventually(lambda: place.fatal, "the process is told")
        assert [type(error) for error in place.fatal] == [apsw.CorruptError]

    async def test_a_damaged_page_that_a_reader_meets_stops_it_too(self, place: Place) -> None:
        store = await place.open()
        await some(store, 200)
        await store.close()
        store = await place.open()
        damage(place.path)
        with pytest.raises(StoreBusy) as caught:
            await store.stats()
        assert caught.value.code == "store_failed"
        await eventually(lambda: place.fatal, "the process is told")

    async def test_a_reader_that_is_locked_out_says_so(self, place: Place) -> None:
        store = await place.open()
        await some(store, 1)

        def locked(db: apsw.Connection, now_ms: int) -> int:
            raise apsw.BusyError("recovering")

        with pytest.raises(StoreBusy, match="store_locked"):
            await store._read(locked)


class TestRoom:
    async def test_a_full_store_refuses_events_delivers_and_recovers(self, place: Place) -> None:
        store = await place.open(Limits(max_bytes=600_000, reserve_bytes=0))

        async def full() -> bool:
            try:
                await some(store, 20)
            except StoreBusy as error:
                return error.code == "store_full"
            return False

        await eventually(full, "the store is full")
        with pytest.raises(StoreBusy, match="store_full"):
            await store.check()
        while lease := await take(store, limit=50):
            assert await store.settle(lease, delivered=ids(lease)) == len(lease.rows)
        await store.sweep()

        async def open_again() -> bool:
            try:
                await some(store, 1)
            except StoreBusy:
                return False
            return True

        await eventually(open_again, "there is room again")
        await store.check()
        assert all(counts.balanced for counts in await store.stats())

    async def test_the_limits_are_found_when_none_are_given(self, tmp_path: Path) -> None:
        store = await SqliteStore.open(str(tmp_path / "edge.db"), now_ms=Clock())
        await some(store, 1)
        await store.close()


class TestFile:
    async def test_it_shrinks_when_the_backlog_is_delivered(self, place: Place) -> None:
        store = await place.open()
        for _ in range(8):
            await some(store, 500)
        await store.sweep()
        before = place.path.stat().st_size
        while lease := await take(store, limit=500):
            await store.settle(lease, delivered=ids(lease))
        for _ in range(3):
            await store.sweep()
        assert before > 8_000_000
        assert place.path.stat().st_size < before - 1_000_000

    async def test_the_log_is_cut_unless_a_reader_is_in_the_way(self, place: Place) -> None:
        store = await place.open()
        log = place.path.with_name("edge.db-wal")
        foreign = apsw.Connection(str(place.path))
        foreign.execute("BEGIN; SELECT count(*) FROM outbox").fetchall()
        await some(store, 50)
        await store.sweep()
        assert log.stat().st_size > 50 * ROW_BYTES
        foreign.execute("COMMIT")
        await store.sweep()
        assert log.stat().st_size == 0
        foreign.close()

    async def test_nothing_but_the_store_is_left_after_closing(self, place: Place) -> None:
        store = await place.open()
        await some(store, 5)
        await store.stats()
        await store.close()
        names = ["edge.db", "edge.db.id", "edge.db.lock", "edge.db.lock.turn"]
        assert sorted(os.listdir(place.path.parent)) == names


async def test_a_sweep_that_met_its_limit_goes_on_where_it_was(tmp_path: Path) -> None:
    clock = Clock()
    store = await SqliteStore.open(str(tmp_path / "edge.db"), now_ms=clock)
    await put(store, *[entry(f"a{n}") for n in range(10, 22)])
    clock.pass_s(SEEN_S / 2)
    await put(store, *[entry(f"b{n}") for n in range(10, 30)])
    clock.pass_s(SEEN_S * 0.75)
    assert [await store.sweep(limit=2) for _ in range(9)] == [2, 2, 2, 2, 2, 2, 0, 0, 0]
    await store.close()


class Cost:
    """Counts what SQLite's machine does: the cost without the noise of a clock."""

    def __init__(self, folder: Path) -> None:
        self.files, self.db, self.reader = open_files(folder / "edge.db")
        self.steps = 0
        self.now_ms = Clock()()
        for db in (self.db, self.reader):
            db.trace_v2(apsw.SQLITE_TRACE_PROFILE, self.note)

    def note(self, event: dict[str, Any]) -> None:
        self.steps += event["stmt_status"]["SQLITE_STMTSTATUS_VM_STEP"]

    def of(self, work: Callable[..., object], *args: Any) -> int:
        self.steps = 0
        with self.db:
            work(self.db, self.now_ms, *args)
        return self.steps

    def fill(self, count: int) -> None:
        made = [Item((entry(visitor=os.urandom(16)),)) for _ in range(count)]
        self.of(append.append, made)

    def close(self) -> None:
        self.reader.close()
        self.db.close()
        self.files.lock.close()


def claim(db: apsw.Connection, now_ms: int) -> None:
    lease = leases.claim(db, now_ms, SHOP, 20, 100_000, 60)
    assert len(lease.rows) == 20
    back = lease.rows[0].id
    delivered = [row.id for row in lease.rows[1:]]
    assert leases.settle(db, now_ms, lease, delivered, [], []) == 19
    assert leases.recover(db, now_ms, everything=True) == 1
    assert back


@pytest.mark.parametrize(
    ("work", "args"),
    [
        (append.append, ([Item((entry(visitor=VISITOR),), Binding(visitor=VISITOR))] * 5,)),
        (claim, ()),
        (gates.write, (Gate(integration=SHOP),)),
        (upkeep.recall, (VISITOR,)),
    ],
    ids=["append", "claim", "gate", "recall"],
)
def test_a_longer_queue_costs_no_more(
    tmp_path: Path, work: Callable[..., object], args: tuple[Any, ...]
) -> None:
    cost = Cost(tmp_path)
    cost.fill(200)
    cost.of(work, *args)
    short = cost.of(work, *args)
    cost.fill(4000)
    long = cost.of(work, *args)
    cost.close()
    assert short > 0
    buckets = math.ceil(4200 / 256) if work is upkeep.recall else 0
    assert long <= 1.2 * short + 50 * buckets


async def test_reads_do_not_wait_for_the_writer(place: Place, tmp_path: Path) -> None:
    store = await place.open()
    await some(store, 1)
    other = apsw.Connection(str(place.path))
    other.execute("BEGIN IMMEDIATE")
    async with asyncio.timeout(4):  # the writer would give up after five seconds
        assert (await store.stats())[0].pending == 1
        assert (await store.gate(SHOP)).state == "open"
        assert await store.dead_letters() == []
    other.execute("ROLLBACK")
    other.close()

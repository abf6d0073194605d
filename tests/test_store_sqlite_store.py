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
from msgspec.structs import replace

from edgeproxy.errors import ConfigError, StoreBusy
from edgeproxy.store.base import SEEN_S, Binding, Dead, Gate, Item, Lease, Retry
from edgeproxy.store.space import Wishes
from edgeproxy.store.sqlite import append, gates, leases, upkeep
from edgeproxy.store.sqlite.damage import last_aside
from edgeproxy.store.sqlite.file import open_files
from edgeproxy.store.sqlite.salvage import salvage
from edgeproxy.store.sqlite.store import SqliteStore
from tests.contract.damage import PAGE, break_page, overwrite
from tests.contract.store_world import APP, NEW, SHOP, VISITOR, Clock, entry, ids, put, take
from tests.fakes import eventually

PLENTY = Wishes(max_bytes=2**40, reserve_bytes=0)
ROW_BYTES = 2000


class Place:
    """A store in a folder, and what it said when it could not go on."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "edge.db"
        self.fatal: list[BaseException] = []
        self.said: list[tuple[str, dict[str, object]]] = []
        self.stores: list[SqliteStore] = []

    async def open(self, wishes: Wishes = PLENTY, *, accept_loss: bool = False) -> SqliteStore:
        store = await SqliteStore.open(
            str(self.path),
            now_ms=Clock(),
            on_fatal=self.fatal.append,
            wishes=wishes,
            accept_loss=accept_loss,
            say=lambda level, event, **fields: self.said.append((event, fields)),
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
    """Overwrite all but the first page."""
    overwrite(path, PAGE, 100 * PAGE)


async def some_purchases(store: SqliteStore, count: int) -> None:
    made = [replace(entry(body=b"b" * ROW_BYTES), name="PURCHASE") for _ in range(count)]
    assert await put(store, *made) == [NEW] * count


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

    async def test_a_damaged_database_is_set_aside_and_salvaged(self, place: Place) -> None:
        """Fault row 10, the whole way: 503, aside, no empty store in its place, salvage."""
        store = await place.open()
        await some(store, 200)
        await store.close()
        store = await place.open()
        break_page(place.path, 60)
        with pytest.raises(StoreBusy):
            await take(store, limit=200)
        await store.close()
        aside = last_aside(place.path)
        assert aside is not None
        assert not place.path.exists()
        with pytest.raises(ConfigError, match=f"doctor --salvage {aside}"):
            await place.open()
        done = salvage(aside, place.path, now_ms=Clock())
        assert done.pending == 200 - done.unreadable
        store = await place.open()
        assert len((await take(store, limit=200)).rows) == done.pending

    async def test_a_loss_that_is_accepted_begins_anew(self, place: Place) -> None:
        store = await place.open()
        await some(store, 3)
        await store.close()
        place.path.unlink()
        with pytest.raises(ConfigError, match="serve --accept-loss"):
            await place.open()
        store = await place.open(accept_loss=True)
        await some(store, 1)
        await store.close()
        assert (await (await place.open()).stats())[0].accepted == 1

    async def test_a_reader_that_is_locked_out_says_so(self, place: Place) -> None:
        store = await place.open()
        await some(store, 1)

        def locked(db: apsw.Connection, now_ms: int) -> int:
            raise apsw.BusyError("recovering")

        with pytest.raises(StoreBusy, match="store_locked"):
            await store._read(locked)


class TestRoom:
    LITTLE = Wishes(max_bytes=4_000_000, reserve_bytes=0, low_value=frozenset({"PAGE_VIEW"}))

    async def fill(self, store: SqliteStore, name: str) -> int:
        """Append single events until one is refused; return the wait that was asked for."""
        errors: list[StoreBusy] = []

        async def refused() -> bool:
            try:
                for _ in range(50):
                    await put(store, replace(entry(body=b"b" * ROW_BYTES), name=name))
            except StoreBusy as error:
                errors.append(error)
            return bool(errors)

        await eventually(refused, "the store refuses")
        assert errors[0].code == "store_full"
        return errors[0].retry_after_s or 0

    async def test_a_full_store_refuses_events_delivers_and_recovers(self, place: Place) -> None:
        """Fault rows 6 and 7: views first, then all; bookkeeping goes on and makes room."""
        store = await place.open(self.LITTLE)
        assert 30 <= await self.fill(store, "PAGE_VIEW") <= 120
        await some_purchases(store, 1)
        await store.check()
        assert 30 <= await self.fill(store, "PURCHASE") <= 120
        await store.sweep()
        assert place.path.stat().st_size <= 4_000_000
        told = [fields for event, fields in place.said if event == "store_filling"]
        assert told
        assert told[-1]["percent"] in (85, 95)
        while lease := await take(store, limit=50):
            dead = [Dead(id=row.id, reason="rejected") for row in lease.rows[:2]]
            back = [Retry(id=row.id, delay_s=0) for row in lease.rows[2:4]]
            rest = ids(lease)[4:]
            done = await store.settle(lease, delivered=rest, dead=dead, retry=back)
            assert done == len(lease.rows)
            if not rest:
                break

        async def taken_again() -> bool:
            try:
                await some(store, 1)
            except StoreBusy:
                return False
            return True

        await eventually(taken_again, "there is room again")
        await store.check()
        assert all(counts.balanced for counts in await store.stats())

    async def test_a_full_disk_hands_out_fewer_rows_at_a_time(self, place: Place) -> None:
        """A lease makes rows longer, so a large one takes room that is not there."""
        store = await place.open()
        await put(store, *[entry(body=b"b" * 724) for _ in range(200)])

        def fill(db: apsw.Connection, now_ms: int) -> None:
            db.pragma("max_page_count", db.pragma("page_count") + 10)

        await store._writer.book(fill)
        sizes = []
        while lease := await take(store, limit=200):
            sizes.append(len(lease.rows))
            assert await store.settle(lease, delivered=ids(lease)) == len(lease.rows)
        assert sizes[0] < 200
        assert sum(sizes) == 200

    async def test_a_full_disk_that_takes_no_lease_at_all_says_so(self, place: Place) -> None:
        store = await place.open()
        await some(store, 1)
        asked: list[int] = []

        def full(db: apsw.Connection, now_ms: int) -> Lease:
            asked.append(now_ms)
            raise apsw.FullError("disk")

        with pytest.raises(StoreBusy, match="store_full"):
            await store._writer.book(full)
        assert len(asked) == 2  # the second time in an empty log

    async def test_a_check_writes_to_the_disk(self, tmp_path: Path) -> None:
        clock = Clock()
        store = await SqliteStore.open(str(tmp_path / "edge.db"), now_ms=clock)
        log = tmp_path / "edge.db-wal"
        await store.check()
        await store.sweep()
        assert log.stat().st_size == 0
        clock.pass_s(1)
        await store.check()
        assert log.stat().st_size > 0
        await store.close()

    async def test_a_store_that_is_full_is_not_ready(self, place: Place) -> None:
        store = await place.open(Wishes(max_bytes=1, reserve_bytes=0))
        with pytest.raises(StoreBusy, match="store_full"):
            await store.check()

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

    async def test_a_reader_that_does_not_end_is_told_of(self, place: Place) -> None:
        """Fault row 13: the log grows only while it reads."""
        store = await place.open()
        log = place.path.with_name("edge.db-wal")
        foreign = apsw.Connection(str(place.path))
        foreign.execute("BEGIN; SELECT count(*) FROM outbox").fetchall()
        for _ in range(5):
            await put(store, *[entry(body=b"b" * 1_000_000) for _ in range(15)])
        await store.sweep()
        assert [event for event, _ in place.said] == ["store_log_long"]
        foreign.execute("COMMIT")
        await store.sweep()
        assert log.stat().st_size == 0
        assert len(place.said) == 1
        foreign.close()

    async def test_what_was_sealed_is_on_no_page_after_it_was_settled(self, place: Place) -> None:
        """Neighbours on the same page stay; a sweep later nothing of the row is left."""
        secret = [b"sealed bytes number %d" % n for n in range(3)]
        store = await place.open()
        await put(store, *[entry(f"e{n}", sealed=one) for n, one in enumerate(secret)])
        await store.sweep()
        lease = await take(store)
        first, second, third = ids(lease)
        await store.settle(lease, delivered=[first], dead=[Dead(id=second, reason="rejected")])
        await store.sweep()
        written = b"".join(file.read_bytes() for file in copies(place.path))
        assert [one in written for one in secret] == [False, False, True]
        assert third

    async def test_nothing_but_the_store_is_left_after_closing(self, place: Place) -> None:
        store = await place.open()
        await some(store, 5)
        await store.stats()
        await store.close()
        names = ["edge.db", "edge.db.id", "edge.db.lock", "edge.db.lock.turn", "edge.db.open"]
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


def copies(path: Path) -> list[Path]:
    """The database and its log, copied by another process: closing ours would drop locks."""
    folder = path.parent / "copies"
    folder.mkdir()
    subprocess.run(f"cp {path} {path}-wal {folder}", shell=True, check=True)  # noqa: S602
    return list(folder.iterdir())


class Cost:
    """Counts what SQLite's machine does: the cost without the noise of a clock."""

    def __init__(self, folder: Path) -> None:
        self.files, self.db, self.reader = open_files(folder / "edge.db", now_ms=Clock())
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
        self.files.close()


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


@pytest.mark.slow
async def test_a_foreign_writer_is_waited_for_and_then_refused(place: Place) -> None:
    """Fault row 12: five seconds, then 503, and no more than that."""
    store = await place.open()
    await some(store, 1)
    other = apsw.Connection(str(place.path))
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy) as caught:
        await some(store, 1)
    assert caught.value.code == "store_locked"
    other.execute("ROLLBACK")
    other.close()
    await some(store, 1)
    assert not place.fatal


@pytest.mark.slow
async def test_operators_get_their_turn_beside_a_process_that_never_rests(place: Place) -> None:
    store = await place.open()
    await put(store, *[entry(f"d{n}", integration=APP) for n in range(20)])
    lease = await take(store, APP)
    await store.settle(lease, dead=[Dead(id=id_, reason="rejected") for id_ in ids(lease)])
    letters = [letter.id for letter in await store.dead_letters()]
    command = [sys.executable, "-m", "tests.contract.store_child", f"sqlite://{place.path}", "c"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as child:  # noqa: ASYNC220

        async def accepted() -> int:
            counts = {one.integration: one.accepted for one in await store.stats()}
            return counts.get(SHOP, 0)

        await eventually(accepted, "the other process writes")
        meanwhile = []
        for letter in letters:
            before = await accepted()
            assert await store.replay([letter]) == 1
            meanwhile.append(await accepted() - before)
        child.kill()
    assert sum(meanwhile) > 0
    assert sorted(meanwhile)[len(meanwhile) // 2] < 200  # of thousands a second


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

"""The writer's thread: what goes first, what fails alone, what stops everything."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from msgspec.structs import replace

from edgeproxy.errors import StoreBusy
from edgeproxy.store.base import Fate, Item
from edgeproxy.store.filelock import FileLock
from edgeproxy.store.space import Level
from edgeproxy.store.sqlite.file import connect
from edgeproxy.store.sqlite.queue import (
    GATHER_ROUNDS,
    GATHER_TICKETS,
    GROUP_ITEMS,
    QUEUE_BYTES,
    QUEUE_ITEMS,
    Queue,
    Ticket,
    Turn,
)
from edgeproxy.store.sqlite.writer import Writer
from tests.contract.fixed_room import FixedRoom
from tests.contract.store_world import START_MS, entry

DEADLINE_S = 20


def rows(db: apsw.Connection, now_ms: int) -> int:
    return int(db.execute("SELECT count(*) FROM outbox").get)


def item(size_bytes: int = 100) -> list[Item]:
    return [Item((entry(body=b"x" * size_bytes),))]


class Bench:
    """A writer on a file of its own, and a door that holds its thread back."""

    def __init__(self, folder: Path, lock_wait_s: float = 0.05) -> None:
        self.path = folder / "edge.db"
        self.path.touch()
        self.db = connect(self.path)
        self.commits = 0
        self.db.set_commit_hook(self.count_commit)
        self.room = FixedRoom()
        self.now_ms = START_MS
        self.fatal: list[BaseException] = []
        self.writer = Writer(
            self.db,
            FileLock(folder / "lock"),
            room=self.room,
            now_ms=lambda: self.now_ms,
            on_fatal=self.fatal.append,
            lock_wait_s=lock_wait_s,
        )
        self.reached = threading.Event()
        self.door = threading.Event()

    def count_commit(self) -> bool:
        self.commits += 1
        return False

    def wait(self, db: apsw.Connection, now_ms: int) -> None:
        self.reached.set()
        assert self.door.wait(DEADLINE_S)

    async def hold(self) -> asyncio.Future[None]:
        """Hold the thread inside a transaction, until the door is opened."""
        held = self.writer.book(self.wait)
        assert await asyncio.to_thread(self.reached.wait, DEADLINE_S)
        return held


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.door.set()
    await made.writer.close()


async def refused(future: asyncio.Future[Any]) -> StoreBusy:
    with pytest.raises(StoreBusy) as caught:
        await future
    return caught.value


class TestTurns:
    async def test_bookkeeping_goes_before_appends_that_waited_longer(self, bench: Bench) -> None:
        held = await bench.hold()
        appended = bench.writer.append(item())
        before = bench.writer.book(rows)
        in_order = bench.writer.book(rows, Turn.ORDERED)
        after = bench.writer.book(rows, Turn.AFTER)
        bench.door.set()
        await held
        assert await appended == [(Fate.ACCEPTED,)]
        assert (await before, await in_order, await after) == (0, 1, 1)

    async def test_what_waits_together_is_one_commit_up_to_a_limit(self, bench: Bench) -> None:
        held = await bench.hold()
        waiting = [bench.writer.append(item()) for _ in range(GROUP_ITEMS + 1)]
        before = bench.commits
        bench.door.set()
        await held
        await asyncio.gather(*waiting)
        assert bench.commits - before == 3  # the one that was held, a full group, and the rest

    async def test_callers_that_come_turn_after_turn_share_a_commit(self, bench: Bench) -> None:
        """A busy loop's callers are gathered until a turn brings nobody new."""

        async def come(turn: int) -> None:
            for _ in range(turn):
                await asyncio.sleep(0)
            await bench.writer.append(item())

        await asyncio.gather(*(come(turn) for turn in range(GATHER_ROUNDS - 1)))
        assert bench.commits == 1

    async def test_nobody_is_made_to_wait_for_an_endless_stream(self) -> None:
        """Somebody new comes at every turn; the first go all the same, after so many turns."""
        loop = asyncio.get_running_loop()
        groups: list[list[Ticket]] = []
        queue = Queue(loop, groups.append)
        for _ in range(GATHER_ROUNDS + 2):
            assert queue.put(Ticket(lambda *_: None, None, items=item()))
            await asyncio.sleep(0)
        assert [len(group) for group in groups] == [GATHER_ROUNDS + 1]

    async def test_a_crowd_goes_at_once_and_what_comes_meanwhile_goes_when_that_is_done(
        self,
    ) -> None:
        """No turn of the loop passes: it can prepare others while the first are synced."""
        groups: list[list[Ticket]] = []
        queue = Queue(asyncio.get_running_loop(), groups.append)
        for _ in range(2 * GATHER_TICKETS + 1):
            assert queue.put(Ticket(lambda *_: None, None, items=item()))
        assert [len(group) for group in groups] == [GATHER_TICKETS]
        queue.done(groups[0])
        assert [len(group) for group in groups] == [GATHER_TICKETS, GATHER_TICKETS + 1]

    async def test_a_look_around_that_comes_late_hands_over_nothing_twice(self) -> None:
        """The first ticket has asked for one; by then a crowd came and went to the writer."""
        groups: list[list[Ticket]] = []
        queue = Queue(asyncio.get_running_loop(), groups.append)
        for _ in range(GATHER_TICKETS + 1):
            assert queue.put(Ticket(lambda *_: None, None, items=item()))
        for _ in range(GATHER_ROUNDS + 2):
            await asyncio.sleep(0)
        assert [len(group) for group in groups] == [GATHER_TICKETS]
        assert len(queue) == 1

    async def test_after_means_outside_the_transaction(self, bench: Bench) -> None:
        def transaction(db: apsw.Connection, now_ms: int) -> bool:
            return db.in_transaction

        assert await bench.writer.book(transaction)
        assert not await bench.writer.book(transaction, Turn.AFTER)


class TestBounds:
    async def test_so_many_items_may_wait(self, bench: Bench) -> None:
        held = await bench.hold()
        waiting = [bench.writer.append(item() * 512) for _ in range(QUEUE_ITEMS // 512)]
        with pytest.raises(StoreBusy) as caught:
            bench.writer.append(item())
        assert caught.value.code == "store_busy"
        bench.door.set()
        await held
        await asyncio.gather(*waiting)
        assert await bench.writer.append(item()) == [(Fate.ACCEPTED,)]

    async def test_so_many_bytes_may_wait(self, bench: Bench) -> None:
        held = await bench.hold()
        half = item(QUEUE_BYTES // 2 - 1000)
        waiting = [bench.writer.append(half), bench.writer.append(half)]
        with pytest.raises(StoreBusy):
            bench.writer.append(item(2000))
        bench.door.set()
        await held
        await asyncio.gather(*waiting)
        assert await bench.writer.append(item(2000)) == [(Fate.ACCEPTED,)]

    async def test_an_empty_queue_takes_any_one_call(self, bench: Bench) -> None:
        fates = await bench.writer.append([Item((entry(),)) for _ in range(QUEUE_ITEMS + 1)])
        assert fates == [(Fate.ACCEPTED,)] * (QUEUE_ITEMS + 1)

    async def test_bookkeeping_is_never_refused(self, bench: Bench) -> None:
        held = await bench.hold()
        full = bench.writer.append(item(QUEUE_BYTES + 1))
        booked = bench.writer.book(rows, Turn.ORDERED)
        bench.door.set()
        await held
        assert await full == [(Fate.ACCEPTED,)]
        assert await booked == 1

    async def test_the_waits_that_are_asked_for_are_spread(self, bench: Bench) -> None:
        held = await bench.hold()
        full = bench.writer.append(item() * QUEUE_ITEMS)
        waits = set()
        for _ in range(50):
            bench.now_ms += 7
            with pytest.raises(StoreBusy) as caught:
                bench.writer.append(item())
            waits.add(caught.value.retry_after_s)
        assert waits == set(range(2, 11))
        bench.door.set()
        await held
        await full

    async def test_100_000_events_behind_a_writer_that_stands_still(self, bench: Bench) -> None:
        """Fault row 21: what is refused was not kept, what was not refused is."""
        held = await bench.hold()
        waiting, refusals = [], []
        for _ in range(2000):
            try:
                waiting.append(bench.writer.append(item() * 50))
            except StoreBusy as error:
                refusals.append(error.retry_after_s)
        assert len(waiting) == QUEUE_ITEMS // 50
        assert len(refusals) == 2000 - len(waiting)
        assert set(refusals) <= set(range(2, 11))
        bench.door.set()
        await held
        await asyncio.gather(*waiting)


class TestFaultOfOne:
    async def test_a_ticket_at_fault_fails_alone(self, bench: Bench) -> None:
        def bad(db: apsw.Connection, now_ms: int) -> None:
            db.execute("DELETE FROM outbox")
            raise ValueError("my own fault")

        held = await bench.hold()
        first, second = bench.writer.append(item()), bench.writer.append(item())
        wrong = bench.writer.book(bad, Turn.ORDERED)
        count = bench.writer.book(rows, Turn.ORDERED)
        bench.door.set()
        await held
        assert await first == await second == [(Fate.ACCEPTED,)]
        with pytest.raises(ValueError, match="my own fault"):
            await wrong
        assert await count == 2
        assert not bench.fatal

    async def test_a_refusal_of_one_is_no_fault(self, bench: Bench) -> None:
        def refuse(db: apsw.Connection, now_ms: int) -> None:
            raise StoreBusy("store_full", "no")

        held = await bench.hold()
        appended, no = bench.writer.append(item()), bench.writer.book(refuse)
        before = bench.commits
        bench.door.set()
        await held
        assert (await refused(no)).code == "store_full"
        assert await appended == [(Fate.ACCEPTED,)]
        assert bench.commits - before == 2

    async def test_a_refusal_that_is_over_when_a_fault_is_looked_for_is_forgotten(
        self, bench: Bench
    ) -> None:
        calls = []

        def refuse_once(db: apsw.Connection, now_ms: int) -> str:
            calls.append(1)
            if len(calls) == 1:
                raise StoreBusy("store_full", "no")
            return "yes"

        def bad(db: apsw.Connection, now_ms: int) -> None:
            raise ValueError("my own fault")

        held = await bench.hold()
        answer, wrong = bench.writer.book(refuse_once), bench.writer.book(bad)
        bench.door.set()
        await held
        assert await answer == "yes"
        with pytest.raises(ValueError, match="my own fault"):
            await wrong

    async def test_a_caller_that_left_is_no_fault(self, bench: Bench) -> None:
        held = await bench.hold()
        left, stayed = bench.writer.append(item()), bench.writer.append(item())
        left.cancel()
        bench.door.set()
        await held
        assert await stayed == [(Fate.ACCEPTED,)]
        assert await bench.writer.book(rows) == 2

    async def test_an_error_inside_the_slow_path_that_means_busy_refuses_all(
        self, bench: Bench
    ) -> None:
        calls = []

        def bad(db: apsw.Connection, now_ms: int) -> None:
            calls.append(1)
            raise ValueError if len(calls) == 1 else apsw.BusyError("by then")

        held = await bench.hold()
        appended, wrong = bench.writer.append(item()), bench.writer.book(bad)
        bench.door.set()
        await held
        assert (await refused(appended)).code == (await refused(wrong)).code == "store_locked"
        assert await bench.writer.book(rows) == 0


class TestAnotherTime:
    async def test_another_process_holds_the_lock(self, bench: Bench, tmp_path: Path) -> None:
        other = FileLock(tmp_path / "lock")
        other.acquire(0)
        assert (await refused(bench.writer.append(item()))).code == "store_locked"
        other.close()
        assert await bench.writer.append(item()) == [(Fate.ACCEPTED,)]

    async def test_a_foreign_program_writes(self, bench: Bench) -> None:
        await bench.writer.book(lambda db, _: db.set_busy_timeout(20), Turn.AFTER)
        foreign = apsw.Connection(str(bench.path))
        foreign.execute("BEGIN IMMEDIATE")
        error = await refused(bench.writer.append(item()))
        assert (error.code, error.status) == ("store_locked", 503)
        foreign.execute("ROLLBACK")
        assert await bench.writer.append(item()) == [(Fate.ACCEPTED,)]
        foreign.close()

    async def test_who_waited_in_vain_waits_less_until_it_works(self, tmp_path: Path) -> None:
        """A queue of groups, or an end, must not take five seconds for each of them."""
        bench = Bench(tmp_path, lock_wait_s=5.0)
        await bench.writer.book(lambda db, _: db.set_busy_timeout(20), Turn.AFTER)
        foreign = apsw.Connection(str(bench.path))
        foreign.execute("BEGIN IMMEDIATE")
        waits = []
        for _ in range(2):
            assert (await refused(bench.writer.append(item()))).code == "store_locked"
            waits.append(bench.db.pragma("busy_timeout"))
        foreign.close()
        assert await bench.writer.append(item()) == [(Fate.ACCEPTED,)]
        assert [*waits, bench.db.pragma("busy_timeout")] == [500, 500, 5000]
        await bench.writer.close()

    async def test_the_disk_is_full(self, bench: Bench) -> None:
        await bench.writer.book(lambda db, _: db.pragma("max_page_count", 40), Turn.AFTER)
        big = item(200_000)
        assert (await refused(bench.writer.append(big))).code == "store_full"
        assert await bench.writer.book(rows) == 0
        await bench.writer.book(lambda db, _: db.pragma("max_page_count", 4000), Turn.AFTER)
        assert await bench.writer.append(big) == [(Fate.ACCEPTED,)]

    async def test_the_disk_is_full_while_a_fault_is_looked_for(self, bench: Bench) -> None:
        def bad(db: apsw.Connection, now_ms: int) -> None:
            raise ValueError("my own fault")

        await bench.writer.book(lambda db, _: db.pragma("max_page_count", 40), Turn.AFTER)
        held = await bench.hold()
        wrong, big = bench.writer.book(bad), bench.writer.append(item(200_000))
        bench.door.set()
        await held
        with pytest.raises(ValueError, match="my own fault"):
            await wrong
        assert (await refused(big)).code == "store_full"
        assert await bench.writer.book(rows) == 0

    async def test_no_room_refuses_events_and_not_bookkeeping(self, bench: Bench) -> None:
        bench.room.now = Level.FULL
        held = await bench.hold()
        appended, booked = bench.writer.append(item()), bench.writer.book(rows)
        bench.door.set()
        await held
        error = await refused(appended)
        assert error.code == "store_full"
        assert 30 <= (error.retry_after_s or 0) <= 120
        assert await booked == 0
        bench.room.now = Level.PLENTY
        assert await bench.writer.append(item()) == [(Fate.ACCEPTED,)]

    async def test_what_makes_room_is_done_when_the_events_beside_it_do_not_fit(
        self, bench: Bench
    ) -> None:
        """Fault row 7."""
        await bench.writer.append(item())
        await bench.writer.book(lambda db, _: db.pragma("max_page_count", 40), Turn.AFTER)
        held = await bench.hold()
        big = bench.writer.append(item(200_000))
        settled = bench.writer.book(lambda db, _: db.execute("DELETE FROM outbox").fetchall())
        bench.door.set()
        await held
        error = await refused(big)
        assert error.code == "store_full"
        assert 30 <= (error.retry_after_s or 0) <= 120
        assert await settled == []
        assert await bench.writer.book(rows) == 0

    async def test_events_that_leave_too_little_for_bookkeeping_are_taken_back(
        self, bench: Bench
    ) -> None:
        bench.room.over = True
        held = await bench.hold()
        appended, booked = bench.writer.append(item()), bench.writer.book(rows)
        bench.door.set()
        await held
        assert (await refused(appended)).code == "store_full"
        assert await booked == 0
        assert await bench.writer.book(rows) == 0

    async def test_views_are_refused_before_the_rest(self, bench: Bench) -> None:
        bench.room.now = Level.SCARCE
        held = await bench.hold()
        view = bench.writer.append([Item((entry(),))])
        both = bench.writer.append([Item((entry(),)), Item((replace(entry(), name="PURCHASE"),))])
        bench.door.set()
        await held
        assert (await refused(view)).code == "store_full"
        assert await both == [(Fate.ACCEPTED,), (Fate.ACCEPTED,)]
        assert await bench.writer.book(rows) == 2

    async def test_busy_after_the_commit_takes_nothing_back(self, bench: Bench) -> None:
        def busy(db: apsw.Connection, now_ms: int) -> None:
            raise apsw.BusyError("a reader")

        held = await bench.hold()
        appended, after = bench.writer.append(item()), bench.writer.book(busy, Turn.AFTER)
        bench.door.set()
        await held
        assert await appended == [(Fate.ACCEPTED,)]
        assert (await refused(after)).code == "store_locked"


class TestTheEnd:
    async def test_nobody_is_answered_before_the_commit(self, bench: Bench) -> None:
        """Fault row 5: the commit takes its time, and then fails."""

        def fail_at_last() -> bool:
            bench.reached.set()
            assert bench.door.wait(DEADLINE_S)
            return True

        bench.db.set_commit_hook(fail_at_last)
        appended = bench.writer.append(item())
        assert await asyncio.to_thread(bench.reached.wait, DEADLINE_S)
        assert not appended.done()
        bench.door.set()
        assert (await refused(appended)).code == "store_failed"
        await bench.writer.close()
        assert rows(connect(bench.path), 0) == 0

    async def test_a_file_that_cannot_be_trusted_stops_everything(self, bench: Bench) -> None:
        def fail(db: apsw.Connection, now_ms: int) -> None:
            raise apsw.IOError("sync")

        held = await bench.hold()
        bad, same_group = bench.writer.book(fail), bench.writer.append(item())
        rest = bench.writer.append(item() * GROUP_ITEMS)
        next_group = bench.writer.append(item())
        bench.door.set()
        await held
        for future in (bad, same_group, rest, next_group):
            assert (await refused(future)).code == "store_failed"
        assert [str(error) for error in bench.fatal] == ["sync"]
        with pytest.raises(StoreBusy, match="store_failed"):
            bench.writer.append(item())
        with pytest.raises(StoreBusy, match="store_failed"):
            bench.writer.book(rows)

    async def test_without_anybody_to_tell_it_stops_too(self, tmp_path: Path) -> None:
        (tmp_path / "edge.db").touch()
        writer = Writer(
            connect(tmp_path / "edge.db"),
            FileLock(tmp_path / "lock"),
            room=FixedRoom(),
            now_ms=lambda: START_MS,
            on_fatal=None,
        )

        def fail(db: apsw.Connection, now_ms: int) -> None:
            raise apsw.CorruptError("page 7")

        assert (await refused(writer.book(fail))).code == "store_failed"
        await writer.close()

    async def test_it_closes_while_another_process_holds_the_lock(
        self, bench: Bench, tmp_path: Path
    ) -> None:
        await bench.writer.append(item())
        other = FileLock(tmp_path / "lock")
        other.acquire(0)
        await bench.writer.close()
        other.close()
        assert rows(connect(bench.path), 0) == 1

    def test_a_loop_that_ended_without_closing_hears_nothing(self, tmp_path: Path) -> None:
        """What the writer already has is committed; nobody is there to be told."""

        async def leave() -> Bench:
            bench = Bench(tmp_path)
            bench.writer.append(item())
            await bench.hold()
            return bench

        bench = asyncio.run(leave())
        bench.door.set()
        other = connect(bench.path)
        for _ in range(DEADLINE_S * 100):
            if rows(other, 0):
                break
            threading.Event().wait(0.01)
        assert rows(other, 0) == 1

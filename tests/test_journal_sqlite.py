"""The SQLite journal against what files do: events go on, and the journal mends itself."""

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import msgspec
import pytest

from edgeproxy.errors import StoreBusy
from edgeproxy.journal import open_journal
from edgeproxy.journal.base import Filter, Journal
from edgeproxy.journal.bounds import MIB, Bounds
from edgeproxy.journal.sqlite.file import VERSION
from edgeproxy.journal.sqlite.journal import SqliteJournal
from tests.fakes import KeptLog
from tests.steps import START_MS, VISITOR, came, dropped, went

ROOMY = Bounds(reserve_bytes=0)
COUNTS = {("in", "shop", "accepted", ""): 1}


class Bench:
    """A folder with a journal in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "edge.db.journal"
        self.log = KeptLog()
        self.opened: list[SqliteJournal] = []

    def open(self, bounds: Bounds = ROOMY, *, rest_s: float = 0) -> SqliteJournal:
        made = SqliteJournal(
            self.path, now_ms=lambda: START_MS, bounds=bounds, say=self.log, rest_s=rest_s
        )
        self.opened.append(made)
        return made

    @property
    def said(self) -> list[str]:
        return [event for _, event, _ in self.log.lines]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    for journal in made.opened:
        await journal.close()


async def ids(journal: Journal) -> list[str]:
    return [trace.event_id for trace in await journal.traces(Filter())]


def modes(folder: Path) -> dict[str, int]:
    return {one.name: one.stat().st_mode & 0o777 for one in folder.iterdir()}


async def write(journal: Journal, id_: str) -> bool:
    return await journal.write(came(id_), COUNTS, START_MS)


async def test_the_journal_lies_beside_the_database_and_is_private(tmp_path: Path) -> None:
    journal = open_journal(f"sqlite://{tmp_path}/edge.db", now_ms=lambda: START_MS, bounds=ROOMY)
    assert modes(tmp_path) == {}  # nothing is opened before it is used
    assert await write(journal, "e1")
    name = "edge.db.journal"
    assert modes(tmp_path) == {name: 0o600, f"{name}-wal": 0o600, f"{name}-shm": 0o600}
    await journal.close()
    assert modes(tmp_path) == {name: 0o600}


async def test_who_reads_before_the_first_write_finds_nothing_yet(bench: Bench) -> None:
    assert await ids(bench.open()) == []
    assert modes(bench.folder)["edge.db.journal"] == 0o600


async def test_a_journal_that_is_being_made_is_waited_for(bench: Bench) -> None:
    bench.path.touch(0o600)  # what another process has made of it so far
    assert await ids(bench.open()) == []
    assert bench.said == []


async def test_a_journal_that_cannot_be_made_is_said_to_whoever_reads(bench: Bench) -> None:
    bench.path.mkdir()
    with pytest.raises(StoreBusy, match="journal_off"):
        await ids(bench.open())


@pytest.mark.parametrize("damage", [b"no database at all", b"SQLite format 3\0" + b"\xff" * 9000])
async def test_a_damaged_journal_is_begun_anew(bench: Bench, damage: bytes) -> None:
    bench.path.write_bytes(damage)
    journal = bench.open()
    assert not await write(journal, "e1")
    assert await write(journal, "e2")
    assert await ids(journal) == ["e2"]
    assert bench.said == ["journal_begun_anew"]
    assert [one for one in bench.folder.iterdir() if "damaged" in one.name] == []


async def test_damage_that_is_met_later_is_no_worse(bench: Bench) -> None:
    journal, other = bench.open(), bench.open()
    for n in range(20):
        assert await journal.write(came(f"e{n}") * 20, COUNTS, START_MS)
    await journal.sweep(START_MS)
    assert len(await ids(other)) == 50
    with bench.path.open("r+b") as file:
        file.seek(8192)
        file.write(os.urandom(bench.path.stat().st_size - 8192))
    for one, id_ in ((journal, "lost, perhaps"), (other, "kept"), (journal, "last")):
        while not await write(one, id_):  # each notices when the file is another one
            pass
    assert (await ids(journal))[:2] == (await ids(other))[:2] == ["last", "kept"]
    assert bench.said == ["journal_begun_anew"]


async def test_a_visitor_is_not_left_behind_in_a_damaged_journal(bench: Bench) -> None:
    bench.path.write_bytes(b"damaged, but it names " + VISITOR.encode())
    journal = bench.open()
    assert await journal.forget(bytes.fromhex(VISITOR)) == 0
    assert not bench.path.exists()


async def test_an_older_journal_is_begun_anew_and_a_newer_one_is_left_alone(bench: Bench) -> None:
    first = bench.open()
    assert await write(first, "e1")
    await first.close()

    def set_version(number: int) -> None:
        db = apsw.Connection(str(bench.path))
        db.pragma("user_version", number)
        db.close()

    set_version(VERSION + 1)
    held = bench.open()
    assert not await write(held, "e2")
    await held.sweep(START_MS)
    with pytest.raises(StoreBusy):
        await ids(held)
    with pytest.raises(StoreBusy):
        await held.forget(b"v" * 16)
    [said] = bench.log.named("journal_off")
    assert said["reason"] == "it was made by a later version of this program"
    set_version(VERSION - 2)
    assert not await write(held, "e3")
    assert await write(held, "e4")
    assert await ids(held) == ["e4"]


async def test_a_journal_that_cannot_be_written_is_off_until_it_can(bench: Bench) -> None:
    bench.path.mkdir()
    journal = bench.open()
    for id_ in ("e1", "e2"):
        assert not await write(journal, id_)
    await journal.sweep(START_MS)
    with pytest.raises(StoreBusy):
        await ids(journal)
    with pytest.raises(StoreBusy):
        await journal.forget(b"v" * 16)
    assert bench.said == ["journal_off"]
    bench.path.rmdir()
    assert await write(journal, "e3")
    assert bench.said == ["journal_off", "journal_on"]
    assert await ids(journal) == ["e3"]


async def test_after_a_failure_the_disk_is_left_alone_for_a_while(bench: Bench) -> None:
    bench.path.mkdir()
    journal = bench.open(rest_s=3600)
    assert not await write(journal, "e1")
    bench.path.rmdir()
    assert not await write(journal, "e2")
    assert not bench.path.exists()


async def test_a_journal_that_was_deleted_is_made_again(bench: Bench) -> None:
    journal = bench.open()
    assert await write(journal, "e1")
    for file in bench.folder.iterdir():
        file.unlink()
    assert await write(journal, "e2")
    assert await ids(journal) == ["e2"]


async def test_with_little_room_left_nothing_is_written_and_the_file_gets_shorter(
    bench: Bench,
) -> None:
    journal = bench.open()
    filler = "x" * 2000
    for n in range(3):
        await journal.write([one for _ in range(2000) for one in dropped("", more=filler)], {}, n)
    await journal.sweep(START_MS)
    long_bytes = bench.path.stat().st_size
    short = bench.open(msgspec.structs.replace(ROOMY, reserve_bytes=1 << 60))
    for id_ in ("e1", "e2"):
        assert not await write(short, id_)
    assert bench.said == ["journal_off"]
    await short.sweep(START_MS)
    await journal.close()
    assert bench.path.stat().st_size < 0.8 * long_bytes
    for _ in range(3):
        await short.sweep(START_MS)
    assert bench.path.stat().st_size < MIB


async def test_a_full_disk_costs_traces_and_nothing_else(bench: Bench) -> None:
    journal = bench.open()
    assert await write(journal, "e1")
    # Another connection cannot limit this one, so the file is as large as it may be by itself.
    db = await journal._in(journal._writers, journal._file.use)
    await journal._in(journal._writers, lambda: db.pragma("max_page_count", 1))
    filler = "x" * 2000
    many = [one for _ in range(2000) for one in dropped("", more=filler)]
    assert not await journal.write(many, {}, START_MS)
    [said] = bench.log.named("journal_off")
    assert "full" in str(said["reason"])
    assert await write(journal, "e2")
    assert await ids(journal) == ["e2", "e1"]


async def test_another_process_that_writes_for_long_costs_one_time(bench: Bench) -> None:
    journal = bench.open()
    assert await write(journal, "e1")
    db = apsw.Connection(str(bench.path))
    db.execute("BEGIN IMMEDIATE")
    assert not await write(journal, "e2")
    db.execute("ROLLBACK")
    db.close()
    assert await write(journal, "e3")
    assert bench.said == []


async def test_processes_share_one_file(bench: Bench) -> None:
    script = """
import asyncio, sys
from edgeproxy.journal import open_journal
from tests.steps import START_MS, came, went

async def main(number):
    journal = open_journal(f"sqlite://{sys.argv[1]}/edge.db", now_ms=lambda: START_MS)
    for n in range(30):
        id_ = f"{number}-e{n}"
        for steps in (came(id_), went(id_)):
            while not await journal.write(steps, {("in", "shop", "accepted", ""): 1}, START_MS):
                pass
    await journal.close()

asyncio.run(main(sys.argv[2]))
"""
    several = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, str(bench.folder), str(number)
        )
        for number in range(3)
    ]
    async with asyncio.timeout(60):
        assert [await one.wait() for one in several] == [0, 0, 0]
    journal = bench.open()
    found = await journal.traces(Filter(outcome="delivered"), limit=1000)
    assert len({trace.event_id for trace in found}) == len(found) == 90
    assert await journal.totals() == {("in", "shop", "accepted", ""): 180}


async def test_nothing_of_an_erased_visitor_stays_in_the_files(bench: Bench) -> None:
    journal = bench.open()
    steps = [*came("secret-id-of-mine"), *went("secret-id-of-mine")]
    assert await journal.write(steps, {}, START_MS)
    await journal.forget(bytes.fromhex(VISITOR))
    left = b"".join(one.read_bytes() for one in bench.folder.iterdir())
    assert b"secret-id-of-mine" not in left


async def test_the_work_is_done_in_threads_of_its_own(bench: Bench) -> None:
    journal = bench.open()
    await write(journal, "e1")
    await ids(journal)
    names = {thread.name.partition("_")[0] for thread in threading.enumerate()}
    assert names >= {"journal-writer", "journal-reader"}
    await journal.close()
    assert not [one for one in threading.enumerate() if one.name.startswith("journal-")]

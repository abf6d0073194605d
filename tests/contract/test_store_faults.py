"""What a SQLite store does when the disk refuses, and when it is ended at any point of its life."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from edgeproxy.errors import StoreBusy
from edgeproxy.store.base import Fate, Item
from edgeproxy.store.filelock import FileLock
from edgeproxy.store.sqlite.file import WRITER_PRAGMAS, connect, set_pragmas, upgrade
from edgeproxy.store.sqlite.writer import Writer
from tests.contract.faulty_disk import FaultyDisk
from tests.contract.fixed_room import FixedRoom
from tests.contract.store_world import START_MS, entry
from tests.fakes import eventually

NEW = [(Fate.ACCEPTED,)]


class Bench:
    """A writer on a disk that can refuse."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "edge.db"
        self.path.touch()
        self.disk = FaultyDisk(f"faulty-{folder}")
        self.fatal: list[BaseException] = []
        self.set_aside: list[str] = []
        db = apsw.Connection(str(self.path), vfs=f"faulty-{folder}")
        set_pragmas(db, WRITER_PRAGMAS)
        upgrade(db)
        self.writer = Writer(
            db,
            FileLock(folder / "lock"),
            room=FixedRoom(),
            now_ms=lambda: START_MS,
            on_fatal=self.fatal.append,
            set_aside=lambda: self.set_aside.append("aside"),
        )

    async def put(self, name: str) -> list[tuple[Fate, ...]]:
        return await self.writer.append([Item((entry(name),))])

    async def refused(self, name: str) -> str:
        with pytest.raises(StoreBusy) as caught:
            await self.put(name)
        return caught.value.code

    def left(self) -> list[bytes]:
        """The events that a store finds that opens the file now."""
        db = connect(self.path)
        found = [body for (body,) in db.execute("SELECT body FROM outbox ORDER BY id")]
        assert db.pragma("quick_check") == "ok"
        db.close()
        return found


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.disk.fault = None
    await made.writer.close()
    made.disk.unregister()


@pytest.mark.parametrize("at", ["sync", "write"])
async def test_an_io_error_ends_the_store_with_nothing_acknowledged(bench: Bench, at: str) -> None:
    """Fault row 8."""
    assert await bench.put("before") == NEW
    bench.disk.at = at
    bench.disk.fault = lambda: apsw.IOError("EIO")
    assert await bench.refused("during") == "store_failed"
    met = bench.disk.met
    await eventually(lambda: bench.fatal, "the process is told")
    assert await bench.refused("after") == "store_failed"
    await bench.writer.close()
    assert bench.disk.met == met  # what could not be synced was not tried again
    assert bench.set_aside == []  # and nothing is wrong with what is in the file
    left = bench.left()
    assert entry("before").body in left
    assert entry("after").body not in left


async def test_a_full_disk_refuses_and_recovers_by_itself(bench: Bench) -> None:
    """Fault row 6."""
    assert await bench.put("before") == NEW
    bench.disk.fault = lambda: apsw.FullError("ENOSPC")
    assert await bench.refused("during") == "store_full"
    bench.disk.fault = None
    assert await bench.put("after") == NEW
    assert not bench.fatal
    assert bench.left() == [entry("before").body, entry("after").body]


async def test_a_damaged_file_is_set_aside_when_nobody_writes_any_more(bench: Bench) -> None:
    """Fault row 10."""
    bench.disk.fault = lambda: apsw.CorruptError("page 7")
    assert await bench.refused("during") == "store_failed"
    await bench.writer.close()
    assert bench.set_aside == ["aside"]


LEAST = {"statements": 40, "disk": 25}
EVERYTHING = {"open", "append", "claim", "settle", "replay", "discard", "forget", "sweep", "close"}


@pytest.mark.slow
@pytest.mark.parametrize(("how", "stride"), [("statements", 4), ("disk", 7)])
def test_a_store_that_ends_at_any_point_keeps_its_promises(
    tmp_path: Path, how: str, stride: int
) -> None:
    """Fault row 3: inside appends, checkpoints, sweeps, the making of the schema."""
    command = [sys.executable, "-m", "tests.contract.kill_points", str(tmp_path), how, str(stride)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    points = json.loads(done.stdout)
    assert len(points) >= LEAST[how]
    reached = {name.partition(":")[0] for name in points.values()}
    assert len(EVERYTHING & reached) >= 6, reached

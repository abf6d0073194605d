"""Nothing that was acknowledged is lost: not by kill -9, and not by a power cut."""

import os
import signal
import subprocess
import sys
from hashlib import blake2b
from pathlib import Path

import apsw
import pytest

from edgeproxy.store import STORES
from edgeproxy.store.base import Item
from edgeproxy.store.filelock import FileLock
from edgeproxy.store.sqlite.file import WRITER_PRAGMAS, set_pragmas, upgrade
from edgeproxy.store.sqlite.writer import Writer
from tests.contract.fixed_room import FixedRoom
from tests.contract.power_cut import Disk
from tests.contract.store_world import OLD, START_MS, World, entry, put, take

ROUNDS = 6


def append_and_die(url: str, prefix: str, after: int) -> list[str]:
    """Let a process append, kill it once so many are acknowledged; return all that were."""
    command = [sys.executable, "-m", "tests.contract.store_child", url, prefix]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        acknowledged = [child.stdout.readline() for _ in range(after)]
        os.kill(child.pid, signal.SIGKILL)
        acknowledged += child.stdout.readlines()
    assert child.returncode == -signal.SIGKILL
    return [line.strip() for line in acknowledged]


@pytest.mark.parametrize("engine", sorted(STORES))
async def test_kill_9_loses_nothing_acknowledged(engine: str, tmp_path: Path) -> None:
    world = World(engine, tmp_path)
    names: list[str] = []
    for number in range(ROUNDS):
        names += append_and_die(world.url, f"r{number}-", after=20 + 83 * number)
        store = await world.open()
        counts = await world.counts()
        assert counts.accepted == counts.pending >= len(names)
        await world.close()

    store = await world.open()
    assert await put(store, *[entry(name) for name in names]) == len(names) * [OLD]
    found: set[bytes] = set()
    while lease := await take(store, limit=5000):
        found |= {row.body for row in lease.rows}
    assert {entry(name).body for name in names} <= found
    await world.close()
    world.end()


class Cuts:
    """Cuts the power at every so-manieth step of a disk and looks what is left."""

    def __init__(self, disk: Disk, folder: Path, seed: int) -> None:
        self.disk = disk
        self.folder = folder
        self.seed = seed
        self.acknowledged: list[bytes] = []
        self.steps = self.made = self.missing = 0

    def step(self) -> None:
        self.steps += 1
        if self.steps % 17 == self.seed % 17:
            self.made += 1
            self.missing += len(set(self.acknowledged) - self.left())

    def left(self) -> set[bytes]:
        self.disk.save(self.folder, self.survives)
        db = apsw.Connection(str(self.folder / "edge.db"))
        try:
            db.pragma("synchronous", "off")
            assert db.pragma("quick_check") == "ok"
            if not db.table_exists(None, "outbox"):  # even the schema is lost
                return set()
            return {body for (body,) in db.execute("SELECT body FROM outbox")}
        finally:
            db.close()
            for file in self.folder.iterdir():
                file.unlink()

    def survives(self, number: int) -> bool:
        """Every second cut takes all unsynced writes, the others each one by chance."""
        chance = blake2b(f"{self.seed} {self.steps} {number}".encode(), digest_size=1).digest()
        return self.made % 2 == 0 and chance[0] < 128


async def cut_often(tmp_path: Path, seed: int, synchronous: str) -> Cuts:
    """Append through the store's own writer on such a disk; return what the cuts cost."""
    name = f"cut-{synchronous}-{seed}"
    disk = Disk(name)
    db = apsw.Connection("/edge.db", vfs=name)
    level = {"full": 2, "normal": 1}[synchronous]
    # Such a VFS has no shared memory, and so no memory map: one connection must be enough.
    ours = [pragma for pragma in WRITER_PRAGMAS if pragma[0] != "mmap_size"]
    set_pragmas(db, [("locking_mode", "exclusive", "exclusive"), *ours])
    set_pragmas(db, [("synchronous", synchronous, level)])
    upgrade(db)
    writer = Writer(
        db,
        FileLock(tmp_path / f"{name}.lock"),
        room=FixedRoom(),
        now_ms=lambda: START_MS,
        on_fatal=None,
    )
    folder = tmp_path / name
    folder.mkdir()
    cuts = Cuts(disk, folder, seed)
    disk.on_step = cuts.step
    for group in range(120):
        made = [entry(f"{group}-{n}", visitor=os.urandom(16)) for n in range(12)]
        await writer.append([Item((one,)) for one in made])
        cuts.acknowledged += [one.body for one in made]
    disk.on_step = lambda: None
    await writer.close()
    disk.unregister()
    return cuts


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_power_cut_loses_nothing_acknowledged(tmp_path: Path, seed: int) -> None:
    cuts = await cut_often(tmp_path, seed, "full")
    assert cuts.made > 100
    assert cuts.missing == 0


async def test_these_cuts_would_notice_a_commit_that_is_not_synced(tmp_path: Path) -> None:
    cuts = await cut_often(tmp_path, 1, "normal")
    assert cuts.missing > 100

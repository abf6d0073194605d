"""One life of a SQLite store, ended at every so-manieth statement or disk operation of it.

Each life runs in a process of its own, which ends itself on the spot (`os._exit`), inside whatever
it was doing: making the schema, an append, a sweep, a checkpoint. Then the store is opened again,
everything that was acknowledged must be there, and another life must go through.

Usage: python -m tests.contract.kill_points FOLDER statements|disk STRIDE
Prints one JSON object: point → what it was, for the points at which a life ended.
"""

import asyncio
import json
import os
import sys
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path
from typing import Any

import apsw

from edgeproxy.store.base import SEEN_S, Binding, Dead, Gate, Item, Retry
from edgeproxy.store.sqlite.file import connect
from edgeproxy.store.sqlite.store import SqliteStore
from tests.contract.store_world import APP, SHOP, START_MS, VISITOR, Clock, entry, ids, key, take

KILLED = 9
WRONG = 3


class Point:
    """Counts what happens, and ends the process when it is the turn of the point."""

    def __init__(self, at: int, names: int) -> None:
        self.at = at
        self.reached = 0
        self.names = names
        self.doing = "open"

    def pass_by(self, what: str) -> None:
        self.reached += 1
        if self.reached == self.at:
            os.write(self.names, f"{self.doing}: {what}".encode())
            os._exit(KILLED)


def stop_at_statements(point: Point) -> list[apsw.VFS]:
    def on_statement(cursor: Any, sql: str, bindings: Any) -> bool:
        point.pass_by(" ".join(sql.split())[:40])
        return True

    def hook(db: apsw.Connection) -> None:
        db.exec_trace = on_statement

    apsw.connection_hooks.append(hook)
    return []


class KillingFile(apsw.VFSFile):
    point: Point

    def xWrite(self, data: Any, offset: int) -> None:
        self.point.pass_by("write")
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        self.point.pass_by("sync")
        super().xSync(flags)

    def xTruncate(self, newsize: int) -> None:
        self.point.pass_by("truncate")
        super().xTruncate(newsize)


class KillingDisk(apsw.VFS):
    def __init__(self) -> None:
        super().__init__("killing", base="unix", makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        return KillingFile("unix", name, flags)


def stop_at_disk(point: Point) -> list[apsw.VFS]:
    KillingFile.point = point
    return [KillingDisk()]


STOPS = {"statements": stop_at_statements, "disk": stop_at_disk}


class Life:
    """Does everything once and notes what was acknowledged, in a file of its own."""

    def __init__(self, folder: Path, point: Point | None, prefix: str) -> None:
        self.path = folder / "edge.db"
        self.notes = os.open(folder / "acknowledged", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        self.point = point
        self.prefix = prefix
        self.clock = Clock()

    async def do(self, name: str, work: Awaitable[Any], **acknowledged: int) -> Any:
        if self.point:
            self.point.doing = name
        result = await work
        os.write(self.notes, (json.dumps(acknowledged) + "\n").encode())
        return result

    async def run(self) -> None:
        store = await SqliteStore.open(str(self.path), now_ms=self.clock)
        p = self.prefix
        made = [entry(f"{p}{n}", visitor=VISITOR, expires_ms=START_MS + 10**6) for n in range(8)]
        made += [entry(f"{p}o", order_key=key(f"{p}order"))]
        first = Item((made[0],), Binding(visitor=VISITOR, traits=b'{"a":"b"}'))
        items = [first, *[Item((one,)) for one in made[1:]]]
        await self.do("append", store.append(items), accepted=9)
        kept = [Item((entry(f"{p}k{n}", integration=APP),)) for n in range(3)]
        await self.do("append", store.append(kept), kept=3)
        await self.do("append twice", store.append(kept), duplicate=3)
        lease = await self.do("claim", take(store, limit=6))
        await self.do("renew", store.renew(lease, 60))
        a, b, c, d, e, f = ids(lease)
        settle = store.settle(
            lease,
            delivered=[a, b],
            retry=[Retry(id=c, delay_s=1)],
            dead=[Dead(id=d, reason="rejected"), Dead(id=e, reason="rejected")],
        )
        await self.do("settle", settle, delivered=2, dead=2)
        await self.do("recover", store.recover(everything=True))
        letters = [letter.id for letter in await store.dead_letters(limit=2)]
        await self.do("replay", store.replay(letters[:1]), replayed=1)
        await self.do("discard", store.discard(letters[1:]), discarded=1)
        await self.do("gate", store.set_gate(Gate(integration=SHOP)))
        await self.do("acquire", store.acquire(SHOP, rate=1000, burst=1000))
        await self.do("meta", store.meta(f"note {p}", "x"))
        await self.do("forget", store.forget(VISITOR))
        await self.do("check", store.check())
        self.clock.pass_s(3 * SEEN_S)
        await self.do("sweep", store.sweep())
        await self.do("close", store.close())
        assert f


def verify(folder: Path) -> None:
    """Open the store again: nothing that was acknowledged is missing, and life goes on."""
    found: Counter[str] = Counter()
    notes = folder / "acknowledged"
    for line in notes.read_text().splitlines():
        found.update(json.loads(line))
    asyncio.run(Life(folder, None, "again").run())
    db = connect(folder / "edge.db", readonly=True)
    assert db.pragma("quick_check") == "ok"
    ledger: Counter[str] = Counter()
    for kind, n in db.execute("SELECT kind, n FROM ledger WHERE integration = ?", (SHOP,)):
        ledger[kind] = n
    kept = db.execute("SELECT count(*) FROM outbox WHERE integration = ?", (APP,)).get
    db.close()
    assert kept >= found["kept"] + 3, (kept, found)
    assert all(ledger[kind] >= n for kind, n in found.items() if kind not in ("kept", "duplicate"))
    asyncio.run(balanced(folder))


async def balanced(folder: Path) -> None:
    store = await SqliteStore.open(str(folder / "edge.db"), now_ms=Clock())
    assert all(counts.balanced for counts in await store.stats())
    await store.close()


def apart(work: Callable[[], object]) -> int:
    """Run it in a process of its own; return its exit status."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(WRONG)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def end_one_life(folder: Path, how: str, at: int) -> str | None:
    """End a life at a point and verify; None when the life was shorter than that."""
    folder.mkdir()
    reading, writing = os.pipe()

    def live() -> None:
        point = Point(at, writing)
        disks = STOPS[how](point)
        asyncio.run(Life(folder, point, "first").run())
        assert disks is not None  # it lives as long as this

    status = apart(live)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        name = pipe.read()
    if status == 0:
        return None
    assert status == KILLED, f"point {at}: the life ended with {status}"
    status = apart(lambda: verify(folder))
    assert status == 0, f"after point {at}, {name}: verification ended with {status}"
    return name


def main(folder: Path, how: str, stride: int) -> None:
    names: dict[int, str] = {}
    for at in count(1, stride):
        name = end_one_life(folder / str(at), how, at)
        if name is None:
            break
        names[at] = name
    sys.stdout.write(json.dumps(names))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))

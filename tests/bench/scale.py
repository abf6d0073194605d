"""What a backlog costs, how fast it drains, and what a second node brings."""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path

import msgspec

from edgeproxy.store import open_reader, open_store
from edgeproxy.store.base import Entry, Item, Lease, Store
from tests import postgres
from tests.bench import load, server, traffic

GROUP = 32
"""What the writer takes at once of a crowd."""
BATCH = 500
_FAR_MS = 1 << 50


def backlog() -> None:
    """CPU of storing, claiming and settling an event beside 0, 100,000 and 1,000,000 others."""
    print("\nCPU µs an event (SQLite), and memory, beside so many that wait")
    with tempfile.TemporaryDirectory() as name, asyncio.Runner() as runner:
        runner.run(_backlog(Path(name)))


async def _backlog(folder: Path) -> None:
    store = await open_store(f"sqlite://{folder}/bench.db", now_ms=_now_ms)
    try:
        waiting = 0
        leases: list[Lease] = []
        for target in (0, 100_000, 1_000_000):
            while waiting < target:
                await store.append([Item((_entry(),)) for _ in range(5_000)])
                waiting += 5_000
            stored = await _cpu_us(lambda: append(store, GROUP), times=150, share=GROUP)
            claim = await _cpu_us(lambda: _claim(store, leases), times=20, share=BATCH)
            settle = await _cpu_us(lambda: _settle(store, leases), times=20, share=BATCH)
            waiting += 150 * GROUP - 20 * BATCH
            print(
                f"  {target:>9,}: store {stored:5.1f} (groups of {GROUP}), claim {claim:5.1f}, "
                f"settle {settle:5.1f}; {server.memory_mb(os.getpid()):.0f} MB"
            )
    finally:
        await store.close()


async def append(store: Store, count: int) -> None:
    """Store so many events at the same time, each in a call of its own."""
    await asyncio.gather(*(store.append([Item((_entry(),))]) for _ in range(count)))


async def _claim(store: Store, leases: list[Lease]) -> None:
    leases.append(await store.claim("bench", limit=BATCH, max_bytes=1 << 30, lease_s=60))


async def _settle(store: Store, leases: list[Lease]) -> None:
    lease = leases.pop()
    await store.settle(lease, delivered=[row.id for row in lease.rows])


async def _cpu_us(call: Callable[[], Awaitable[None]], *, times: int, share: int) -> float:
    spent = []
    for _ in range(times):
        began = time.process_time()
        await call()
        spent.append(time.process_time() - began)
    return statistics.fmean(spent) / share * 1e6


def _entry() -> Entry:
    return Entry(
        integration="bench",
        key=os.urandom(16),
        visitor=os.urandom(16),
        name="PAGE_VIEW",
        body=b"x" * 600,
        sealed=b"y" * 330,
        event_time_ms=1,
        expires_ms=_FAR_MS,
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def drain() -> None:
    """Events a second from the disk to a server that says yes at once."""
    mine, other = (0, 1) if (os.cpu_count() or 1) > 1 else (None, None)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        _fill(folder, mine, other)
        url = f"sqlite://{folder}/edgeproxy.db"
        before = asyncio.run(_waiting(url))
        sink = stack.enter_context(server.bare(folder / "sink.log", other, "sink"))
        upstream = f"http://127.0.0.1:{sink}"
        _, pid = stack.enter_context(server.edge(folder, mine, upstream=upstream))
        began, cpu = time.monotonic(), server.cpu_s(pid)
        first = asyncio.run(_waiting(url))
        left = first
        while left and time.monotonic() - began < 120:
            time.sleep(0.05)
            left = asyncio.run(_waiting(url))
        took = time.monotonic() - began
        spent = server.cpu_s(pid) - cpu
    print(f"\ndrain of {before:,} events, batches of {BATCH}, seen from {first:,} on:")
    each_us = spent / max(first - left, 1) * 1e6
    print(f"  {(first - left) / took:,.0f} events/s, {each_us:.0f} µs CPU each")


def _fill(folder: Path, mine: int | None, other: int | None) -> None:
    with server.edge(folder, mine, upstream="http://127.0.0.1:9", flags=["--role", "ingest"]) as (
        port,
        _,
    ):
        script = traffic.crowd(folder, port)
        load.run(f"http://127.0.0.1:{port}/e", script, seconds=25, core=other)


async def _waiting(url: str) -> int:
    reader = await open_reader(url, now_ms=_now_ms)
    try:
        return sum(one.pending for one in await reader.stats())
    finally:
        await reader.close()


def nodes() -> None:
    """Events a second into one PostgreSQL from one process and from two."""
    print("\nPostgreSQL: events/s stored, 64 callers a process (the database is on the same cores)")
    with postgres.server() as running:
        url = running.url()
        for count in (1, 2):
            command = [sys.executable, "-m", "tests.bench.scale", url, "8"]
            children = [
                subprocess.Popen([*command, f"node-{number}"], stdout=subprocess.PIPE)
                for number in range(count)
            ]
            stored = [msgspec.json.decode(child.communicate()[0]) for child in children]
            print(f"  {count}: {sum(stored):8.0f}   ({', '.join(f'{one:.0f}' for one in stored)})")


async def _store_for(url: str, seconds: float) -> float:
    store = await open_store(url, now_ms=_now_ms, managed=True)
    stored, ends = 0, time.monotonic() + seconds

    async def caller() -> None:
        nonlocal stored
        while time.monotonic() < ends:
            await store.append([Item((_entry(),))])
            stored += 1

    try:
        await asyncio.gather(*(caller() for _ in range(64)))
    finally:
        await store.close()
    return stored / seconds


if __name__ == "__main__":
    print(asyncio.run(_store_for(sys.argv[1], float(sys.argv[2]))))

"""A primary dies, a standby takes its place, a standby is away: what was acknowledged is there."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

import pytest

from edgeproxy.errors import StoreBusy
from edgeproxy.store.base import Store
from edgeproxy.store.postgres.store import PostgresStore
from tests import postgres
from tests.contract.store_world import NEW, OLD, entry, ids, put, take
from tests.edge import now_ms
from tests.fakes import eventually

CALLERS = 8
FAR_MS = 4_000_000_000_000


@pytest.fixture
def pair() -> Iterator[tuple[postgres.Server, postgres.Server]]:
    with postgres.pair() as made:
        yield made


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Store]:
    store = await PostgresStore.open(url, now_ms=now_ms, node="n")
    try:
        yield store
    finally:
        await store.close()


def either(one: postgres.Server, other: postgres.Server) -> str:
    """Whichever of two servers takes writes."""
    return (
        "postgresql://edge@/postgres?host=127.0.0.1,127.0.0.1"
        f"&port={one.port},{other.port}&connect_timeout=2"
    )


async def load(store: Store, name: str, acknowledged: set[str], ended: asyncio.Event) -> None:
    """Append event after event; remember those that were acknowledged."""
    number = 0
    while not ended.is_set():
        number += 1
        one = f"{name}-{number}"
        with suppress(StoreBusy):
            await put(store, entry(one, expires_ms=FAR_MS))
            acknowledged.add(one)
        await asyncio.sleep(0)


async def delivered(store: Store) -> set[bytes]:
    """Take everything that waits out of a store."""
    found: set[bytes] = set()
    while lease := await take(store, limit=2000):
        assert await store.settle(lease, delivered=ids(lease)) == len(lease.rows)
        found |= {row.body for row in lease.rows}
    return found


async def test_a_failover_loses_nothing_acknowledged(
    pair: tuple[postgres.Server, postgres.Server],
) -> None:
    primary, standby = pair
    acknowledged: set[str] = set()
    ended = asyncio.Event()
    async with opened(either(primary, standby)) as store, asyncio.TaskGroup() as tasks:
        for number in range(CALLERS):
            tasks.create_task(load(store, f"c{number}", acknowledged, ended))
        await eventually(lambda: len(acknowledged) > 500, "events are acknowledged")
        await asyncio.to_thread(primary.kill)
        before = len(acknowledged)
        await asyncio.to_thread(standby.promote)
        await eventually(lambda: len(acknowledged) > before + 500, "they are again", within_s=60)
        ended.set()
    async with opened(standby.url()) as store:
        (counts,) = await store.stats()
        assert counts.balanced
        assert counts.pending >= len(acknowledged)
        bodies = await delivered(store)
        assert {entry(one).body for one in acknowledged} <= bodies
        (counts,) = await store.stats()
        assert counts.balanced
        assert counts.delivered == len(bodies)


def waiting_for_standby(server: postgres.Server) -> list[int]:
    """Backends whose commit waits for the standby."""
    sql = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    return [pid for (pid,) in server.execute(sql)]


async def cancelled(server: postgres.Server) -> None:
    """Cancel the wait of whoever waits for the standby."""
    (pid,) = await eventually(lambda: waiting_for_standby(server), "a commit waits")
    server.execute("SELECT pg_cancel_backend(%s)", (pid,))


async def test_without_its_standby_nothing_is_acknowledged_and_delivery_goes_on(
    pair: tuple[postgres.Server, postgres.Server],
) -> None:
    primary, standby = pair
    made = entry("a", expires_ms=FAR_MS)
    async with opened(primary.url()) as store:
        assert await put(store, entry("before", expires_ms=FAR_MS)) == [NEW]
        standby.stop()

        first = asyncio.ensure_future(put(store, made))
        await cancelled(primary)
        with pytest.raises(StoreBusy, match="store_unreplicated"):
            await first

        # It is on the primary now, where a copy of it writes no row of its own.
        second = asyncio.ensure_future(put(store, made))
        await cancelled(primary)
        with pytest.raises(StoreBusy, match="store_unreplicated"):
            await second
        checked = asyncio.ensure_future(store.check())
        await cancelled(primary)
        with pytest.raises(StoreBusy, match="store_unreplicated"):
            await checked

        lease = await take(store, limit=1)
        assert await store.settle(lease, delivered=ids(lease)) == 1
        assert await store.acquire("i", rate=1, burst=1) == 0

        third = asyncio.ensure_future(put(store, made))
        await eventually(lambda: waiting_for_standby(primary), "a commit waits")
        assert not third.done()
        standby.start()
        assert await asyncio.wait_for(third, 30) == [OLD]


async def test_a_store_closes_though_its_standby_is_away(
    pair: tuple[postgres.Server, postgres.Server],
) -> None:
    primary, standby = pair
    store = await PostgresStore.open(primary.url(), now_ms=now_ms)
    standby.stop()
    left = asyncio.ensure_future(put(store, entry("a")))
    await eventually(lambda: waiting_for_standby(primary), "a commit waits")
    await store._writer.close(wait_s=0.1)
    with pytest.raises(StoreBusy, match="store_unknown"):
        await left
    await store.close()


async def test_a_restart_of_the_server_is_refused_events_and_no_loss() -> None:
    with postgres.server() as server:
        async with opened(server.url()) as store:
            assert await put(store, entry("a", expires_ms=FAR_MS)) == [NEW]
            for end in (server.stop, server.kill):
                await asyncio.to_thread(end)
                with pytest.raises(StoreBusy) as caught:
                    await put(store, entry("b", expires_ms=FAR_MS))
                assert 2 <= (caught.value.retry_after_s or 0) <= 10
                for call in (take(store), store.stats(), store.check()):
                    with pytest.raises(StoreBusy):
                        await call
                await asyncio.to_thread(server.start)

                async def answers() -> bool:
                    """On all connections: each comes back when it is next used, after a pause."""
                    with suppress(StoreBusy):
                        await put(store, entry("a", expires_ms=FAR_MS))
                        await store.check()
                        await store.recover()
                        return bool(await store.stats())
                    return False

                await eventually(answers, "the store is back", within_s=40)
            assert await put(store, entry("b", expires_ms=FAR_MS)) == [NEW]
            assert await put(store, entry("a", expires_ms=FAR_MS)) == [OLD]
            assert len((await take(store)).rows) == 2

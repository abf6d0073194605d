"""The store and the proxy behind a real PgBouncer in transaction mode (fault row 18).

There each transaction of a connection may have another session with the server.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest

from edgeproxy.keys import load_keys
from edgeproxy.store.base import Binding, Dead, Gate, Item, Retry
from edgeproxy.store.postgres.store import PostgresStore
from tests import postgres
from tests.contract.store_world import APP, NEW, SHOP, VISITOR, entry, ids, put, take
from tests.edge import Snap, StartEdge, batch, now_ms, purchase
from tests.pooler import POOL, pgbouncer, pooled


@pytest.fixture(scope="module")
def pool() -> Iterator[str]:
    """The URL of a pooler before a server of its own."""
    pgbouncer()
    with postgres.server() as server, pooled(server) as url:
        yield url


@asynccontextmanager
async def nodes(url: str, *names: str) -> AsyncIterator[list[PostgresStore]]:
    """A store for each name."""
    stores = [await PostgresStore.open(url, now_ms=now_ms, node=name) for name in names]
    try:
        yield stores
    finally:
        for store in stores:
            await store.close()


def later() -> int:
    return now_ms() + 86_400_000


async def test_the_contract_holds_where_sessions_are_shared(pool: str) -> None:
    async with nodes(pool, "a", "b", "c") as stores:
        one, two, three = stores
        made = [entry(f"e{n}", expires_ms=later(), visitor=VISITOR) for n in range(60)]
        await one.append([Item((), Binding(visitor=VISITOR, traits=b'{"em":"1"}'))])
        fates = await asyncio.gather(*(put(store, *made) for store in stores))
        assert sum(each.count(NEW) for each in fates) == 60
        leases = await asyncio.gather(*(take(store, limit=20) for store in stores))
        assert len({row.id for lease in leases for row in lease.rows}) == 60
        assert all(row.known == b'{"em":"1"}' for lease in leases for row in lease.rows)
        done, back, dead = leases
        await one.settle(done, delivered=ids(done))
        await two.settle(back, retry=[Retry(id=id_, delay_s=0) for id_ in ids(back)])
        await three.settle(dead, dead=[Dead(id=id_, reason="rejected") for id_ in ids(dead)])
        assert await one.settle(back, delivered=ids(back)) == 0
        assert await one.replay([letter.id for letter in await two.dead_letters()]) == 20
        assert await three.recall(VISITOR) == 40
        await two.set_gate(Gate(integration=APP, state="probing", probe_in_s=0, backoff_s=60))
        await put(one, entry("p", integration=APP, expires_ms=later()))
        probes = await asyncio.gather(*(take(store, APP) for store in stores))
        assert sum(len(probe.rows) for probe in probes) == 1
        granted = [await one.acquire(SHOP, rate=0.01, burst=5) == 0 for _ in range(9)]
        assert granted == 5 * [True] + 4 * [False]
        await one.sweep()
        await two.check()
        assert all(counts.balanced for counts in await three.stats())
        assert _sessions(pool) <= POOL


def _sessions(url: str) -> int:
    sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'edgeproxy'"
    with psycopg.connect(url, autocommit=True) as db:
        return int((db.execute(sql).fetchone() or (0,))[0])


def test_the_proxy_serves_delivers_and_goes_on_after_kill_9(
    edge: StartEdge, snap: Snap, pool: str, tmp_path: Path
) -> None:
    load_keys(tmp_path / "keys")
    edge.environ["EDGEPROXY_STORE__URL"] = pool
    edge.environ["EDGEPROXY_STORE__KEYS_DIR"] = str(tmp_path / "keys")
    life = edge.start()
    assert life.post(purchase()).json()["accepted"] == 1
    snap.arrived(1)
    life.kill()
    life = edge.start()
    assert life.post(purchase()).json()["duplicates"] == 1
    assert life.post(batch({"name": "Product Viewed", "id": "after"})).status == 202
    snap.arrived(2)
    assert life.stop() == 0

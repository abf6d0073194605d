"""Connections that are cut, slow, dead, pooled, or in one another's way."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from functools import partial

import psycopg
import pytest
from psycopg import errors

from edgeproxy.errors import StoreBusy
from edgeproxy.store.base import Binding, Item
from edgeproxy.store.postgres import append, faults, leases, seen, transaction
from edgeproxy.store.postgres.ledger import Ledger
from edgeproxy.store.postgres.link import Db, Link, conninfo, place
from edgeproxy.store.postgres.store import PostgresStore
from edgeproxy.store.postgres.transaction import Tx, write
from edgeproxy.store.postgres.writer import QUEUE_ITEMS, Writer
from tests import postgres
from tests.contract.store_world import (
    NEW,
    OLD,
    SHOP,
    START_MS,
    VISITOR,
    bodies,
    entry,
    ids,
    key,
    put,
    take,
)
from tests.edge import ROOT, now_ms
from tests.fakes import eventually
from tests.proxy import Proxy


@pytest.fixture
def schema() -> Iterator[postgres.Schema]:
    made = postgres.Schema(postgres.shared(), START_MS)
    yield made
    made.drop()


@pytest.fixture
async def opened(schema: postgres.Schema) -> AsyncIterator[PostgresStore]:
    """A store on a schema, made by somebody who is not counted."""
    store = await PostgresStore.open(schema.url, now_ms=now_ms, node="n")
    yield store
    await store.close()


@pytest.fixture
def tables(schema: postgres.Schema) -> postgres.Schema:
    """A schema with the tables of a store."""

    async def make() -> None:
        await (await PostgresStore.open(schema.url, now_ms=now_ms)).close()

    asyncio.run(make())
    return schema


class Ignored:
    """Nothing to do when the clock is known."""

    def tick(self, tx: Tx, now_ms: int) -> None: ...
    def passed(self, now_ms: int) -> None: ...


ignored = Ignored()


def through(proxy: Proxy, schema: postgres.Schema) -> str:
    return postgres.with_parameter(
        postgres.with_parameter(schema.url, "port", str(proxy.port)), "sslmode", "disable"
    )


async def proxied(schema: postgres.Schema) -> Proxy:
    parts = psycopg.conninfo.conninfo_to_dict(schema.url)
    return Proxy(str(parts["host"]), int(str(parts["port"])))


class TestCut:
    @pytest.mark.parametrize("way", ["cut_up", "cut_down"])
    async def test_at_any_byte_of_an_append_each_event_is_stored_once_or_refused(
        self, schema: postgres.Schema, way: str
    ) -> None:
        async with (await proxied(schema)).listening() as proxy:
            store = await PostgresStore.open(through(proxy, schema), now_ms=now_ms)
            before = proxy.bytes_up, proxy.bytes_down
            assert await put(store, entry("measured")) == [NEW]
            up, down = proxy.bytes_up - before[0], proxy.bytes_down - before[1]
            size = up if way == "cut_up" else down
            proxy.faults.cut_once = True
            refused = again = 0
            for number, offset in enumerate(range(0, size + 20, max(1, size // 25))):
                made = entry(f"e{number}")
                proxy.count_anew()
                setattr(proxy.faults, way, offset)
                fates = []
                try:
                    fates = await put(store, made)
                except StoreBusy:
                    refused += 1
                setattr(proxy.faults, way, None)

                async def stored(made=made):  # type: ignore[no-untyped-def]
                    with suppress(StoreBusy):
                        return await put(store, made)
                    return None

                second = await eventually(stored, "it is stored")
                again += second == [OLD]
                assert (fates, second) != ([NEW], [NEW])
                assert fates in ([], [NEW])
            assert refused
            assert again
            await store.close()
        async with asyncio.timeout(10):
            store = await PostgresStore.open(schema.url, now_ms=now_ms)
            lease = await take(store)
            assert len(set(bodies(lease))) == len(lease.rows) == number + 2
            (counts,) = await store.stats()
            assert counts.balanced
            await store.close()

    async def test_a_connection_that_was_lost_in_peace_costs_nobody_a_refusal(
        self, schema: postgres.Schema
    ) -> None:
        async with (await proxied(schema)).listening() as proxy:
            store = await PostgresStore.open(through(proxy, schema), now_ms=now_ms)
            assert await put(store, entry("a")) == [NEW]
            await store.stats()
            assert await take(store)
            proxy.reset_all()
            assert await put(store, entry("b")) == [NEW]
            assert (await store.stats())[0].pending == 2
            assert len((await take(store)).rows) == 1
            await store.close()

    async def test_a_database_that_refuses_connections_is_asked_again_only_now_and_then(
        self, schema: postgres.Schema
    ) -> None:
        async with (await proxied(schema)).listening() as proxy:
            store = await PostgresStore.open(through(proxy, schema), now_ms=now_ms)
            proxy.faults.refuse = True
            proxy.reset_all()
            asked = proxy.connections
            for _ in range(200):
                with pytest.raises(StoreBusy, match="store_unreachable"):
                    await put(store, entry())
            assert proxy.connections - asked < 10
            proxy.faults.refuse = False

            async def back() -> bool:
                with suppress(StoreBusy):
                    return await put(store, entry()) == [NEW]
                return False

            await eventually(back, "it is back")
            await store.close()


class TestPatience:
    async def test_a_caller_is_refused_in_time_and_the_event_is_stored_all_the_same(
        self, schema: postgres.Schema, opened: PostgresStore
    ) -> None:
        async with (await proxied(schema)).listening() as proxy:
            link = Link(conninfo(through(proxy, schema)))
            writer = Writer(link, Ledger("n"), clock=ignored, on_fatal=None, deadline_s=1.0)
            assert await writer.append([Item((entry("a"),))]) == [(NEW,)]
            proxy.faults.latency_s = 1.0
            with pytest.raises(StoreBusy, match="store_slow"):
                await writer.append([Item((entry("b"),))])
            proxy.faults.latency_s = 0.0
            await writer.close()
            assert await put(opened, entry("b")) == [OLD]

    async def test_what_waits_is_bounded(
        self, schema: postgres.Schema, opened: PostgresStore
    ) -> None:
        async with (await proxied(schema)).listening() as proxy:
            link = Link(conninfo(through(proxy, schema)))
            writer = Writer(link, Ledger("n"), clock=ignored, on_fatal=None)
            await writer.append([Item((entry("a"),))])
            proxy.faults.black_hole = True
            items = [[Item((entry(),)) for _ in range(64)] for _ in range(QUEUE_ITEMS // 64)]
            calls = [asyncio.ensure_future(writer.append(group)) for group in items]
            await asyncio.sleep(0)  # the calls are under way
            with pytest.raises(StoreBusy, match="store_busy"):
                await writer.append([Item((entry(),))])
            left = asyncio.ensure_future(writer.close(wait_s=0.1))
            answers = await asyncio.gather(*calls, return_exceptions=True)
            await left
            codes = {answer.code for answer in answers if isinstance(answer, StoreBusy)}
            assert len(answers) == len(calls)
            assert codes <= {"store_unknown", "store_unreachable"}
            with pytest.raises(StoreBusy, match="store_closed"):
                await writer.append([Item((entry(),))])

    async def test_one_large_batch_finds_room_in_an_empty_queue(
        self, opened: PostgresStore
    ) -> None:
        made = [Item((entry(body=b"b" * 9_000_000),)) for _ in range(2)]
        assert await opened.append(made) == [(NEW,), (NEW,)]

    async def test_a_row_that_somebody_keeps_locked_is_not_waited_for_long(
        self, schema: postgres.Schema, opened: PostgresStore
    ) -> None:
        assert await opened.acquire(SHOP, rate=1, burst=5) == 0
        with psycopg.connect(schema.url) as other:
            other.execute("SELECT 1 FROM limiter FOR UPDATE")
            with pytest.raises(StoreBusy, match="store_locked"):
                await opened.acquire(SHOP, rate=1, burst=5)
        assert await opened.acquire(SHOP, rate=1, burst=5) == 0


class TestAgain:
    @pytest.fixture
    def link(self, tables: postgres.Schema) -> Iterator[Link]:
        made = Link(conninfo(tables.url))
        yield made
        made.drop()

    @pytest.mark.parametrize("code", ["40001", "40P01"])
    def test_what_the_server_undid_is_done_again_whole(self, link: Link, code: str) -> None:
        tries: list[int] = []

        def work(tx: Tx) -> str:
            tries.append(1)
            tx.execute("INSERT INTO meta VALUES (%s, 'x')", (f"try {len(tries)}",))
            if len(tries) < 3:
                tx.execute(_RAISE.replace("WHICH", code))
            return "done"

        assert write(link, work, ignored) == "done"
        noted = transaction.read(link, lambda tx: tx.rows(_TRIES))
        assert noted == [("try 3",)]

    def test_but_not_for_ever(self, link: Link) -> None:
        tries: list[int] = []

        def work(tx: Tx) -> None:
            tries.append(1)
            tx.execute(_RAISE.replace("WHICH", "40001"))

        with pytest.raises(StoreBusy, match="store_busy"):
            write(link, work, ignored)
        assert len(tries) == transaction.TRIES

    def test_two_that_lock_each_other_out_both_get_through(
        self, schema: postgres.Schema, link: Link
    ) -> None:
        other = Link(conninfo(schema.url))
        both_hold_one = threading.Barrier(2)

        def take_both(its: Link, *keys: bytes) -> None:
            first_time = True

            def work(tx: Tx) -> None:
                nonlocal first_time
                seen.lock(tx, keys[:1])
                if first_time:
                    first_time = False
                    both_hold_one.wait(30)
                seen.lock(tx, keys[1:])

            write(its, work, ignored)

        threads = [
            threading.Thread(target=take_both, args=(link, key("x"), key("y"))),
            threading.Thread(target=take_both, args=(other, key("y"), key("x"))),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(40)
            assert not thread.is_alive()
        other.drop()
        assert write(link, lambda tx: tx.count("SELECT count(*) FROM seen"), ignored) == 2

    @pytest.mark.parametrize(
        ("code", "told"),
        [
            ("53100", "store_full"),
            ("53200", "store_locked"),
            ("57014", "store_locked"),
            ("25006", "store_unreachable"),
            ("42P01", "store_failed"),
            ("XX000", "store_failed"),
        ],
    )
    def test_other_faults_of_the_server_are_told(self, link: Link, code: str, told: str) -> None:
        def work(tx: Tx) -> None:
            tx.execute(_RAISE.replace("WHICH", code))

        with pytest.raises(StoreBusy, match=told):
            transaction.known_faults(partial(write, link, work, ignored))
        assert write(link, lambda tx: tx.count("SELECT 7"), ignored) == 7
        with pytest.raises(StoreBusy):
            transaction.known_faults(partial(transaction.read, link, work))
        assert transaction.read(link, lambda tx: tx.count("SELECT 7")) == 7

    def test_a_commit_that_became_a_rollback_is_no_commit(self, link: Link) -> None:
        def work(tx: Tx) -> None:
            with suppress(psycopg.Error):
                tx.rows("SELECT 1 / 0")
            with link.use().pipeline() as pipeline:
                pipeline.sync()

        with pytest.raises(StoreBusy, match="store_unknown"):
            write(link, work, ignored)

    def test_faults_of_what_is_stored_stay_what_they_are(self) -> None:
        assert faults.told(errors.CharacterNotInRepertoire("NUL")) is None
        assert faults.told(errors.NotNullViolation("null")) is None


_RAISE = "DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'WHICH'; END $$"
_TRIES = "SELECT name FROM meta WHERE name LIKE 'try%%'"


class Pooled(Link):
    """What a pooler in transaction mode gives: every transaction has another session."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self.sessions: list[Db] = []
        self.turn = 0

    def use(self) -> Db:
        self.turn += 1
        if len(self.sessions) < 3:
            self.sessions.append(self.connect())
            return self.sessions[-1]
        return self.sessions[self.turn % 3]

    def drop(self) -> None:
        for session in self.sessions:
            session.close()


class TestPooler:
    def test_nothing_is_left_in_a_session(self, tables: postgres.Schema) -> None:
        link, ledger = Pooled(conninfo(tables.url)), Ledger("n")
        for number in range(12):
            items = [Item((entry(f"p{number}", visitor=VISITOR),), Binding(visitor=VISITOR))]
            add = partial(append.append, items=items, ledger=ledger)
            assert write(link, add, ignored) == [(NEW,)]
            work = partial(leases.claim, integration=SHOP, limit=1, max_bytes=1, lease_s=60)
            lease = write(link, work, ignored, sync="local")
            settle = partial(
                leases.settle, ledger=ledger, lease=lease, delivered=ids(lease), retry=(), dead=()
            )
            assert write(link, settle, ignored, sync="local") == 1
        assert len(link.sessions) == 3
        for session in link.sessions:
            assert session.execute(_LEFT).fetchone() == (0, 0, 0, 0, "on", "0", "0")
        link.drop()


_LEFT = """
SELECT (SELECT count(*) FROM pg_prepared_statements),
  (SELECT count(*) FROM pg_listening_channels()),
  (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
  (SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND pg_table_is_visible(oid)),
  current_setting('synchronous_commit'), current_setting('lock_timeout'),
  current_setting('idle_in_transaction_session_timeout')
"""


class TestDsn:
    def test_a_dead_peer_is_noticed_unless_told_otherwise(self) -> None:
        found = psycopg.conninfo.conninfo_to_dict(conninfo("postgresql://h/d?connect_timeout=9"))
        assert found["keepalives_idle"] == "10"
        assert found["tcp_user_timeout"] == "30000"
        assert found["target_session_attrs"] == "read-write"
        assert found["connect_timeout"] == "9"

    @pytest.mark.parametrize(
        ("url", "where"),
        [
            ("postgresql://edge:CANARY@db.example:5433/events", "db.example, 5433, events"),
            ("postgresql:///events?host=/run/pg&password=CANARY", "/run/pg, events"),
            ("postgresql://", "the default server"),
        ],
    )
    def test_a_place_is_named_without_user_and_password(self, url: str, where: str) -> None:
        assert place(url) == where

    def test_a_standby_is_not_written_to(self, schema: postgres.Schema) -> None:
        link = Link(
            conninfo(postgres.with_parameter(schema.url, "target_session_attrs", "standby"))
        )
        with pytest.raises(StoreBusy, match="store_unreachable"):
            link.use()


@pytest.mark.parametrize(("version", "whole"), [(16, None), (18, "1min")])
def test_a_server_asks_whether_a_silent_node_is_still_there(
    version: int, whole: str | None
) -> None:
    """By itself it would ask after two hours; the settings end with the transaction."""
    names = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count")
    wanted = (*names, "tcp_user_timeout", "transaction_timeout")
    sql = "SELECT " + ", ".join(f"current_setting('{name}', true)" for name in wanted)
    link = Link(conninfo(postgres.shared(version)))
    inside = write(link, lambda tx: tx.one(sql), ignored)
    assert inside == ("10", "5", "3", "30000", whole)
    assert transaction.read(link, lambda tx: tx.one(sql)) != inside
    link.drop()


@pytest.mark.parametrize("version", sorted(postgres.VERSIONS))
async def test_a_node_that_freezes_in_a_transaction_keeps_the_others_for_seconds_only(
    version: int,
) -> None:
    """Its host answers for it, so nothing is wrong with the connection."""
    schema = postgres.Schema(postgres.shared(version))
    store = await PostgresStore.open(schema.url, now_ms=now_ms)
    command = [sys.executable, "-m", "tests.postgres_frozen", schema.url, SHOP]
    with subprocess.Popen(command, cwd=ROOT) as frozen:  # noqa: ASYNC220
        try:
            os.waitid(os.P_PID, frozen.pid, os.WSTOPPED)  # noqa: ASYNC222

            async def granted() -> bool:
                with suppress(StoreBusy):
                    return await store.acquire(SHOP, rate=50, burst=100) == 0
                return False

            await eventually(granted, "the limiter is free", within_s=30)
        finally:
            frozen.kill()
    await store.close()
    schema.drop()

"""What is PostgreSQL's own: the server it wants, several nodes on one database, and its clock."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import msgspec
import psycopg
import pytest
from msgspec.structs import replace

from edgeproxy.errors import ConfigError, StoreBusy
from edgeproxy.store import open_store
from edgeproxy.store.base import Binding, Dead, Fate, Gate, Item, Store
from edgeproxy.store.migrate import Step, steps
from edgeproxy.store.postgres.schema import Tables
from edgeproxy.store.postgres.store import PostgresStore
from tests import postgres
from tests.contract.store_world import (
    APP,
    DAY_MS,
    NEW,
    OLD,
    SHOP,
    START_MS,
    VISITOR,
    entry,
    ids,
    key,
    put,
    take,
)
from tests.edge import now_ms
from tests.fakes import KeptLog, eventually


@pytest.fixture
async def schema() -> AsyncIterator[postgres.Schema]:
    """One whose clock stands."""
    made = postgres.Schema(postgres.shared(), START_MS)
    yield made
    made.drop()


@asynccontextmanager
async def nodes(schema: postgres.Schema, *names: str, **how: Any) -> AsyncIterator[list[Store]]:
    """A store for each node, on one database."""
    stores: list[Store] = []
    try:
        for name in names:
            stores.append(await PostgresStore.open(schema.url, now_ms=now_ms, node=name, **how))
        yield stores
    finally:
        for store in stores:
            await store.close()


def pretend(schema: postgres.Schema, setting: str, value: str) -> None:
    """Let the server say something else about one setting, to whoever looks from this schema."""
    schema.execute(
        "CREATE FUNCTION current_setting(text, boolean) RETURNS text LANGUAGE sql AS"
        f" $$SELECT CASE $1 WHEN '{setting}' THEN '{value}'"
        " ELSE pg_catalog.current_setting($1, $2) END$$"
    )


async def refusal(url: str, **how: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        await PostgresStore.open(url, now_ms=now_ms, **how)
    ((name, sentence),) = caught.value.faults
    assert name == "store.url"
    return sentence


class TestServer:
    @pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
    async def test_one_that_loses_what_it_committed_is_refused(
        self, schema: postgres.Schema, setting: str
    ) -> None:
        pretend(schema, setting, "off")
        assert f"{setting} = off, which loses committed events" in await refusal(schema.url)
        assert schema.execute("SELECT to_regclass('outbox')") == [(None,)]  # untouched

    async def test_one_that_turns_bad_gets_nothing_more(self, schema: postgres.Schema) -> None:
        async with nodes(schema, "a") as (store,):
            assert await put(store, entry("a")) == [NEW]
            pretend(schema, "fsync", "off")
            schema.execute(
                "SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity"
                " WHERE application_name = 'edgeproxy'"
            )
            with pytest.raises(StoreBusy, match="store_unreachable"):
                await put(store, entry("b"))

    @pytest.mark.parametrize(
        ("setting", "value", "managed", "warned"),
        [
            ("synchronous_standby_names", "", False, "has no synchronous standby"),
            ("synchronous_standby_names", "", True, None),
            ("synchronous_standby_names", "one", False, None),
            ("server_version_num", "130014", True, "PostgreSQL 13 is older than what is tested"),
        ],
    )
    async def test_one_that_may_lose_something_is_told_of_once(
        self, schema: postgres.Schema, setting: str, value: str, managed: bool, warned: str | None
    ) -> None:
        pretend(schema, setting, value)
        log = KeptLog()
        async with nodes(schema, "a", say=log, managed=managed) as (store,):
            assert await put(store, entry()) == [NEW]
        said = [str(line["advice"]) for line in log.named("store")]
        assert [warned in advice for advice in said] == [True] if warned else said == []

    async def test_a_role_that_may_not_make_tables_is_told_so(
        self, schema: postgres.Schema
    ) -> None:
        role = f"r{schema.name}"
        schema.execute(f"CREATE ROLE {role} LOGIN")
        schema.execute(f"GRANT USAGE ON SCHEMA {schema.name} TO {role}")
        try:
            url = postgres.with_parameter(schema.url, "user", role)
            assert "names a role that may not make tables: permission" in await refusal(url)
        finally:
            schema.execute(f"REVOKE USAGE ON SCHEMA {schema.name} FROM {role}")
            schema.execute(f"DROP ROLE {role}")

    async def test_one_that_does_not_answer_is_waited_for_and_then_named(self) -> None:
        port, log = postgres.free_port(), KeptLog()
        url = f"postgresql://edge:CANARY@127.0.0.1:{port}/events"
        sentence = await refusal(url, wait_s=0.5, say=log)
        assert f"127.0.0.1, {port}, events does not answer: connection" in sentence
        assert "waiting for PostgreSQL at 127.0.0.1" in str(log.named("store"))
        assert "CANARY" not in sentence + str(log.lines)

    @pytest.mark.parametrize("url", ["postgresql://h/d?colour=CANARY", "postgresql://CANARY:p:x@h"])
    async def test_a_url_that_makes_no_sense_is_not_repeated(self, url: str) -> None:
        assert "CANARY" not in await refusal(url, wait_s=0.0)

    async def test_a_database_that_is_not_there_is_named(self, schema: postgres.Schema) -> None:
        url = postgres.with_parameter(schema.url, "dbname", "nowhere")
        assert "nowhere" in await refusal(url, wait_s=0.0)

    async def test_a_later_schema_is_refused(self, schema: postgres.Schema) -> None:
        async with nodes(schema, "a"):
            pass
        schema.execute("UPDATE meta SET value = '99' WHERE name = 'schema'")
        assert "its schema is number 99" in await refusal(schema.url)

    async def test_a_server_that_breaks_the_schema_s_promise_says_what_it_refuses(
        self, schema: postgres.Schema
    ) -> None:
        schema.execute("CREATE TABLE outbox (x int)")
        assert "says: " in await refusal(schema.url)

    async def test_nodes_that_all_start_first_make_the_tables_once(
        self, schema: postgres.Schema
    ) -> None:
        stores = await asyncio.gather(
            *[PostgresStore.open(schema.url, now_ms=now_ms, node=f"n{n}") for n in range(8)]
        )
        named = {await store.meta("store") for store in stores}
        assert len(named) == 1
        await asyncio.gather(*[store.close() for store in stores])
        newest = str(steps("postgres")[-1].number)
        assert schema.execute("SELECT value FROM meta WHERE name = 'schema'") == [(newest,)]

    async def test_a_step_of_the_schema_is_taken_once(self, schema: postgres.Schema) -> None:
        async with nodes(schema, "a"):
            pass
        sql = "SELECT pg_sleep(0.2); INSERT INTO meta SELECT count(*), '' FROM meta"
        slow = Step(steps("postgres")[-1].number + 1, sql)
        before = schema.execute("SELECT count(*) FROM meta")[0][0]

        def apply() -> None:
            with psycopg.connect(schema.url, autocommit=True) as db:
                Tables(db).apply(slow)

        await asyncio.gather(asyncio.to_thread(apply), asyncio.to_thread(apply))
        assert schema.execute("SELECT count(*) FROM meta") == [(before + 1,)]

    async def test_both_names_of_the_scheme_open_it(self, schema: postgres.Schema) -> None:
        store = await open_store(schema.url.replace("postgresql:", "postgres:"), now_ms=now_ms)
        assert await put(store, entry()) == [NEW]
        await store.close()

    @pytest.mark.parametrize("version", sorted(postgres.VERSIONS))
    async def test_each_version_does_it_all(self, version: int) -> None:
        made = postgres.Schema(postgres.shared(version), START_MS)
        try:
            async with nodes(made, "a") as (store,):
                await store.append([Item((), Binding(visitor=VISITOR, traits=b'{"em":"1"}'))])
                rows = [entry("a", visitor=VISITOR), entry("b", order_key=key("o")), entry("c")]
                assert await put(store, *rows) == [NEW, NEW, NEW]
                lease = await take(store)
                one, two, _ = ids(lease)
                assert lease.rows[0].known == b'{"em":"1"}'
                dead = [Dead(id=two, reason="rejected")]
                assert await store.settle(lease, delivered=[one], dead=dead) == 2
                (letter,) = await store.dead_letters()
                assert await store.replay([letter.id]) == 1
                assert await store.renew(lease, 60) == 1
                assert await store.recover(everything=True) == 1
                assert await store.acquire(SHOP, rate=1, burst=1) == 0
                assert await store.acquire(SHOP, rate=1, burst=1) > 0
                assert await store.sweep() == 0
                (counts,) = await store.stats()
                assert counts.balanced
                assert (counts.pending, counts.delivered, counts.replayed) == (2, 1, 1)
        finally:
            made.drop()


class TestNodes:
    async def test_the_same_ids_from_three_nodes_are_accepted_once(
        self, schema: postgres.Schema
    ) -> None:
        made = [entry(f"e{n}", order_key=key(f"o{n}") if n % 5 == 0 else b"") for n in range(3000)]

        async def all_of(store: Store, order: Sequence[Any]) -> int:
            groups = [order[n : n + 50] for n in range(0, len(order), 50)]
            fates = await asyncio.gather(*[put(store, *group) for group in groups])
            return sum(fate is Fate.ACCEPTED for group in fates for fate in group)

        async with nodes(schema, "a", "b", "c") as (one, two, three):
            accepted = await asyncio.gather(
                all_of(one, made), all_of(two, made[::-1]), all_of(three, made)
            )
            assert sum(accepted) == 3000
            (counts,) = await one.stats()
            assert (counts.accepted, counts.duplicate, counts.pending) == (3000, 6000, 3000)
            claims = [take(store, limit=100) for store in 12 * (one, two, three)]
            leases = await asyncio.gather(*claims)
            found = [row.id for lease in leases for row in lease.rows]
            assert len(found) == len(set(found)) == 3000
        asked = schema.execute("SELECT DISTINCT node FROM ledger WHERE integration <> ''")
        assert {node for (node,) in asked} == {"a", "b", "c"}

    async def test_a_limit_is_shared(self) -> None:
        schema = postgres.Schema(postgres.shared())
        async with nodes(schema, "a", "b") as stores:
            began_s = time.monotonic()

            async def granted(store: Store) -> int:
                taken = 0
                while time.monotonic() < began_s + 1.0:
                    wait_s = await store.acquire(SHOP, rate=50, burst=20)
                    taken += wait_s == 0
                    await asyncio.sleep(min(wait_s, 0.05))
                return taken

            taken = sum(await asyncio.gather(*map(granted, stores)))
            assert 20 < taken <= 50 * (time.monotonic() - began_s) + 20
        schema.drop()

    async def test_one_of_all_nodes_probes(self, schema: postgres.Schema) -> None:
        async with nodes(schema, "a", "b", "c") as stores:
            await put(stores[0], *[entry() for _ in range(60)])
            for _ in range(15):
                gate = Gate(integration=SHOP, state="probing", probe_in_s=0, backoff_s=60)
                await stores[0].set_gate(gate)
                leases = await asyncio.gather(*[take(store) for store in stores])
                assert sorted(len(lease.rows) for lease in leases) == [0, 0, 1]

    async def test_what_nodes_bind_to_a_visitor_adds_up(self, schema: postgres.Schema) -> None:
        async with nodes(schema, "a", "b") as (one, two):
            for number in range(20):
                bindings = [
                    Binding(visitor=VISITOR, traits=b'{"%s%d":"x"}' % (name, number))
                    for name in (b"a", b"b")
                ]
                await asyncio.gather(
                    *[
                        store.append([Item((), binding)])
                        for store, binding in zip((one, two), bindings, strict=True)
                    ]
                )
            known = msgspec.json.decode(await one.known(VISITOR))
            assert set(known) == {f"{name}{number}" for name in "ab" for number in range(20)}

    async def test_a_replay_waits_for_a_copy_that_another_node_is_storing(
        self, schema: postgres.Schema
    ) -> None:
        async with nodes(schema, "a", "b") as (one, two):
            for round_ in range(20):
                made = entry(f"r{round_}")
                await put(one, made)
                lease = await take(one)
                await one.settle(lease, dead=[Dead(id=ids(lease)[0], reason="rejected")])
                (letter,) = await one.dead_letters()
                back, (fate,) = await asyncio.gather(one.replay([letter.id]), put(two, made))
                assert back + (fate is Fate.ACCEPTED) == 1
                lease = await take(one)
                assert await one.settle(lease, delivered=ids(lease)) == 1

    async def test_the_ledger_rows_of_a_node_that_is_gone_are_folded(
        self, schema: postgres.Schema
    ) -> None:
        async with nodes(schema, "gone", "here") as (gone, here):
            await put(gone, entry("a"), entry("b", integration=APP))
            schema.set_clock(START_MS + DAY_MS)
            await put(here, entry("c"), entry("a"))
            await here.sweep()
            whose = "SELECT integration, node, n FROM ledger WHERE kind = 'accepted'"
            assert sorted(schema.execute(whose)) == [(APP, "", 1), (SHOP, "", 1), (SHOP, "here", 1)]
            await put(gone, entry("d"))
            app, shop = await here.stats()
            assert (app.accepted, shop.accepted, shop.duplicate) == (1, 3, 1)
            assert all(counts.balanced for counts in (app, shop))


class TestRows:
    async def test_what_text_cannot_hold_fails_alone(self, schema: postgres.Schema) -> None:
        async with nodes(schema, "a") as (store,):
            calls = [put(store, entry(f"e{n}")) for n in range(10)]
            bad = put(store, replace(entry("bad"), name="PAGE\0VIEW"))
            answers = await asyncio.gather(bad, *calls, return_exceptions=True)
            assert isinstance(answers[0], psycopg.DataError)
            assert answers[1:] == 10 * [[NEW]]
            lease = await take(store)
            dead = [Dead(id=id_, reason="rejected", detail="a\0b\ud800") for id_ in ids(lease)]
            assert await store.settle(lease, dead=dead) == 10
            assert {letter.detail for letter in await store.dead_letters()} == {"a\ufffdb?"}

    async def test_bytes_of_any_kind_come_back(self, schema: postgres.Schema) -> None:
        every = bytes(range(256))
        async with nodes(schema, "a") as (store,):
            made = entry(key=every[:16], visitor=every[16:32], body=every, sealed=every[::-1])
            assert await put(store, made) == [NEW]
            (row,) = (await take(store)).rows
            assert (row.key, row.visitor, row.body, row.sealed) == (
                made.key,
                made.visitor,
                made.body,
                made.sealed,
            )

    async def test_rows_of_a_group_keep_their_order(self, schema: postgres.Schema) -> None:
        async with nodes(schema, "a") as (store,):
            made = [entry() for _ in range(1000)]
            assert await put(store, *made) == 1000 * [NEW]
            rows = (await take(store, limit=1000)).rows
            assert all(a.id < b.id for a, b in pairwise(rows))
            assert [row.body for row in rows] == [one.body for one in made]
            assert await put(store, *made) == 1000 * [OLD]

    async def test_a_claim_reads_its_rows_in_the_order_of_an_index(
        self, schema: postgres.Schema
    ) -> None:
        async with nodes(schema, "a") as (store,):
            await put(store, entry())
            schema.execute(
                "INSERT INTO outbox (integration, key, order_key, visitor, name, body, sealed,"
                " known, event_time, expires, created, due)"
                " SELECT integration, '', '', '', name, body, sealed, known, event_time,"
                " expires, created, due + 1000 + n FROM outbox, generate_series(1, 50000) AS n"
            )
            before = int(schema.execute(_READ_ROWS)[0][0])
            assert len((await take(store, limit=1)).rows) == 1

            def reported() -> int:  # a session tells its numbers when it is idle
                schema.execute("SELECT pg_stat_clear_snapshot()")
                return int(schema.execute(_READ_ROWS)[0][0])

            async with nodes(schema, "b"):
                pass
            await store.close()
            await eventually(lambda: reported() > before, "the numbers are reported")
            assert reported() - before < 100

    async def test_foreign_transactions_that_last_are_told_of_once(self) -> None:
        made = postgres.Schema(postgres.shared(), now_ms() + 3_600_000)
        log = KeptLog()
        try:
            async with nodes(made, "a", say=log, managed=True) as (store,):
                with psycopg.connect(made.url, application_name="a report") as other:
                    other.execute("SELECT 1")
                    await store.sweep()
                    await store.sweep()
            told = [
                line for line in log.named("store") if "a report as edge" in str(line["advice"])
            ]
            assert len(told) == 1
            assert "keeps a transaction open for over 10 minutes" in str(told[0]["advice"])
        finally:
            made.drop()


_READ_ROWS = """
SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_all_tables
WHERE relid = 'outbox'::regclass
"""

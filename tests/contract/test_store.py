"""What every store promises, on each row of STORES; every scenario ends with a balanced ledger."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

from edgeproxy.errors import StoreBusy
from edgeproxy.store import STORES, open_reader
from edgeproxy.store.base import (
    DEAD_S,
    IDENTITY_S,
    SEEN_ORDER_S,
    SEEN_S,
    Binding,
    Dead,
    Gate,
    Item,
    Lease,
    Retry,
    Row,
    Store,
)
from tests.contract.store_world import (
    APP,
    DAY_MS,
    NEW,
    OLD,
    PLACES,
    SHOP,
    START_MS,
    VISITOR,
    World,
    bodies,
    bodies_of,
    entry,
    ids,
    key,
    put,
    take,
)

A_LITTLE_LATER_S = 2 * 3600  # a store may keep keys an hour longer


@pytest.fixture(params=sorted(STORES))
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    made = World(request.param, tmp_path)
    try:
        yield made
        await made.counts()
    finally:
        await made.close()
        made.end()


@pytest.fixture
async def store(world: World) -> Store:
    return await world.open()


def test_every_engine_has_a_place_in_this_suite() -> None:
    assert set(PLACES) == set(STORES)


class TestAppend:
    async def test_a_row_comes_out_as_it_went_in(self, store: Store) -> None:
        made = entry(visitor=VISITOR, sealed=b"\x00box", body=b"\x00body")
        assert await put(store, made) == [NEW]
        assert (await take(store)).rows == (
            Row(
                id=1,
                key=made.key,
                visitor=VISITOR,
                name="PAGE_VIEW",
                body=b"\x00body",
                sealed=b"\x00box",
                known=b"",
                attempt=1,
                event_time_ms=START_MS,
            ),
        )

    async def test_one_fate_for_each_entry_in_the_shape_of_the_items(self, store: Store) -> None:
        first, other = entry("a"), entry("b", integration=APP)
        assert await store.append([]) == []
        assert await store.append(
            [Item((first, other)), Item(), Item((first,)), Item((entry(),))]
        ) == [
            (NEW, NEW),
            (),
            (OLD,),
            (NEW,),
        ]

    async def test_a_key_collapses_in_one_call_and_across_calls_and_lives(
        self, world: World, store: Store
    ) -> None:
        assert await put(store, entry("a"), entry("a")) == [NEW, OLD]
        assert await put(store, entry("a")) == [OLD]
        await store.close()
        assert await put(await world.open(), entry("a")) == [OLD]
        counts = await world.counts()
        assert (counts.accepted, counts.duplicate, counts.pending) == (1, 3, 1)

    async def test_concurrent_copies_are_accepted_once(self, store: Store) -> None:
        made = entry("a")
        fates = await asyncio.gather(*[put(store, made) for _ in range(50)])
        assert sorted(fate.value for (fate,) in fates) == ["accepted"] + 49 * ["duplicate"]

    async def test_an_order_collapses_other_events_of_it(self, store: Store) -> None:
        order = key("order")
        made = [entry(f"e{n}", order_key=order) for n in range(3)]
        assert await put(store, made[0], made[1]) == [NEW, OLD]
        assert await put(store, made[2]) == [OLD]

    async def test_a_collapsed_event_leaves_no_keys(self, store: Store) -> None:
        await put(store, entry("a", order_key=key("o1")))
        assert await put(store, entry("b", order_key=key("o1"))) == [OLD]
        assert await put(store, entry("a", order_key=key("o2"))) == [OLD]
        assert await put(store, entry("b"), entry("c", order_key=key("o2"))) == [NEW, NEW]

    async def test_a_key_lives_its_time_from_the_acceptance(
        self, world: World, store: Store
    ) -> None:
        await put(store, entry("a", order_key=key("o")))
        world.clock.pass_s(SEEN_S - 1)
        assert await put(store, entry("a")) == [OLD]
        world.clock.pass_s(A_LITTLE_LATER_S)
        assert await put(store, entry("a")) == [NEW]
        world.clock.pass_s(SEEN_ORDER_S - SEEN_S - A_LITTLE_LATER_S)
        assert await put(store, entry("b", order_key=key("o"))) == [OLD]
        world.clock.pass_s(A_LITTLE_LATER_S)
        assert await put(store, entry("c", order_key=key("o"))) == [NEW]

    async def test_a_key_lives_its_time_again_from_the_delivery(
        self, world: World, store: Store
    ) -> None:
        await put(store, entry("a", order_key=key("o")))
        world.clock.pass_s(SEEN_S - 1)
        lease = await take(store)
        await store.settle(lease, delivered=ids(lease))
        world.clock.pass_s(SEEN_S - 1)
        assert await put(store, entry("a")) == [OLD]
        world.clock.pass_s(A_LITTLE_LATER_S)
        assert await put(store, entry("a")) == [NEW]
        world.clock.pass_s(SEEN_ORDER_S - SEEN_S - A_LITTLE_LATER_S)
        assert await put(store, entry("b", order_key=key("o"))) == [OLD]

    async def test_a_caller_that_leaves_does_not_undo_the_commit(
        self, world: World, store: Store
    ) -> None:
        left = asyncio.ensure_future(put(store, entry("a")))
        await asyncio.sleep(0)  # the call is under way
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        assert await put(store, entry("a")) == [OLD]

    async def test_a_bad_call_fails_alone_and_whole(self, world: World, store: Store) -> None:
        bad = [Item((entry("x"),)), Item(binding=Binding(visitor=VISITOR, traits=b"{no json"))]
        good = [put(store, entry(f"good{n}")) for n in range(20)]
        answers = await asyncio.gather(store.append(bad), *good, return_exceptions=True)
        assert isinstance(answers[0], Exception)
        assert answers[1:] == 20 * [[NEW]]
        assert await put(store, entry("x")) == [NEW]


class TestClaim:
    async def test_nothing_is_an_empty_lease(self, store: Store) -> None:
        lease = await take(store)
        assert not lease
        assert await store.settle(lease, delivered=[1]) == 0
        assert await store.renew(lease, 60) == 0

    async def test_the_oldest_first_up_to_the_limit_and_no_row_twice(
        self, world: World, store: Store
    ) -> None:
        made = [entry() for _ in range(5)]
        for one in made:
            await put(store, one)
            world.clock.pass_s(1)
        first, second, third = [await take(store, limit=2) for _ in range(3)]
        assert bodies(first) + bodies(second) + bodies(third) == bodies_of(made)
        assert not await take(store)
        assert len({first.token, second.token, third.token}) == 3

    async def test_bytes_are_limited_but_one_row_always_goes(self, store: Store) -> None:
        big, box = entry(body=b"b" * 3000), entry(body=b"b" * 200, sealed=b"s" * 800)
        await put(store, big, box, entry(body=b"c" * 100))
        leases = [await store.claim(SHOP, limit=10, max_bytes=1000, lease_s=60) for _ in range(3)]
        assert [len(lease.rows) for lease in leases] == [1, 1, 1]

    async def test_integrations_do_not_mix(self, store: Store) -> None:
        mine, theirs = entry(), entry(integration=APP)
        await put(store, mine, theirs)
        assert bodies(await take(store, APP)) == [theirs.body]
        assert bodies(await take(store)) == [mine.body]

    async def test_claimers_side_by_side_share_the_rows(self, store: Store) -> None:
        await put(store, *[entry() for _ in range(100)])
        leases = await asyncio.gather(*[take(store, limit=7) for _ in range(20)])
        found = [row.id for lease in leases for row in lease.rows]
        assert len(found) == len(set(found)) == 100

    async def test_an_expired_row_is_never_handed_out_and_becomes_a_dead_letter(
        self, world: World, store: Store
    ) -> None:
        await put(store, entry("a", expires_ms=START_MS + 60_000, sealed=b"box"), entry("b"))
        world.clock.pass_s(60)
        assert bodies(await take(store)) == [b'{"id":"b"}']
        assert await store.waiting(SHOP) == (0, float("inf"))
        assert await store.sweep() == 1
        (letter,) = await store.dead_letters()
        assert (letter.reason, letter.body) == ("expired", b'{"id":"a"}')
        assert await put(store, entry("a")) == [NEW]


class TestLease:
    async def test_a_row_that_is_not_settled_in_time_is_handed_out_again(
        self, world: World, store: Store
    ) -> None:
        await put(store, entry())
        lost = await take(store, lease_s=30)
        world.clock.pass_s(29)
        assert not await take(store)
        world.clock.pass_s(1)
        again = await take(store)
        assert [row.attempt for row in again.rows] == [2]
        assert await store.renew(lost, 60) == 0
        assert list(await store.carried(lost)) == []
        assert await store.settle(lost, delivered=ids(lost)) == 0
        assert await store.settle(lost, retry=[Retry(id=ids(lost)[0], delay_s=0)]) == 0
        assert await store.settle(lost, dead=[Dead(id=ids(lost)[0], reason="rejected")]) == 0
        assert await store.settle(again, delivered=ids(again)) == 1

    async def test_a_heartbeat_keeps_it(self, world: World, store: Store) -> None:
        await put(store, entry(), entry())
        lease = await take(store, lease_s=30)
        await store.settle(lease, delivered=ids(lease)[:1])
        world.clock.pass_s(29)
        assert await store.renew(lease, 30) == 1
        world.clock.pass_s(29)
        assert not await take(store)
        assert await store.recover() == 0
        world.clock.pass_s(1)
        assert await store.recover() == 1

    async def test_it_is_carried_by_what_is_neither_settled_nor_erased(self, store: Store) -> None:
        assert list(await store.carried(await take(store))) == []
        await put(store, entry(visitor=b"a" * 16), entry(visitor=b"b" * 16), entry(), entry())
        lease = await take(store, limit=3)
        assert sorted(await store.carried(lease)) == sorted(ids(lease))
        await store.recall(b"a" * 16)
        await store.settle(lease, delivered=ids(lease)[2:])
        assert list(await store.carried(lease)) == ids(lease)[1:2]

    async def test_whoever_is_alone_may_recover_all(self, store: Store) -> None:
        await put(store, entry(), entry())
        lease = await take(store)
        assert await store.recover(everything=True) == 2
        assert await store.settle(lease, delivered=ids(lease)) == 0
        assert len((await take(store)).rows) == 2

    async def test_a_row_is_settled_once(self, store: Store) -> None:
        await put(store, entry(), entry())
        lease = await take(store)
        one, two = ids(lease)
        assert (
            await store.settle(lease, delivered=[one, one], dead=[Dead(id=one, reason="rejected")])
            == 1
        )
        assert await store.settle(lease, delivered=[one, two]) == 1

    async def test_a_foreign_row_is_not_touched(self, world: World, store: Store) -> None:
        await put(store, entry(), entry(integration=APP))
        mine, theirs = await take(store), await take(store, APP)
        assert await store.settle(mine, delivered=ids(theirs)) == 0
        assert (await world.counts(APP)).leased == 1


class TestRetry:
    async def test_it_is_due_after_the_delay(self, world: World, store: Store) -> None:
        await put(store, entry())
        lease = await take(store)
        back = Retry(id=ids(lease)[0], delay_s=30, error="503")
        assert await store.settle(lease, retry=[back]) == 1
        assert await store.waiting(SHOP) == (0, 30.0)
        world.clock.pass_s(29)
        assert not await take(store)
        world.clock.pass_s(1)
        assert await store.waiting(SHOP) == (1, 0.0)
        assert [row.attempt for row in (await take(store)).rows] == [2]

    async def test_an_attempt_can_be_given_back(self, store: Store) -> None:
        await put(store, entry())
        lease = await take(store)
        await store.settle(lease, retry=[Retry(id=ids(lease)[0], delay_s=0, counted=False)])
        assert [row.attempt for row in (await take(store)).rows] == [1]

    async def test_it_waits_in_its_turn(self, world: World, store: Store) -> None:
        first, second = entry(), entry()
        await put(store, first)
        lease = await take(store)
        await store.settle(lease, retry=[Retry(id=ids(lease)[0], delay_s=10)])
        world.clock.pass_s(5)
        await put(store, second)
        world.clock.pass_s(5)
        assert bodies(await take(store)) == bodies_of([second, first])


class TestDead:
    async def bury(self, store: Store, reason: str = "rejected") -> Lease:
        lease = await take(store)
        rows = [Dead(id=id_, reason=reason, detail="said Snap") for id_ in ids(lease)]
        assert await store.settle(lease, dead=rows) == len(rows)
        return lease

    async def test_it_says_why_and_a_corrected_copy_is_accepted(self, store: Store) -> None:
        made = entry("a", order_key=key("o"), sealed=b"box")
        await put(store, made)
        await self.bury(store)
        (letter,) = await store.dead_letters()
        assert (letter.integration, letter.name, letter.body) == (SHOP, "PAGE_VIEW", made.body)
        assert (letter.reason, letter.detail, letter.attempt) == ("rejected", "said Snap", 1)
        assert (letter.event_time_ms, letter.died_ms) == (START_MS, START_MS)
        assert await put(store, entry("a"), entry("b", order_key=key("o"))) == [NEW, NEW]

    async def test_what_snap_may_have_counted_still_collapses(
        self, world: World, store: Store
    ) -> None:
        await put(store, entry("a", order_key=key("o")))
        world.clock.pass_s(SEEN_S - 1)
        await self.bury(store, "ambiguous_200")
        world.clock.pass_s(SEEN_S - 1)
        assert await put(store, entry("a"), entry("b", order_key=key("o"))) == [OLD, OLD]
        world.clock.pass_s(A_LITTLE_LATER_S)
        assert await put(store, entry("a")) == [NEW]

    async def test_only_the_closed_list_of_reasons(self, store: Store) -> None:
        with pytest.raises(ValueError, match="'weather'"):
            await store.settle(
                Lease(token=b"", integration=SHOP, rows=()), dead=[Dead(id=1, reason="weather")]
            )

    async def test_the_newest_first_and_by_integration(self, world: World, store: Store) -> None:
        for name, integration in (("a", SHOP), ("b", APP), ("c", SHOP)):
            await put(store, entry(name, integration=integration))
            lease = await take(store, integration)
            await store.settle(lease, dead=[Dead(id=ids(lease)[0], reason="rejected")])
            world.clock.pass_s(1)
        named = [b'{"id":"%c"}' % letter for letter in b"cba"]
        assert [letter.body for letter in await store.dead_letters()] == named
        assert [letter.body for letter in await store.dead_letters(limit=2)] == named[:2]
        mine = await store.dead_letters(integration=SHOP)
        assert [letter.body for letter in mine] == [named[0], named[2]]

    async def test_they_come_in_pages_and_by_reason(self, world: World, store: Store) -> None:
        await put(store, *(entry(f"e{n}") for n in range(6)))
        reasons = ("rejected", "expired", "rejected", "too_large", "rejected", "expired")
        lease = await take(store)
        dead = [
            Dead(id=id_, reason=reason) for id_, reason in zip(ids(lease), reasons, strict=True)
        ]
        await store.settle(lease, dead=dead)
        first = await store.dead_letters(limit=4)
        rest = await store.dead_letters(before=first[-1].id, limit=4)
        found = [letter.id for letter in (*first, *rest)]
        assert (len(first), len(rest)) == (4, 2)
        assert found == sorted(set(found), reverse=True)
        refused = await store.dead_letters(reason="rejected")
        assert [letter.reason for letter in refused] == ["rejected"] * 3
        older = await store.dead_letters(reason="rejected", before=refused[0].id, integration=SHOP)
        assert older == refused[1:]
        assert await store.dead_letters(reason="rejected", integration=APP) == []

    async def test_a_look_from_outside_sees_what_the_store_says(
        self, world: World, store: Store
    ) -> None:
        """As a command does it, beside the server that writes."""
        await put(store, entry("a"), entry("b"))
        lease = await take(store, limit=1)
        await store.settle(lease, dead=[Dead(id=ids(lease)[0], reason="rejected")])
        closed = Gate(integration=SHOP, state="paused_auth", reason="why", backoff_s=60)
        await store.set_gate(closed)
        reader = await open_reader(world.url, now_ms=world.clock)
        try:
            assert await reader.stats() == await store.stats()
            assert await reader.gate(SHOP) == await store.gate(SHOP)
            assert await reader.dead_letters() == await store.dead_letters()
            assert await reader.dead_letters(reason="expired") == []
            await put(store, entry("c"))
            assert await reader.stats() == await store.stats()
        finally:
            await reader.close()
            await reader.close()

    async def test_replay_queues_it_without_sealed_data(self, world: World, store: Store) -> None:
        binding = Binding(visitor=VISITOR, traits=b'{"em":"1"}')
        made = entry("a", visitor=VISITOR, sealed=b"box", order_key=key("o"))
        await store.append([Item((made,), binding)])
        before = (await self.bury(store)).rows[0]
        (letter,) = await store.dead_letters()
        assert await store.replay([letter.id, letter.id, 99]) == 1
        assert await store.dead_letters() == []
        assert await put(store, entry("a"), entry("b", order_key=key("o"))) == [OLD, OLD]
        (row,) = (await take(store)).rows
        assert (row.key, row.visitor, row.name, row.body, row.known) == (
            before.key,
            before.visitor,
            before.name,
            before.body,
            before.known,
        )
        assert (row.sealed, row.attempt, row.event_time_ms) == (b"", 1, START_MS)
        counts = await world.counts()
        assert (counts.dead, counts.replayed, counts.dead_now) == (1, 1, 0)

    @pytest.mark.parametrize("by", ["key", "order"])
    async def test_replay_gives_way_to_a_later_copy(
        self, world: World, store: Store, by: str
    ) -> None:
        await put(store, entry("a", order_key=key("o")))
        await self.bury(store)
        later = entry("a") if by == "key" else entry("b", order_key=key("o"))
        assert await put(store, later) == [NEW]
        (letter,) = await store.dead_letters()
        assert await store.replay([letter.id]) == 0
        assert bodies(await take(store)) == [later.body]
        counts = await world.counts()
        assert (counts.replay_dup, counts.dead_now) == (1, 0)

    async def test_replay_of_an_ambiguous_one_is_not_stopped_by_its_own_keys(
        self, world: World, store: Store
    ) -> None:
        await put(store, entry("a", order_key=key("o")), entry("b"))
        world.clock.pass_s(60)
        await self.bury(store, "ambiguous_200")
        second, first = await store.dead_letters()
        assert await store.replay([first.id]) == 1
        world.clock.pass_s(SEEN_S + A_LITTLE_LATER_S)
        assert await put(store, entry("b")) == [NEW]
        assert await store.replay([second.id]) == 0

    async def test_discard_and_age(self, world: World, store: Store) -> None:
        await put(store, entry("a"), entry("b"))
        await self.bury(store)
        newest, oldest = await store.dead_letters()
        assert await store.discard([oldest.id, oldest.id, 99]) == 1
        world.clock.pass_s(DEAD_S - 1)
        await store.sweep()
        assert [letter.id for letter in await store.dead_letters()] == [newest.id]
        world.clock.pass_s(1)
        assert await store.sweep() >= 1
        assert await store.dead_letters() == []
        counts = await world.counts()
        assert (counts.dead, counts.discarded, counts.aged_out) == (2, 1, 1)


class TestGate:
    async def test_open_until_it_is_set(self, world: World, store: Store) -> None:
        assert await store.gate(SHOP) == Gate(integration=SHOP)
        shut = Gate(
            integration=SHOP,
            state="paused_auth",
            reason="401",
            probe_in_s=900.0,
            backoff_s=900.0,
            good=2,
            token_fp="fp",
        )
        await store.set_gate(shut)
        world.clock.pass_s(100)
        found = await store.gate(SHOP)
        assert (found.state, found.reason, found.backoff_s) == ("paused_auth", "401", 900.0)
        assert (found.good, found.token_fp, found.probe_in_s) == (2, "fp", 800.0)
        assert found.since_ms == START_MS
        assert await store.gate(APP) == Gate(integration=APP)

    async def test_since_moves_with_the_state_only(self, world: World, store: Store) -> None:
        await store.set_gate(Gate(integration=SHOP, state="probing", probe_in_s=5))
        world.clock.pass_s(5)
        await store.set_gate(Gate(integration=SHOP, state="probing", probe_in_s=10, good=1))
        assert (await store.gate(SHOP)).since_ms == START_MS
        await store.set_gate(Gate(integration=SHOP))
        assert (await store.gate(SHOP)).since_ms == START_MS + 5000

    async def test_exactly_one_claimant_probes_when_a_probe_is_due(
        self, world: World, store: Store
    ) -> None:
        await put(store, *[entry() for _ in range(5)])
        gate = Gate(integration=SHOP, state="probing", probe_in_s=5, backoff_s=10)
        await store.set_gate(gate)
        assert not await take(store)
        world.clock.pass_s(5)
        assert await store.waiting(SHOP) == (5, 0.0)
        leases = await asyncio.gather(*[take(store) for _ in range(5)])
        assert sorted(len(lease.rows) for lease in leases) == [0, 0, 0, 0, 1]
        assert [lease.probe for lease in leases if lease] == [True]
        assert (await store.gate(SHOP)).probe_in_s == 10.0
        world.clock.pass_s(10)
        assert await take(store)

    async def test_a_probe_without_back_off_is_still_alone(self, store: Store) -> None:
        await put(store, entry(), entry())
        await store.set_gate(Gate(integration=SHOP, state="probing", probe_in_s=0))
        assert [len((await take(store)).rows) for _ in range(2)] == [1, 0]

    async def test_a_probe_is_not_spent_on_nothing(self, store: Store) -> None:
        await store.set_gate(Gate(integration=SHOP, state="probing", probe_in_s=0, backoff_s=60))
        assert not await take(store)
        await put(store, entry())
        assert await take(store)

    @pytest.mark.parametrize(
        ("state", "probed"), [("paused_reject", "new"), ("paused_auth", "old"), ("probing", "old")]
    )
    async def test_the_row_that_probes(
        self, world: World, store: Store, state: str, probed: str
    ) -> None:
        await put(store, entry("old"), entry("middle"))
        world.clock.pass_s(1)
        await put(store, entry("new"))
        gate = Gate(integration=SHOP, state=state, probe_in_s=0, backoff_s=60)  # type: ignore[arg-type]
        await store.set_gate(gate)
        assert bodies(await take(store)) == [b'{"id":"%s"}' % probed.encode()]

    async def test_paused_by_hand_never_probes(self, world: World, store: Store) -> None:
        await put(store, entry())
        await store.set_gate(Gate(integration=SHOP, state="paused_manual", probe_in_s=0))
        assert (await store.gate(SHOP)).probe_in_s is None
        world.clock.pass_s(3600)
        assert not await take(store)

    async def test_open_makes_what_waits_due(self, store: Store) -> None:
        await put(store, entry(), entry(integration=APP))
        for integration in (SHOP, APP):
            lease = await take(store, integration)
            await store.settle(lease, retry=[Retry(id=ids(lease)[0], delay_s=900)])
        await store.set_gate(Gate(integration=SHOP))
        assert len((await take(store)).rows) == 1
        assert await store.waiting(APP) == (0, 900.0)


class TestLimiter:
    async def test_a_burst_and_then_the_rate(self, world: World, store: Store) -> None:
        answers = [await store.acquire(SHOP, rate=10, burst=5) for _ in range(6)]
        assert answers == [0, 0, 0, 0, 0, pytest.approx(0.1)]
        world.clock.pass_s(0.1)
        assert await store.acquire(SHOP, rate=10, burst=5) == 0
        assert await store.acquire(SHOP, rate=10, burst=5) > 0
        assert await store.acquire(APP, rate=10, burst=5) == 0

    async def test_a_clock_set_back_does_not_stop_it(self, world: World, store: Store) -> None:
        assert await store.acquire(SHOP, rate=10, burst=5, per_minute=600) == 0
        world.clock.pass_s(-20 * 3600)
        await store.acquire(SHOP, rate=10, burst=5, per_minute=600)
        world.clock.pass_s(6)
        assert await store.acquire(SHOP, rate=10, burst=5, per_minute=600) == 0

    async def test_no_window_holds_more_than_it_may(self, world: World, store: Store) -> None:
        granted: list[int] = []
        while world.clock.now_ms < START_MS + 4000:
            wait_s = await store.acquire(SHOP, rate=25, burst=10)
            if wait_s == 0:
                granted.append(world.clock.now_ms)
            else:
                world.clock.now_ms += max(1, round(wait_s * 1000))
        assert len(granted) >= 100
        for first, from_ms in enumerate(granted):
            for last in range(first, len(granted)):
                window_s = (granted[last] - from_ms) / 1000
                assert last - first + 1 <= 25 * window_s + 10 + 1e-6

    async def test_a_minute_is_limited_beside_it(self, world: World, store: Store) -> None:
        granted: list[int] = []
        while world.clock.now_ms < START_MS + 180_000:
            wait_s = await store.acquire(SHOP, rate=50, burst=100, per_minute=20)
            if wait_s == 0:
                granted.append(world.clock.now_ms)
            else:
                world.clock.now_ms += max(1, round(wait_s * 1000))
        assert len(granted) > 40
        for from_ms in granted:
            assert sum(from_ms <= at_ms < from_ms + 60_000 for at_ms in granted) <= 20

    async def test_what_one_limit_refuses_costs_nothing_of_the_other(
        self, world: World, store: Store
    ) -> None:
        async def ask() -> float:
            return await store.acquire(SHOP, rate=0.001, burst=2, per_minute=2)

        assert await ask() == 0
        assert [await ask() for _ in range(10)] == [pytest.approx(30)] * 10
        world.clock.pass_s(30)
        assert await ask() == 0

    async def test_a_restart_gives_no_new_burst(self, world: World, store: Store) -> None:
        for _ in range(5):
            await store.acquire(SHOP, rate=1, burst=5)
        await store.close()
        assert await (await world.open()).acquire(SHOP, rate=1, burst=5) > 0


class TestVisitor:
    async def test_traits_reach_rows_from_the_binding_on(self, store: Store) -> None:
        before, own, after, late = [entry(visitor=VISITOR) for _ in range(4)]
        other = entry(visitor=b"w" * 16)
        await store.append(
            [
                Item((before,)),
                Item((own,), Binding(visitor=VISITOR, traits=b'{"em":"1"}')),
                Item((after, other)),
            ]
        )
        await store.append([Item((), Binding(visitor=VISITOR, traits=b'{"ph":"2"}'))])
        await put(store, late)
        assert [row.known for row in (await take(store)).rows] == [
            b"",
            b'{"em":"1"}',
            b'{"em":"1"}',
            b"",
            b'{"em":"1","ph":"2"}',
        ]
        assert await store.known(VISITOR) == b'{"em":"1","ph":"2"}'
        assert await store.known(b"w" * 16) == b""

    async def test_a_row_keeps_what_was_known_when_it_was_accepted(self, store: Store) -> None:
        await store.append(
            [Item((entry(visitor=VISITOR),), Binding(visitor=VISITOR, traits=b'{"em":"1"}'))]
        )
        await store.append([Item((), Binding(visitor=VISITOR, forget=True))])
        assert await store.known(VISITOR) == b""
        assert [row.known for row in (await take(store)).rows] == [b'{"em":"1"}']

    async def test_forgetting_comes_before_the_new_traits(self, store: Store) -> None:
        for binding in (
            Binding(visitor=VISITOR, traits=b'{"em":"1"}'),
            Binding(visitor=VISITOR, traits=b'{"ph":"2"}', forget=True),
        ):
            await store.append([Item((), binding)])
        assert await store.known(VISITOR) == b'{"ph":"2"}'

    async def test_nobody_has_no_traits(self, store: Store) -> None:
        await store.append([Item((entry(),), Binding(visitor=b"", traits=b'{"em":"1"}'))])
        assert [row.known for row in (await take(store)).rows] == [b""]
        assert await store.known(b"") == b""

    async def test_traits_go_when_they_were_not_used_for_long(
        self, world: World, store: Store
    ) -> None:
        await store.append([Item((), Binding(visitor=VISITOR, traits=b'{"em":"1"}'))])
        world.clock.pass_s(IDENTITY_S - 1)
        await put(store, entry(visitor=VISITOR))
        world.clock.pass_s(IDENTITY_S - 86400)
        await store.sweep()
        assert await store.known(VISITOR)
        world.clock.pass_s(86400)
        assert await store.sweep() >= 1
        assert await store.known(VISITOR) == b""

    async def test_recall_erases_queue_and_identity_but_not_keys(
        self, world: World, store: Store
    ) -> None:
        await store.append([Item((), Binding(visitor=VISITOR, traits=b'{"em":"1"}'))])
        mine = [entry(f"m{n}", visitor=VISITOR) for n in range(600)]
        others = [entry(f"o{n}", visitor=b"w" * 16) for n in range(600)]
        await put(store, *[one for pair in zip(mine, others, strict=True) for one in pair])
        await put(store, entry())
        lease = await take(store, limit=10)
        assert await store.recall(VISITOR) == 600
        assert await store.settle(lease, delivered=ids(lease)) == 5
        assert await store.known(VISITOR) == b""
        assert await put(store, entry("m1")) == [OLD]
        counts = await world.counts()
        assert (counts.erased, counts.delivered, counts.pending) == (600, 5, 596)
        assert await store.recall(VISITOR) == 0

    async def test_recall_of_nobody_erases_nothing(self, world: World, store: Store) -> None:
        await put(store, entry(), entry())
        lease = await take(store, limit=1)
        await store.settle(lease, dead=[Dead(id=ids(lease)[0], reason="rejected")])
        assert await store.recall(b"") == await store.forget(b"") == 0
        counts = await world.counts()
        assert (counts.pending, counts.dead_now) == (1, 1)

    async def test_events_before_a_recall_are_erased_and_later_ones_are_not(
        self, world: World, store: Store
    ) -> None:
        made = [entry(visitor=VISITOR) for _ in range(3)]
        answers = await asyncio.gather(
            put(store, made[0]), put(store, made[1]), store.recall(VISITOR), put(store, made[2])
        )
        assert answers[2] == 2
        assert bodies(await take(store)) == [made[2].body]

    async def test_forget_erases_dead_letters_too(self, world: World, store: Store) -> None:
        await put(store, entry(visitor=VISITOR), entry())
        lease = await take(store)
        await store.settle(lease, dead=[Dead(id=id_, reason="rejected") for id_ in ids(lease)])
        await put(store, entry(visitor=VISITOR))
        assert await store.recall(VISITOR) == 1
        assert len(await store.dead_letters()) == 2
        assert await store.forget(VISITOR) == 1
        assert len(await store.dead_letters()) == 1
        counts = await world.counts()
        assert (counts.erased, counts.erased_dead, counts.dead_now) == (1, 1, 1)


class TestUpkeep:
    async def test_a_sweep_is_bounded_and_gets_there(self, world: World, store: Store) -> None:
        await put(store, *[entry(expires_ms=START_MS + 1000) for _ in range(25)])
        world.clock.pass_s(SEEN_S + A_LITTLE_LATER_S)
        moved = [await store.sweep(limit=10) for _ in range(4)]
        assert all(0 < n <= 20 for n in moved[:3])
        assert moved[3] == 0
        assert sum(moved) == 25  # a row that dies takes its key with it
        assert (await world.counts()).dead_now == 25

    async def test_old_keys_go_and_live_ones_stay(self, world: World, store: Store) -> None:
        await put(store, *[entry(f"old{n}") for n in range(30)])
        world.clock.pass_s(SEEN_S / 2)
        await put(store, *[entry(f"new{n}") for n in range(30)])
        world.clock.pass_s(SEEN_S / 2 + A_LITTLE_LATER_S)
        moved = [await store.sweep(limit=7) for _ in range(12)]
        assert sum(moved) == 30
        assert await put(store, *[entry(f"new{n}") for n in range(30)]) == 30 * [OLD]

    async def test_leased_rows_do_not_expire_under_the_claimant(
        self, world: World, store: Store
    ) -> None:
        await put(store, entry(expires_ms=START_MS + 1000))
        lease = await take(store)
        world.clock.pass_s(10)
        assert await store.sweep() == 0
        assert await store.settle(lease, delivered=ids(lease)) == 1

    @pytest.mark.parametrize("back_s", [60, 3600, 86_400])
    async def test_a_clock_set_back_stops_nothing(
        self, world: World, store: Store, back_s: int
    ) -> None:
        await put(store, entry("fresh"), entry("late"))
        lease = await take(store, limit=1)
        await store.settle(lease, retry=[Retry(id=ids(lease)[0], delay_s=900)])
        gate = Gate(integration=APP, state="probing", probe_in_s=5, backoff_s=4.9999)
        await store.set_gate(gate)
        await store.acquire(SHOP, rate=1, burst=2)
        world.clock.pass_s(-back_s)
        assert len((await take(store)).rows) == 2
        assert 4.9 < ((await store.gate(APP)).probe_in_s or 0) <= 5
        assert await store.acquire(SHOP, rate=1, burst=2) <= 1

    async def test_a_clock_set_back_a_little_stops_no_row_under_way(
        self, world: World, store: Store
    ) -> None:
        await put(store, entry())
        await take(store)
        world.clock.pass_s(-1800)
        await put(store, entry())
        assert await store.recover(everything=True) == 1
        assert len((await take(store)).rows) == 2

    @pytest.mark.parametrize("back_s", [300, 1800, 86_400])
    async def test_a_clock_set_back_neither_ends_a_lease_nor_keeps_it_for_ever(
        self, world: World, store: Store, back_s: int
    ) -> None:
        await put(store, entry())
        await take(store)
        world.clock.pass_s(-back_s)
        assert not await take(store)
        world.clock.pass_s(119)
        assert not await take(store)
        world.clock.pass_s(1)
        assert await take(store)

    async def test_a_clock_set_back_a_little_before_a_restart_stops_nothing(
        self, world: World, store: Store
    ) -> None:
        await put(store, entry("fresh"), entry("late"))
        lease = await take(store, limit=1)
        await store.settle(lease, retry=[Retry(id=ids(lease)[0], delay_s=900)])
        await store.close()
        world.clock.pass_s(-1800)
        again = await world.open()
        assert len((await take(again)).rows) == 2

    async def test_a_long_wait_does_not_hide_a_clock_set_back(
        self, world: World, store: Store
    ) -> None:
        await put(store, entry())
        lease = await take(store)
        world.clock.pass_s(1800)
        await store.settle(lease, retry=[Retry(id=ids(lease)[0], delay_s=3600)])
        world.clock.pass_s(-900)
        assert len((await take(await world.open())).rows) == 1

    async def test_a_restart_is_no_way_around_a_wait(self, world: World, store: Store) -> None:
        await put(store, entry())
        lease = await take(store)
        await store.settle(lease, retry=[Retry(id=ids(lease)[0], delay_s=900)])
        await store.close()
        assert not await take(await world.open())

    async def test_a_clock_set_back_far_before_a_restart_stops_nothing(
        self, world: World, store: Store
    ) -> None:
        await put(store, entry(), entry())
        await take(store, limit=1)
        await store.set_gate(Gate(integration=APP, state="probing", probe_in_s=600, backoff_s=5))
        await store.close()
        world.clock.pass_s(-86_400)
        again = await world.open()
        await put(again, entry())
        assert await again.waiting(SHOP) == (2, 0.0)
        assert 4.9 < ((await again.gate(APP)).probe_in_s or 0) <= 5
        assert len((await take(again, lease_s=600)).rows) == 2
        world.clock.pass_s(120)
        assert len((await take(again)).rows) == 1

    async def test_a_day_forward_expires_nothing_early(self, world: World, store: Store) -> None:
        await put(store, entry(expires_ms=START_MS + 7 * DAY_MS))
        world.clock.pass_s(86_400)
        assert await store.sweep() == 0
        assert await take(store)

    async def test_statistics_tell_the_queue(self, world: World, store: Store) -> None:
        assert await store.stats() == []
        await put(store, entry())
        world.clock.pass_s(10)
        await put(store, entry(), entry(integration=APP))
        world.clock.pass_s(5)
        await take(store, limit=1)
        shop, app = await world.counts(SHOP), await world.counts(APP)
        assert (shop.pending, shop.leased, shop.oldest_s) == (2, 1, 15.0)
        assert (app.pending, app.leased, app.oldest_s) == (1, 0, 5.0)

    async def test_waiting_names_the_next_row(self, world: World, store: Store) -> None:
        assert await store.waiting(SHOP) == (0, float("inf"))
        await put(store, *[entry() for _ in range(3)])
        lease = await take(store)
        delays_s = (40, 20, 30)
        back = [Retry(id=i, delay_s=s) for i, s in zip(ids(lease), delays_s, strict=True)]
        await store.settle(lease, retry=back)
        assert await store.waiting(SHOP) == (0, 20.0)
        world.clock.pass_s(30)
        assert await store.waiting(SHOP) == (2, 0.0)

    async def test_a_note_is_written_once(self, world: World, store: Store) -> None:
        assert await store.meta("colour") == ""
        assert await store.meta("colour", "blue") == "blue"
        assert await store.meta("colour", "red") == "blue"
        await store.close()
        assert await (await world.open()).meta("colour") == "blue"


class TestLife:
    async def test_check_writes_no_event(self, world: World, store: Store) -> None:
        await store.check()
        assert await store.stats() == []

    async def test_close_finishes_what_is_queued_and_may_be_repeated(
        self, world: World, store: Store
    ) -> None:
        queued = [asyncio.ensure_future(put(store, entry())) for _ in range(20)]
        await asyncio.sleep(0)  # the calls are under way
        await asyncio.gather(store.close(), store.close())
        assert await asyncio.gather(*queued) == 20 * [[NEW]]
        await store.close()
        for call in (put(store, entry()), take(store), store.stats(), store.check()):
            with pytest.raises(StoreBusy):
                await call
        assert (await world.counts()).pending == 20

    async def test_two_stores_at_one_place_work_together(self, world: World) -> None:
        one, two = await world.open(), await world.open()
        made = [entry(f"e{n}") for n in range(200)]

        async def all_of(store: Store) -> int:
            return sum([(await put(store, each)) == [NEW] for each in made])

        assert sum(await asyncio.gather(all_of(one), all_of(two))) == 200
        leases = await asyncio.gather(*[take(store, limit=30) for store in 5 * (one, two)])
        found = [row.id for lease in leases for row in lease.rows]
        assert len(found) == len(set(found)) == 200
        assert await one.settle(leases[1], delivered=ids(leases[1])) == len(leases[1].rows)

    async def test_order_holds_between_calls_of_one_caller(self, store: Store) -> None:
        made = [entry() for _ in range(50)]
        calls = [asyncio.ensure_future(put(store, one)) for one in made]
        await asyncio.gather(*calls)
        rows = (await take(store)).rows
        assert all(a.id < b.id for a, b in pairwise(rows))
        assert [row.body for row in rows] == bodies_of(made)

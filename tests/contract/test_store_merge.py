"""A richer copy of an event completes the one that still waits; on each row of STORES."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeproxy.store import STORES
from edgeproxy.store.base import Binding, Dead, Entry, Item, Retry, Store
from tests.contract.store_world import (
    APP,
    NEW,
    OLD,
    SHOP,
    VISITOR,
    World,
    entry,
    ids,
    key,
    put,
    take,
)

NAMES = ("email_sha256", "phone_sha256", "zip_sha256", "external_id_sha256")


@pytest.fixture(params=sorted(STORES))
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    made = World(request.param, tmp_path)
    yield made
    await made.counts()
    await made.close()


@pytest.fixture
async def store(world: World) -> Store:
    return await world.open()


def rich(name: str, fill: dict[str, str], **changes: Any) -> Entry:
    """A copy with digests of its own user."""
    return entry(name, fill=json.dumps(fill).encode(), **changes)


async def known(store: Store, integration: str = SHOP) -> list[dict[str, str]]:
    """What each row that is handed out knows, in order."""
    lease = await take(store, integration)
    return [json.loads(row.known or b"{}") for row in lease.rows]


async def test_a_richer_copy_completes_the_row_that_waits(world: World, store: Store) -> None:
    assert await put(store, entry("a"), rich("a", {"email_sha256": "1"})) == [NEW, OLD]
    assert await put(store, rich("a", {"phone_sha256": "2"})) == [OLD]
    assert await known(store) == [{"email_sha256": "1", "phone_sha256": "2"}]
    counts = await world.counts()
    assert (counts.accepted, counts.duplicate, counts.pending) == (1, 2, 1)


async def test_what_is_there_stays(store: Store) -> None:
    """The first value wins: a later copy cannot change what was acknowledged."""
    await put(store, entry("a"))
    await put(store, rich("a", {"email_sha256": "1"}))
    await put(store, rich("a", {"email_sha256": "2", "zip_sha256": "3"}))
    assert await known(store) == [{"email_sha256": "1", "zip_sha256": "3"}]


async def test_what_is_known_of_the_visitor_stays(store: Store) -> None:
    binding = Binding(visitor=VISITOR, traits=b'{"email_sha256":"1"}')
    await store.append([Item((entry("a", visitor=VISITOR),), binding)])
    await put(store, rich("a", {"email_sha256": "2", "zip_sha256": "3"}, visitor=VISITOR))
    assert await known(store) == [{"email_sha256": "1", "zip_sha256": "3"}]
    assert json.loads(await store.known(VISITOR)) == {"email_sha256": "1"}


async def test_the_first_copy_keeps_its_own_in_its_body(store: Store) -> None:
    """What an event says of its user is in its body; `fill` is for copies only."""
    await put(store, rich("a", {"email_sha256": "1"}))
    assert await known(store) == [{}]


async def test_the_copy_by_order_completes_too(store: Store) -> None:
    """The browser and the shop's server name one purchase by its order and not by its event."""
    order = key("order")
    await put(store, entry("browser", order_key=order))
    assert await put(store, rich("server", {"email_sha256": "1"}, order_key=order)) == [OLD]
    assert await known(store) == [{"email_sha256": "1"}]


async def test_copies_in_one_call_complete_too(store: Store) -> None:
    fates = await store.append(
        [Item((entry("a"),)), Item((rich("a", {"email_sha256": "1"}), entry("b")))]
    )
    assert fates == [(NEW,), (OLD, NEW)]
    assert await known(store) == [{"email_sha256": "1"}, {}]


async def test_another_event_and_another_integration_are_left_alone(store: Store) -> None:
    await put(store, entry("a"), entry("b"), entry("c", integration=APP))
    await put(store, rich("a", {"email_sha256": "1"}))
    assert await known(store) == [{"email_sha256": "1"}, {}]
    assert await known(store, APP) == [{}]


async def test_a_row_under_way_is_left_alone(store: Store) -> None:
    """Every attempt of a request carries the same bytes; only a row put back may change."""
    await put(store, entry("a"))
    lease = await take(store)
    await put(store, rich("a", {"email_sha256": "1"}))
    await store.settle(lease, retry=[Retry(id=ids(lease)[0], delay_s=0)])
    assert await known(store) == [{}]


async def test_a_row_that_waits_for_its_next_attempt_is_completed(store: Store) -> None:
    await put(store, entry("a"))
    lease = await take(store)
    await store.settle(lease, retry=[Retry(id=ids(lease)[0], delay_s=0)])
    await put(store, rich("a", {"email_sha256": "1"}))
    assert await known(store) == [{"email_sha256": "1"}]


async def test_a_copy_of_what_is_delivered_or_erased_changes_nothing(store: Store) -> None:
    await put(store, entry("a"), entry("b", visitor=VISITOR))
    lease = await take(store, limit=1)
    await store.settle(lease, delivered=ids(lease))
    await store.recall(VISITOR)
    copies = [rich("a", {"email_sha256": "1"}), rich("b", {"email_sha256": "1"})]
    assert await put(store, *copies, entry("c")) == [OLD, OLD, NEW]
    assert await known(store) == [{}]


async def test_a_dead_letter_is_left_alone_and_its_copy_is_an_event(store: Store) -> None:
    await put(store, entry("a"))
    lease = await take(store)
    await store.settle(lease, dead=[Dead(id=ids(lease)[0], reason="rejected")])
    assert await put(store, rich("a", {"email_sha256": "1"})) == [NEW]


async def test_a_replayed_letter_is_completed_like_any_row_that_waits(store: Store) -> None:
    """By the event's id, and by the order's; each letter by its own copies."""
    order = key("order")
    await put(store, entry("a", order_key=order), entry("b"))
    lease = await take(store)
    await store.settle(lease, dead=[Dead(id=id_, reason="ambiguous_200") for id_ in ids(lease)])
    letters = [letter.id for letter in await store.dead_letters()]
    assert await store.replay(letters) == 2
    by_order = rich("c", {"phone_sha256": "2"}, order_key=order)
    copies = [rich("a", {"email_sha256": "1"}), by_order, rich("b", {"email_sha256": "3"})]
    assert await put(store, *copies) == [OLD, OLD, OLD]
    found = await known(store)
    assert sorted(map(sorted, (each.items() for each in found))) == [
        [("email_sha256", "1"), ("phone_sha256", "2")],
        [("email_sha256", "3")],
    ]


async def test_nobody_s_digests_of_a_copy_stay_after_erasure(store: Store) -> None:
    await put(store, entry("a", visitor=VISITOR))
    await put(store, rich("a", {"email_sha256": "1"}, visitor=VISITOR))
    assert await store.recall(VISITOR) == 1
    assert await known(store) == []


async def test_a_copy_without_anything_new_is_a_plain_duplicate(store: Store) -> None:
    await put(store, entry("a"))
    assert await put(store, entry("a"), rich("a", {})) == [OLD, OLD]
    assert await known(store) == [{}]


FILLS = st.lists(
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["1", "2", "3"]), max_size=4),
    max_size=6,
)


@pytest.mark.parametrize("engine", sorted(STORES))
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(fills=FILLS)
async def test_in_any_order_the_first_value_of_each_wins(
    engine: str, fills: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    world = World(engine, tmp_path_factory.mktemp("merge"))
    try:
        store = await world.open()
        await put(store, entry("a"))
        await put(store, *(rich("a", fill) for fill in fills))
        expected: dict[str, str] = {}
        for fill in fills:
            expected = fill | expected
        assert await known(store) == [expected]
    finally:
        await world.close()

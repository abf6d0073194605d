"""What people may ask a store: dead letters by any filter, what is held of a visitor, and who."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from edgeproxy.store import STORES, open_reader
from edgeproxy.store.base import Binding, Dead, DeadCount, Entry, Held, Item, Retry, Store
from edgeproxy.store.search import SLICE_ROWS, needle
from tests.contract.store_world import (
    APP,
    SHOP,
    START_MS,
    VISITOR,
    World,
    entry,
    ids,
    key,
    put,
    take,
)

OTHER = b"w" * 16


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


def purchase(id: str, **changes: bytes) -> Entry:
    return msgspec.structs.replace(entry(id, **changes), name="PURCHASE")


async def bury(store: Store, reason: str = "rejected", integration: str = SHOP) -> None:
    lease = await take(store, integration)
    dead = [Dead(id=id_, reason=reason, detail="words") for id_ in ids(lease)]
    await store.settle(lease, dead=dead)


async def graveyard(world: World, store: Store) -> None:
    await put(store, purchase("a"), entry("b"))
    await bury(store)
    world.clock.pass_s(60)
    await put(store, purchase("c"), entry("d", integration=APP))
    await bury(store)
    await bury(store, "expired", APP)


async def test_dead_letters_are_counted_by_integration_reason_and_event(
    world: World, store: Store
) -> None:
    assert list(await store.dead_counts()) == []
    await graveyard(world, store)
    later = START_MS + 60_000
    expected = [
        ("app/pixel", "expired", "PAGE_VIEW", 1, later, later),
        (SHOP, "rejected", "PAGE_VIEW", 1, START_MS, START_MS),
        (SHOP, "rejected", "PURCHASE", 2, START_MS, later),
    ]
    names = ("integration", "reason", "name", "n", "oldest_ms", "newest_ms")
    made = [DeadCount(**dict(zip(names, row, strict=True))) for row in expected]  # type: ignore[arg-type]
    assert list(await store.dead_counts()) == made


async def test_every_filter_narrows_and_all_of_them_together(world: World, store: Store) -> None:
    await graveyard(world, store)
    everything = await store.dead_letters()
    newest_first = [one.id for one in everything]
    assert newest_first == sorted(newest_first, reverse=True)

    purchases = await store.dead_letters(name="PURCHASE")
    assert [one.name for one in purchases] == ["PURCHASE", "PURCHASE"]
    chosen = [newest_first[-1], newest_first[0], 10_000]
    assert [one.id for one in await store.dead_letters(ids=chosen)] == [
        newest_first[0],
        newest_first[-1],
    ]
    assert await store.dead_letters(ids=[]) == []
    one = await store.dead_letters(
        integration=SHOP, reason="rejected", name="PURCHASE", before=purchases[0].id, limit=5
    )
    assert list(one) == [purchases[1]]
    assert await store.dead_letters(ids=[newest_first[0]], name="no such") == []


async def test_all_that_is_held_of_a_visitor_is_found(world: World, store: Store) -> None:
    made = purchase("mine", visitor=VISITOR)
    binding = Binding(visitor=VISITOR, traits=b'{"em":"1"}')
    await store.append([Item((made,), binding)])
    await put(store, entry("dead", visitor=VISITOR), entry("other", visitor=OTHER))
    lease = await take(store)
    await store.settle(
        lease,
        dead=[Dead(id=ids(lease)[1], reason="rejected", detail="words")],
        retry=[Retry(id=ids(lease)[0], delay_s=60, error="503")],
    )
    world.clock.pass_s(5)
    await put(store, *(entry(visitor=VISITOR) for _ in range(300)))

    held = await store.held(VISITOR, limit=2)
    assert (held.traits, held.last_seen_ms) == (b'{"em":"1"}', START_MS)
    assert (held.waiting_n, held.dead_n, len(held.waiting)) == (301, 1, 2)
    assert held.waiting[0].created_ms == START_MS + 5000
    (letter,) = held.dead
    assert (letter.visitor, letter.reason, letter.detail) == (VISITOR, "rejected", "words")
    oldest = (await store.held(VISITOR, limit=1000)).waiting[-1]
    assert (oldest.name, oldest.body, oldest.error) == ("PURCHASE", made.body, "503")
    assert (oldest.attempt, oldest.leased, oldest.integration) == (1, False, SHOP)

    await take(store, limit=1)
    assert [one.leased for one in (await store.held(VISITOR, limit=1000)).waiting].count(True) == 1
    await store.forget(VISITOR)
    assert not await store.held(VISITOR)
    assert (await store.held(OTHER)).waiting_n == 1


async def test_nobody_holds_nothing(store: Store) -> None:
    await put(store, entry(), entry())
    await bury(store)
    await put(store, entry())
    assert await store.held(b"") == Held()


async def test_a_person_is_found_in_traits_in_the_queue_and_among_the_dead(
    world: World, store: Store
) -> None:
    digest = "ab" * 32
    text = b'"em":"%s"' % digest.encode()
    visitors = [bytes([n]) * 16 for n in range(1, 6)]
    await put(store, entry(visitor=visitors[0], body=b"{%s}" % text))
    await bury(store)
    await put(store, entry(visitor=visitors[1], body=b'{"who":{%s}}' % text))
    await store.append([Item((), Binding(visitor=visitors[2], traits=b"{%s}" % text))])
    await store.append([Item((), Binding(visitor=visitors[3], traits=b"{%s}" % text))])
    await put(store, entry(visitor=visitors[3]))
    await store.append([Item((), Binding(visitor=visitors[3], forget=True))])  # the row has it yet
    await put(store, entry(visitor=visitors[4], body=b'{"em":"%s"}' % (b"cd" * 32)))
    await put(store, entry(body=b"{%s}" % text))  # of nobody

    assert sorted(await store.visitors_with("em", digest)) == visitors[:4]
    assert list(await store.visitors_with("em", "ef" * 32)) == []
    assert list(await store.visitors_with("ph", digest)) == []
    reader = await open_reader(world.url, now_ms=world.clock)
    try:
        assert sorted(await reader.visitors_with("em", digest)) == visitors[:4]
        assert await reader.held(visitors[1]) == await store.held(visitors[1])
        assert await reader.dead_counts() == await store.dead_counts()
        assert await reader.dead_letters(name="PAGE_VIEW", ids=[1]) == await store.dead_letters()
    finally:
        await reader.close()


async def test_the_search_goes_on_where_a_slice_ends(store: Store) -> None:
    crowd = [
        Item((), Binding(visitor=key(f"{n:08}"), traits=b'{"em":"%08d"}' % (n // 2)))
        for n in range(SLICE_ROWS + 10)
    ]
    for start in range(0, len(crowd), 5000):
        await store.append(crowd[start : start + 5000])
    for n in (0, SLICE_ROWS // 2 - 1, SLICE_ROWS // 2, SLICE_ROWS // 2 + 4):
        found = sorted(await store.visitors_with("em", f"{n:08}"))
        assert found == [key(f"{2 * n:08}"), key(f"{2 * n + 1:08}")]


@pytest.mark.parametrize(("trait", "value"), [('e"m', "x"), ("em", 'x","'), ("em", ""), ("", "x")])
def test_only_plain_texts_are_looked_for(trait: str, value: str) -> None:
    with pytest.raises(ValueError, match="plain"):
        needle(trait, value)

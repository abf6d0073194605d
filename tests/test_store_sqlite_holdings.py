"""Erased means gone from the file: no free page and no log keeps what was a visitor's."""

import hashlib
from pathlib import Path

from edgeproxy.store.base import Binding, Dead, Item
from edgeproxy.store.sqlite.store import SqliteStore
from tests.contract.store_world import SHOP, Clock, entry, ids, put, take

CANARY = b"canary-of-a-visitor"


def mixed(*numbers: int) -> bytes:
    return hashlib.sha256(repr(numbers).encode()).digest()


def written(folder: Path) -> bytes:
    return b"".join(one.read_bytes() for one in sorted(folder.iterdir()))


async def test_after_an_erasure_the_files_hold_nothing_of_the_visitor(tmp_path: Path) -> None:
    """Among many others, who come and go, so that pages are shared, freed and used again."""
    store = await SqliteStore.open(str(tmp_path / "edge.db"), now_ms=Clock())
    visitors = [mixed(n)[:16] for n in range(150)]
    for round_ in range(12):
        items = []
        for n, visitor in enumerate(visitors):
            tag = CANARY if n == 7 else b"somebody-else-%05d" % n
            body = b'{"scid":"%s","url":"%s"}' % (tag, tag * (1 + mixed(round_, n)[0] % 60))
            traits = b'{"t%d":"%s"}' % (round_, tag * (1 + mixed(n, round_)[1] % 5))
            row = entry(visitor=visitor, body=body)
            items.append(Item((row,), Binding(visitor=visitor, traits=traits)))
        items.sort(key=lambda one: hashlib.sha256(one.entries[0].body).digest())
        await store.append(items)
        lease = await take(store, limit=90)
        half = len(ids(lease)) // 2
        dead = [Dead(id=id_, reason="rejected") for id_ in ids(lease)[half:]]
        await store.settle(lease, delivered=ids(lease)[:half], dead=dead)
    await deliver_all(store)  # whole pages become free, with what stood on them
    row = entry(visitor=visitors[7], body=CANARY)
    await store.append([Item((row,), Binding(visitor=visitors[7], traits=b'{"em":"1"}'))])
    await store.sweep()
    assert CANARY in written(tmp_path)

    assert await store.forget(visitors[7]) > 0
    await store.sweep()
    assert CANARY not in written(tmp_path)
    assert await store.known(visitors[8])
    await store.close()
    assert CANARY not in written(tmp_path)


async def deliver_all(store: SqliteStore) -> None:
    while lease := await take(store, limit=500):
        await store.settle(lease, delivered=ids(lease))


async def test_what_is_cancelled_leaves_no_page_with_its_words(tmp_path: Path) -> None:
    """A body that is larger than a page lies on pages of its own, which become free as a whole."""
    store = await SqliteStore.open(str(tmp_path / "edge.db"), now_ms=Clock())
    await put(store, *(entry(visitor=b"v" * 16, body=CANARY * 700) for _ in range(5)), entry())
    await store.sweep()
    assert CANARY in written(tmp_path)
    assert await store.recall(b"v" * 16) == 5
    await store.sweep()
    assert CANARY not in written(tmp_path)
    await store.close()


async def test_who_comes_back_starts_anew(tmp_path: Path) -> None:
    store = await SqliteStore.open(str(tmp_path / "edge.db"), now_ms=Clock())
    binding = Binding(visitor=b"v" * 16, traits=b'{"em":"1"}')
    await store.append([Item((entry("a", visitor=b"v" * 16),), binding)])
    assert await store.forget(b"v" * 16) == 1
    await put(store, entry("b", visitor=b"v" * 16))
    (row,) = (await take(store, SHOP)).rows
    assert (row.body, row.known) == (b'{"id":"b"}', b"")
    await store.close()

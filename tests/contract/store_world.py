"""A store under test: where it lies, its clock, and the entries that are put into it."""

from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from edgeproxy.store import open_store
from edgeproxy.store.base import Counts, Entry, Fate, Item, Lease, Store

START_MS = 1_706_540_000_000
DAY_MS = 86_400_000
NEW, OLD = Fate.ACCEPTED, Fate.DUPLICATE
SHOP, APP = "shop/pixel", "app/pixel"
VISITOR = b"v" * 16

PLACES: dict[str, Callable[[Path], str]] = {"sqlite": lambda folder: f"sqlite://{folder}/edge.db"}
"""Where a store of each engine lies; the suite runs on every row of `STORES`."""

_serial = count()


class Clock:
    """A wall clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now_ms = START_MS

    def __call__(self) -> int:
        return self.now_ms

    def pass_s(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1000)


class World:
    """One place and one clock, and the stores that are open there."""

    def __init__(self, engine: str, folder: Path) -> None:
        self.url = PLACES[engine](folder)
        self.clock = Clock()
        self.stores: list[Store] = []

    async def open(self) -> Store:
        store = await open_store(self.url, now_ms=self.clock)
        self.stores.append(store)
        return store

    async def close(self) -> None:
        for store in self.stores:
            await store.close()

    async def counts(self, integration: str = SHOP) -> Counts:
        """The numbers of an integration, as a store that opens now sees them."""
        found = {counts.integration: counts for counts in await (await self.open()).stats()}
        assert all(counts.balanced for counts in found.values()), found
        return found.get(integration, Counts(integration=integration))


def key(text: object) -> bytes:
    """16 bytes that name something."""
    return str(text).encode().rjust(16, b"-")


def entry(name: object = "", **changes: Any) -> Entry:
    """A row to be; each one without a name has a key and a body of its own."""
    name = name or f"#{next(_serial)}"
    fields: dict[str, Any] = {
        "integration": SHOP,
        "key": key(name),
        "name": "PAGE_VIEW",
        "body": f'{{"id":"{name}"}}'.encode(),
        "event_time_ms": START_MS,
        "expires_ms": START_MS + 400 * DAY_MS,
    }
    return Entry(**fields | changes)


async def put(store: Store, *entries: Entry) -> list[Fate]:
    """Append each entry as an event of its own; return the fates."""
    return [fate for (fate,) in await store.append([Item((one,)) for one in entries])]


async def take(
    store: Store, integration: str = SHOP, *, limit: int = 100, lease_s: float = 120
) -> Lease:
    """Claim up to a megabyte."""
    return await store.claim(integration, limit=limit, max_bytes=1_000_000, lease_s=lease_s)


def ids(lease: Lease) -> list[int]:
    return [row.id for row in lease.rows]


def bodies(lease: Lease) -> list[bytes]:
    return [row.body for row in lease.rows]


def bodies_of(entries: Sequence[Entry]) -> list[bytes]:
    return [one.body for one in entries]

"""A store under test: where it lies, its clock, and the entries that are put into it."""

from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from edgeproxy.store import open_store
from edgeproxy.store.base import Counts, Entry, Fate, Item, Lease, Store
from tests import postgres

START_MS = 1_706_540_000_000
DAY_MS = 86_400_000
NEW, OLD = Fate.ACCEPTED, Fate.DUPLICATE
SHOP, APP = "shop/pixel", "app/pixel"
VISITOR = b"v" * 16

_serial = count()


class Clock:
    """A wall clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now_ms = START_MS

    def __call__(self) -> int:
        return self.now_ms

    def pass_s(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1000)


class DatabaseClock(Clock):
    """The same for a store that has the time from its database."""

    def __init__(self, schema: postgres.Schema) -> None:
        self._schema = schema

    @property
    def now_ms(self) -> int:
        """What it shows."""
        return self._now_ms

    @now_ms.setter
    def now_ms(self, now_ms: int) -> None:
        self._now_ms = now_ms
        self._schema.set_clock(now_ms)


class Place(Protocol):
    """Where a store of an engine lies."""

    @property
    def url(self) -> str:
        """As in `store.url`."""
        ...

    @property
    def clock(self) -> Clock:
        """What the store there takes for the time."""
        ...

    def close(self) -> None:
        """Remove what was made for it."""
        ...


class FilePlace:
    """A database in a folder."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite://{folder}/edge.db"
        self.clock = Clock()

    def close(self) -> None:
        """The folder is the test's."""


class SchemaPlace:
    """A schema in a server that the whole run shares."""

    def __init__(self, _: Path) -> None:
        self._schema = postgres.Schema(postgres.shared(), START_MS)
        self.url = self._schema.url
        self.clock = DatabaseClock(self._schema)
        self.clock.now_ms = START_MS

    def close(self) -> None:
        """Remove the schema."""
        self._schema.drop()


PLACES: dict[str, Callable[[Path], Place]] = {"sqlite": FilePlace, "postgresql": SchemaPlace}
"""Where a store of each engine lies; the suite runs on every row of `STORES`."""


class World:
    """One place and one clock, and the stores that are open there."""

    def __init__(self, engine: str, folder: Path) -> None:
        self._place = PLACES[engine](folder)
        self.url = self._place.url
        self.clock = self._place.clock
        self.stores: list[Store] = []

    async def open(self) -> Store:
        store = await open_store(self.url, now_ms=self.clock)
        self.stores.append(store)
        return store

    async def close(self) -> None:
        """Close the stores; what lies there stays for a life to come, until `end`."""
        for store in self.stores:
            await store.close()

    def end(self) -> None:
        """Remove the place."""
        self._place.close()

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

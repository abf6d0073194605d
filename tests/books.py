"""A store with a past, for the commands that look into it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from edgeproxy.store.base import Dead, Store
from edgeproxy.store.sqlite.store import SqliteStore
from tests.edge import now_ms
from tests.fakes import event, item, put

T = TypeVar("T")
PIXEL = "5a3e0c1d-7b2f-4c8e-9a6b-0d1e2f3a4b5c"
SHOP = "default-5a3e0c1d"
"""The integration that `environment` configures."""


class Books:
    """A SQLite store in a folder, opened for each use; call it outside of an event loop."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "edge.db"

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a site whose store this is."""
        return {
            "EDGEPROXY_ORIGIN": "https://www.example.com",
            "EDGEPROXY_PIXEL_ID": PIXEL,
            "EDGEPROXY_ACCESS_TOKEN": "a-token",
            "EDGEPROXY_STORE__URL": f"sqlite://{self.path}",
        }

    def use(self, work: Callable[[Store], Awaitable[T]]) -> T:
        """What `work` says with the store open."""

        async def main() -> T:
            store = await SqliteStore.open(str(self.path), now_ms=now_ms)
            try:
                return await work(store)
            finally:
                await store.close()

        return asyncio.run(main())

    def put(self, *names: object, to: str = SHOP) -> None:
        """Accept events."""
        made = [item(event(str(name), time_ms=now_ms()), to=to) for name in names]
        self.use(lambda store: put(store, *made))

    def settle(self, count: int, reason: str = "", detail: str = "", *, to: str = SHOP) -> None:
        """Deliver the oldest that wait, or bury them for a reason."""

        async def work(store: Store) -> None:
            lease = await store.claim(to, limit=count, max_bytes=10**7, lease_s=60)
            ids = [row.id for row in lease.rows]
            assert len(ids) == count
            if reason:
                dead = [Dead(id=id_, reason=reason, detail=detail) for id_ in ids]
                await store.settle(lease, dead=dead)
            else:
                await store.settle(lease, delivered=ids)

        self.use(work)

    def bury(self, names: Sequence[object], reason: str, detail: str = "", to: str = SHOP) -> None:
        """Accept events that become dead letters."""
        self.put(*names, to=to)
        self.settle(len(names), reason, detail, to=to)

    def counts(self, to: str = SHOP) -> dict[str, int]:
        """The ledger of an integration, without zeros."""

        async def work(store: Store) -> dict[str, int]:
            for counts in await store.stats():
                if counts.integration == to:
                    assert counts.balanced
                    names = ("pending", "delivered", "dead_now", "replayed", "discarded")
                    return {name: n for name in names if (n := getattr(counts, name))}
            return {}

        return self.use(work)

"""Dead letters and visitors in a store, for tests of the desk that looks after them."""

from edgeproxy.event import Event, encode_person
from edgeproxy.keys import visitor_name
from edgeproxy.sites import Source
from edgeproxy.store.base import Binding, Dead, Item, Store
from tests.fakes import event, integration, item, put

SHOP = "shop-1"
SITE = Source(id="shop", default_country="US", integrations=(integration(id=SHOP),))
SCID = "11111111-2222-4333-8444-555555555555"


async def bury(
    store: Store,
    *names: object,
    reason: str = "rejected",
    detail: str = "Snap's words",
    to: str = SHOP,
    snap: str = "PAGE_VIEW",
) -> None:
    """Events that become dead letters, oldest first."""
    await put(store, *(item(event(str(name), name=snap), to=to) for name in names))
    lease = await store.claim(to, limit=5000, max_bytes=10**9, lease_s=60)
    dead = [Dead(id=row.id, reason=reason, detail=detail) for row in lease.rows]
    await store.settle(lease, dead=dead)


async def visit(store: Store, key: bytes, made: Event, *, dead: bool = False) -> bytes:
    """An event of a known visitor; returns the visitor's name."""
    name = visitor_name(key, made.source, made.scid)
    entries = item(made, to=SHOP, visitor=name).entries
    await store.append([Item(entries, Binding(visitor=name, traits=encode_person(made.who)))])
    if dead:
        lease = await store.claim(SHOP, limit=1, max_bytes=10**7, lease_s=60)
        gone = [Dead(id=row.id, reason="rejected", detail="") for row in lease.rows]
        await store.settle(lease, dead=gone)
    return name

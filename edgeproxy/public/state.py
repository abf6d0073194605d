"""What the public listener works with, put together once by the runtime."""

from collections.abc import Callable
from dataclasses import dataclass, field

from edgeproxy.addresses import TrustedProxies
from edgeproxy.master import MasterSigner
from edgeproxy.meter import Meter
from edgeproxy.public.flood import Flood
from edgeproxy.registry import Registry
from edgeproxy.store.base import Store
from edgeproxy.trace import Watching


@dataclass(frozen=True, kw_only=True)
class State:
    """The parts and the outside world of the public listener.

    Attributes:
        registry: Current sources and integrations.
        store: Where events become durable.
        signer: Of the master cookie.
        seal: Encrypts extras for the store.
        proxies: Whose forwarded headers count.
        visitor_key: Names visitors in the store.
        trace_key: Names addresses and user agents in traces and logs.
        now_ms: The wall clock, Unix ms.
        new_id: Mints event ids and `_scid` values, UUID version 4.
        wake: Tells delivery that an integration has new rows.
        log: Writes one structured line: an event name and fields.
        watching: Who is told the steps of events, or None.
        flood: Limits the requests of one caller, or None.
        forgot: Told of a visitor who was erased from the store, so that traces go too; never waits.
        meter: Counts "in" by source and outcome: "accepted", "duplicates", "rejected",
            "dropped.<reason>".
        stopping: Whether the process is about to end; then it is not ready.
    """

    registry: Registry
    store: Store
    signer: MasterSigner
    seal: Callable[[bytes], bytes]
    proxies: TrustedProxies
    visitor_key: bytes
    trace_key: bytes
    now_ms: Callable[[], int]
    new_id: Callable[[], str]
    wake: Callable[[str], None]
    log: Callable[..., None]
    stopping: Callable[[], bool]
    watching: Watching | None = None
    flood: Flood | None = None
    forgot: Callable[[bytes], None] = lambda _: None
    meter: Meter = field(default_factory=Meter)

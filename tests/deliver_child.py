"""A process that delivers with short leases and without waiting for its turn.

Usage: python -m tests.deliver_child, with the environment of `edgeproxy serve`. Ends on SIGTERM.
"""

import asyncio
import os
import signal

from edgeproxy import logs
from edgeproxy.config import load
from edgeproxy.delivery.backoff import Schedule
from edgeproxy.delivery.worker import Wake, deliver
from edgeproxy.keys import load_keys
from edgeproxy.outbound import Outbound
from edgeproxy.registry import Registry
from edgeproxy.runtime import draw, log_line, now_ms
from edgeproxy.seal import Sealer
from edgeproxy.snap.transport import SnapTransport
from edgeproxy.store import open_store

SCHEDULE = Schedule(lease_s=3.0, renew_s=1.0)


async def main() -> None:
    """Deliver until a signal."""
    settings = load(None, os.environ, {})
    logs.set_up("json", "debug")
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    store = await open_store(settings.store_url, now_ms=now_ms)
    outbound = Outbound()
    log_line("info", "listening", url="nowhere:0", pid=os.getpid())
    await deliver(
        store=store,
        integrations=lambda: list(Registry(settings.sources).integrations.values()),
        transport=SnapTransport(settings.upstream, outbound),
        sealer=Sealer(load_keys(settings.keys_dir).sealing),
        clock=now_ms,
        draw=draw,
        wake=Wake(),
        stopping=stopping,
        fingerprint=lambda one: one.pixel_id,
        log=log_line,
        alone=False,
        poll_s=0.1,
        schedule=SCHEDULE,
    )
    await outbound.close()
    await store.close()


if __name__ == "__main__":
    asyncio.run(main())

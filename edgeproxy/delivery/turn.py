"""Which of several processes on one store delivers: the one that holds a lock."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from edgeproxy.delivery.parts import Log
from edgeproxy.store.filelock import FileLock

LOOK_S = 1.0
"""How often a process looks whether the one that delivers is gone."""


def delivery_lock(store_url: str) -> FileLock | None:
    """The lock of a store from which one process may deliver; None where all may.

    Args:
        store_url: Of an open store: "sqlite:///absolute/path.db" has such a lock beside it.
    """
    if not store_url.startswith("sqlite:"):
        return None
    path = Path(store_url.removeprefix("sqlite://"))
    return FileLock(path.with_name(path.name + ".delivery.lock"))


async def in_turn(
    lock: FileLock,
    work: Callable[[], Awaitable[None]],
    *,
    stopping: asyncio.Event,
    log: Log,
    look_s: float = LOOK_S,
) -> None:
    """Wait until nobody else delivers, then do `work`; give the lock back when it is done.

    The kernel frees the lock of a process that dies, however it dies.

    Args:
        lock: Ours now; closed at the end.
        work: Delivers until `stopping` is set.
        stopping: Ends the waiting.
        log: Writes a line.
        look_s: How often to look.
    """
    try:
        waits = False
        while not lock.acquire(0):
            if not waits:
                waits = True
                log("info", "delivery_elsewhere")
            with suppress(TimeoutError):
                async with asyncio.timeout(look_s):
                    await stopping.wait()
            if stopping.is_set():
                return
        if waits:
            log("info", "delivery_taken_over")
        await work()
    finally:
        lock.close()

"""A process of its own that appends events and says which ones are acknowledged, until killed.

Usage: python -m tests.contract.store_child URL PREFIX
"""

import asyncio
import os
import sys

from edgeproxy.store import open_store
from edgeproxy.store.base import Store
from tests.contract.store_world import START_MS, entry, put

CALLERS = 8


async def call(store: Store, name: str) -> None:
    number = 0
    while True:
        number += 1
        await put(store, entry(f"{name}-{number}"))
        os.write(1, f"{name}-{number}\n".encode())  # one write, unbuffered: it is out when it is


async def main(url: str, prefix: str) -> None:
    store = await open_store(url, now_ms=lambda: START_MS)
    await asyncio.gather(*[call(store, f"{prefix}{n}") for n in range(CALLERS)])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))

"""One thread with one connection that does short work, in the order in which it is asked for."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from edgeproxy.store.postgres import faults
from edgeproxy.store.postgres.link import Link
from edgeproxy.store.postgres.transaction import known_faults

T = TypeVar("T")

_CLOSE_S = 5.0


class Desk:
    """Calls functions with a link, in a thread."""

    def __init__(self, link: Link, name: str) -> None:
        self._link = link
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._closed = False

    async def ask(self, work: Callable[[Link], T]) -> T:
        """Have the result of work.

        Raises:
            StoreBusy: The database cannot be reached, or is crowded.
        """
        if self._closed:
            raise faults.closed()
        call = partial(known_faults, partial(work, self._link))
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    async def close(self) -> None:
        """Finish what was asked for; after some seconds give it up."""
        self._closed = True
        loop = asyncio.get_running_loop()
        last = loop.run_in_executor(self._thread, self._link.drop)
        await asyncio.wait([last], timeout=_CLOSE_S)
        if not last.done():
            self._link.cut()
        await loop.run_in_executor(None, self._thread.shutdown)

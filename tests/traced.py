"""A real journal with traces in it, and somebody who follows a stream over a real socket."""

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx

from edgeproxy.journal import open_journal
from edgeproxy.journal.base import Journal
from edgeproxy.journal.bounds import Bounds
from edgeproxy.trace import Step
from tests.admin_http import TOKEN, Visitor
from tests.steps import START_MS

WITHIN_S = 30


@asynccontextmanager
async def traced(folder: Path, *steps: Iterable[Step]) -> AsyncIterator[Journal]:
    """A journal that was told these steps, batch by batch."""
    url = f"sqlite://{folder}/traced.db"
    journal = open_journal(url, now_ms=lambda: START_MS, bounds=Bounds(reserve_bytes=0))
    try:
        for batch in steps:
            await tell(journal, *batch)
        await journal.sweep(START_MS)  # as at every start; it makes the file
        yield journal
    finally:
        await journal.close()


async def tell(journal: Journal, *steps: Step) -> None:
    """Have steps written."""
    assert await journal.write(steps, {}, START_MS)


class Followed:
    """A stream: its messages one by one, without comments."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def message(self) -> dict[str, str]:
        """The next message by field; {} when the stream has ended."""
        with anyio.fail_after(WITHIN_S):
            found: dict[str, str] = {}
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if name in ("id", "event", "data"):
                    found[name] = value
                elif not line and found:
                    return found
            return {}

    async def row(self) -> dict[str, Any]:
        """The event of the next message."""
        row: dict[str, Any] = json.loads((await self.message())["data"])
        return row

    async def begun(self) -> None:
        """Return when the stream has begun."""
        with anyio.fail_after(WITHIN_S):
            assert await anext(self._lines) == ": from here on"


@asynccontextmanager
async def following(
    visitor: Visitor, query: str = "", *, bearer: str | None = TOKEN, **headers: str
) -> AsyncIterator[Followed]:
    """Follow events for the length of the block."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if bearer is not None:
        sent["Authorization"] = f"Bearer {bearer}"
    path = f"/v1/admin/events/stream{query}"
    async with visitor.client.stream("GET", path, headers=sent) as response:
        followed = Followed(response)  # kept: its lines end with it
        yield followed

"""HTTP as bytes: what a hostile or clumsy client writes, and what it reads, with a deadline."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import msgspec

DEADLINE_S = 9.0
"""Less than the ten seconds for which a listener that ends waits for its callers."""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """One answer as it came over the wire; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """One connection. Everything it does fails after `DEADLINE_S` instead of hanging."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def write(self, *chunks: bytes) -> None:
        """Write the chunks one after another; a server that has hung up is no fault here."""
        with suppress(ConnectionError):
            for chunk in chunks:
                self.writer.write(chunk)
                async with asyncio.timeout(DEADLINE_S):
                    await self.writer.drain()
                # Let the server in the same loop read this chunk before the next.
                await asyncio.sleep(0)

    async def reply(self, *, head_only: bool = False) -> Reply:
        """The next answer; `head_only` after a HEAD request."""
        async with asyncio.timeout(DEADLINE_S):
            head = await self.reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")[:-2]
            headers = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(":") for line in lines)
            }
            length = 0 if head_only else int(headers.get("content-length", "0"))
            body = await self.reader.readexactly(length)
        return Reply(status=int(first.split(" ")[1]), headers=headers, body=body)

    async def rest(self) -> bytes:
        """Everything until the server closes; a reset ends it too."""
        parts: list[bytes] = []
        async with asyncio.timeout(DEADLINE_S):
            with suppress(ConnectionError):
                while part := await self.reader.read(65_536):
                    parts.append(part)
        return b"".join(parts)


@asynccontextmanager
async def connected(port: int, host: str = "127.0.0.1") -> AsyncIterator[Client]:
    """A connection for the length of the block."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def seen(look: Callable[[], object], sentence: str) -> None:
    """Return when `look` gives something true; fail with the sentence after the deadline."""
    for _ in range(int(DEADLINE_S / 0.01)):
        if look():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"within {DEADLINE_S:g} s it was not seen that {sentence}")

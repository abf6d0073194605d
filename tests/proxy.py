"""A TCP proxy that behaves as badly as it is told: slow, deaf, refusing, or cut at byte n.

It stands before Snap and before PostgreSQL in tests. All of it runs in one event loop; the knobs
may be turned at any time and take effect on the next piece of data.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

_PIECE_BYTES = 65_536
_RESET = struct.pack("ii", 1, 0)  # linger for no time: closing sends RST


@dataclass
class Faults:
    """What the proxy does to traffic.

    Attributes:
        latency_s: How much later each piece arrives, each way.
        refuse: Whether new connections are reset at once.
        black_hole: Whether data is swallowed, each way, with the connections left open.
        cut_up: A connection is reset once so many bytes went from the client to the server; the
            bytes before the cut arrive. None never cuts.
        cut_down: The same for bytes from the server to the client.
        cut_once: Whether a cut takes itself back, so that what comes after it gets through.
    """

    latency_s: float = 0.0
    refuse: bool = False
    black_hole: bool = False
    cut_up: int | None = None
    cut_down: int | None = None
    cut_once: bool = False


@dataclass(eq=False)
class _Pipe:
    """One connection, and how many bytes passed each way since the counters were last set."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    passed: dict[str, int] = field(default_factory=lambda: {"up": 0, "down": 0})

    def reset(self) -> None:
        for writer in (self.client, self.server):
            sock = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()


class Proxy:
    """Listens on a free loopback port and passes bytes on to (host, port).

    Attributes:
        faults: The knobs.
        port: Where it listens.
        target: Where new connections are passed on to.
        bytes_up: How many bytes were passed on to the server in all.
        bytes_down: How many came back.
        connections: How many were accepted in all.
    """

    def __init__(self, host: str, port: int) -> None:
        self.faults = Faults()
        self.port = 0
        self.bytes_up = self.bytes_down = self.connections = 0
        self.target = host, port
        self._pipes: set[_Pipe] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._ended = asyncio.Event()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator["Proxy"]:
        """Serve for the length of the block; then every connection is reset."""
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.reset_all()
            await server.wait_closed()
            if self._pipes:
                await self._ended.wait()

    def reset_all(self) -> None:
        """Reset every connection that is open now; from another thread, as soon as can be."""
        if threading.get_ident() == self._thread:
            self._reset_all()
        elif self._loop is not None:
            self._loop.call_soon_threadsafe(self._reset_all)

    def _reset_all(self) -> None:
        for pipe in list(self._pipes):
            pipe.reset()

    def count_anew(self) -> None:
        """Let `cut_up` and `cut_down` count from here on open connections."""
        for pipe in self._pipes:
            pipe.passed = {"up": 0, "down": 0}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.faults.refuse:
            _Pipe(writer, writer).reset()
            return
        try:
            from_server, to_server = await asyncio.open_connection(*self.target)
        except OSError:
            _Pipe(writer, writer).reset()
            return
        pipe = _Pipe(writer, to_server)
        self._pipes.add(pipe)
        self._ended.clear()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pass(pipe, reader, to_server, "up"))
                tasks.create_task(self._pass(pipe, from_server, writer, "down"))
        finally:
            self._pipes.discard(pipe)
            pipe.reset()
            if not self._pipes:
                self._ended.set()

    async def _pass(
        self, pipe: _Pipe, source: asyncio.StreamReader, target: asyncio.StreamWriter, way: str
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(_PIECE_BYTES):
                if self.faults.latency_s:
                    await asyncio.sleep(self.faults.latency_s)
                if self.faults.black_hole:
                    continue
                limit = self.faults.cut_up if way == "up" else self.faults.cut_down
                left = len(data) if limit is None else limit - pipe.passed[way]
                part = data[: max(0, left)]
                pipe.passed[way] += len(part)
                self._count(way, len(part))
                target.write(part)
                await target.drain()
                if len(part) < len(data):
                    if self.faults.cut_once:
                        self.faults.cut_up = self.faults.cut_down = None
                    await asyncio.sleep(0.01)  # what was let through leaves before the reset
                    pipe.reset()
                    return
        target.close()  # also after a reset, or the other end would keep its locks for ever

    def _count(self, way: str, size_bytes: int) -> None:
        if way == "up":
            self.bytes_up += size_bytes
        else:
            self.bytes_down += size_bytes


@contextlib.contextmanager
def proxy_thread(host: str, port: int) -> Iterator[Proxy]:
    """A proxy in a thread of its own, for tests that block. Turn its knobs from anywhere."""
    proxy = Proxy(host, port)
    loop = asyncio.new_event_loop()
    started, ended = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with proxy.listening():
            started.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(10)
        loop.close()

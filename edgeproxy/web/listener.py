"""One listening socket under a real uvicorn, inside the caller's event loop.

uvicorn's own signal handling, logging set-up and access log stay out: the runtime owns signals, and
the front server logs requests.
"""

import asyncio
import contextlib
import resource
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import uvicorn

from edgeproxy.web.door import CONNECTIONS, Door
from edgeproxy.web.guard import guarded, hang_up_overdue

KEEP_ALIVE_S = 75
"""Longer than nginx keeps its upstream connections (60 s), or a POST meets a closing one."""

DESCRIPTORS = 65_536
"""More are never asked for."""

WORK_DESCRIPTORS = 48
"""Kept back from visitors for the store, the log and the connections to Snap."""

CONNECTIONS_LEAST = 8

GRACE_S = 10
"""How long open requests may take when the listener stops; one stuck client must not block it."""


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Listener:
    """A running server: where it listens, and how to stop it."""

    def __init__(self, server: _Server, host: str, port: int) -> None:
        self._server = server
        self.host = host
        self.port = port

    @property
    def url(self) -> str:
        """Where to reach it, without a slash at the end."""
        return url_of(self.host, self.port)

    def stop(self) -> None:
        """Ask it to finish open requests and end; returns at once."""
        self._server.should_exit = True


def url_of(host: str, port: int) -> str:
    """Where an address is reached, without a slash at the end."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def take_descriptors() -> int:
    """Let this process have as many descriptors as it may; return how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    if soft < most:
        with contextlib.suppress(OSError, ValueError):  # what it has will have to do
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def connections_max() -> int:
    """How many connections a listener may have at once, so that descriptors for work remain."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(CONNECTIONS, max(soft - WORK_DESCRIPTORS, CONNECTIONS_LEAST))


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises OSError when the address is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio sets TCP_NODELAY, or each kept-alive answer is 40 ms late.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(2048)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


@contextlib.asynccontextmanager
async def listening(
    app: Callable[..., Any],
    bound: socket.socket,
    *,
    protocol: type[asyncio.Protocol] | None = None,
) -> AsyncIterator[Listener]:
    """Serve `app` on a bound socket for the length of the block; then stop within `GRACE_S`.

    Args:
        app: The ASGI application.
        bound: A listening socket, which is closed at the end.
        protocol: Of its connections; a guarded one behind proxies when not given.
    """
    host, port = bound.getsockname()[:2]
    server = _Server(
        uvicorn.Config(
            app,
            http=protocol or guarded(Door()),
            loop="none",
            lifespan="off",
            ws="none",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
        )
    )
    # Tasks of our own, not of a group: an error of the block comes out as itself, and requests in
    # work are finished also when the block is cancelled.
    loop = asyncio.get_running_loop()
    with contextlib.closing(bound):
        serving = loop.create_task(server.serve(sockets=[bound]))
        serving.add_done_callback(lambda _: server.up.set())
        patrol = loop.create_task(_patrol(server))
        try:
            await server.up.wait()
            if serving.done():
                serving.result()  # raises what kept it from starting
            yield Listener(server, host, port)
        finally:
            server.should_exit = True
            patrol.cancel()
            await asyncio.wait([serving, patrol])


async def _patrol(server: _Server) -> None:
    """Hang up on callers who take too long, looking once a second."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(1.0)
        hang_up_overdue(list(server.server_state.connections), loop.time())

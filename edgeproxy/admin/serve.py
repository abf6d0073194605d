"""The admin listener: its application on a socket of its own, made when somebody first asks."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Sequence

from edgeproxy.admin.state import AdminState
from edgeproxy.web.asgi import App, Receive, Scope, Send
from edgeproxy.web.door import Door
from edgeproxy.web.endpoint import Endpoint
from edgeproxy.web.guard import guarded
from edgeproxy.web.listener import Listener, connections_max, listening


@contextlib.asynccontextmanager
async def admin_listening(
    state: AdminState, bound: socket.socket, *, described: Sequence[Endpoint]
) -> AsyncIterator[Listener]:
    """Serve on a bound socket for the length of the block.

    Args:
        state: What the application works with.
        bound: The socket.
        described: Rows of the public listener, for the description of the API.
    """

    def make() -> App:
        from edgeproxy.admin.whole import whole_app

        return whole_app(state, described)

    door = Door(state.proxies.trusts, most=connections_max())
    async with listening(made_late(make), bound, protocol=guarded(door)) as listener:
        state.log("info", "admin_listening", url=listener.url)
        try:
            yield listener
        finally:
            await state.jobs.close()


def made_late(make: Callable[[], App]) -> App:
    """An application that is made at its first request, in a thread.

    To load the dashboard takes 6 MB and a third of a second; events go on meanwhile, and a process
    that nobody looks at needs neither.
    """
    making = asyncio.Lock()
    made: App | None = None

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal made
        if made is None:
            async with making:
                if made is None:  # who waited finds what the first one made
                    made = await asyncio.to_thread(make)
        await made(scope, receive, send)

    return app

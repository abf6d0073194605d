"""The admin listener: all rows under one application, on a socket of its own."""

import contextlib
import socket
from collections.abc import AsyncIterator, Sequence

from edgeproxy.admin.api import ENDPOINTS
from edgeproxy.admin.app import admin_app
from edgeproxy.admin.openapi import openapi_endpoint
from edgeproxy.admin.state import AdminState
from edgeproxy.admin.views import ACTIONS, PAGES
from edgeproxy.web.asgi import App
from edgeproxy.web.door import Door
from edgeproxy.web.endpoint import Endpoint
from edgeproxy.web.guard import guarded
from edgeproxy.web.listener import Listener, connections_max, listening


def whole_app(state: AdminState, described: Sequence[Endpoint]) -> App:
    """The application with every row there is.

    Args:
        state: What it works with.
        described: Rows of the public listener, for the description of the API.
    """
    description = openapi_endpoint([*described, *ENDPOINTS])
    return admin_app(state, [*ENDPOINTS, description], PAGES, ACTIONS)


@contextlib.asynccontextmanager
async def admin_listening(
    state: AdminState, bound: socket.socket, *, described: Sequence[Endpoint]
) -> AsyncIterator[Listener]:
    """Serve on a bound socket for the length of the block."""
    door = Door(state.proxies.trusts, most=connections_max())
    app = whole_app(state, described)
    async with listening(app, bound, protocol=guarded(door)) as listener:
        state.log("info", "admin_listening", url=listener.url)
        try:
            yield listener
        finally:
            await state.jobs.close()

"""Puts the demo together: shop, proxy and sandbox, on loopback, in one process and event loop.

Everything lies in a temporary folder that goes away with it.
"""

import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from edgeproxy.config import Settings
from edgeproxy.demo.app import shop_app
from edgeproxy.demo.forward import PREFIX
from edgeproxy.demo.journey import Journey
from edgeproxy.demo.parts import Stage
from edgeproxy.errors import Failed
from edgeproxy.keys import new_id, new_token
from edgeproxy.outbound import Outbound
from edgeproxy.runtime import log_line, now_ms, running
from edgeproxy.sandbox.app import serve_sandbox
from edgeproxy.sandbox.state import Sandbox
from edgeproxy.sites import Integration, Secret, Source
from edgeproxy.web.listener import bind, listening

PORT = 8080
"""The shop's, when it is free and nobody asked for another."""

LOOPBACK = "127.0.0.1"
_ANY = {"0.0.0.0": LOOPBACK, "::": "::1", "localhost": LOOPBACK}  # noqa: S104 - asked for, not set


@contextlib.asynccontextmanager
async def staged(
    *,
    host: str = LOOPBACK,
    port: int | None = None,
    log: Callable[..., None] = log_line,
) -> AsyncIterator[Stage]:
    """All parts for the length of the block.

    Args:
        host: Where the shop listens; proxy and sandbox are on loopback always.
        port: The shop's; None takes 8080, or a free one when that is taken.
        log: Writes a line of the proxy's.

    Raises:
        Failed: The port that was asked for cannot be had.
    """
    async with contextlib.AsyncExitStack() as parts:
        folder = parts.enter_context(TemporaryDirectory(prefix="edgeproxy-demo-"))
        bound = parts.enter_context(contextlib.closing(_bound(host, port)))
        shop_port: int = bound.getsockname()[1]
        origins = _origins(host, shop_port)
        token, pixel = new_token(), new_id()
        sandbox, journey = Sandbox(now_ms=now_ms, tokens={token}, pixels={pixel}), Journey()
        snap = await parts.enter_async_context(serve_sandbox(sandbox))
        settings = Settings(
            host=LOOPBACK,
            port=0,
            prefix=PREFIX,
            store_url=f"sqlite://{folder}/demo.db",
            keys_dir=Path(folder),
            upstream=snap.url,
            sources=(_source(origins, token=token, pixel=pixel),),
        )
        proxy = running(settings, watch=journey.take, log=log)
        edge = await parts.enter_async_context(proxy)
        outbound = Outbound()
        parts.push_async_callback(outbound.close)
        stage = Stage(
            life=new_id()[:8],
            url=_url(_ANY.get(host, host), shop_port),
            origin=origins[0],
            edge_url=edge.listener.url,
            sandbox_url=snap.url,
            sandbox=sandbox,
            journey=journey,
            outbound=outbound,
            now_ms=now_ms,
            new_id=new_id,
        )
        await parts.enter_async_context(listening(shop_app(stage), bound))
        # Ends first: the shop's listener waits for its open answers, and live streams are such.
        parts.callback(journey.close)
        yield stage


def _bound(host: str, port: int | None) -> socket.socket:
    try:
        return bind(host, PORT if port is None else port)
    except OSError as error:
        if port is None:
            return bind(host, 0)
        where = f"{host}:{port}"
        reason = error.strerror or str(error)
        raise Failed(f"cannot listen on {where}: {reason}; choose another --port") from None


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _origins(host: str, port: int) -> tuple[str, ...]:
    """What a browser may call the shop; the first is the one to be told."""
    names = ["localhost", LOOPBACK, "::1"]
    names += [] if host in (*names, *_ANY) else [host]
    return tuple(_url(name, port) for name in names)


def _source(origins: tuple[str, ...], *, token: str, pixel: str) -> Source:
    """The shop as the proxy knows it: nothing without consent, one pixel, Snap's v2."""
    integration = Integration(
        id="shop-demo", source="shop", access_token=Secret(token), pixel_id=pixel
    )
    return Source(
        id="shop",
        origins=origins,
        consent="required",
        default_country="US",
        integrations=(integration,),
    )

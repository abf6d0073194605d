"""Puts the demo together: shop, proxy, dashboard, sandbox, on loopback, in one process and loop.

Everything lies in a temporary folder that goes away with it. The pixel is made by the admin API,
as a person makes it, so that the dashboard can change everything about it.
"""

import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from edgeproxy.config import Settings
from edgeproxy.demo.app import shop_app
from edgeproxy.demo.forward import PREFIX
from edgeproxy.demo.journey import Journey
from edgeproxy.demo.parts import INTEGRATION, LOOPBACK, SOURCE, Stage
from edgeproxy.demo.past import send_events, write_week
from edgeproxy.demo.tokens import Tokens
from edgeproxy.errors import Failed
from edgeproxy.keys import load_keys, new_id, new_token, visitor_name
from edgeproxy.outbound import Outbound
from edgeproxy.runtime import log_line, now_ms, running
from edgeproxy.sandbox.app import serve_sandbox
from edgeproxy.sandbox.state import Sandbox
from edgeproxy.sites import Secret, Source
from edgeproxy.trace import Step, Watch
from edgeproxy.web.listener import bind, listening

PORT = 8080
"""The shop's, when it is free and nobody asked for another."""

_ANY = {"0.0.0.0": LOOPBACK, "::": "::1", "localhost": LOOPBACK}  # noqa: S104 - asked for, not set


@contextlib.asynccontextmanager
async def staged(
    *,
    host: str = LOOPBACK,
    port: int | None = None,
    past: bool = False,
    log: Callable[..., None] = log_line,
) -> AsyncIterator[Stage]:
    """All parts for the length of the block.

    Args:
        host: Where the shop listens; proxy and sandbox are on loopback always.
        port: The shop's; None takes 8080, or a free one when that is taken.
        past: Whether there is a made-up week behind it, and a few real events.
        log: Writes a line of the proxy's.

    Raises:
        Failed: The port that was asked for cannot be had, or a part does not do its work.
    """
    async with contextlib.AsyncExitStack() as parts:
        folder = parts.enter_context(TemporaryDirectory(prefix="edgeproxy-demo-"))
        bound = parts.enter_context(contextlib.closing(_bound(host, port)))
        shop_port: int = bound.getsockname()[1]
        origins = _origins(host, shop_port)
        sandbox, journey, pixel = Sandbox(now_ms=now_ms), Journey(), new_id()
        tokens = Tokens(sandbox, new_token)
        sandbox.pixels = frozenset({pixel})
        snap = await parts.enter_async_context(serve_sandbox(sandbox))
        settings = _settings(Path(folder), snap.url, origins, shop_port)
        if past:
            await write_week(settings.store_url, now_ms)
        watches: list[Watch] = []
        admin = parts.enter_context(contextlib.closing(_admin_bound(settings, port)))
        behind = parts.enter_context(contextlib.closing(bind(LOOPBACK, 0)))
        proxy = running(settings, bound=behind, admin=admin, watch=_all(watches), log=log)
        edge = await parts.enter_async_context(proxy)
        outbound = Outbound()
        parts.push_async_callback(outbound.close)
        stage = Stage(
            life=new_id()[:8],
            url=_url(_ANY.get(host, host), shop_port),
            origin=origins[0],
            edge_url=edge.listener.url,
            admin_url=edge.admin_url,
            admin_token=settings.admin_token.reveal(),
            sandbox_url=snap.url,
            sandbox=sandbox,
            tokens=tokens,
            journey=journey,
            outbound=outbound,
            now_ms=now_ms,
            new_id=new_id,
            name_of=_namer(settings),
        )
        await make_integration(stage, pixel)
        await parts.enter_async_context(listening(shop_app(stage), bound))
        # Ends first: the shop's listener waits for its open answers, and live streams are such.
        parts.callback(journey.close)
        if past:
            await _send_events(stage, watches)
        watches.append(journey.take)
        yield stage


def _settings(folder: Path, upstream: str, origins: tuple[str, ...], port: int) -> Settings:
    """What the proxy runs with. Browsers reach it at the shop's port; it listens behind that."""
    return Settings(
        host=LOOPBACK,
        port=port,
        admin_token=Secret(new_token()),
        prefix=PREFIX,
        store_url=f"sqlite://{folder}/demo.db",
        keys_dir=folder,
        upstream=upstream,
        sources=(_source(origins),),
    )


async def _send_events(stage: Stage, watches: list[Watch]) -> None:
    """Send the events of the past, of which the dock does not tell."""
    journey = Journey()
    watches.append(journey.take)
    await send_events(stage, journey)
    watches.clear()


def _all(watches: Sequence[Watch]) -> Watch:
    """Tells steps to all of a list that may change."""

    def tell(step: Step) -> None:
        for watch in watches:
            watch(step)

    return tell


def _namer(settings: Settings) -> Callable[[str], str]:
    """Names visitors as the proxy does."""
    key = load_keys(settings.keys_dir).visitor
    return lambda scid: visitor_name(key, SOURCE, scid).hex()


async def make_integration(stage: Stage, pixel: str) -> None:
    """Make the pixel's integration by the admin API; raises Failed when it does not take it."""
    body = {
        "id": INTEGRATION,
        "source_id": SOURCE,
        "vendor": "snapchat",
        "name": "Demo pixel",
        "enabled": True,
        "config": {"pixel_id": pixel, "access_token": stage.tokens.latest},
        "consent_categories": ["advertising"],
    }
    headers = {
        "authorization": f"Bearer {stage.admin_token}",
        "content-type": "application/json",
    }
    answer = await stage.outbound.request(
        "POST",
        f"{stage.admin_url}/v1/admin/integrations",
        headers=headers,
        body=msgspec.json.encode(body),
    )
    if answer.status != 201:
        said = answer.body.decode("utf-8", "replace")[:300]
        raise Failed(f"the admin API answers {answer.status or answer.fault}: {said}")


def _bound(host: str, port: int | None) -> socket.socket:
    try:
        return bind(host, PORT if port is None else port)
    except OSError as error:
        if port is None:
            return bind(host, 0)
        where = f"{host}:{port}"
        reason = error.strerror or str(error)
        raise Failed(f"cannot listen on {where}: {reason}; choose another --port") from None


def _admin_bound(settings: Settings, port: int | None) -> socket.socket:
    """The dashboard's usual port, or a free one when it is taken or the shop's is not its usual."""
    try:
        return bind(LOOPBACK, settings.admin_port if port is None else 0)
    except OSError:
        return bind(LOOPBACK, 0)


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _origins(host: str, port: int) -> tuple[str, ...]:
    """What a browser may call the shop; the first is the one to be told."""
    names = ["localhost", LOOPBACK, "::1"]
    names += [] if host in (*names, *_ANY) else [host]
    return tuple(_url(name, port) for name in names)


def _source(origins: tuple[str, ...]) -> Source:
    """The shop as the proxy knows it: nothing without consent."""
    return Source(id=SOURCE, origins=origins, consent="required", default_country="US")

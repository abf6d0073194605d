"""Puts the parts together: clock, ids, keys, store, listeners, delivery, signals, drain.

The only module that reads the clock, draws random numbers and sees every part.
"""

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import msgspec
import uvloop

from edgeproxy import logs, pii, trial
from edgeproxy.addresses import TrustedProxies
from edgeproxy.delivery.worker import Wake, deliver
from edgeproxy.errors import ConfigError, Failed
from edgeproxy.keys import Keys, fingerprint, load_keys, new_id
from edgeproxy.master import MasterSigner
from edgeproxy.outbound import Outbound
from edgeproxy.public.app import public_app
from edgeproxy.public.state import State
from edgeproxy.public.tag import TagFile
from edgeproxy.registry import Registry
from edgeproxy.seal import Sealer
from edgeproxy.settings import Settings
from edgeproxy.sites import Integration
from edgeproxy.snap.transport import SnapTransport
from edgeproxy.store import open_store
from edgeproxy.store.base import Store
from edgeproxy.trace import Watch
from edgeproxy.useragent import warm
from edgeproxy.web.assets import load
from edgeproxy.web.listener import Listener, bind, listening

TALLY_S = 60.0
"""How often a line sums up what came in, when anything did."""

INTERRUPTED = 130
"""The exit status after Ctrl-C: 128 and the signal's number."""

SWITCH_S = 0.0005
"""How long a thread keeps the interpreter while another one waits for it.

The store's writer lets go of it at each statement; at Python's default of 5 ms it would wait that
long to get it back from a busy event loop, many times a group.
"""


def now_ms() -> int:
    """The wall clock in Unix ms."""
    return time.time_ns() // 1_000_000


def draw() -> float:
    """A random number in [0, 1) for jitter."""
    return secrets.randbelow(1 << 30) / (1 << 30)


def log_line(level: str, event: str, **fields: object) -> None:
    """Write one line: an event name in snake_case and its fields."""
    getattr(logs.get_logger(), level)(event, **fields)


@dataclass(frozen=True, kw_only=True)
class Edge:
    """A running proxy: where it listens, its store, and what it has counted."""

    listener: Listener
    store: Store
    state: State


@contextlib.asynccontextmanager
async def running(
    settings: Settings,
    *,
    watch: Watch | None = None,
    on_fatal: Callable[[BaseException], None] | None = None,
    log: Callable[..., None] = log_line,
) -> AsyncIterator[Edge]:
    """The whole proxy for the length of the block; then it drains and closes.

    Args:
        settings: What to run.
        watch: Told every step of every event.
        on_fatal: Called when the store can promise nothing any more; the process should end.
        log: Writes a line.

    Raises:
        ConfigError: A part cannot be used; says which and what would do.
    """
    with contextlib.closing(_bind(settings)) as bound:
        keys = load_keys(settings.keys_dir)
        async with _opened(settings, on_fatal) as store, _client() as outbound:
            await _same_keys(store, keys)
            stopping, wake = asyncio.Event(), Wake()
            state = _state(settings, store, keys, wake, stopping, watch, log)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(
                    deliver(
                        store=store,
                        integrations=state.registry.active,
                        transport=SnapTransport(settings.upstream, outbound),
                        sealer=Sealer(keys.sealing),
                        clock=now_ms,
                        draw=draw,
                        wake=wake,
                        stopping=stopping,
                        fingerprint=lambda one: _fingerprint(one, keys),
                        log=log,
                        watch=watch,
                    )
                )
                tally = tasks.create_task(_tell_tally(state))
                app = public_app(state, TagFile(load("s.js")), prefix=settings.prefix)
                try:
                    async with listening(app, bound) as listener:
                        yield Edge(listener=listener, store=store, state=state)
                finally:
                    stopping.set()
                    tally.cancel()


def run(settings: Settings) -> int:
    """Serve until a signal, then drain: 0 after SIGTERM, 130 after Ctrl-C, 1 if the store fails."""
    logs.set_up(settings.log_format, settings.log_level)
    sys.setswitchinterval(SWITCH_S)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings))


async def _serve(settings: Settings) -> int:
    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def end(status: int) -> None:
        if not ended.done():
            ended.set_result(status)

    def fatal(error: BaseException) -> None:
        log_line("error", "store_failed", error=type(error).__name__)
        end(1)

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, end, 0)
    loop.add_signal_handler(signal.SIGINT, end, INTERRUPTED)

    for warning in settings.warnings:
        log_line("warning", "configuration", advice=warning)
    warm()
    pii.warm()
    async with running(settings, on_fatal=fatal) as edge:
        log_line(
            "info",
            "listening",
            url=f"{edge.listener.url}{settings.prefix}",
            sources=len(settings.sources),
            upstream=settings.upstream,
            pid=os.getpid(),
        )
        status = await ended
        log_line("info", "stopping")
    log_line("info", "stopped", **dict(edge.state.tally))
    return status


def send_test(
    settings: Settings, *, integration: str | None, event: str, api: str | None
) -> list[trial.TestResult]:
    """Send one test event to Snap's validate endpoint for each chosen integration.

    Raises:
        Failed: There is no such integration.
    """
    chosen = [
        _speaking(one, api)
        for source in settings.sources
        for one in source.integrations
        if integration in (None, one.id)
    ]
    if not chosen:
        known = ", ".join(one.id for source in settings.sources for one in source.integrations)
        raise Failed(f"there is no integration {integration!r}; there is {known or 'none'}")

    async def send_all() -> list[trial.TestResult]:
        async with _client() as outbound:
            transport = SnapTransport(settings.upstream, outbound)
            return [
                await trial.send(one, transport, name=event, event_id=new_id(), now_ms=now_ms())
                for one in chosen
            ]

    return asyncio.run(send_all())


def _speaking(integration: Integration, api: str | None) -> Integration:
    """The integration speaking another wire version; itself for None."""
    return integration if api is None else msgspec.structs.replace(integration, api=api)


def _bind(settings: Settings) -> socket.socket:
    try:
        return bind(settings.host, settings.port)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        fault = f"cannot listen on {where}: {error.strerror or error}; choose another port"
        raise ConfigError([("server.port", fault)]) from None


@contextlib.asynccontextmanager
async def _opened(
    settings: Settings, on_fatal: Callable[[BaseException], None] | None
) -> AsyncIterator[Store]:
    store = await open_store(settings.store_url, now_ms=now_ms, on_fatal=on_fatal)
    try:
        yield store
    finally:
        await store.close()


@contextlib.asynccontextmanager
async def _client() -> AsyncIterator[Outbound]:
    outbound = Outbound()
    try:
        yield outbound
    finally:
        await outbound.close()


async def _same_keys(store: Store, keys: Keys) -> None:
    """Refuse a store that another visitor key was used with: its records could not be found."""
    mine = fingerprint("visitor", keys.visitor)
    if await store.meta("visitor_key", mine) != mine:
        raise ConfigError(
            [
                (
                    "store.keys_dir",
                    "the visitor key is not the one this store was made with; restore visitor.key",
                )
            ]
        )


def _state(
    settings: Settings,
    store: Store,
    keys: Keys,
    wake: Wake,
    stopping: asyncio.Event,
    watch: Watch | None,
    log: Callable[..., None],
) -> State:
    return State(
        registry=Registry(settings.sources),
        store=store,
        signer=MasterSigner(keys.signing),
        seal=Sealer(keys.sealing).seal,
        proxies=TrustedProxies(settings.trusted_proxies),
        visitor_key=keys.visitor,
        trace_key=keys.trace,
        now_ms=now_ms,
        new_id=new_id,
        wake=wake.tell,
        log=log,
        stopping=stopping.is_set,
        watch=watch,
    )


def _fingerprint(integration: Integration, keys: Keys) -> str:
    """Names what Snap judges, so that a paused integration is probed when one of it changes."""
    judged = (
        integration.access_token.reveal(),
        integration.pixel_id,
        integration.snap_app_id,
        integration.api,
    )
    return fingerprint("\0".join(judged), keys.trace)


async def _tell_tally(state: State) -> None:
    """Now and then one line about what came in; the counts themselves go on."""
    told: dict[str, int] = {}
    while True:
        await asyncio.sleep(TALLY_S)
        if told != (told := dict(state.tally)):
            state.log("info", "intake", **told)

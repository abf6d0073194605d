"""Puts the parts together: clock, ids, keys, store, listener, delivery, drain.

The only module that reads the clock, draws random numbers and sees every part.
"""

import asyncio
import contextlib
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from edgeproxy import logs, trial
from edgeproxy.addresses import TrustedProxies
from edgeproxy.admin.serve import admin_listening
from edgeproxy.admin.state import AdminState
from edgeproxy.alerts.watch import watch as watch_over
from edgeproxy.catalog import VIEWS
from edgeproxy.delivery.turn import delivery_lock, in_turn
from edgeproxy.delivery.worker import POLL_S, Wake, deliver
from edgeproxy.errors import Failed
from edgeproxy.journal import open_journal
from edgeproxy.journal.base import Journal
from edgeproxy.journal.bounds import Bounds
from edgeproxy.journal.recorder import Recorder
from edgeproxy.keys import (
    Keys,
    fingerprint,
    load_keys,
    new_id,
)
from edgeproxy.live import Live
from edgeproxy.master import MasterSigner
from edgeproxy.outbound import Outbound
from edgeproxy.priority import cores, give_way
from edgeproxy.public.app import direct_handlers, health_app, public_app
from edgeproxy.public.endpoints import DESCRIBED
from edgeproxy.public.flood import Flood
from edgeproxy.public.state import State
from edgeproxy.public.tag import TagFiles
from edgeproxy.registry import Registry
from edgeproxy.same_keys import demand_same_keys
from edgeproxy.seal import Sealer
from edgeproxy.settings import Settings
from edgeproxy.sites import Integration
from edgeproxy.snap.transport import SnapTransport
from edgeproxy.sockets import admin_door, admin_url, listening_socket
from edgeproxy.steering import admin_desk, alert_webhook, lookout
from edgeproxy.store import open_store
from edgeproxy.store.base import Store
from edgeproxy.store.space import Wishes, limits
from edgeproxy.trace import Watch
from edgeproxy.web.asgi import App
from edgeproxy.web.assets import load
from edgeproxy.web.door import Door
from edgeproxy.web.exchange import Direct
from edgeproxy.web.guard import guarded
from edgeproxy.web.listener import Listener, connections_max, listening

TALLY_S = 60.0
"""How often a line sums up what came in, when anything did."""

SHARED_POLL_S = 0.25
"""How often delivery looks for rows when another process may have appended some."""


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
    """A running proxy: where it listens, its store, and what it has counted.

    `admin_url` is "" where there is no admin listener.
    """

    listener: Listener
    store: Store
    state: State
    admin_url: str = ""


@contextlib.asynccontextmanager
async def running(
    settings: Settings,
    *,
    bound: socket.socket | None = None,
    admin: socket.socket | None = None,
    watch: Watch | None = None,
    on_fatal: Callable[[BaseException], None] | None = None,
    log: Callable[..., None] = log_line,
) -> AsyncIterator[Edge]:
    """The whole proxy for the length of the block; then it drains and closes.

    Args:
        settings: What to run.
        bound: The listening socket, which is closed at the end; made when not given.
        admin: That of the admin listener; the same.
        watch: Told every step of every event.
        on_fatal: Called when the store can promise nothing any more; the process should end.
        log: Writes a line.

    Raises:
        ConfigError: A part cannot be used; says which and what would do.
    """
    with (
        contextlib.closing(bound or listening_socket(settings)) as sock,
        admin_door(settings, admin) as admin_sock,
    ):
        shared = not settings.store_url.startswith("sqlite:")  # by nodes, as their keys must be
        keys = load_keys(settings.keys_dir, make=not shared)
        async with (
            _opened(settings, on_fatal) as store,
            _client() as outbound,
            _journal(settings, log) as journal,
        ):
            await demand_same_keys(store, keys, shared=shared)
            stopping, wake = asyncio.Event(), Wake()
            recorder, ended = _recorder(settings, journal, watch, log), asyncio.Event()
            state = _state(settings, store, keys, wake, stopping, recorder, log)
            live = _live(settings, state, keys, wake)
            await live.begin()
            door = Door(state.proxies.trusts, most=connections_max())
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(recorder.run(ended))
                work: list[asyncio.Task[None]] = []
                if settings.role != "ingest":
                    transport = SnapTransport(settings.upstream, outbound)
                    webhook = alert_webhook(settings, outbound)
                    desk = admin_desk(
                        settings,
                        state,
                        keys,
                        live=live,
                        transport=transport,
                        journal=journal,
                        recorder=recorder,
                        webhook=webhook,
                        clock_s=time.monotonic,
                    )
                    delivery = _deliver(
                        settings, state, keys, wake, stopping, transport, desk, admin_sock, recorder
                    )
                    work.append(tasks.create_task(delivery))
                tasks.create_task(live.run(stopping))
                tally = tasks.create_task(_tell_tally(state))
                app = _app(settings, state)
                direct = _direct(settings, state)
                async with listening(app, sock, protocol=guarded(door, direct)) as listener:
                    try:
                        yield Edge(
                            listener=listener,
                            store=store,
                            state=state,
                            admin_url=admin_url(admin_sock),
                        )
                    finally:
                        stopping.set()  # before the listener has ended: both drain at once
                        tally.cancel()
                await asyncio.gather(*work, return_exceptions=True)
                ended.set()  # nothing more is to be recorded


def _app(settings: Settings, state: State) -> App:
    if settings.role == "deliver":
        return health_app(state, prefix=settings.prefix)
    return public_app(state, TagFiles(load), prefix=settings.prefix)


def _direct(settings: Settings, state: State) -> dict[bytes, Direct]:
    if settings.role == "deliver":
        return {}
    return direct_handlers(state, prefix=settings.prefix)


async def _deliver(
    settings: Settings,
    state: State,
    keys: Keys,
    wake: Wake,
    stopping: asyncio.Event,
    transport: SnapTransport,
    desk: AdminState,
    admin_sock: socket.socket | None,
    recorder: Recorder,
) -> None:
    """Deliver, and serve the admin listener, as soon as no other process does, if one may only."""
    lock = delivery_lock(settings.store_url)
    shared = lock is None or settings.workers > 1 or settings.role != "all"

    async def work() -> None:
        await deliver(
            store=state.store,
            integrations=state.registry.configured,
            transport=transport,
            sealer=Sealer(keys.sealing),
            clock=now_ms,
            draw=draw,
            wake=wake,
            stopping=stopping,
            fingerprint=lambda one: _fingerprint(one, keys),
            log=state.log,
            watching=recorder.delivering,
            followed=recorder.followed,
            meter=recorder.meter,
            alone=lock is not None,
            poll_s=SHARED_POLL_S if shared else POLL_S,
        )

    async def serve_and_work() -> None:
        if admin_sock is None:
            await work()
            return
        async with admin_listening(desk, admin_sock, described=DESCRIBED):
            await work()

    async def watch_too() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(watch_over(lookout(desk), stopping))
            await serve_and_work()

    if lock is None:
        await watch_too()
    else:
        await in_turn(lock, watch_too, stopping=stopping, log=state.log)


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


def room_wishes(settings: Settings) -> Wishes:
    """What the settings say about the room for the store, and what is refused first."""
    return Wishes(
        max_bytes=settings.store_max_bytes,
        reserve_bytes=settings.store_reserve_bytes,
        low_value=VIEWS,
    )


@contextlib.asynccontextmanager
async def _opened(
    settings: Settings, on_fatal: Callable[[BaseException], None] | None
) -> AsyncIterator[Store]:
    store = await open_store(
        settings.store_url,
        now_ms=now_ms,
        on_fatal=on_fatal,
        wishes=room_wishes(settings),
        accept_loss=settings.accept_loss,
        say=log_line,
        managed=settings.store_durability == "managed",
    )
    if settings.store_url.startswith("sqlite:"):
        give_way(cores())  # to its writer, before other threads are started
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


def _state(
    settings: Settings,
    store: Store,
    keys: Keys,
    wake: Wake,
    stopping: asyncio.Event,
    recorder: Recorder,
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
        watching=recorder.watching,
        meter=recorder.meter,
        forgot=recorder.forgot,
        flood=_flood(settings),
    )


@contextlib.asynccontextmanager
async def _journal(settings: Settings, log: Callable[..., None]) -> AsyncIterator[Journal]:
    """The journal of the store, which is open by now."""
    bounds = Bounds(keep_days=settings.debugger.keep_days, max_bytes=settings.debugger.max_bytes)
    if settings.store_url.startswith("sqlite:"):
        folder = Path(settings.store_url.removeprefix("sqlite://")).parent
        reserve_bytes = 2 * limits(folder, 0, room_wishes(settings)).reserve_bytes
        bounds = msgspec.structs.replace(bounds, reserve_bytes=reserve_bytes)
    loop = asyncio.get_running_loop()

    def say(level: str, event: str, **fields: object) -> None:
        loop.call_soon_threadsafe(partial(log, level, event, **fields))

    journal = open_journal(settings.store_url, now_ms=now_ms, bounds=bounds, say=say)
    try:
        yield journal
    finally:
        await journal.close()


def _recorder(
    settings: Settings, journal: Journal, watch: Watch | None, log: Callable[..., None]
) -> Recorder:
    rate = settings.debugger.events_per_second if settings.debugger.enabled else 0
    return Recorder(journal, now_ms=now_ms, log=log, events_per_second=rate, also=watch)


def _live(settings: Settings, state: State, keys: Keys, wake: Wake) -> Live:
    return Live(
        state.store.office,
        state.registry,
        settings.sources,
        sealer=Sealer(keys.sealing),
        log=state.log,
        changed=wake.tell_all,
    )


def _flood(settings: Settings) -> Flood | None:
    if not settings.flood_rps:
        return None
    return Flood(rate=settings.flood_rps, burst=settings.flood_burst, clock_s=time.monotonic)


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
        if told != (told := state.meter.intake()):
            state.log("info", "intake", **told)

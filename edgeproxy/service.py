"""The life of `edgeproxy serve`: its processes, signals, signs of life, and its end."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
from collections.abc import Callable, Sequence
from functools import partial

import uvloop

from edgeproxy import logs, pii
from edgeproxy.processes import Worker, supervise
from edgeproxy.runtime import log_line, running
from edgeproxy.settings import Settings
from edgeproxy.sockets import admin_socket, listening_socket
from edgeproxy.store.base import Store
from edgeproxy.useragent import warm
from edgeproxy.watchdog import Watchdog, notify
from edgeproxy.web.door import CONNECTIONS
from edgeproxy.web.listener import connections_max, take_descriptors

INTERRUPTED = 130
"""The exit status after Ctrl-C: 128 and the signal's number."""

COLLECT_AFTER = 10_000
"""New objects before the collector looks for cycles. Requests make none, and of dozens that are in
work at once it would look at every object. Measured: 2 % more requests than with the usual 700, for
1 MB."""

BEAT_S = 10.0
"""How often the event loop and the store's writer show that they live; each costs a commit."""


def run(settings: Settings, *, beat_s: float = BEAT_S) -> int:
    """Serve until a signal, then drain.

    With more than one worker this process watches over the others, which share its socket.

    Args:
        settings: What to run.
        beat_s: How often to give signs of life.

    Returns:
        0 after SIGTERM, 130 after Ctrl-C, 1 if the store fails.

    Raises:
        ConfigError: A part cannot be used; says which and what would do.
    """
    logs.set_up(settings.log_format, settings.log_level)
    for warning in settings.warnings:
        log_line("warning", "configuration", advice=warning)
    take_descriptors()
    if (most := connections_max()) < CONNECTIONS:
        log_line("warning", "few_descriptors", connections=most, advice="raise ulimit -n")
    with contextlib.ExitStack() as open_sockets:
        bound = open_sockets.enter_context(contextlib.closing(listening_socket(settings)))
        admin = admin_socket(settings)
        if admin is not None:
            open_sockets.enter_context(contextlib.closing(admin))
        warm()
        pii.warm()
        work = partial(_work, settings, bound, admin, beat_s)
        if settings.workers == 1:
            return work(None)
        return supervise(work, settings.workers, log=log_line, on_stop=open_sockets.close)


def _work(
    settings: Settings,
    bound: socket.socket,
    admin: socket.socket | None,
    beat_s: float,
    worker: Worker | None,
) -> int:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings, bound, admin, beat_s, worker))


async def _serve(
    settings: Settings,
    bound: socket.socket,
    admin: socket.socket | None,
    beat_s: float,
    worker: Worker | None,
) -> int:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def end(status: int) -> None:
        if not ended.done():
            ended.set_result(status)

    def fatal(error: BaseException) -> None:
        log_line("error", "store_failed", error=type(error).__name__)
        end(1)

    loop.add_signal_handler(signal.SIGTERM, end, 0)
    loop.add_signal_handler(signal.SIGINT, end, INTERRUPTED)
    if worker is not None:
        loop.add_reader(worker.parent, end, 1)

    manager = os.environ.get("NOTIFY_SOCKET")
    with Watchdog(log_line) as watchdog, contextlib.ExitStack() as beats:
        async with running(settings, bound=bound, admin=admin, on_fatal=fatal) as edge:
            log_line(
                "info",
                "listening",
                url=f"{edge.listener.url}{settings.prefix}",
                admin=edge.admin_url,
                role=settings.role,
                sources=len(settings.sources),
                upstream=settings.upstream,
                pid=os.getpid(),
            )
            # What is here now stays; without it the collector has far less to walk through, and no
            # request waits for that. Measured: p99 of POST /e from 48 to 30 ms.
            gc.collect()
            gc.freeze()
            gc.set_threshold(COLLECT_AFTER)
            notify("READY=1", manager)
            signs: list[Callable[[], object]] = [watchdog.beat]
            signs += [partial(notify, "WATCHDOG=1", manager)]
            signs += [worker.beat] if worker is not None else []
            beating = loop.create_task(give_signs(edge.store, signs, beat_s))
            beats.callback(beating.cancel)  # only then: to drain may take longer than a hang
            status = await ended
            log_line("info", "stopping")
            notify("STOPPING=1", manager)
    log_line("info", "stopped", **edge.state.meter.intake())
    return status


async def give_signs(store: Store, signs: Sequence[Callable[[], object]], every_s: float) -> None:
    """Give signs of life for as long as the store answers, whatever it answers."""
    while True:
        with contextlib.suppress(Exception):
            await store.check()
        for sign in signs:
            sign()
        await asyncio.sleep(every_s)

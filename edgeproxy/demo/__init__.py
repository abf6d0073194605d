"""`edgeproxy demo`: a small shop, the proxy, its dashboard and our own Snap, to click through.

Or one visit by itself. Needs no account and no configuration; nothing leaves the machine and
nothing is left on it.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable

import msgspec
import uvloop

from edgeproxy import logs
from edgeproxy.demo.parts import LOOPBACK
from edgeproxy.demo.stage import staged
from edgeproxy.demo.terminal import Terminal
from edgeproxy.demo.visit import visit
from edgeproxy.useragent import warm


def run(*, once: bool, empty: bool = False, host: str = LOOPBACK, port: int | None = None) -> int:
    """Run the demo; the exit status.

    Args:
        once: Do the scripted visit, print what Snap received as JSON, and end. Otherwise serve
            until Ctrl-C or SIGTERM.
        empty: Begin without the made-up week.
        host: Where the shop listens.
        port: The shop's; None takes 8080 or a free one, and a free one with `once`.

    Raises:
        Failed: The port is taken, or the first thing that went wrong in the visit.
        KeyboardInterrupt: The visit was interrupted.
    """
    logs.set_up("console", "error", stream=sys.stderr)
    warm()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if not once:
            return runner.run(_serve(host, port, past=not empty))
        try:
            return runner.run(_once(host, 0 if port is None else port))
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None


async def _serve(host: str, port: int | None, *, past: bool) -> int:
    ended = asyncio.Event()
    _at_the_end(ended.set)
    terminal = Terminal(sys.stdout, os.environ)
    async with staged(host=host, port=port, past=past) as stage:
        with stage.journey.told(terminal.follow):
            terminal.addresses(stage)
            await ended.wait()
    terminal.say()
    return 0


async def _once(host: str, port: int) -> int:
    this = asyncio.current_task()
    assert this is not None  # noqa: S101 - a coroutine runs in a task
    _at_the_end(this.cancel)
    terminal = Terminal(sys.stderr, os.environ)
    async with staged(host=host, port=port) as stage:
        with stage.journey.told(terminal.follow):
            events = await visit(stage, stage.visitor(), say=terminal.say)
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(events), indent=2).decode() + "\n")
    return 0


def _at_the_end(do: Callable[[], object]) -> None:
    """Call something at Ctrl-C and SIGTERM."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, do)

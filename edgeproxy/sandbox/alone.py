"""The sandbox as a program of its own, with the machine's clock and signals."""

import asyncio
import signal
import sys
import time

from edgeproxy.errors import Failed
from edgeproxy.sandbox.app import serve_sandbox
from edgeproxy.sandbox.state import Sandbox

_INTERRUPTED = 130


def run(*, host: str, port: int, refuse_low_match: bool = False) -> int:
    """Serve a sandbox until SIGTERM or Ctrl-C; says on stdout where it listens.

    Returns:
        The exit status: 0 after SIGTERM, 130 after Ctrl-C.

    Raises:
        Failed: The address cannot be listened on.
    """
    sandbox = Sandbox(now_ms=_now_ms, refuse_low_match=refuse_low_match)
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        try:
            return runner.run(_serve(sandbox, host, port))
        except OSError as error:
            reason = error.strerror or "it is no address of this machine"
            raise Failed(f"the sandbox cannot listen on {host}, port {port}: {reason}") from None


async def _serve(sandbox: Sandbox, host: str, port: int) -> int:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def end(status: int) -> None:
        if not ended.done():
            ended.set_result(status)

    loop.add_signal_handler(signal.SIGTERM, end, 0)
    loop.add_signal_handler(signal.SIGINT, end, _INTERRUPTED)
    async with serve_sandbox(sandbox, host=host, port=port) as listener:
        sys.stdout.write(
            f"Snap sandbox: {listener.url}\n"
            f"Point a proxy to it with EDGEPROXY_UPSTREAM={listener.url}; "
            "nothing here reaches Snap. Ctrl-C ends it.\n"
        )
        sys.stdout.flush()
        return await ended


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # Windows has none
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000  # noqa: TID251 - the outermost part of this program

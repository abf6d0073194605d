"""Ends a process that hangs, so that whoever watches over it starts another.

A supervisor sees that a process is gone, not that it does nothing. What was acknowledged is on
disk, so an end without ceremony loses nothing.
"""

import os
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

LIMIT_TICKS = 30
TICK_S = 1.0
LAST_WORDS_S = 1.0
"""How long the line about the end may take: the log may be what hangs."""

HUNG_STATUS = 1


class Watchdog:
    """A thread that ends the process when `beat` was not called for `limit_ticks` seconds.

    It begins with the first beat, for a start may take its time. Seconds are counted, not measured:
    a process that was stopped and goes on is not late.

    Args:
        log: Writes the last line.
        limit_ticks: Seconds without a beat.
        tick_s: How long such a second is.
    """

    def __init__(
        self, log: Callable[..., None], *, limit_ticks: int = LIMIT_TICKS, tick_s: float = TICK_S
    ) -> None:
        self._log = log
        self._limit_ticks = limit_ticks
        self._tick_s = tick_s
        self._alive: bool | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def beat(self) -> None:
        """A sign of life."""
        self._alive = True

    def _watch(self) -> None:
        missed = 0
        while not self._over.wait(self._tick_s):
            if self._alive is None:
                continue
            missed = 0 if self._alive else missed + 1
            self._alive = False
            if missed >= self._limit_ticks:
                self._end(missed)

    def _end(self, missed: int) -> None:
        say = threading.Thread(
            target=self._log, args=("error", "process_hangs"), kwargs={"ticks": missed}, daemon=True
        )
        say.start()
        say.join(LAST_WORDS_S)
        os._exit(HUNG_STATUS)


def notify(state: str, address: str | None) -> bool:
    """Tell the service manager how we are, and whether it could be told.

    Args:
        state: "READY=1", "WATCHDOG=1" or "STOPPING=1". Source: sd_notify(3).
        address: Of its socket, from NOTIFY_SOCKET; "@" in front is the abstract namespace. None or
            "" when nobody listens.
    """
    if not address:
        return False
    path = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.setblocking(False)
        try:
            manager.sendto(state.encode(), path)
        except OSError:  # a manager that cannot be told is no reason to stop
            return False
    return True

"""Which thread goes first where all threads of the process share one core."""

import contextlib
import os
import sys
import threading

NICE = 10
"""How much nicer the event loop is than the store's writer: it has a tenth of the core while both
want it. Measured: a fifth more events a second than with 0, where a group's sync begins when the
loop has nothing left to do, so that the core waits for the disk; with 5, half of that."""


def cores() -> int:
    """How many cores the process may use; 0 where the system does not tell."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 0


def give_way(cores: int) -> None:
    """On one core, let threads that run already go before this one and those it will start.

    A writer needs the core for a moment and then waits for the disk; the loop has work for as long
    as there are requests, and the system lets it finish first unless it is told. Other services
    hardly notice: within a control group or a session of its own a nice value counts among the
    threads of the service alone. It cannot be taken back.
    """
    if cores == 1:
        thread = threading.get_native_id()
        with contextlib.suppress(OSError):  # a system that forbids it is merely slower
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICE)

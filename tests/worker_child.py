"""A group of processes that behave as told, for the tests of `edgeproxy.processes`.

Usage: python -m tests.worker_child COUNT MODE FOLDER. Prints a line of JSON for what happens.
"""

import json
import os
import signal
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from edgeproxy.processes import Pace, Worker, supervise

QUICK = Pace(hung_ticks=10, stop_ticks=300, tick_s=0.1)
"""The parent's patience: a second with the silent, and half a minute, on a busy machine, with an
end."""

STRICT = Pace(hung_ticks=300, stop_ticks=5, tick_s=0.1)
"""The other way round, where children are killed at the end."""

WAIT_S = 0.02


def tell(event: str, **fields: Any) -> None:
    """One write, so that lines of several processes do not mix."""
    os.write(1, json.dumps({"event": event, "pid": os.getpid(), **fields}).encode() + b"\n")


def log(level: str, event: str, **fields: Any) -> None:
    tell(event, **fields)


class Ended(Exception):
    """SIGTERM or SIGINT came."""


def end(number: int, frame: object) -> None:
    raise Ended


def work(mode: str, folder: Path, worker: Worker) -> int:
    """What a child does until it is ended."""
    first = not (folder / f"seen-{worker.number}").exists()
    (folder / f"seen-{worker.number}").touch()
    if mode in ("config", "fails") or (mode == "fails once" and first):
        tell("began", number=worker.number)
        return 78 if mode == "config" else 3
    try:
        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)
        tell("began", number=worker.number)
        while os.getppid() != 1:
            worker.beat()
            if mode == "hangs once" and first and worker.number == 2:
                os.kill(os.getpid(), signal.SIGSTOP)
            time.sleep(WAIT_S)
    except Ended:
        tell("ended", number=worker.number)
        if mode == "stubborn":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(60)
    return 0


def main(count: str, mode: str, folder: str) -> int:
    """The parent's status, or a child's."""
    do, pace = partial(work, mode, Path(folder)), STRICT if mode == "stubborn" else QUICK
    return supervise(do, int(count), log=log, on_stop=lambda: tell("stopping"), pace=pace)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

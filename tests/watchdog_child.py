"""A process that lives or hangs as told, under the watchdog.

Usage: python -m tests.watchdog_child MODE FOLDER. Prints "up" when it has given a sign of life.
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import apsw

from edgeproxy.service import give_signs
from edgeproxy.store import open_store
from edgeproxy.watchdog import Watchdog

EVERY_S = 0.05
LIMIT_TICKS = 20  # each sign of life waits for a commit, which may be slow on a busy disk
LONG_S = 60.0


def log(level: str, event: str, **fields: Any) -> None:
    os.write(1, json.dumps({"level": level, "event": event, **fields}).encode() + b"\n")


def say(text: str) -> None:
    os.write(1, text.encode() + b"\n")


def stuck(level: str, event: str, **fields: Any) -> None:
    """A log whose reader has gone to sleep."""
    time.sleep(LONG_S)


async def main(mode: str, folder: Path) -> int:
    """0 after as long as two hangs would take, unless it hangs."""
    store = await open_store(f"sqlite://{folder}/edge.db", now_ms=lambda: 1)
    up = asyncio.Event()
    with Watchdog(
        stuck if mode == "log" else log, limit_ticks=LIMIT_TICKS, tick_s=EVERY_S
    ) as watchdog:
        if mode == "starts":
            await asyncio.sleep(2 * LIMIT_TICKS * EVERY_S)
        async with asyncio.TaskGroup() as tasks:
            signs = tasks.create_task(give_signs(store, [watchdog.beat, up.set], EVERY_S))
            await up.wait()
            say("up")
            if mode in ("loop", "log"):
                time.sleep(LONG_S)  # noqa: ASYNC251 - this is the fault
            elif mode == "writer":
                writer: Any = store
                writer._writer.book(_hang)
            elif mode == "store":
                await store.close()
            await asyncio.sleep(2 * LIMIT_TICKS * EVERY_S)
            signs.cancel()
    await store.close()
    return 0


def _hang(db: apsw.Connection, now_ms: int) -> None:
    time.sleep(LONG_S)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1], Path(sys.argv[2]))))

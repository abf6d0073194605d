"""What may be wrong with a connection, for a while."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.proxy import Faults, Proxy

LINES: dict[str, Callable[[random.Random], dict[str, Any]]] = {
    "slow": lambda rng: {"latency_s": rng.uniform(0.02, 0.3)},
    "refused": lambda rng: {"refuse": True},
    "deaf": lambda rng: {"black_hole": True},
    "cut up": lambda rng: {"cut_up": rng.randrange(1, 6000)},
    "cut down": lambda rng: {"cut_down": rng.randrange(1, 600)},
}
"""Name → knobs of the TCP proxy: a cut is a reset after so many bytes, anywhere in a message."""


@contextmanager
def spoilt(line: Proxy, knobs: dict[str, Any]) -> Iterator[None]:
    """A bad line for the length of the block; afterwards nobody waits on a dead connection."""
    mine = Faults(**knobs)
    line.faults = mine
    line.count_anew()
    yield
    if line.faults is mine:
        line.faults = Faults()
    if mine.black_hole:
        line.reset_all()

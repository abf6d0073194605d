"""What can go wrong, and a schedule of it drawn from a seed."""

import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.chaos.disk import used_bytes
from tests.chaos.lines import LINES, spoilt
from tests.chaos.node import Node
from tests.chaos.places import DATABASE, Place
from tests.chaos.snap import MODES
from tests.chaos.world import World

HOUR_MS = 3_600_000
JUMPS_MS = (-HOUR_MS, HOUR_MS, 20 * HOUR_MS)
TICK_S = 0.05


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a schedule: when it begins and ends (seconds), and which one it is."""

    at_s: float
    until_s: float
    name: str

    def __str__(self) -> str:
        return f"{self.at_s:5.1f}–{self.until_s:5.1f} s {self.name}"


Tick = Callable[[Sequence[str]], None]
Doing = Callable[[World, random.Random], AbstractContextManager[None]]


def _node(world: World, rng: random.Random) -> Node:
    return rng.choice(world.nodes)


def _kill(world: World, rng: random.Random) -> AbstractContextManager[None]:
    _node(world, rng).kill()
    return nullcontext()


def _restart(world: World, rng: random.Random) -> AbstractContextManager[None]:
    """SIGTERM under load: it must end by itself, and well."""
    _node(world, rng).end()
    return nullcontext()


@contextmanager
def _freeze(world: World, rng: random.Random) -> Iterator[None]:
    node = _node(world, rng)
    node.freeze()
    yield
    node.thaw()


@contextmanager
def _snap(name: str, world: World, rng: random.Random) -> Iterator[None]:
    mode = MODES[name]
    world.snap.mode = mode
    yield
    if world.snap.mode is mode:
        world.snap.mode = None


@contextmanager
def _token(world: World, rng: random.Random) -> Iterator[None]:
    """Snap takes another token from now on; later the proxies are restarted with it."""
    world.rotate_token()
    yield
    world.take_token()
    for node in world.nodes:
        node.end()


@contextmanager
def _clock(world: World, rng: random.Random) -> Iterator[None]:
    world.control.clock_ms = rng.choice(JUMPS_MS)
    world.clock_jumps += 2
    yield
    world.control.clock_ms = 0


@contextmanager
def _disk(left_bytes: int, world: World, rng: random.Random) -> Iterator[None]:
    folder = world.place.folders[0]
    world.control.capacity_bytes = used_bytes(folder) + left_bytes
    with world.mortal():  # nothing can start where not a byte is left
        yield
        world.control.capacity_bytes = 0


@contextmanager
def _file_too_large(world: World, rng: random.Random) -> Iterator[None]:
    """A write fails in a way that is not a full disk: the process must end and begin anew."""
    node = _node(world, rng)
    largest = max(path.stat().st_size for path in world.place.folders[0].iterdir())
    node.limit_files(largest + 4096)
    with world.mortal():
        yield
        node.limit_files(-1)


@contextmanager
def _line(
    choose: Callable[[random.Random], dict[str, Any]], world: World, rng: random.Random
) -> Iterator[None]:
    """The way to Snap is bad."""
    with spoilt(world.line, choose(rng)):
        yield


@contextmanager
def _place(
    doing: Callable[[Place, random.Random], AbstractContextManager[None]],
    world: World,
    rng: random.Random,
) -> Iterator[None]:
    with doing(world.place, rng):
        yield


@contextmanager
def _locked(world: World, rng: random.Random) -> Iterator[None]:
    with world.place.locked() as taken:  # a frozen proxy may have the lock
        world.skipped += not taken
        yield


FAULTS: dict[str, tuple[Doing, tuple[float, float]]] = {
    "kill -9": (_kill, (0.0, 0.0)),
    "restart": (_restart, (0.0, 0.0)),
    "freeze": (_freeze, (0.3, 5.0)),
    "new token": (_token, (1.0, 2.5)),
    "clock": (_clock, (1.0, 3.0)),
    "disk full": (partial(_disk, 0), (0.5, 3.0)),
    "disk tight": (partial(_disk, 512 * 1024), (0.5, 3.0)),
    "store locked": (_locked, (0.5, 6.5)),
    "file too large": (_file_too_large, (0.5, 2.0)),
    **{f"snap {name}": (partial(_snap, name), (0.8, 3.5)) for name in MODES},
    **{f"line {name}": (partial(_line, how), (0.5, 2.5)) for name, how in LINES.items()},
    **{f"database {name}": (partial(_place, how), (0.5, 3.0)) for name, how in DATABASE.items()},
}
"""Name → how it is done, and how long it lasts at least and at most (seconds)."""

COMMON = (
    *("kill -9",) * 3,
    *("restart", "freeze", "new token", "clock"),
    *(f"snap {name}" for name in MODES),
    *(f"line {name}" for name in LINES),
)
"""What may happen anywhere; a name that stands twice comes twice as often."""

DEADLY = ("kill -9", "restart", "new token", "file too large")
"""Faults that end a process."""


def plan(
    rng: random.Random, seconds: float, names: Sequence[str], *, density: float = 1.2
) -> list[Fault]:
    """Draw a schedule: on average a fault each `density` seconds, no name beside itself."""
    found: list[Fault] = []
    free_s: defaultdict[str, float] = defaultdict(float)
    at_s = rng.uniform(0.2, 1.0)
    while at_s < seconds:
        name = rng.choice([one for one in names if free_s[_kind(one)] <= at_s] or list(names))
        shortest_s, longest_s = FAULTS[name][1]
        until_s = min(at_s + rng.uniform(shortest_s, longest_s), seconds)
        found.append(Fault(round(at_s, 2), round(until_s, 2), name))
        free_s[_kind(name)] = until_s
        at_s += rng.expovariate(1 / density)
    return found


def _kind(name: str) -> str:
    """Faults of one kind exclude each other: Snap has one mode, a disk one capacity."""
    return name.partition(" ")[0]


def play(
    world: World, schedule: Iterable[Fault], seconds: float, rng: random.Random, tick: Tick
) -> None:
    """Let the faults happen; all are over when it returns."""
    began_s = time.monotonic()
    coming = sorted(schedule, key=lambda fault: fault.at_s)
    under_way: list[tuple[Fault, AbstractContextManager[None]]] = []
    try:
        while (now_s := time.monotonic() - began_s) < seconds:
            for fault, doing in [one for one in under_way if one[0].until_s <= now_s]:
                under_way.remove((fault, doing))
                doing.__exit__(None, None, None)
            while coming and coming[0].at_s <= now_s:
                fault = coming.pop(0)
                doing = FAULTS[fault.name][0](world, rng)
                doing.__enter__()
                under_way.append((fault, doing))
            world.tend()
            tick([fault.name for fault, _ in under_way])
            time.sleep(TICK_S)
    finally:
        for _, doing in reversed(under_way):
            doing.__exit__(None, None, None)

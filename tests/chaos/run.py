"""One round: clients, faults from a seed, and the judge."""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from edgeproxy.store.base import Counts
from tests.chaos.faults import COMMON, Fault, Tick, plan, play
from tests.chaos.judge import Findings, judge
from tests.chaos.oracle import Oracle
from tests.chaos.world import World

CLIENTS = 6


@dataclass
class Round:
    """What a round was made of and what came of it."""

    seed: int
    schedule: list[Fault]
    findings: Findings

    def __str__(self) -> str:
        faults = "\n".join(f"  {fault}" for fault in self.schedule)
        broken = "\n".join(f"  {sentence}" for sentence in self.findings.broken) or "  nothing"
        return f"seed {self.seed}\nfaults\n{faults}\nbroken\n{broken}"


def quiet(names: object) -> None:
    """Show nothing."""


def play_round(
    world: World,
    seed: int,
    seconds: float,
    *,
    without: tuple[str, ...] = (),
    calm: bool = False,
    tick: Tick = quiet,
) -> Round:
    """Play one seed in a world, which may have seen others before, and judge it.

    Args:
        world: Where.
        seed: Of the schedule and of the clients.
        seconds: How long faults go on.
        without: Faults that are left out.
        calm: Whether the proxies go on from round to round instead of being started anew.
        tick: Called again and again with the names of the faults under way.
    """
    rng = random.Random(seed)
    names = [name for name in (*COMMON, *world.place.faults) if name not in without]
    schedule = plan(rng, seconds, names)
    world.oracle = Oracle()
    world.clock_jumps = 0
    world.start()
    before: Mapping[str, Counts] = world.counts()
    world.clients(CLIENTS, rng)
    try:
        play(world, schedule, seconds, rng, tick)
    finally:
        world.hush()
    return Round(seed, schedule, judge(world, before, calm=calm))

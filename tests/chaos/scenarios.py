"""Small attacks, each aimed at one promise: what the program survives, its faulty variants do not.

Each is a few seconds of work; the judge then looks at everything.
"""

import random
import time
from collections.abc import Callable, Mapping

from edgeproxy.store.base import Counts
from tests.chaos.disk import used_bytes
from tests.chaos.judge import Findings, judge
from tests.chaos.producer import Post, Producer
from tests.chaos.snap import MODES
from tests.chaos.world import World
from tests.until import until

DAY_MS = 86_400_000
DRAIN_S = 20.0
RESERVE_BYTES = 8 * 1024 * 1024
"""As `world` configures it: twice what the write-ahead log may hold before it is copied."""


def client(world: World) -> Producer:
    """Somebody who sends when told to."""
    world.round += 1
    rng = random.Random(world.round)
    return Producer(f"r{world.round}", rng, world.oracle, world.life)


def send(world: World, events: int, *, times: int = 1) -> None:
    """Send events one by one, each so often; all are acknowledged."""
    somebody = client(world)
    for _ in range(events):
        _must(world, somebody, somebody.make(1), times)


def _must(world: World, somebody: Producer, post: Post, times: int) -> None:
    for _ in range(times):
        life = world.life()
        assert life is not None
        answer = somebody.send(life, post)
        assert answer is not None
        assert answer.status == 202, answer.body


def crash(world: World) -> None:
    """Nothing can be written for a moment, and then the process is killed."""
    with world.place.locked() as locked:
        assert locked
        world.clients(4, random.Random(1))
        time.sleep(0.7)
        for node in world.nodes:
            node.kill()
        world.hush()


def outage(world: World) -> None:
    """Snap is away while events come, some of them twice."""
    world.snap.mode = MODES["503"]
    send(world, 40, times=2)


def poison(world: World) -> None:
    """Every second event is bad: many small requests at once."""
    world.snap.mode = MODES["503"]
    send(world, 60)
    world.snap.mode = MODES["half bad"]
    until(lambda: not _pending(world), "the bad ones are found", within_s=60)


def expiry(world: World) -> None:
    """Snap is away until the events are too old."""
    world.snap.mode = MODES["503"]
    send(world, 20)
    world.control.clock_ms = 8 * DAY_MS
    for node in world.nodes:
        node.stop()  # housekeeping is done at each start, and then once a minute
    world.start()
    until(lambda: not _pending(world), "they expire")
    world.control.clock_ms = 0


def full(world: World) -> None:
    """The disk has little room left, events go on coming, and delivery must make room."""
    folder = world.place.folders[0]
    world.snap.mode = MODES["503"]
    send(world, 20)
    world.control.capacity_bytes = used_bytes(folder) + RESERVE_BYTES * 3 // 4
    somebody = client(world)
    for _ in range(90):
        life = world.life()
        assert life is not None
        somebody.send(life, somebody.make_large())
    world.snap.mode = None
    deadline_s = time.monotonic() + DRAIN_S
    while waiting := _pending(world):
        if time.monotonic() > deadline_s:
            world.oracle.complain(f"I5: {waiting} rows stay on the full disk")
            break
        time.sleep(0.05)
    world.control.capacity_bytes = 0


def _pending(world: World) -> int:
    return sum(each.pending for each in world.counts().values())


SCENARIOS: dict[str, Callable[[World], None]] = {
    each.__name__: each for each in (crash, outage, poison, expiry, full)
}


def attack(world: World, name: str) -> Findings:
    """Play one in a world and judge it."""
    world.start()
    before: Mapping[str, Counts] = world.counts()
    SCENARIOS[name](world)
    return judge(world, before, drain_s=DRAIN_S)

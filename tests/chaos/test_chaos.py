"""Fixed seeds on both engines, and the harness's own arithmetic."""

import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.chaos.faults import COMMON, FAULTS, plan
from tests.chaos.judge import over
from tests.chaos.node import Sample
from tests.chaos.places import PLACES, Place, PostgresPlace, SqlitePlace
from tests.chaos.run import play_round
from tests.chaos.soak import slopes
from tests.chaos.world import open_world

SECONDS = 12.0
SEEDS = {"sqlite": (1, 6, 7, 16, 85, 145), "postgres": (1, 5, 18, 49, 243)}
"""Seeds that stay; one that ever failed is added and never removed."""

OWN = {"sqlite": SqlitePlace.faults, "postgres": PostgresPlace.faults}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("engine", "seed"), [(engine, seed) for engine, seeds in SEEDS.items() for seed in seeds]
)
def test_every_promise_is_kept_whatever_goes_wrong(tmp_path: Path, engine: str, seed: int) -> None:
    make: Callable[[Path], AbstractContextManager[Place]] = PLACES[engine]
    with make(tmp_path) as place, open_world(tmp_path, place, random.Random(seed)) as world:
        played = play_round(world, seed, SECONDS)
    assert not played.findings.broken, str(played)
    assert len(world.oracle.acknowledged) > 5, str(played)


def test_a_seed_gives_the_same_schedule_each_time() -> None:
    first, again, other = (plan(random.Random(seed), 20, COMMON) for seed in (1, 1, 2))
    assert first == again != other
    assert all(0 <= fault.at_s <= fault.until_s <= 20 for fault in first)


@pytest.mark.parametrize("engine", sorted(SEEDS))
def test_the_fixed_seeds_see_every_fault(engine: str) -> None:
    names = (*COMMON, *OWN[engine])
    seen = [
        fault.name for seed in SEEDS[engine] for fault in plan(random.Random(seed), SECONDS, names)
    ]
    assert set(names) - set(seen) == set()
    assert set(names) <= FAULTS.keys()


def test_the_worst_window_of_requests_is_found() -> None:
    steady = [number / 10 for number in range(100)]
    assert over(steady, 10, 2) <= 0
    assert over([*steady, *[10.0] * 5], 10, 2) > 2
    assert over([], 10, 2) < 0


def test_a_slope_needs_a_long_life_and_leaves_its_beginning_out() -> None:
    def life(number: int, seconds: int) -> list[Sample]:
        return [
            Sample(life=number, age_s=age, rss_mb=500 if age < 30 else 60 + age / 60, descriptors=9)
            for age in range(0, seconds, 5)
        ]

    (slope,) = slopes([*life(1, 60), *life(2, 300)])
    assert round(slope.rss_mb_an_hour) == 60
    assert slope.descriptors_an_hour == 0

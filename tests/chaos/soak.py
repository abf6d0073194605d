"""Round after round on one store until the time is up, and what it cost."""

import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from tests.chaos.faults import DEADLY
from tests.chaos.node import Sample
from tests.chaos.places import PLACES
from tests.chaos.run import Round, play_round
from tests.chaos.world import World, open_world

ROUND_S = 40.0
CALM = 1 / 3
"""The last part of a soak, in which no process is ended: there memory and descriptors show."""

SAMPLE_S = 0.5
STEADY_AFTER_S = 30.0
STEADY_FOR_S = 60.0
"""A life counts for the slope without its beginning, and only when it was long enough."""


@dataclass
class Slope:
    """How resident memory and descriptors changed over one long life."""

    life_s: float
    rss_mb: float
    rss_mb_an_hour: float
    descriptors: int
    descriptors_an_hour: float


@dataclass
class Soak:
    """What came of it."""

    rounds: list[Round] = field(default_factory=list)
    slopes: list[Slope] = field(default_factory=list)
    log_mb: float = 0.0

    @property
    def broken(self) -> list[Round]:
        """The rounds in which something was found."""
        return [each for each in self.rounds if each.findings.broken]

    def total(self, figure: str) -> float:
        """A figure summed over the rounds."""
        return sum(each.findings.figures.get(figure, 0) for each in self.rounds)

    def worst(self, figure: str) -> float:
        """The highest of a figure."""
        return max((each.findings.figures.get(figure, 0) for each in self.rounds), default=0)


class Progress:
    """One line that says how things stand, written over itself on a terminal."""

    def __init__(self, minutes: float) -> None:
        self._end_s = time.monotonic() + minutes * 60
        self._every_s = SAMPLE_S if sys.stdout.isatty() else 30.0
        self._next_s = self._next_sample_s = 0.0
        self._width = 0
        self.head = ""
        self.world: World | None = None

    @property
    def left_s(self) -> float:
        """How much time is left."""
        return self._end_s - time.monotonic()

    def __call__(self, faults: Sequence[str]) -> None:
        """Sample the proxies, and show how things stand."""
        now_s = time.monotonic()
        if now_s < self._next_sample_s or self.world is None:
            return
        self._next_sample_s = now_s + SAMPLE_S
        samples = [taken for node in self.world.nodes if (taken := node.sample())]
        if now_s < self._next_s:
            return
        self._next_s = now_s + self._every_s
        oracle = self.world.oracle
        self.show(
            f"{self.head} | {len(oracle.acknowledged)} acknowledged, {oracle.unknown} unknown, "
            f"{len(self.world.snap.record.arrivals)} requests to Snap | "
            f"{sum(one.rss_mb for one in samples):.0f} MB, "
            f"{sum(one.descriptors for one in samples)} fds | {', '.join(faults) or 'no fault'}"
        )

    def show(self, line: str, end: str = "") -> None:
        """Write a line in the place of the last one."""
        if sys.stdout.isatty():
            print(f"\r{line:<{self._width}}", end=end, flush=True)
            self._width = 0 if end else len(line)
        else:
            print(line, flush=True)


def soak(minutes: float, seed: int, engine: str, *, round_s: float = ROUND_S) -> Soak:
    """Play rounds with the seeds from `seed` on until the time is up, all on one store."""
    done, progress = Soak(), Progress(minutes)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        place = stack.enter_context(PLACES[engine](folder))
        rng = random.Random(seed)
        world = stack.enter_context(open_world(folder, place, rng))
        progress.world = world
        while progress.left_s > 0 or not done.rounds:
            calm = progress.left_s < minutes * 60 * CALM
            number = len(done.rounds)
            left = f"{max(0, progress.left_s) / 60:.1f} min left"
            progress.head = f"round {number + 1}, seed {seed + number}, {left}"
            done.rounds.append(_round(world, seed + number, round_s, calm, progress))
            done.log_mb = max(done.log_mb, _log_mb(folder))
            _tidy(folder)
        for node in world.nodes:
            done.slopes += slopes(node.samples)
    return done


def _round(
    world: World, seed: int, seconds: float, calm: bool, tick: Callable[[Sequence[str]], None]
) -> Round:
    return play_round(world, seed, seconds, without=DEADLY if calm else (), calm=calm, tick=tick)


def _log_mb(folder: Path) -> float:
    """How long SQLite's write-ahead log is."""
    return sum(path.stat().st_size for path in folder.rglob("*-wal")) / 1e6


def _tidy(folder: Path) -> None:
    """Remove the logs of lives that are over; they were searched."""
    for path in sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime)[:-4]:
        path.unlink()


def slopes(samples: Sequence[Sample]) -> list[Slope]:
    """Least squares over each life that was long enough."""
    found = []
    for _, life in groupby(samples, key=lambda one: one.life):
        steady = [one for one in life if one.age_s >= STEADY_AFTER_S]
        if len(steady) < 3 or steady[-1].age_s - steady[0].age_s < STEADY_FOR_S:
            continue
        age_s = [one.age_s for one in steady]
        found.append(
            Slope(
                life_s=steady[-1].age_s,
                rss_mb=steady[-1].rss_mb,
                rss_mb_an_hour=3600 * rise(age_s, [one.rss_mb for one in steady]),
                descriptors=steady[-1].descriptors,
                descriptors_an_hour=3600 * rise(age_s, [float(one.descriptors) for one in steady]),
            )
        )
    return found


def rise(x: Sequence[float], y: Sequence[float]) -> float:
    """The slope of the line that fits best."""
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    spread = sum((one - mean_x) ** 2 for one in x)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / spread

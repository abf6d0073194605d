"""The chaos harness by hand: `python -m tests.chaos --minutes 60 [--seed N] [--store sqlite]`.

Exits with 0 when every promise was kept, with 1 when one was not; then it prints the seeds.
"""

import argparse
import secrets
import sys

from rich.console import Console
from rich.table import Table

from tests.chaos.places import PLACES
from tests.chaos.soak import ROUND_S, Soak, soak

SUMS = (
    "calls",
    "acknowledged events",
    "calls with unknown outcome",
    "rubbish refused",
    "duplicates collapsed",
    "requests to Snap",
    "sent more than once",
    "dead letters",
)
WORST = ("drained in s", "fresh event in s")


def table(done: Soak) -> Table:
    """What the soak did and found."""
    shown = Table(title="chaos", show_header=False)
    shown.add_row("rounds", f"{len(done.rounds)}, {len(done.broken)} with something broken")
    shown.add_row("faults", str(sum(len(each.schedule) for each in done.rounds)))
    for figure in SUMS:
        shown.add_row(figure, f"{done.total(figure):,.0f}")
    for figure in WORST:
        shown.add_row(f"{figure}, at worst", f"{done.worst(figure):.1f}")
    shown.add_row("write-ahead log at the end of a round, at most", f"{done.log_mb:.1f} MB")
    for each in done.slopes:
        shown.add_row(
            f"a life of {each.life_s / 60:.1f} min",
            f"{each.rss_mb:.0f} MB, {each.rss_mb_an_hour:+.1f} MB an hour; "
            f"{each.descriptors} descriptors, {each.descriptors_an_hour:+.1f} an hour",
        )
    return shown


def main(arguments: list[str] | None = None) -> int:
    """Soak, and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="how long")
    parser.add_argument("--seed", type=int, help="of the first round; drawn when not given")
    parser.add_argument("--store", choices=sorted(PLACES), default="sqlite")
    parser.add_argument("--round", type=float, default=ROUND_S, help="seconds of faults a round")
    given = parser.parse_args(arguments)
    seed = secrets.randbelow(1_000_000) if given.seed is None else given.seed
    print(f"seed {seed} on {given.store}: --seed {seed} repeats it", flush=True)
    done = soak(given.minutes, seed, given.store, round_s=given.round)
    print()
    for each in done.broken:
        print(each)
    Console().print(table(done))
    return 1 if done.broken else 0


if __name__ == "__main__":
    sys.exit(main())

"""The proxy as `edgeproxy serve` runs it, with delivery's waits scaled down to seconds.

Usage: python -m tests.chaos.launch [variant …], in a folder with `edgeproxy.toml`. `CHAOS_CONTROL`
names the file of `control`. A variant is a fault of the program itself that the harness must
notice, see `variants`. Only this process is changed; the product has no such settings.
"""

import os
import sys
import time
from functools import partial
from pathlib import Path

from edgeproxy import cli, runtime
from edgeproxy.delivery.backoff import Schedule
from edgeproxy.delivery.worker import deliver
from tests.chaos import disk
from tests.chaos.control import Control
from tests.chaos.variants import VARIANTS, swap

SCHEDULE = Schedule(
    fast_s=(0.05, 0.1, 0.2),
    slow_s=0.5,
    slow_max_s=3.0,
    throttle_s=0.5,
    throttle_max_s=3.0,
    breaker_s=0.3,
    breaker_max_s=2.0,
    paused_s=1.0,
    lease_s=4.0,
    renew_s=1.0,
    booking_s=(0.2, 0.5, 1.0, 2.0),
    last_s=1.0,
    grace_s=2.0,
)
"""Hours become seconds, so that a seed sees every wait."""

POLL_S = 0.5


def main(variants: list[str]) -> int:
    """Serve until a signal; the exit status."""
    control = Control(Path(os.environ["CHAOS_CONTROL"]))
    swap(runtime, "deliver", partial(deliver, schedule=SCHEDULE))
    swap(runtime, "POLL_S", POLL_S)
    swap(runtime, "now_ms", lambda: time.time_ns() // 1_000_000 + control.clock_ms)
    disk.limit(Path(os.environ["CHAOS_STORE"]), control)
    for name in variants:
        VARIANTS[name]()
    return cli.main(["serve"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`edgeproxy serve` with quick signs of life. Usage: python -m tests.beating_child."""

import sys
from functools import partial

from edgeproxy import cli, service
from tests.chaos.variants import swap

BEAT_S = 0.2

if __name__ == "__main__":
    swap(service, "run", partial(service.run, beat_s=BEAT_S))
    sys.exit(cli.main(["serve"]))

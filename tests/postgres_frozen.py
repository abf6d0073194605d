"""A node that freezes in the middle of a transaction, with the limiter's row in its hand.

Usage: python -m tests.postgres_frozen URL INTEGRATION
"""

import os
import signal
import sys

from edgeproxy.store.postgres import gates
from edgeproxy.store.postgres.clock import Clock
from edgeproxy.store.postgres.link import Link, conninfo
from edgeproxy.store.postgres.transaction import Tx, write


def main(url: str, integration: str) -> None:
    """Take a request from the limiter, and do not come to the commit."""

    def work(tx: Tx) -> None:
        gates.acquire(tx, integration, 50, 100, None)
        os.kill(os.getpid(), signal.SIGSTOP)

    write(Link(conninfo(url)), work, Clock())


if __name__ == "__main__":
    main(*sys.argv[1:])

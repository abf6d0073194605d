"""Questions to a PostgreSQL store, each answered from one snapshot."""

import math

import msgspec

from edgeproxy.store.base import Counts
from edgeproxy.store.postgres.leases import RETRY_MAX_MS
from edgeproxy.store.postgres.transaction import Tx

WAITING_MAX = 10_000
"""`waiting` counts no further: its caller asks whether a batch is full, and asks often."""

_LEDGER = """
SELECT integration, kind, sum(n)::bigint FROM ledger WHERE integration <> ''
GROUP BY integration, kind
"""
_QUEUE = """
SELECT integration, count(*), count(lease), min(created) FROM outbox GROUP BY integration
"""
_DEAD_ROWS = "SELECT integration, count(*) FROM dead GROUP BY integration"
_DUE = """
SELECT count(*) FROM (
  (SELECT 1 FROM outbox WHERE integration = %(integration)s AND lease IS NULL
   AND expires > %(now)s AND due <= %(now)s LIMIT %(most)s)
  UNION ALL
  (SELECT 1 FROM outbox WHERE integration = %(integration)s AND lease IS NULL
   AND expires > %(now)s AND due > %(now)s + %(beyond)s LIMIT %(most)s)
) AS found
"""
_NEXT = """
SELECT due FROM outbox WHERE integration = %(integration)s AND lease IS NULL
AND expires > %(now)s AND due > %(now)s ORDER BY due LIMIT 1
"""


def stats(tx: Tx) -> list[Counts]:
    """The ledger and the queue of every integration, ordered by name."""
    numbers: dict[str, dict[str, int | float]] = {}
    for integration, kind, n in tx.rows(_LEDGER):
        numbers.setdefault(integration, {})[kind] = n
    for integration, pending, leased, created_ms in tx.rows(_QUEUE):
        oldest_s = max(0, tx.now_ms - created_ms) / 1000
        queue = {"pending": pending, "leased": leased, "oldest_s": oldest_s}
        numbers.setdefault(integration, {}).update(queue)
    for integration, n in tx.rows(_DEAD_ROWS):
        numbers.setdefault(integration, {})["dead_now"] = n
    return [
        msgspec.convert({"integration": name, **numbers[name]}, Counts) for name in sorted(numbers)
    ]


def waiting(tx: Tx, integration: str) -> tuple[int, float]:
    """How many unleased rows are due (up to `WAITING_MAX`), and seconds until the next one."""
    params = {
        "integration": integration,
        "now": tx.now_ms,
        "beyond": RETRY_MAX_MS,
        "most": WAITING_MAX,
    }
    if due := tx.count(_DUE, params):
        return due, 0.0
    soonest = tx.one(_NEXT, params)
    return 0, math.inf if soonest is None else (soonest[0] - tx.now_ms) / 1000


def known(tx: Tx, visitor: bytes) -> bytes:
    """The traits bound to a visitor, or b""."""
    row = tx.one("SELECT traits FROM identity WHERE visitor = %b", (visitor,))
    return bytes(row[0]) if row else b""


def note(tx: Tx, name: str) -> str:
    """A note of the installation, or ""."""
    row = tx.one("SELECT value FROM meta WHERE name = %s", (name,))
    return str(row[0]) if row else ""

"""The ledger in PostgreSQL: how many rows took which way, a row for each node.

`kind` is the name of a field of `Counts`. Every append changes a row here, even one that was only
duplicates: a transaction that wrote nothing would not wait for the standby, so a copy of an event
could be acknowledged before the event itself is safe.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from edgeproxy.store.postgres.transaction import Tx

GONE_MS = 86_400_000
"""A node that counted nothing for a day may be gone; its rows become nobody's."""

_ADD = """
INSERT INTO ledger AS l (integration, kind, node, n, touched)
SELECT u.integration, u.kind, %(node)s, u.n, %(now)s
FROM unnest(%(integrations)b::text[], %(kinds)b::text[], %(n)b::bigint[])
  AS u (integration, kind, n)
ON CONFLICT (integration, kind, node) DO UPDATE
SET n = l.n + excluded.n, touched = excluded.touched
"""
_FOLD = """
WITH gone AS (
  DELETE FROM ledger WHERE (integration, kind, node) IN (
    SELECT integration, kind, node FROM ledger
    WHERE node <> '' AND touched <= %(now)s - %(gone)s
    ORDER BY integration, kind, node FOR UPDATE SKIP LOCKED LIMIT 1000
  ) RETURNING integration, kind, n
)
INSERT INTO ledger AS l (integration, kind, node, n, touched)
SELECT integration, kind, '', sum(n)::bigint, %(now)s FROM gone
GROUP BY integration, kind ORDER BY integration, kind
ON CONFLICT (integration, kind, node) DO UPDATE
SET n = l.n + excluded.n, touched = excluded.touched
"""


class Ledger:
    """The rows of one node."""

    def __init__(self, node: str) -> None:
        self._node = node

    def add(self, tx: Tx, tally: Mapping[tuple[str, str], int]) -> None:
        """Add counts, keyed by (integration, kind)."""
        counts = sorted((who, n) for who, n in tally.items() if n)
        if counts:
            params = {
                "node": self._node,
                "now": tx.now_ms,
                "integrations": [integration for (integration, _), _ in counts],
                "kinds": [kind for (_, kind), _ in counts],
                "n": [n for _, n in counts],
            }
            tx.execute(_ADD, params)

    def each(self, tx: Tx, kind: str, integrations: Iterable[str]) -> int:
        """Add one row of a kind for each time an integration is named; return how many in all."""
        tally = Counter(integrations)
        self.add(tx, {(integration, kind): n for integration, n in tally.items()})
        return tally.total()

    def touch(self, tx: Tx) -> None:
        """Write something that counts nothing, so that the commit is a durable one."""
        self.add(tx, {("", "touch"): 1})

    def fold(self, tx: Tx) -> None:
        """Give the rows of nodes that are gone to nobody, so that they do not pile up."""
        tx.execute(_FOLD, {"now": tx.now_ms, "gone": GONE_MS})

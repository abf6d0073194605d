"""The ledger in SQLite: how many rows took which way, counted in the transaction that moves them.

`kind` is the name of a field of `Counts`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

import apsw

_ADD = """
INSERT INTO ledger (integration, kind, n) VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET n = n + excluded.n
"""


def count(db: apsw.Connection, integration: str, kind: str, n: int) -> None:
    """Add `n` rows of one kind."""
    if n:
        db.execute(_ADD, (integration, kind, n))


def count_all(db: apsw.Connection, tally: Mapping[tuple[str, str], int]) -> None:
    """Add several counts, keyed by (integration, kind)."""
    db.executemany(_ADD, [(*who, n) for who, n in tally.items()])


def count_each(db: apsw.Connection, kind: str, integrations: Iterable[str]) -> int:
    """Add one row of a kind for each time an integration is named; return how many in all."""
    tally = Counter(integrations)
    count_all(db, {(integration, kind): n for integration, n in tally.items()})
    return tally.total()

"""What keeps a PostgreSQL store small and true over time: erasure, expiry, notes."""

from collections.abc import Iterator

from edgeproxy.store.base import IDENTITY_S
from edgeproxy.store.postgres import graves
from edgeproxy.store.postgres.ledger import Ledger
from edgeproxy.store.postgres.transaction import Tx

FOREIGN_S = 600
"""A transaction of somebody else that is older slows every claim down."""

_RECALL = "DELETE FROM outbox WHERE visitor = %b AND visitor <> ''::bytea RETURNING integration"
_EXPIRED = """
SELECT id FROM outbox WHERE lease IS NULL AND expires <= %s
ORDER BY expires, id LIMIT %s FOR UPDATE SKIP LOCKED
"""
_DROP_KEYS = """
WITH gone AS (
  DELETE FROM seen WHERE key IN (
    SELECT key FROM seen WHERE expires <= %s ORDER BY expires LIMIT %s FOR UPDATE SKIP LOCKED
  ) RETURNING 1
) SELECT count(*) FROM gone
"""
_DROP_IDENTITIES = """
WITH gone AS (
  DELETE FROM identity WHERE visitor IN (
    SELECT visitor FROM identity WHERE last_seen <= %s
    ORDER BY last_seen LIMIT %s FOR UPDATE SKIP LOCKED
  ) RETURNING 1
) SELECT count(*) FROM gone
"""
_FOREIGN = """
SELECT pid, coalesce(usename, ''), coalesce(application_name, '') FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
  AND xact_start < clock_timestamp() - make_interval(secs => %s)
"""


def recall(tx: Tx, ledger: Ledger, visitor: bytes) -> int:
    """Erase a visitor's queued rows and identity; the dedup keys stay, they name nobody."""
    tx.execute("DELETE FROM identity WHERE visitor = %b", (visitor,))
    gone = [integration for (integration,) in tx.rows(_RECALL, (visitor,))]
    ledger.touch(tx)
    return ledger.each(tx, "erased", gone)


def forget(tx: Tx, ledger: Ledger, visitor: bytes) -> int:
    """Erase the dead letters too."""
    return recall(tx, ledger, visitor) + graves.forget(tx, ledger, visitor)


def sweep(tx: Tx, ledger: Ledger, limit: int) -> int:
    """Bury what expired and drop what is over, at most `limit` of each; return how many in all."""
    now_ms = tx.now_ms
    expired = tx.rows(_EXPIRED, (now_ms, limit))
    rows = [(id_, "expired", "") for (id_,) in expired]
    moved = ledger.each(tx, "dead", graves.bury(tx, rows, None))
    moved += graves.age_out(tx, ledger, limit)
    if len(expired) < limit:  # else the keys go with the rows that are buried next
        moved += tx.count(_DROP_KEYS, (now_ms, limit))
    moved += tx.count(_DROP_IDENTITIES, (now_ms - IDENTITY_S * 1000, limit))
    ledger.fold(tx)
    return moved


def note(tx: Tx, name: str, value: str) -> str:
    """Write a note of the installation unless there is one; return what stands there."""
    insert = "INSERT INTO meta (name, value) VALUES (%s, %s) ON CONFLICT DO NOTHING"
    tx.execute(insert, (name, value))
    return str(tx.one("SELECT value FROM meta WHERE name = %s", (name,))[0])


def foreign(tx: Tx) -> Iterator[tuple[int, str]]:
    """Transactions of others that are older than `FOREIGN_S`: process id, and who it is."""
    for pid, user, application in tx.rows(_FOREIGN, (FOREIGN_S,)):
        yield pid, f"{application or 'an application without a name'} as {user or 'somebody'}"

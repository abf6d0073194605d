"""Handing rows out and booking what became of them, in PostgreSQL.

A lease is a random token in the row: whoever does not hold it any more finds no row to change
(fencing). Claimants of several nodes skip what another one is just taking.
"""

import secrets
from collections.abc import Sequence

from edgeproxy.store.base import Dead, Lease, Retry, Row
from edgeproxy.store.postgres import gates, graves, seen
from edgeproxy.store.postgres.ledger import Ledger
from edgeproxy.store.postgres.text import storable
from edgeproxy.store.postgres.transaction import Tx

RETRY_MAX_MS = 3_600_000
"""No row waits longer, so a `due` beyond it means that the clock was set back: take the row."""

_LEASE_MAX_MS = 600_000
"""No lease is longer, for the same reason."""

_FOUND = """
SELECT id, due, expires, created,
  octet_length(body) + octet_length(sealed) + octet_length(known) AS size FROM outbox
WHERE integration = %(integration)s AND lease IS NULL AND expires > %(now)s
"""
_IN_TURN = "ORDER BY due, expires, created, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED"
_HAND_OUT = """
, counted AS (
  SELECT id, row_number() OVER turn AS nth, sum(size) OVER turn AS total FROM found
  WINDOW turn AS (ORDER BY due, expires, created, id)
)
UPDATE outbox AS o SET lease = %(token)b, lease_until = %(until)s, attempt = attempt + 1
FROM counted AS c
WHERE o.id = c.id AND c.nth <= %(limit)s AND (c.nth = 1 OR c.total <= %(max_bytes)s)
RETURNING c.nth, o.id, o.key, o.visitor, o.name, o.body, o.sealed, o.known, o.attempt,
  o.event_time, o.created
"""
_CLAIM = f"""
WITH due AS ({_FOUND} AND due <= %(now)s {_IN_TURN}),
ahead AS ({_FOUND} AND due > %(ahead)s {_IN_TURN}),
found AS (SELECT * FROM due UNION ALL SELECT * FROM ahead)
{_HAND_OUT}
"""  # noqa: S608 - made of constants
_CLAIM_NEWEST = f"""
WITH found AS (
  {_FOUND} AND (due <= %(now)s OR due > %(ahead)s)
  ORDER BY created DESC, id DESC LIMIT 1 FOR UPDATE SKIP LOCKED
)
{_HAND_OUT}
"""
_RENEW = """
WITH mine AS (
  UPDATE outbox SET lease_until = %b WHERE id = ANY(%b::bigint[]) AND lease = %b RETURNING 1
) SELECT count(*) FROM mine
"""
_CARRIED = "SELECT id FROM outbox WHERE id = ANY(%b::bigint[]) AND lease = %b"
_RECOVER = """
WITH back AS (
  UPDATE outbox SET lease = NULL, lease_until = NULL WHERE id IN (
    SELECT id FROM outbox WHERE lease IS NOT NULL AND ({over}) FOR UPDATE SKIP LOCKED
  ) RETURNING 1
) SELECT count(*) FROM back
"""
_RECOVER_OVER = _RECOVER.format(over="lease_until <= %(now)s OR lease_until > %(beyond)s")
_RECOVER_ALL = _RECOVER.format(over="true")
_DELIVERED = """
DELETE FROM outbox WHERE id = ANY(%b::bigint[]) AND lease = %b RETURNING key, order_key, created
"""
_RETRY = """
WITH back AS (
  UPDATE outbox AS o
  SET lease = NULL, lease_until = NULL, due = u.due, error = u.error, attempt = attempt - u.given
  FROM unnest(%b::bigint[], %b::bigint[], %b::text[], %b::integer[]) AS u (id, due, error, given)
  WHERE o.id = u.id AND o.lease = %b RETURNING 1
) SELECT count(*) FROM back
"""


def claim(tx: Tx, integration: str, limit: int, max_bytes: int, lease_s: float) -> Lease:
    """Lease what is due, or one row to a probe; see `Store.claim`."""
    params = {
        "integration": integration,
        "now": tx.now_ms,
        "ahead": tx.now_ms + RETRY_MAX_MS,
        "limit": limit,
        "max_bytes": max_bytes,
        "token": secrets.token_bytes(16),
        "until": _until_ms(tx.now_ms, lease_s),
    }
    tx.execute(_RECOVER_OVER, _over(tx))
    gate = gates.read(tx, integration)
    if gate.state == "open":
        return _leased(tx, _CLAIM, params, probe=False)
    gate = gates.read(tx, integration, lock=True)  # exactly one claimant probes
    if gate.state != "open" and gate.probe_in_s == 0:
        newest = gate.state == "paused_reject"  # the oldest may be the one that is at fault
        params["limit"] = 1
        if lease := _leased(tx, _CLAIM_NEWEST if newest else _CLAIM, params, probe=True):
            gates.put_off(tx, gate)
            return lease
    return Lease(token=b"", integration=integration, rows=())


def _leased(tx: Tx, sql: str, params: dict[str, object], *, probe: bool) -> Lease:
    integration, token = params["integration"], params["token"]
    assert isinstance(integration, str)  # noqa: S101 - for the type checker
    assert isinstance(token, bytes)  # noqa: S101 - for the type checker
    rows = tuple(
        Row(
            id=id_,
            key=key,
            visitor=visitor,
            name=name,
            body=body,
            sealed=sealed,
            known=known,
            attempt=attempt,
            event_time_ms=event_time,
            age_s=max(0, tx.now_ms - created) / 1000,
        )
        for _, id_, key, visitor, name, body, sealed, known, attempt, event_time, created in sorted(
            tx.rows(sql, params)
        )
    )
    if not rows:
        return Lease(token=b"", integration=integration, rows=())
    return Lease(token=token, integration=integration, rows=rows, probe=probe)


def _until_ms(now_ms: int, lease_s: float) -> int:
    return now_ms + min(round(lease_s * 1000), _LEASE_MAX_MS)


def settle(
    tx: Tx,
    ledger: Ledger,
    lease: Lease,
    delivered: Sequence[int],
    retry: Sequence[Retry],
    dead: Sequence[Dead],
) -> int:
    """Book outcomes; return how many rows still carried the lease."""
    gone = _deliver(tx, lease, delivered)
    back = _put_back(tx, lease, retry)
    why = [(row.id, row.reason, row.detail) for row in dead]
    buried = len(graves.bury(tx, why, lease.token))
    ledger.add(tx, {(lease.integration, "delivered"): gone, (lease.integration, "dead"): buried})
    return gone + back + buried


def _deliver(tx: Tx, lease: Lease, ids: Sequence[int]) -> int:
    if not ids:
        return 0
    rows = tx.rows(_DELIVERED, (list(ids), lease.token))
    seen.keep_delivered(tx, rows)
    return len(rows)


def _put_back(tx: Tx, lease: Lease, retry: Sequence[Retry]) -> int:
    once = {row.id: row for row in reversed(retry)}
    if not once:
        return 0
    now_ms = tx.now_ms
    columns = (
        list(once),
        [now_ms + min(max(0, round(r.delay_s * 1000)), RETRY_MAX_MS) for r in once.values()],
        [storable(row.error) for row in once.values()],
        [0 if row.counted else 1 for row in once.values()],
    )
    return tx.count(_RETRY, (*columns, lease.token))


def renew(tx: Tx, lease: Lease, lease_s: float) -> int:
    """Extend what is left of a lease; return how many rows that is."""
    if not lease.rows:
        return 0
    ids = [row.id for row in lease.rows]
    return tx.count(_RENEW, (_until_ms(tx.now_ms, lease_s), ids, lease.token))


def carried(tx: Tx, lease: Lease) -> list[int]:
    """The ids of the rows that still carry a lease."""
    ids = [row.id for row in lease.rows]
    return [id_ for (id_,) in tx.rows(_CARRIED, (ids, lease.token))]


def recover(tx: Tx, *, everything: bool = False) -> int:
    """Put rows of leases that are over (or of all) back, due as before; return how many."""
    return tx.count(_RECOVER_ALL) if everything else tx.count(_RECOVER_OVER, _over(tx))


def _over(tx: Tx) -> dict[str, int]:
    return {"now": tx.now_ms, "beyond": tx.now_ms + _LEASE_MAX_MS}

"""Dead letters in PostgreSQL: how a row becomes one, comes back, or goes for good."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from edgeproxy.store.base import DEAD_S
from edgeproxy.store.postgres import seen
from edgeproxy.store.postgres.ledger import Ledger
from edgeproxy.store.postgres.text import storable
from edgeproxy.store.postgres.transaction import Tx

AMBIGUOUS = "ambiguous_200"
"""Snap may have counted the event: its keys go on collapsing copies."""

_BURY = """
WITH gone AS (
  DELETE FROM outbox AS o
  USING unnest(%(ids)b::bigint[], %(reasons)b::text[], %(details)b::text[]) WITH ORDINALITY
    AS u (id, reason, detail, nth)
  WHERE o.id = u.id AND o.lease IS NOT DISTINCT FROM %(token)b::bytea
  RETURNING o.*, u.reason, u.detail, u.nth
), buried AS (
  INSERT INTO dead (integration, key, order_key, visitor, name, body, known, event_time, expires,
    created, attempt, died, reason, detail)
  SELECT integration, key, order_key, visitor, name, body, known, event_time, expires, created,
    attempt, %(now)s, reason, detail
  FROM gone ORDER BY nth
)
SELECT integration, key, order_key, reason FROM gone
"""
_DIG_OUT = """
DELETE FROM dead WHERE id = ANY(%b::bigint[])
RETURNING id, integration, key, order_key, died, reason,
  visitor, name, body, known, event_time, expires
"""
_REQUEUE = """
INSERT INTO outbox (integration, key, order_key, visitor, name, body, known, event_time, expires,
  created, due, sealed)
SELECT u.*, %b, %b, ''::bytea FROM unnest(%b::text[], %b::bytea[], %b::bytea[], %b::bytea[],
  %b::text[], %b::bytea[], %b::bytea[], %b::bigint[], %b::bigint[]) AS u
RETURNING id, key, order_key
"""
_DISCARD = "DELETE FROM dead WHERE id = ANY(%b::bigint[]) RETURNING integration"
_FORGET = "DELETE FROM dead WHERE visitor = %b AND visitor <> ''::bytea RETURNING integration"
_AGE_OUT = """
DELETE FROM dead WHERE id IN (
  SELECT id FROM dead WHERE died <= %s ORDER BY died LIMIT %s FOR UPDATE SKIP LOCKED
) RETURNING integration
"""


def bury(tx: Tx, rows: Sequence[tuple[int, str, str]], token: bytes | None) -> list[str]:
    """Make rows dead letters without their sealed data, and release their keys.

    Args:
        tx: The transaction.
        rows: Of each the id, a reason of `DEAD_REASONS` (`AMBIGUOUS` keeps the keys), and a
            detail for people.
        token: The lease that they must carry, None for rows that must carry none.

    Returns:
        The integrations of those that there were. The caller writes the ledger.
    """
    once = {id_: (reason, storable(detail)) for id_, reason, detail in reversed(rows)}
    if not once:
        return []
    params = {
        "ids": list(reversed(once)),
        "reasons": [reason for reason, _ in reversed(once.values())],
        "details": [detail for _, detail in reversed(once.values())],
        "token": token,
        "now": tx.now_ms,
    }
    gone = tx.rows(_BURY, params)
    kept = [row for row in gone if row[3] == AMBIGUOUS]
    seen.keep_from_now(tx, [row[1] for row in kept], [row[2] for row in kept])
    seen.release(tx, [key for row in gone if row[3] != AMBIGUOUS for key in row[1:3]])
    return [row[0] for row in gone]


def replay(tx: Tx, ledger: Ledger, ids: Sequence[int]) -> int:
    """Queue dead letters again, unless a later copy took their place; return how many came back."""
    if not ids:
        return 0
    dug = {row[0]: row[1:] for row in tx.rows(_DIG_OUT, (list(ids),))}
    letters = [dug[id_] for id_ in dict.fromkeys(ids) if id_ in dug]
    live = seen.lock(tx, [key for letter in letters for key in letter[1:3]])
    tally: Counter[tuple[str, str]] = Counter()
    back: list[Any] = []
    changed: dict[bytes, int] = {}
    for letter in letters:
        integration, key, order_key, died_ms, reason = letter[:5]
        own_ms = died_ms if reason == AMBIGUOUS else None
        if _has_later_copy(live, tx.now_ms, key, order_key, own_ms):
            tally[integration, "replay_dup"] += 1
            continue
        tally[integration, "replayed"] += 1
        back.append((*letter[:3], *letter[5:]))
        changed[key] = tx.now_ms + seen.KEEP_MS
        if order_key:
            changed[order_key] = tx.now_ms + seen.KEEP_ORDER_MS
        live |= changed
    seen.release(tx, [key for key, until_ms in live.items() if not until_ms])
    if back:
        columns = map(list, zip(*back, strict=True))
        rows = tx.rows(_REQUEUE, (tx.now_ms, tx.now_ms, *columns))
        seen.keep(tx, changed, {key: id_ for id_, *keys in rows for key in keys})
    ledger.add(tx, tally)
    return len(back)


def _has_later_copy(
    live: Mapping[bytes, int], now_ms: int, key: bytes, order_key: bytes, own_ms: int | None
) -> bool:
    # What an ambiguous letter kept ends exactly so long after its death; a copy's ends later.
    for kept, keep_ms in ((key, seen.KEEP_MS), (order_key, seen.KEEP_ORDER_MS)):
        until_ms = live[kept] if kept else 0
        if until_ms > now_ms and (own_ms is None or until_ms != own_ms + keep_ms):
            return True
    return False


def discard(tx: Tx, ledger: Ledger, ids: Sequence[int]) -> int:
    """Delete dead letters; return how many there were."""
    if not ids:
        return 0
    gone = [integration for (integration,) in tx.rows(_DISCARD, (list(ids),))]
    return ledger.each(tx, "discarded", gone)


def forget(tx: Tx, ledger: Ledger, visitor: bytes) -> int:
    """Delete the dead letters of a visitor; return how many there were."""
    gone = [integration for (integration,) in tx.rows(_FORGET, (visitor,))]
    return ledger.each(tx, "erased_dead", gone)


def age_out(tx: Tx, ledger: Ledger, limit: int) -> int:
    """Delete dead letters older than `DEAD_S`, at most `limit`; return how many."""
    gone = tx.rows(_AGE_OUT, (tx.now_ms - DEAD_S * 1000, limit))
    return ledger.each(tx, "aged_out", [integration for (integration,) in gone])

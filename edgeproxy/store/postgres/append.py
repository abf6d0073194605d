"""Accepting events in PostgreSQL: dedup, identity, rows, ledger. The hot path, one call a group."""

from collections import Counter
from collections.abc import Sequence
from itertools import islice

from edgeproxy.store.base import Entry, Fate, Item
from edgeproxy.store.postgres.identities import Identities, merged
from edgeproxy.store.postgres.ledger import Ledger
from edgeproxy.store.postgres.seen import Taking
from edgeproxy.store.postgres.transaction import Tx

_INSERT = """
INSERT INTO outbox (id, integration, key, order_key, visitor, name, body, sealed, event_time,
  expires, known, created, due)
SELECT u.*, %b, %b FROM unnest(%b::bigint[], %b::text[], %b::bytea[], %b::bytea[], %b::bytea[],
  %b::text[], %b::bytea[], %b::bytea[], %b::bigint[], %b::bigint[], %b::bytea[]) AS u
"""
_WAITING = """
SELECT id, key, order_key, known FROM outbox
WHERE lease IS NULL AND id IN (SELECT row_id FROM seen WHERE key = ANY(%b::bytea[]))
ORDER BY id FOR UPDATE
"""
_COMPLETE = """
UPDATE outbox AS o SET known = u.known FROM unnest(%b::bigint[], %b::bytea[]) AS u (id, known)
WHERE o.id = u.id
"""
_NOTHING = (b"", b"{}")


def append(tx: Tx, items: Sequence[Item], ledger: Ledger) -> list[tuple[Fate, ...]]:
    """Write the new ones of the items' entries, in order; return one fate for each entry."""
    entries = [entry for item in items for entry in item.entries]
    people = Identities(tx, items)
    rows = Taking(tx, entries).rows()
    known = _known(items, people)
    new = [
        (id_, entry, traits)
        for id_, entry, traits in zip(rows, entries, known, strict=True)
        if id_ is not None
    ]
    _insert(tx, new)
    people.write([entry.visitor for _, entry, _ in new])
    _complete(tx, [entry for id_, entry in zip(rows, entries, strict=True) if id_ is None])
    fates = [Fate.DUPLICATE if id_ is None else Fate.ACCEPTED for id_ in rows]
    tally = Counter(
        (entry.integration, fate.value) for entry, fate in zip(entries, fates, strict=True)
    )
    if tally:
        ledger.add(tx, tally)
    else:
        ledger.touch(tx)
    given = iter(fates)
    return [tuple(islice(given, len(item.entries))) for item in items]


def _known(items: Sequence[Item], people: Identities) -> list[bytes]:
    """What is known of each entry's visitor when its turn comes."""
    known: list[bytes] = []
    for item in items:
        if item.binding:
            people.bind(item.binding)
        known += [people.known(entry.visitor) for entry in item.entries]
    return known


def _insert(tx: Tx, new: Sequence[tuple[int, Entry, bytes]]) -> None:
    if not new:
        return
    entries = [entry for _, entry, _ in new]
    columns = (
        [id_ for id_, _, _ in new],
        [entry.integration for entry in entries],
        [entry.key for entry in entries],
        [entry.order_key for entry in entries],
        [entry.visitor for entry in entries],
        [entry.name for entry in entries],
        [entry.body for entry in entries],
        [entry.sealed for entry in entries],
        [entry.event_time_ms for entry in entries],
        [entry.expires_ms for entry in entries],
        [traits for _, _, traits in new],
    )
    tx.execute(_INSERT, (tx.now_ms, tx.now_ms, *columns))


def _complete(tx: Tx, copies: Sequence[Entry]) -> None:
    """Complete the rows that still wait by what a later copy of their event knows."""
    rich = [copy for copy in copies if copy.fill not in _NOTHING]
    if not rich:
        return
    keys = sorted({key for copy in rich for key in (copy.key, copy.order_key) if key})
    waiting = tx.rows(_WAITING, (keys,))
    completed: dict[int, bytes] = {}
    for copy in rich:
        for id_, key, order_key, known in waiting:
            if key == copy.key or (order_key and order_key == copy.order_key):
                completed[id_] = merged(copy.fill, completed.get(id_, known))
    if completed:
        tx.execute(_COMPLETE, (list(completed), list(completed.values())))

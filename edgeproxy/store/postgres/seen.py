"""The dedup keys in PostgreSQL: which are live, and how long they are kept.

Keys are always locked in their own order, so that nodes with the same events wait for one another
instead of dead-locking.
"""

from collections.abc import Iterable, Mapping, Sequence

from edgeproxy.store.base import SEEN_ORDER_S, SEEN_S, Entry
from edgeproxy.store.postgres.transaction import NOW, Tx

_SLACK_MS = 3_600_000
"""Kept this much longer, so that a delivery within that time need not write them again."""

KEEP_MS = SEEN_S * 1000 + _SLACK_MS
KEEP_ORDER_MS = SEEN_ORDER_S * 1000 + _SLACK_MS

_NO_ROWS: Mapping[bytes, int] = {}

# The rows' ids are drawn here, in the order of the entries, so that keys and rows are each
# written once.
_TAKE = f"""
WITH drawn AS MATERIALIZED (
  SELECT place, nextval('outbox_ids') AS id
  FROM generate_series(1, %b) AS place
)
INSERT INTO seen AS s (key, expires, row_id)
SELECT u.key, {NOW} + u.keep, drawn.id
FROM unnest(%b::bytea[], %b::bigint[], %b::integer[]) AS u (key, keep, place)
JOIN drawn USING (place) ORDER BY u.key
ON CONFLICT (key) DO UPDATE SET expires = excluded.expires, row_id = excluded.row_id
WHERE s.expires <= {NOW}
RETURNING key, row_id
"""  # noqa: S608 - made of constants
_LOCK = """
INSERT INTO seen AS s (key, expires) SELECT key, 0 FROM unnest(%b::bytea[]) AS u (key)
ON CONFLICT (key) DO UPDATE SET expires = s.expires RETURNING key, expires
"""
_KEEP = """
INSERT INTO seen AS s (key, expires, row_id)
SELECT * FROM unnest(%b::bytea[], %b::bigint[], %b::bigint[]) AS u (key, expires, row_id)
ON CONFLICT (key) DO UPDATE SET expires = excluded.expires, row_id = excluded.row_id
"""
_EXTEND = _KEEP.replace("= excluded.expires", "= greatest(s.expires, excluded.expires)")
_RELEASE = """
DELETE FROM seen WHERE key IN (
  SELECT key FROM seen WHERE key = ANY(%b::bytea[]) ORDER BY key FOR UPDATE
)
"""


class Taking:
    """Keys that were asked for; `rows` waits for the answer."""

    def __init__(self, tx: Tx, entries: Sequence[Entry]) -> None:
        """Send the question: which of the entries' keys are free? They are ours from here on."""
        self._tx = tx
        self._entries = entries
        wanted: dict[bytes, tuple[int, int]] = {}
        for place, entry in enumerate(entries, 1):
            wanted.setdefault(entry.key, (KEEP_MS, place))
            if entry.order_key:
                wanted.setdefault(entry.order_key, (KEEP_ORDER_MS, place))
        keys = sorted(wanted)
        columns = keys, [wanted[key][0] for key in keys], [wanted[key][1] for key in keys]
        self._asked = tx.execute(_TAKE, (len(entries), *columns)) if keys else None

    def rows(self) -> list[int | None]:
        """The id of each entry's row to be, in order, or None for a duplicate.

        Keys of entries that are not new are given back.
        """
        if self._asked is None:
            return []
        left: dict[bytes, int] = dict(self._asked.rows())
        rows: list[int | None] = []
        for entry in self._entries:
            if entry.key in left and (not entry.order_key or entry.order_key in left):
                rows.append(left.pop(entry.key))
                left.pop(entry.order_key, None)
            else:
                rows.append(None)
        release(self._tx, left)
        return rows


def lock(tx: Tx, keys: Iterable[bytes]) -> dict[bytes, int]:
    """Keep others from the keys until the end; until when each collapses, 0 when it does not."""
    wanted = sorted({key for key in keys if key})
    return dict(tx.rows(_LOCK, (wanted,))) if wanted else {}


def keep(tx: Tx, expiries: Mapping[bytes, int], rows: Mapping[bytes, int]) -> None:
    """Keep keys until the given times; `rows` are those that wait with them."""
    _write(tx, _KEEP, expiries, rows)


def keep_from_now(tx: Tx, keys: Iterable[bytes], order_keys: Iterable[bytes]) -> None:
    """Keep keys for their time from now. Order keys may hold b"", which stands for none."""
    _write(tx, _KEEP, _expiries(tx.now_ms, keys, order_keys))


def keep_delivered(tx: Tx, rows: Iterable[tuple[bytes, bytes, int]]) -> None:
    """Keep the keys of delivered rows: (key, order key, when the row was accepted in Unix ms)."""
    old = [row for row in rows if row[2] < tx.now_ms - _SLACK_MS]
    expiries = _expiries(tx.now_ms, [row[0] for row in old], [row[1] for row in old])
    _write(tx, _EXTEND, expiries)


def _expiries(now_ms: int, keys: Iterable[bytes], order_keys: Iterable[bytes]) -> dict[bytes, int]:
    found = dict.fromkeys(keys, now_ms + KEEP_MS)
    return found | {key: now_ms + KEEP_ORDER_MS for key in order_keys if key}


def _write(
    tx: Tx, sql: str, expiries: Mapping[bytes, int], rows: Mapping[bytes, int] = _NO_ROWS
) -> None:
    if expiries:
        keys = sorted(expiries)
        tx.execute(sql, (keys, [expiries[key] for key in keys], [rows.get(key, 0) for key in keys]))


def release(tx: Tx, keys: Iterable[bytes]) -> None:
    """Let events with these keys be accepted again."""
    wanted = [key for key in keys if key]
    if wanted:
        tx.execute(_RELEASE, (wanted,))

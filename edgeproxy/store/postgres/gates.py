"""Gates and the request limiter in PostgreSQL: one row of each for an integration and all nodes."""

from edgeproxy.store import limiter
from edgeproxy.store.base import Gate
from edgeproxy.store.postgres.text import storable
from edgeproxy.store.postgres.transaction import Tx

_PROBE_MIN_S = 1.0
"""A probe is put off at least so long: two claimants of one moment must not both probe."""

_PROBE_MAX_MS = 3_600_000
"""No probe is further away, so one that seems to be means that the clock was set back."""

_NEVER = ("open", "paused_manual")

_READ = """
SELECT state, reason, since, probe_at, backoff_s, good, token_fp FROM gate WHERE integration = %s
"""
_LOCK = _READ + " FOR UPDATE"
_WRITE = """
INSERT INTO gate AS g (integration, state, reason, since, probe_at, backoff_s, good, token_fp)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (integration) DO UPDATE SET
  since = CASE WHEN g.state = excluded.state THEN g.since ELSE excluded.since END,
  state = excluded.state, reason = excluded.reason, probe_at = excluded.probe_at,
  backoff_s = excluded.backoff_s, good = excluded.good, token_fp = excluded.token_fp
"""
_PUT_OFF = "UPDATE gate SET probe_at = %s WHERE integration = %s"
_RETRY_NOW = """
UPDATE outbox SET due = %(now)s
WHERE integration = %(integration)s AND lease IS NULL AND due > %(now)s
"""
_MAKE_TAT = "INSERT INTO limiter VALUES (%s, 0, 0) ON CONFLICT DO NOTHING"
_TAT = "SELECT tat_us, tat_minute_us FROM limiter WHERE integration = %s FOR UPDATE"
_KEEP_TAT = "UPDATE limiter SET tat_us = %s, tat_minute_us = %s WHERE integration = %s"


def read(tx: Tx, integration: str, *, lock: bool = False) -> Gate:
    """The gate as it stands, `open` when it was never set; `lock` keeps it so until the end."""
    row = tx.one(_LOCK if lock else _READ, (integration,))
    if row is None:
        return Gate(integration=integration)
    state, reason, since_ms, probe_at_ms, backoff_s, good, token_fp = row
    return Gate(
        integration=integration,
        state=state,
        reason=reason,
        since_ms=since_ms,
        probe_in_s=None if probe_at_ms is None else _wait_s(probe_at_ms - tx.now_ms),
        backoff_s=backoff_s,
        good=good,
        token_fp=token_fp,
    )


def _wait_s(wait_ms: int) -> float:
    return 0.0 if wait_ms > _PROBE_MAX_MS else max(0, wait_ms) / 1000


def write(tx: Tx, gate: Gate) -> None:
    """Set the gate; `since_ms` stays while the state does. `open` makes waiting rows due now."""
    now_ms = tx.now_ms
    probe_at_ms = None
    if gate.probe_in_s is not None and gate.state not in _NEVER:
        probe_at_ms = now_ms + min(round(gate.probe_in_s * 1000), _PROBE_MAX_MS)
    note = (float(gate.backoff_s), gate.good, gate.token_fp)
    what = (gate.integration, gate.state, storable(gate.reason))
    tx.execute(_WRITE, (*what, now_ms, probe_at_ms, *note))
    if gate.state == "open":
        tx.execute(_RETRY_NOW, {"integration": gate.integration, "now": now_ms})


def put_off(tx: Tx, gate: Gate) -> None:
    """Move the next probe on by the gate's back-off."""
    wait_ms = round(max(gate.backoff_s, _PROBE_MIN_S) * 1000)
    tx.execute(_PUT_OFF, (tx.now_ms + min(wait_ms, _PROBE_MAX_MS), gate.integration))


def acquire(tx: Tx, integration: str, rate: float, burst: int, per_minute: int | None) -> float:
    """Take one request from both buckets or from none; return 0.0 or the seconds to wait."""
    now_us = tx.now_ms * 1000
    tx.execute(_MAKE_TAT, (integration,))
    before_us = tx.one(_TAT, (integration,))
    tat_us, tat_minute_us = before_us
    tat_us, wait_s = limiter.take(limiter.per_second(rate, burst), tat_us, now_us)
    if per_minute is not None:
        bucket = limiter.per_minute(per_minute)
        tat_minute_us, wait_minute_s = limiter.take(bucket, tat_minute_us, now_us)
        wait_s = max(wait_s, wait_minute_s)
    if wait_s > 0:  # nothing is taken, but what a clock set back left far ahead must not stay
        tat_us, tat_minute_us = min(tat_us, before_us[0]), min(tat_minute_us, before_us[1])
    if (tat_us, tat_minute_us) != before_us:
        tx.execute(_KEEP_TAT, (tat_us, tat_minute_us, integration))
    return wait_s

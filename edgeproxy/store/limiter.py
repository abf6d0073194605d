"""The request limiter as arithmetic: GCRA, one theoretical arrival time (TAT) for each bucket.

Pure: the caller stores the TAT where it is shared and durable. Times are Unix microseconds.
"""

from typing import NamedTuple

_MINUTE_US = 60_000_000


class Bucket(NamedTuple):
    """A request each `interval_us`, and `burst` of them at once after a rest."""

    interval_us: float
    burst: int


def per_second(rate: float, burst: int) -> Bucket:
    """At most `rate * t + burst` requests in any window of t seconds."""
    return Bucket(1_000_000 / rate, burst)


def per_minute(limit: int) -> Bucket:
    """At most `limit` requests in any window of 60 seconds.

    The burst is a tenth of them, and taken from the rate: burst + what flows in = limit.
    """
    burst = max(1, limit // 10)
    return Bucket(_MINUTE_US / (limit - burst + 1), burst)


def take(bucket: Bucket, tat_us: int, now_us: int) -> tuple[int, float]:
    """Ask for one request.

    Args:
        bucket: The rule.
        tat_us: What the last granted request left, 0 at first.
        now_us: The clock.

    Returns:
        The new TAT and 0.0 when granted, else the old one and the seconds to wait. A TAT further
        ahead than a full bucket can be (the clock was set back, or the rule became stricter on
        bursts) is cut to that.
    """
    full_us = bucket.interval_us * bucket.burst
    tat = min(max(tat_us, now_us), now_us + full_us)
    wait_us = tat + bucket.interval_us - full_us - now_us
    if wait_us > 0.5:  # half a microsecond: what rounding the TAT may have added
        return round(tat), wait_us / 1_000_000
    return round(tat + bucket.interval_us), 0.0

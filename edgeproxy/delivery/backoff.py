"""How long to wait before the next attempt. Pure: the random number comes in."""

import msgspec


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """Every wait of delivery, in seconds.

    Attributes:
        fast_s: Before the second, third … attempt while the rows are held.
        slow_s: After those, when the rows are put back; doubles for each time, to `slow_max_s`.
        throttle_s: After a 429 that names no time; doubles, to `throttle_max_s`.
        breaker_s: Before the first probe of an integration whose requests fail; doubles after
            each failed probe, to `breaker_max_s`.
        paused_s: Between two probes of an integration that is paused.
        lease_s: How long rows are held at a time.
        renew_s: After how long the lease is extended while work goes on.
        look_s: After how long it is asked again which of them were erased, before they are sent.
        booking_s: Between attempts to book an outcome while the store is busy.
        last_s: How long it is asked again for that when work stops.
        grace_s: What requests in flight get when work stops.
        census_s: Between two looks at the whole store.
        removed_s: How long an integration must be missing from the configuration before what
            waits for it becomes dead letters.
    """

    fast_s: tuple[float, ...] = (0.5, 1.0, 2.0)
    slow_s: float = 30.0
    slow_max_s: float = 900.0
    throttle_s: float = 5.0
    throttle_max_s: float = 3600.0
    breaker_s: float = 5.0
    breaker_max_s: float = 300.0
    paused_s: float = 900.0
    lease_s: float = 120.0
    renew_s: float = 30.0
    look_s: float = 0.2
    booking_s: tuple[float, ...] = (0.2, 0.5, 1.0, 2.0, 5.0)
    last_s: float = 2.0
    grace_s: float = 10.0
    census_s: float = 60.0
    removed_s: float = 86_400.0


def jittered(wait_s: float, draw: float) -> float:
    """The wait, up to 20 % shorter or longer; `draw` is from 0 to 1."""
    return wait_s * (0.8 + 0.4 * draw)


def fast(schedule: Schedule, failures: int, draw: float) -> float | None:
    """The wait after so many failed attempts in a row; None when the rows are to be put back."""
    if failures > len(schedule.fast_s):
        return None
    return jittered(schedule.fast_s[failures - 1], draw)


def slow(schedule: Schedule, attempt: int, draw: float) -> float:
    """How long rows stay put back that were handed out for the `attempt`-th time (from 1)."""
    # The exponent is bounded because a float overflows after a thousand attempts.
    wait_s = schedule.slow_s * 2 ** min(attempt - 1, 32)
    return jittered(min(wait_s, schedule.slow_max_s), draw)


def doubled(last_s: float, first_s: float, max_s: float) -> float:
    """The wait after `last_s`; the first one when there was none."""
    return min(last_s * 2 or first_s, max_s)

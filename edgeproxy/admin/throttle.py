"""How often somebody may be wrong about a token: a few times at once, then now and then."""

from collections import OrderedDict
from collections.abc import Callable

BURST = 10
EACH_S = 5.0
"""From one address: so many at once, and one more after so many seconds."""

BURST_ALL = 100
EACH_ALL_S = 0.5
"""From all addresses together."""

_ADDRESSES_MAX = 10_000


class Throttle:
    """Failures by address and in all. Only failures cost anything.

    Args:
        clock_s: A monotonic clock in seconds.
    """

    def __init__(self, clock_s: Callable[[], float]) -> None:
        self._clock_s = clock_s
        self._all = _Bucket(BURST_ALL, EACH_ALL_S, clock_s())
        self._each: OrderedDict[str, _Bucket] = OrderedDict()

    def wait_s(self, address: str) -> int:
        """After how many seconds the address may try again; 0 is now."""
        now_s = self._clock_s()
        bucket = self._each.get(address)
        mine_s = bucket.wait_s(now_s) if bucket is not None else 0.0
        longest_s = max(mine_s, self._all.wait_s(now_s))
        return int(longest_s) + 1 if longest_s > 0 else 0

    def failed(self, address: str) -> None:
        """The address was wrong once more."""
        now_s = self._clock_s()
        bucket = self._each.pop(address, None) or _Bucket(BURST, EACH_S, now_s)
        self._each[address] = bucket
        if len(self._each) > _ADDRESSES_MAX:
            self._each.popitem(last=False)
        bucket.take(now_s)
        self._all.take(now_s)


class _Bucket:
    """`burst` tries, refilled by one after each `each_s`."""

    __slots__ = ("_at_s", "_burst", "_each_s", "_left")

    def __init__(self, burst: int, each_s: float, now_s: float) -> None:
        self._burst = burst
        self._each_s = each_s
        self._left = float(burst)
        self._at_s = now_s

    def wait_s(self, now_s: float) -> float:
        self._refill(now_s)
        return max(0.0, (1.0 - self._left) * self._each_s)

    def take(self, now_s: float) -> None:
        self._refill(now_s)
        self._left = max(0.0, self._left - 1.0)

    def _refill(self, now_s: float) -> None:
        self._left = min(self._burst, self._left + (now_s - self._at_s) / self._each_s)
        self._at_s = now_s

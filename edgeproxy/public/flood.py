"""The limit on requests of one caller, kept by address and by visitor, in bounded memory.

A front server limits addresses too; this one also holds without it, and against one captured
cookie that is replayed from many addresses.
"""

import math
from collections.abc import Callable, Sequence

from edgeproxy.addresses import is_visitor, network_of
from edgeproxy.errors import Refused

CALLERS_MAX = 16_384
"""Callers in one generation; there are two, so this bounds memory to about 6 MB."""

_SCID = b"_scid="
_SCID_MAX_BYTES = 200


class Flood:
    """One limit for every caller: `rate` requests a second on average, `burst` of them at once.

    For each caller one number is kept: when it would be through with its requests at `rate` (GCRA,
    Source: ITU-T I.371). The numbers lie in two generations; when the younger is full or has lasted
    longer than any number means something, the older one is forgotten. So there is nothing to
    clean up, and whoever sends from ever new addresses can only make us forget, not grow.

    Args:
        rate: Requests a second, more than 0.
        burst: Requests at once after a pause.
        clock_s: A monotonic clock in seconds.
        callers_max: Callers in a generation.
    """

    def __init__(
        self,
        *,
        rate: float,
        burst: int,
        clock_s: Callable[[], float],
        callers_max: int = CALLERS_MAX,
    ) -> None:
        self._each_s = 1 / rate
        self._ahead_s = burst / rate
        self._clock_s = clock_s
        self._callers_max = callers_max
        self._young: dict[str | bytes, float] = {}
        self._old: dict[str | bytes, float] = {}
        self._turn_s = clock_s() + self._ahead_s

    def check(self, address: str, cookies: Sequence[bytes]) -> None:
        """Count a request of a browser, by its address and by its `_scid` cookie.

        Args:
            address: The client's in canonical text. One that cannot be a visitor's (loopback,
                private) is a machine of ours that did not say for whom it asks: not counted.
            cookies: The `Cookie` lines as they came.

        Raises:
            Refused: 429; too many requests of this caller.
        """
        now_s = self._clock_s()
        if address in self._young:  # as most are, and so a visitor's
            self._count(address, now_s)
        elif is_visitor(address):
            self._count(network_of(address), now_s)
        for line in cookies:
            start = line.find(_SCID)
            if start >= 0:
                end = line.find(b";", start)
                self._count(line[start : end if end >= 0 else None][:_SCID_MAX_BYTES], now_s)
                return

    def count(self, caller: str | bytes) -> None:
        """Count a request of a caller by any name.

        Raises:
            Refused: 429; it made too many. What is refused does not count.
        """
        self._count(caller, self._clock_s())

    def _count(self, caller: str | bytes, now_s: float) -> None:
        if now_s > self._turn_s or len(self._young) >= self._callers_max:
            self._old, self._young = self._young, {}
            self._turn_s = now_s + self._ahead_s
        until_s = self._young.get(caller) or self._old.get(caller, 0.0)
        if until_s < now_s:
            until_s = now_s
        until_s += self._each_s
        wait_s = until_s - now_s - self._ahead_s
        if wait_s > 1e-9:
            raise Refused(
                "too_many_requests",
                "too many requests from one place; come back later",
                status=429,
                retry_after_s=math.ceil(wait_s),
            )
        self._young[caller] = until_s

"""How many streams may be open: a few for each person, and some for all together."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from edgeproxy.errors import Refused


class Seats:
    """Who has how many streams.

    Args:
        each: One person may have so many: a browser opens six connections to a host, and pages
            need some of them.
        most: All together.
    """

    def __init__(self, each: int = 4, most: int = 40) -> None:
        self._each = each
        self._most = most
        self._taken: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """How many there are now."""
        return self._taken.total()

    @contextmanager
    def one(self, person: str) -> Iterator[None]:
        """Have one more for the length of the block.

        Raises:
            Refused: 429, there are too many.
        """
        if self._taken[person] >= self._each:
            raise _full(f"you follow events in {self._each} places; close one of them")
        if self.taken >= self._most:
            raise _full(f"events are followed in {self._most} places; close some of them")
        self._taken[person] += 1
        try:
            yield
        finally:
            self._taken[person] -= 1
            self._taken += Counter()  # forgets those who have none


def _full(sentence: str) -> Refused:
    return Refused("too_many_streams", sentence, status=429, retry_after_s=5)

"""What one event scores."""

import math

from edgeproxy.quality.identifiers import APP, GOODS, IDENTIFIERS, SELLING, WHO
from edgeproxy.settings import Weights


class Scale:
    """What one event scores, from 0 to 100, by its type and what it carried.

    Args:
        weights: What each identifier is worth.
    """

    def __init__(self, weights: Weights) -> None:
        self._missed: dict[str, float] = {
            one.letter: 1 - getattr(weights, one.name) / 100 for one in IDENTIFIERS
        }
        self._most = 1 - math.prod(self._missed[letter] for letter in WHO)
        self._known: dict[tuple[bool, str], float] = {}

    def points(self, name: str, mask: str) -> float:
        """The score; letters may come in any order."""
        key = (name in SELLING, mask)  # few, and each is asked for many times
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._computed(*key)
        return found

    def _computed(self, selling: bool, mask: str) -> float:
        if self._most <= 0:
            return 0.0
        have = [letter for letter in (*WHO, *APP) if letter in mask]
        lacking = [letter for letter in GOODS if letter not in mask] if selling else []
        reached = 1 - math.prod(self._missed[letter] for letter in have)
        kept: float = math.prod(self._missed[letter] for letter in lacking)
        return 100 * min(reached / self._most, 1.0) * kept

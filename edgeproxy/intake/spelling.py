"""Properties in any letter case and separator, as Snap's own pixel takes them.

Source: Snap's pixel compares parameter names without case, "_" and "-".
"""

from collections.abc import Iterable
from functools import lru_cache

_LONGEST = 40
"""Longer names are none of ours, and must not fill the cache."""


def fold(name: str) -> str:
    """The name as it is compared: case, blanks, "_" and "-" removed."""
    return _folded(name) if len(name) <= _LONGEST else name


@lru_cache(2048)
def _folded(name: str) -> str:
    return name.replace("_", "").replace("-", "").replace(" ", "").lower()


class Spelling:
    """Names as this program reads them, and how to find them in any spelling.

    Args:
        names: The names; of two that differ only in spelling the first is meant.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)
        self._meant: dict[str, str] = {}
        for name in names:
            self._meant.setdefault(fold(name), name)

    def odd(self, names: Iterable[str]) -> tuple[tuple[str, str], ...]:
        """Those of the names that are spelled in another way, as (name, name meant)."""
        meant = self._meant
        return tuple(
            (name, meant[fold(name)])
            for name in names
            if name not in self._names and fold(name) in meant
        )

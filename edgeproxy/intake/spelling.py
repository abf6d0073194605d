"""Properties in any letter case and separator, as Snap's own pixel takes them.

Source: Snap's pixel compares parameter names without case, "_" and "-".
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

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

    def read(self, properties: Mapping[str, Any]) -> Mapping[str, Any]:
        """The properties with the names meant; what is there under its own name stays."""
        meant = self._meant
        odd = [key for key in properties if key not in self._names and fold(key) in meant]
        if not odd:
            return properties
        spelled = dict(properties)
        for key in odd:
            spelled.setdefault(meant[fold(key)], properties[key])
        return spelled

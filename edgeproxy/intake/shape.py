"""What the names among an event's properties mean, worked out once for each set of names.

A site sends the same few sets again and again, and looking at every name costs more than reading
the values.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from edgeproxy import clickid
from edgeproxy.intake.goods import GOODS_NAMES, groups_of
from edgeproxy.intake.person import PIXEL_NAMES
from edgeproxy.intake.spelling import Spelling, fold

ID_NAMES = ("event_id", "client_dedup_id", "client_deduplication_id")
LIMITED_NAMES = ("data_use", "data_processing_options")

_SPELLING = Spelling((*GOODS_NAMES, *ID_NAMES, "event_tag", *LIMITED_NAMES))
_CACHED_NAMES = 32
_CACHED_CHARS = 512
"""Larger sets are worked out each time, so that a hostile caller cannot fill the cache."""


class Shape(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a set of names holds.

    Attributes:
        odd: The names that are spelled oddly, as (name, name meant).
        goods: The groups of `goods.GROUPS` that occur.
        person: Whether a name can only be a person's.
        clicks: Whether a click id may be among them.
        limits: Whether limited data use may be asked for.
    """

    odd: tuple[tuple[str, str], ...] = ()
    goods: frozenset[str] = frozenset()
    person: bool = False
    clicks: bool = False
    limits: bool = False

    def spelled(self, properties: Mapping[str, Any]) -> Mapping[str, Any]:
        """The properties with the names meant; what is there under its own name stays."""
        if not self.odd:
            return properties
        spelled = dict(properties)
        for name, meant in self.odd:
            spelled.setdefault(meant, properties[name])
        return spelled


NOTHING = Shape()
"""Of no properties."""


def shape_of(properties: Mapping[str, Any]) -> Shape:
    """The shape of properties, in any spelling."""
    names = tuple(properties)
    if len(names) <= _CACHED_NAMES and len("".join(names)) <= _CACHED_CHARS:
        return _cached(names)
    return _shape(names)


def _shape(names: tuple[str, ...]) -> Shape:
    odd = _SPELLING.odd(names)
    meant = {*names, *(name for _, name in odd)}
    return Shape(
        odd=odd,
        goods=groups_of(meant),
        person=any(fold(name) in PIXEL_NAMES for name in names),
        clicks=any(clickid.may_hold(name) for name in names),
        limits=not meant.isdisjoint(LIMITED_NAMES),
    )


_cached = lru_cache(2048)(_shape)

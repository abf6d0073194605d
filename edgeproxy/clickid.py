"""Snap's click id: where it may stand, in which order, and what counts as one.

A value is never changed: its letters keep their case. What is empty or breaks the pattern counts
as absent and hides nothing behind it.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from urllib.parse import unquote

_VALUE = re.compile(r"[A-Za-z0-9._-]{1,256}")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_PARAMETER = re.compile(r"(?:^|&)(sccid|sclid|sc_click_id|sscid)=([^&]*)", re.IGNORECASE)

_SHARED_NAME = "sscid"
"""Another network's parameter as well, whose values are no UUIDs."""

_PROPERTIES = ("click_id", "sccid", "sclid", "sc_click_id", _SHARED_NAME)
_NESTED = "click_ids"
_MATTERS = frozenset({*_PROPERTIES, _NESTED})

_CACHED_CHARS = 512
"""Longer addresses are read each time, so that a hostile caller cannot fill the cache."""


def valid(text: object) -> str:
    """The value itself when it is a text of 1 to 256 letters, digits, ".", "_", "-"; else ""."""
    return text if isinstance(text, str) and _VALUE.fullmatch(text) else ""


def from_url(url: str) -> str:
    """The first usable click id among a URL's parameters, or "".

    The names match in any letter case; percent-encoding is decoded once. A path with a query
    will do. Source: Snap, `ScCid`; the other names are shop systems' spellings.
    """
    if "?" not in url:
        return ""
    return _of_url_cached(url) if len(url) <= _CACHED_CHARS else _of_url(url)


def _of_url(url: str) -> str:
    query = url.partition("#")[0].partition("?")[2]
    for found in _PARAMETER.finditer(query):
        name, value = found.groups()
        if "%" in value:
            value = unquote(value)
        if usable := _of(name.lower(), value):
            return usable
    return ""


_of_url_cached = lru_cache(maxsize=2048)(
    _of_url
)  # the pages of a visit have their address in common


def may_hold(name: str) -> bool:
    """Whether `from_properties` looks at a property of this name."""
    return name.lower() in _MATTERS


def from_properties(properties: Mapping[str, object]) -> str:
    """The click id of an event's properties, or "".

    `click_id` first, then Snap's parameter names in any letter case, then the same names inside an
    object `click_ids`.
    """
    known = _known(properties)
    if not known:
        return ""
    for name in _PROPERTIES:
        if usable := _of(name, known.get(name)):
            return usable
    nested = known.get(_NESTED)
    if isinstance(nested, dict):
        inner = _known(nested)
        for name in _PROPERTIES[1:]:
            if usable := _of(name, inner.get(name)):
                return usable
    return ""


def choose(
    *,
    batch: object = None,
    page_url: str = "",
    referrer_url: str = "",
    properties: Mapping[str, object] | None = None,
    cookies: Sequence[str] = (),
    master: str = "",
    legacy: Sequence[str] = (),
) -> str:
    """The visitor's click id, from the first place that has a usable one; "" when none has.

    Args:
        batch: The batch's own `click_id`.
        page_url: Address of the page.
        referrer_url: Address of the page before.
        properties: The event's properties.
        cookies: Values of `_scclid`, in the order of the request.
        master: The click id remembered in the signed cookie.
        legacy: Values of a cookie named `ScCid`, which a shop plug-in sets.
    """
    return (
        valid(batch)
        or from_url(page_url)
        or from_url(referrer_url)
        or (from_properties(properties) if properties else "")
        or _first(cookies)
        or valid(master)
        or _first(legacy)
    )


def _of(name: str, value: object) -> str:
    usable = valid(value)
    if name == _SHARED_NAME and not _UUID.fullmatch(usable):
        return ""
    return usable


def _known(properties: Mapping[str, object]) -> dict[str, object]:
    """The properties that matter, by lower-case name; of two spellings the first usable one."""
    known: dict[str, object] = {}
    for key, value in properties.items():
        name = key.lower()
        if name in _MATTERS and not valid(known.get(name)):
            known[name] = value
    return known


def _first(values: Sequence[str]) -> str:
    return next((value for value in values if valid(value)), "")

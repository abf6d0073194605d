"""Event names: Snap's own, the callers' names for them, and one look-up over both.

`EVENTS` is the table; a name is compared after `fold`. Nothing here knows a wire version.
"""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

import msgspec

Fate = Literal["mapped", "dropped", "absorbed"]

_CACHED_CHARS = 128
"""Longer names are folded each time, so that a hostile caller cannot fill the cache."""


class SnapEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One name of Snap's, what callers call it, and the fields that Snap insists on.

    `accepted` leaves out what folds to `name` itself; that is accepted anyway. `requires` names
    fields of `edgeproxy.event.Goods`.
    """

    name: str
    accepted: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()


class Mapped(msgspec.Struct, frozen=True, kw_only=True):
    """What a name turned out to be.

    `names` holds Snap names, several when the integration maps one name to several, and is empty
    unless `fate` is "mapped". `rule` says for people which rule decided.
    """

    fate: Fate
    names: tuple[str, ...] = ()
    rule: str


def _row(name: str, *accepted: str, requires: tuple[str, ...] = ()) -> SnapEvent:
    return SnapEvent(name=name, accepted=accepted, requires=requires)


EVENTS: tuple[SnapEvent, ...] = (
    _row("PAGE_VIEW", "page", "Page Viewed"),
    _row("VIEW_CONTENT", "Product Viewed", "view_item"),
    _row("LIST_VIEW", "Product List Viewed", "view_item_list", "collection_viewed"),
    _row("SEARCH", "Products Searched", "view_search_results", "search_submitted"),
    _row("ADD_CART", "Product Added", "add_to_cart", "product_added_to_cart"),
    _row("ADD_TO_WISHLIST", "Product Added to Wishlist"),
    _row("START_CHECKOUT", "Checkout Started", "begin_checkout", "initiate_checkout"),
    _row("ADD_BILLING", "Payment Info Entered", "add_payment_info", "payment_info_submitted"),
    _row(
        "PURCHASE",
        "Order Completed",
        "Product Purchased",
        "checkout_completed",
        requires=("price", "currency"),
    ),
    _row("SIGN_UP", "Signed Up"),
    _row("LOGIN", "Signed In"),
    _row("SHARE", "Product Shared"),
    _row("SAVE", "Lead Generated", "generate_lead"),
    _row("SUBSCRIBE"),
    _row("START_TRIAL"),
    _row("COMPLETE_TUTORIAL", "tutorial_complete"),
    _row("SPENT_CREDITS", "spend_virtual_currency"),
    _row("AD_CLICK", "Promotion Clicked"),
    _row("AD_VIEW", "Promotion Viewed"),
    _row("APP_INSTALL", "Application Installed"),
    _row("APP_OPEN", "Application Opened"),
    _row("LEVEL_COMPLETE"),
    _row("INVITE"),
    _row("RESERVE"),
    _row("ACHIEVEMENT_UNLOCKED"),
    _row("RATE"),
    *(_row(f"CUSTOM_EVENT_{number}") for number in range(1, 6)),
)
"""Snap's names and the default aliases (Segment, GA4, Shopify spellings).

Source: Snap, Conversions API, supported event types. Snap's own tag manager template maps
`generate_lead` to SIGN_UP; a lead is SAVE here, and an integration may say otherwise.
"""

SNAP_NAMES: frozenset[str] = frozenset(row.name for row in EVENTS)

VIEWS: frozenset[str] = frozenset(("PAGE_VIEW", "VIEW_CONTENT", "LIST_VIEW"))
"""What a shop sends most of and misses least: refused first when the disk fills."""

_PAGE_VIEW = "PAGE_VIEW"

_NO_MAPPING: Mapping[str, tuple[str, ...]] = MappingProxyType({})


def _folded(name: str) -> str:
    return "".join(name.split()).replace("_", "").replace("-", "").lower()


_folded_cached = lru_cache(maxsize=4096)(_folded)


def fold(name: str) -> str:
    """The name as it is compared: case, blanks, "_" and "-" removed."""
    return _folded_cached(name) if len(name) <= _CACHED_CHARS else _folded(name)


INTERNAL: frozenset[str] = frozenset(
    fold(name)
    for name in (
        "identify",
        "session_start",
        "page_hidden",
        "consent",
        "consent_update",
        "consent_updates",
        "consent_updated",
        "reset",
    )
)
"""Folded names that are used here and never sent; no setting turns one into an event."""

_CATALOGUE: dict[str, Mapped] = {
    fold(name): Mapped(fate="mapped", names=(row.name,), rule="catalogue")
    for row in EVENTS
    for name in (row.name, *row.accepted)
}
_ABSORBED = Mapped(fate="absorbed", rule="internal")
_PAGE_CALL = Mapped(fate="mapped", names=(_PAGE_VIEW,), rule="page call")
_UNKNOWN_DROPPED = Mapped(fate="dropped", rule="unknown: drop")


def lookup(
    name: str,
    *,
    call: str = "track",
    own: Mapping[str, tuple[str, ...]] = _NO_MAPPING,
    unknown: str = "drop",
) -> Mapped:
    """Which Snap events a caller's name stands for.

    Args:
        name: As the caller wrote it.
        call: "track", "page" or "identify". A page call is a page view whatever its name,
            because there the name is a title and not an event.
        own: The integration's mapping, keys folded. It comes before the catalogue; an empty tuple
            drops the name. For page calls the key "page" stands for all of them.
        unknown: What becomes of other names: "drop", "uppercase" or a Snap name.

    Returns:
        The fate, the Snap names and the rule that decided. Never raises.
    """
    folded = fold(name)
    if call == "page":
        return _page(folded, own)
    if folded in INTERNAL or call == "identify":
        return _ABSORBED
    if own and (names := own.get(folded)) is not None:
        return _own(names)
    known = _CATALOGUE.get(folded)
    return known if known is not None else _unknown(name, unknown)


def _page(folded: str, own: Mapping[str, tuple[str, ...]]) -> Mapped:
    if own:
        for key in (folded, "page", "pageview"):
            if (names := own.get(key)) is not None:
                return _own(names)
    return _PAGE_CALL


def _own(names: tuple[str, ...]) -> Mapped:
    return Mapped(fate="mapped" if names else "dropped", names=names, rule="own mapping")


def _unknown(name: str, unknown: str) -> Mapped:
    if unknown == "drop":
        return _UNKNOWN_DROPPED
    written = _upper(name) if unknown == "uppercase" else unknown
    if not written or not fold(name):
        return _UNKNOWN_DROPPED
    return Mapped(fate="mapped", names=(written,), rule=f"unknown: {unknown}")


def _upper(name: str) -> str:
    return "_".join(name.replace("-", " ").split()).upper()

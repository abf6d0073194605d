"""What an event is about: money, lines and labels out of the properties of any caller.

Segment's, GA4's, Shopify's and Snap's own keys are read; the tables below say which name wins.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from edgeproxy import currency
from edgeproxy.event import Goods, Line
from edgeproxy.intake.limits import PRODUCTS
from edgeproxy.intake.raw import Unacceptable
from edgeproxy.intake.values import amount, word

PRICE = ("value", "revenue", "total", "price")
LINES = ("products", "items", "contents")
LINE_ID = ("product_id", "item_id", "sku", "id")
LINE_PRICE = ("price", "item_price")
LINE_BRAND = ("brand", "item_brand")
ITEM_IDS = ("item_ids", "content_ids")
NUMBER_ITEMS = ("number_items", "num_items")
ORDER_ID = ("order_id", "orderId", "transaction_id", "transactionId")
CATEGORY = ("item_category", "category")
SEARCH = ("search_string", "query", "search_term")
TRAVEL = (
    "checkin_date",
    "checkout_date",
    "travel_start",
    "travel_end",
    "origin_airport",
    "destination_airport",
    "num_adults",
    "num_children",
    "num_infants",
)

_NOTHING = Goods()
_ONE = Decimal(1)
_NO_TRAVEL: dict[str, str] = {}
GOODS_NAMES = (
    *PRICE,
    *LINES,
    *LINE_ID,
    *LINE_PRICE,
    *LINE_BRAND,
    *ITEM_IDS,
    *NUMBER_ITEMS,
    *ORDER_ID,
    *CATEGORY,
    *SEARCH,
    *TRAVEL,
    "brands",
    "currency",
    "description",
    "level",
    "method",
    "quantity",
    "sign_up_method",
)
"""Every name that is read here, as it is looked for."""

GROUPS: dict[str, tuple[str, ...]] = {
    "price": PRICE,
    "lines": (*LINES, *LINE_ID),
    "ids": ITEM_IDS,
    "number": (*NUMBER_ITEMS, "quantity"),
    "order": ORDER_ID,
    "category": CATEGORY,
    "search": SEARCH,
    "travel": TRAVEL,
    "brands": ("brands",),
    "currency": ("currency",),
    "text": ("description", "level"),
    "sign_up": ("sign_up_method", "method"),
}
"""What is read together → the names of an event's own that it is read from."""


def groups_of(names: Iterable[str]) -> frozenset[str]:
    """The groups that some of the names are of. The names of a line alone say nothing."""
    some = frozenset(names)
    return frozenset(group for group, theirs in GROUPS.items() if not some.isdisjoint(theirs))


def read_goods(
    properties: Mapping[str, Any], *, sign_up: bool = False, groups: frozenset[str] | None = None
) -> Goods:
    """The commerce side of an event.

    Args:
        properties: As the caller wrote them.
        sign_up: Whether `method` means the sign-up method (GA4's name on that event).
        groups: `groups_of(properties)`, if it is known.

    Raises:
        Unacceptable: An amount is negative or beyond reason, or there are too many lines.

    Source: Snap, Conversions API, Parameters page; GA4 and Segment e-commerce specifications.
    """
    has = groups_of(properties) if groups is None else groups
    if not has:
        return _NOTHING
    found = _lines(properties) if "lines" in has else []
    lines = tuple([_line(one) for one in found])
    text, method = "text" in has, ("sign_up_method", "method")
    return Goods(
        price=_price(properties, lines),
        currency=_currency(properties, found),
        order_id=_first_word(properties, ORDER_ID) if "order" in has else "",
        number_items=_number_items(properties, lines),
        item_ids=_item_ids(properties, lines),
        lines=lines,
        category=(_first_word(properties, CATEGORY) if "category" in has else "")
        or (_common_category(found) if found else ""),
        brands=_brands(properties, lines),
        description=_first_word(properties, ("description",)) if text else "",
        level=_first_word(properties, ("level",)) if text else "",
        search_string=_first_word(properties, SEARCH) if "search" in has else "",
        sign_up_method=(
            _first_word(properties, method if sign_up else method[:1]) if "sign_up" in has else ""
        ),
        travel=_travel(properties) if "travel" in has else _NO_TRAVEL,
    )


def _travel(properties: Mapping[str, Any]) -> dict[str, str]:
    return {name: text for name in TRAVEL if (text := word(properties.get(name)))}


def _first_word(properties: Mapping[str, Any], names: Sequence[str]) -> str:
    for name in names:
        if name in properties and (text := word(properties[name])):
            return text
    return ""


def _first_amount(properties: Mapping[str, Any], names: Sequence[str]) -> Decimal | None:
    for name in names:
        if name in properties and (number := amount(properties[name])) is not None:
            return number
    return None


def _lines(properties: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    for name in LINES:
        given = properties.get(name)
        if isinstance(given, list) and given:
            if len(given) > PRODUCTS:
                raise Unacceptable("too_many_products", f"{name} has more than {PRODUCTS} entries")
            return [one for one in given if isinstance(one, dict)]
    return [properties] if _first_word(properties, LINE_ID) else []


def _line(one: Mapping[str, Any]) -> Line:
    return Line(
        id=_first_word(one, LINE_ID),
        quantity=_quantity(one.get("quantity")),
        price=_first_amount(one, LINE_PRICE),
        brand=_first_word(one, LINE_BRAND),
    )


def _quantity(value: object) -> Decimal:
    number = amount(value) if value is not None else None
    return _ONE if number is None else number


def _price(properties: Mapping[str, Any], lines: Sequence[Line]) -> Decimal | None:
    given = _first_amount(properties, PRICE)
    if given is not None:
        return given
    priced = [line.price * line.quantity for line in lines if line.price is not None]
    return amount(sum(priced, Decimal(0))) if priced else None


def _currency(properties: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> str:
    own = currency.code(properties.get("currency"))
    return own or (currency.code(lines[0].get("currency")) if lines else "")


def _number_items(properties: Mapping[str, Any], lines: Sequence[Line]) -> Decimal | None:
    given = _first_amount(properties, NUMBER_ITEMS)
    if given is not None:
        return given
    if lines:
        return sum((line.quantity for line in lines), Decimal(0))
    return amount(properties.get("quantity"))


def _item_ids(properties: Mapping[str, Any], lines: Sequence[Line]) -> tuple[str, ...]:
    ids = tuple([line.id for line in lines if line.id])
    return ids or _words(properties, ITEM_IDS)


def _brands(properties: Mapping[str, Any], lines: Sequence[Line]) -> tuple[str, ...]:
    given = _words(properties, ("brands",)) if "brands" in properties else ()
    return given or tuple(dict.fromkeys([line.brand for line in lines if line.brand]))


def _words(properties: Mapping[str, Any], names: Sequence[str]) -> tuple[str, ...]:
    """A list of texts under the first name that has any; a single text is a list of one."""
    for name in names:
        given = properties.get(name)
        if given is None:
            continue
        listed = given if isinstance(given, list) else [given]
        if texts := tuple(text for text in map(word, listed[:PRODUCTS]) if text):
            return texts
    return ()


def _common_category(lines: Sequence[Mapping[str, Any]]) -> str:
    categories = {_first_word(line, CATEGORY) for line in lines}
    return categories.pop() if len(categories) == 1 else ""

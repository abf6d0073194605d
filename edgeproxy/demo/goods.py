"""What the made-up shop sells, and the arithmetic of a cart. Pure values."""

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

SHOP = "Tidewheel"
CURRENCY = "USD"
MOST_OF_ONE = 9

PERSON: dict[str, str] = {
    "first_name": "Jane",
    "last_name": "Example",
    "email": "jane@example.com",
    "phone": "(415) 555-0132",
    "address": "12 Example Street",
    "city": "San Francisco",
    "state": "CA",
    "zip": "94103",
    "country": "US",
}
"""Who buys here. Nobody: example.com (RFC 2606) and 555-01xx (NANPA) are reserved for this."""

TRAITS = ("email", "phone", "first_name", "last_name", "city", "state", "zip", "country")
"""The fields of the form that the shop tells the tag."""


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to buy; `art` is the name of its picture, `price` in `CURRENCY`."""

    sku: str
    slug: str
    name: str
    price: Decimal
    category: str
    line: str
    story: str
    art: str


PRODUCTS: tuple[Product, ...] = (
    Product(
        sku="TW-101",
        slug="low-tide-mug",
        name="Low Tide Mug",
        price=Decimal("34.00"),
        category="Cups",
        line="Sea-glass glaze, bare foot",
        story="Dipped once and left where the glaze stopped, like a shore at low tide. "
        "Holds a generous 350 ml and is happy in the dishwasher.",
        art="mug",
    ),
    Product(
        sku="TW-102",
        slug="dusk-tumblers",
        name="Dusk Tumblers",
        price=Decimal("48.00"),
        category="Cups",
        line="A pair, ink and rose",
        story="Two tapered tumblers that stack, one the colour of the sky before dark and one "
        "the colour just before that.",
        art="tumbler",
    ),
    Product(
        sku="TW-201",
        slug="moss-teapot",
        name="Moss Teapot",
        price=Decimal("118.00"),
        category="Tea",
        line="Cane handle, pours clean",
        story="A round pot for four cups with a spout that does not drip. The handle is cane, "
        "wrapped by hand and cool to hold.",
        art="teapot",
    ),
    Product(
        sku="TW-301",
        slug="ember-bowl",
        name="Ember Bowl",
        price=Decimal("62.00"),
        category="Table",
        line="Rust over dark stoneware",
        story="Wide enough for a salad for three. The iron in the dark clay burns through the "
        "glaze, so that no two rims are alike.",
        art="bowl",
    ),
    Product(
        sku="TW-302",
        slug="wave-plate",
        name="Wave Plate",
        price=Decimal("38.50"),
        category="Table",
        line="Brushed by hand, 27 cm",
        story="A flat dinner plate with a raised rim and two strokes of a brush, made in the time "
        "that it takes to breathe out.",
        art="plate",
    ),
    Product(
        sku="TW-401",
        slug="pebble-vase",
        name="Pebble Vase",
        price=Decimal("74.00"),
        category="Vases",
        line="For three dry branches",
        story="Thrown as a sphere and set down while soft. The narrow neck holds a few branches "
        "where you put them.",
        art="vase",
    ),
)
BY_SLUG: Mapping[str, Product] = {each.slug: each for each in PRODUCTS}
BY_SKU: Mapping[str, Product] = {each.sku: each for each in PRODUCTS}


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a cart."""

    product: Product
    quantity: int

    @property
    def total(self) -> Decimal:
        """Price times quantity."""
        return self.product.price * self.quantity


Cart = tuple[Row, ...]


def read_cart(cookie: str) -> Cart:
    """The cart that a cookie such as "TW-101.2~TW-301.1" names; what makes no sense is left out."""
    rows: dict[str, Row] = {}
    for part in cookie.split("~")[: len(PRODUCTS)]:
        sku, _, count = part.partition(".")
        if sku in BY_SKU and count.isascii() and count.isdigit() and int(count[:3]):
            rows[sku] = Row(product=BY_SKU[sku], quantity=min(int(count[:3]), MOST_OF_ONE))
    return tuple(rows.values())


def write_cart(cart: Cart) -> str:
    """The cookie of a cart; "" for an empty one."""
    return "~".join(f"{row.product.sku}.{row.quantity}" for row in cart)


def changed(cart: Cart, sku: str, by: int) -> Cart:
    """The cart with `by` more of a product (fewer when negative); unknown ones change nothing."""
    counts = {row.product.sku: row.quantity for row in cart}
    if sku in BY_SKU:
        counts[sku] = min(MOST_OF_ONE, counts.get(sku, 0) + by)
    return tuple(
        Row(product=BY_SKU[each], quantity=count) for each, count in counts.items() if count > 0
    )


def total(cart: Iterable[Row]) -> Decimal:
    """What it all costs; sending is free."""
    return sum((row.total for row in cart), Decimal("0.00"))


def money(amount: Decimal) -> str:
    """As people read it."""
    return f"${amount:,.2f}"


def product_properties(product: Product) -> dict[str, object]:
    """What a page tells the tag of one product, in Segment's names."""
    return {
        "product_id": product.sku,
        "name": product.name,
        "category": product.category,
        "brand": SHOP,
        "price": float(product.price),
        "currency": CURRENCY,
    }


def list_properties(products: Iterable[Product]) -> dict[str, object]:
    """What a page tells the tag of several products."""
    return {
        "category": "All",
        "products": [{"product_id": each.sku, "price": float(each.price)} for each in products],
    }


def cart_properties(cart: Cart, order_id: str = "") -> dict[str, object]:
    """What a page tells the tag of a cart, or of an order when it has a number."""
    lines = [{**product_properties(row.product), "quantity": row.quantity} for row in cart]
    named = {"order_id": order_id} if order_id else {}
    return {
        **named,
        "value": float(total(cart)),
        "currency": CURRENCY,
        "products": lines,
    }


def as_json(properties: Mapping[str, object]) -> str:
    """Properties as a page's data attribute holds them."""
    return json.dumps(properties, separators=(",", ":"), ensure_ascii=False)

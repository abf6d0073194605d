"""The shop's arithmetic, and that nobody real is in it."""

from decimal import Decimal

import pytest

from edgeproxy import currency
from edgeproxy.demo import goods, pages
from edgeproxy.intake.person import read_person

MUG, TUMBLERS = goods.PRODUCTS[:2]


def test_a_cart_survives_its_cookie() -> None:
    cart = (
        goods.Row(product=MUG, quantity=2),
        goods.Row(product=TUMBLERS, quantity=1),
    )
    cookie = goods.write_cart(cart)
    assert cookie == "TW-101.2~TW-102.1"
    assert goods.read_cart(cookie) == cart
    assert goods.total(cart) == Decimal("116.00")


@pytest.mark.parametrize(
    "cookie",
    ["", "~", ".", "TW-101", "TW-101.0", "TW-101.-1", "TW-101.x", "TW-101.²", "NO.1", "a.b.c~~"],
)
def test_a_cookie_that_makes_no_sense_is_an_empty_cart(cookie: str) -> None:
    assert goods.read_cart(cookie) == ()


def test_a_cookie_cannot_ask_for_thousands() -> None:
    assert goods.read_cart("TW-101.99999999999999999999")[0].quantity == goods.MOST_OF_ONE
    assert len(goods.read_cart("~".join(["TW-101.1"] * 5000))) == 1


def test_products_come_and_go() -> None:
    cart = goods.changed((), MUG.sku, 1)
    cart = goods.changed(cart, MUG.sku, 1)
    cart = goods.changed(cart, "unknown", 1)
    assert goods.write_cart(cart) == "TW-101.2"
    assert goods.changed(cart, MUG.sku, -goods.MOST_OF_ONE) == ()
    assert goods.changed(cart, MUG.sku, 50)[0].quantity == goods.MOST_OF_ONE


def test_an_order_tells_the_tag_all_that_a_purchase_needs() -> None:
    order = goods.cart_properties((goods.Row(product=MUG, quantity=2),), "TW-1")
    assert order == {
        "order_id": "TW-1",
        "value": 68.0,
        "currency": "USD",
        "products": [
            {
                "product_id": "TW-101",
                "name": "Low Tide Mug",
                "category": "Cups",
                "brand": "Tidewheel",
                "price": 34.0,
                "currency": "USD",
                "quantity": 2,
            }
        ],
    }


def test_a_cart_has_no_order_number() -> None:
    assert "order_id" not in goods.cart_properties((goods.Row(product=MUG, quantity=1),))


def test_every_product_has_a_picture_of_ours() -> None:
    for product in goods.PRODUCTS:
        picture = pages.file_bytes(f"art/{product.art}.svg")
        assert picture.startswith(b"<svg")
        assert b"http" not in picture.replace(b"http://www.w3.org/2000/svg", b"")


def test_names_and_numbers_are_unique() -> None:
    assert len(goods.BY_SLUG) == len(goods.BY_SKU) == len(goods.PRODUCTS)


def test_the_currency_is_one() -> None:
    assert currency.code(goods.CURRENCY) == goods.CURRENCY


def test_the_person_is_fictional_and_complete() -> None:
    """Reserved names and numbers, and each trait is one that becomes a digest."""
    assert goods.PERSON["email"].endswith("@example.com")
    assert "555-01" in goods.PERSON["phone"]
    known = read_person({name: goods.PERSON[name] for name in goods.TRAITS}, "US").person
    for field in ("email", "phone", "first_name", "last_name", "city", "state", "zip", "country"):
        assert getattr(known, f"{field}_sha256"), field


def test_money_is_read_by_people() -> None:
    assert goods.money(Decimal("1234.5")) == "$1,234.50"

"""Money, lines and labels out of everybody's property names."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgeproxy.event import Goods, Line
from edgeproxy.intake.goods import ITEM_IDS, LINES, ORDER_ID, SEARCH, TRAVEL, read_goods
from edgeproxy.intake.raw import Unacceptable

D = Decimal


def goods(**properties: Any) -> Goods:
    return read_goods(properties)


def test_nothing_said_is_nothing_known() -> None:
    assert goods() == Goods()
    assert goods(name="Quiz", colour="red", nested={"price": 5}) == Goods()


@pytest.mark.parametrize(
    ("properties", "price"),
    [
        ({"value": 1, "revenue": 2, "total": 3, "price": 4}, D(1)),
        ({"revenue": 2, "total": 3, "price": 4}, D(2)),
        ({"total": 3, "price": 4}, D(3)),
        ({"price": 4}, D(4)),
        ({"value": "129.99"}, D("129.99")),
        ({"value": "free", "revenue": None, "total": True, "price": "4.50"}, D("4.50")),
        ({"value": [1], "price": 4}, D(4)),
        ({"value": 0, "price": 4}, D(0)),
        ({"value": "0"}, D(0)),
        ({"value": "null"}, None),
        ({"amount": 5, "sum": 5}, None),
    ],
)
def test_the_first_readable_candidate_is_the_price(
    properties: dict[str, Any], price: Decimal | None
) -> None:
    assert goods(**properties).price == price


def test_without_a_total_the_lines_are_summed_exactly() -> None:
    products = [
        {"product_id": "a", "price": 0.1, "quantity": 3},
        {"product_id": "b", "price": "10.05", "quantity": "2"},
        {"product_id": "c", "quantity": 4},
    ]
    assert goods(products=products).price == D("20.4")


def test_lines_without_any_price_make_no_price() -> None:
    assert goods(products=[{"product_id": "a"}, {"product_id": "b"}]).price is None


def test_a_free_line_is_a_price_of_zero() -> None:
    assert goods(products=[{"product_id": "a", "price": 0}]).price == D(0)


def test_the_flat_price_of_a_single_product_is_not_multiplied() -> None:
    flat = goods(product_id="SKU-A", price=49.99, quantity=3)
    assert flat.price == D("49.99")
    assert flat.number_items == D(3)
    assert flat.lines == (Line(id="SKU-A", quantity=D(3), price=D("49.99")),)


@pytest.mark.parametrize("place", ["value", "num_items", "quantity"])
@pytest.mark.parametrize("value", [-1, "-0.01", 1e13, 10**399])
def test_a_negative_or_unreasonable_number_is_refused(place: str, value: object) -> None:
    with pytest.raises(Unacceptable) as caught:
        goods(**{place: value})
    assert caught.value.code == "bad_number"


@pytest.mark.parametrize("field", ["price", "quantity"])
def test_a_negative_line_is_refused(field: str) -> None:
    with pytest.raises(Unacceptable) as caught:
        goods(products=[{"product_id": "a", field: -5}])
    assert caught.value.code == "bad_number"


def test_a_sum_of_lines_is_bounded_as_every_amount_is() -> None:
    with pytest.raises(Unacceptable) as caught:
        goods(products=[{"product_id": "a", "price": 1e12, "quantity": 1e12}])
    assert caught.value.code == "bad_number"


@pytest.mark.parametrize("name", LINES)
def test_lines_are_found_under_three_names(name: str) -> None:
    assert goods(**{name: [{"id": "a"}]}).item_ids == ("a",)


def test_the_first_list_with_entries_has_the_lines() -> None:
    found = goods(products=[], items="SKU", contents=[{"id": "c"}])
    assert found.item_ids == ("c",)
    assert goods(products=[{"id": "p"}], items=[{"id": "i"}]).item_ids == ("p",)


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ({"product_id": "p", "item_id": "i", "sku": "s", "id": "d"}, "p"),
        ({"item_id": "i", "sku": "s", "id": "d"}, "i"),
        ({"sku": "s", "id": "d"}, "s"),
        ({"id": 17}, "17"),
        ({"product_id": "", "sku": " s "}, "s"),
        ({"product_id": None, "id": "d"}, "d"),
        ({"product_id": 1.5}, ""),
        ({"product_id": 10**399}, ""),
        ({"product_id": "jane@example.com"}, ""),
        ({"name": "Widget"}, ""),
    ],
)
def test_a_line_s_id_is_the_first_usable_of_four_names(line: dict[str, Any], read: str) -> None:
    found = goods(products=[line])
    assert found.lines[0].id == read
    assert found.item_ids == ((read,) if read else ())


@pytest.mark.parametrize(
    ("line", "price", "brand"),
    [
        ({"price": 1, "item_price": 2, "brand": "A", "item_brand": "B"}, D(1), "A"),
        ({"item_price": "2.50", "item_brand": "B"}, D("2.50"), "B"),
        ({"price": "?", "item_price": 2, "brand": ""}, D(2), ""),
        ({}, None, ""),
    ],
)
def test_a_line_has_a_price_and_a_brand(
    line: dict[str, Any], price: Decimal | None, brand: str
) -> None:
    (read,) = goods(products=[line]).lines
    assert (read.price, read.brand) == (price, brand)


@pytest.mark.parametrize(
    ("quantity", "read"),
    [(2, 2), ("3", 3), (1.5, 1.5), (0, 0), ("0", 0), (None, 1), ("some", 1)],
    ids=repr,
)
def test_a_missing_quantity_is_one_and_zero_is_zero(quantity: object, read: float) -> None:
    line = {"product_id": "a", "price": 10, "quantity": quantity}
    found = goods(products=[line])
    assert found.lines[0].quantity == D(str(read))
    assert found.price == D(10) * D(str(read))
    assert found.number_items == D(str(read))


def test_a_line_without_id_counts_for_money_only() -> None:
    found = goods(products=[{"price": 5, "quantity": 2}, {"product_id": "a", "price": 1}])
    assert (found.price, found.number_items, found.item_ids) == (D(11), D(3), ("a",))


def test_what_is_no_object_is_skipped_among_the_lines() -> None:
    found = goods(products=["SKU-A", None, 5, [], {"product_id": "a", "price": 1}])
    assert (found.price, found.number_items, found.item_ids) == (D(1), D(1), ("a",))
    assert goods(products=["SKU-A"]) == Goods()


def test_duplicated_ids_stay() -> None:
    found = goods(products=[{"id": "a"}, {"id": "a"}])
    assert (found.item_ids, len(found.lines)) == (("a", "a"), 2)


@pytest.mark.parametrize("name", ["product_id", "item_id", "sku", "id"])
def test_a_flat_product_is_one_line(name: str) -> None:
    found = goods(**{name: "SKU-A"}, item_price=5, quantity=2, brand="Acme")
    assert found.lines == (Line(id="SKU-A", quantity=D(2), price=D(5), brand="Acme"),)


@pytest.mark.parametrize("name", LINES)
def test_more_than_two_hundred_lines_are_refused(name: str) -> None:
    assert len(goods(**{name: [{"id": "a"}] * 200}).lines) == 200
    with pytest.raises(Unacceptable) as caught:
        goods(**{name: [{"id": "a"}] * 201})
    assert caught.value.code == "too_many_products"


@pytest.mark.parametrize("name", ITEM_IDS)
@pytest.mark.parametrize(
    ("given_ids", "read"),
    [
        (["a", 17, "", None, "b"], ("a", "17", "b")),
        ("sam001", ("sam001",)),
        (17, ("17",)),
        ([], ()),
        ([None], ()),
        ({"a": 1}, ()),
        (["x"] * 201, ("x",) * 200),
    ],
    ids=repr,
)
def test_snap_s_own_ids_fill_the_ids_alone(
    name: str, given_ids: object, read: tuple[str, ...]
) -> None:
    found = goods(**{name: given_ids})
    assert (found.item_ids, found.lines, found.number_items) == (read, (), None)


def test_ids_of_lines_come_before_snap_s_own() -> None:
    found = goods(products=[{"id": "a"}], item_ids=["x"])
    assert found.item_ids == ("a",)
    assert goods(products=[{"price": 1}], item_ids=["x"]).item_ids == ("x",)
    assert goods(item_ids=[], content_ids=["y"]).item_ids == ("y",)


@pytest.mark.parametrize(
    ("properties", "number"),
    [
        ({"number_items": 7, "num_items": 8, "products": [{"id": "a"}]}, D(7)),
        ({"num_items": "8", "quantity": 9}, D(8)),
        ({"number_items": "many", "products": [{"id": "a", "quantity": 3}]}, D(3)),
        ({"products": [{"id": "a", "quantity": 3}, {"id": "b"}], "quantity": 9}, D(4)),
        ({"quantity": 9}, D(9)),
        ({"number_items": 0}, D(0)),
        ({"quantity": "some"}, None),
    ],
)
def test_the_number_of_items_is_given_or_the_sum_of_quantities(
    properties: dict[str, Any], number: Decimal | None
) -> None:
    assert goods(**properties).number_items == number


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"currency": "usd"}, "USD"),
        ({"currency": " Eur "}, "EUR"),
        ({"currency": "dollars"}, ""),
        ({"currency": 840}, ""),
        ({"products": [{"id": "a", "currency": "chf"}, {"id": "b", "currency": "EUR"}]}, "CHF"),
        ({"currency": "XX", "products": [{"id": "a", "currency": "EUR"}]}, "EUR"),
        ({"currency": "USD", "products": [{"id": "a", "currency": "EUR"}]}, "USD"),
        ({"products": [{"id": "a"}, {"id": "b", "currency": "EUR"}]}, ""),
    ],
)
def test_the_currency_is_the_event_s_or_the_first_line_s(
    properties: dict[str, Any], code: str
) -> None:
    assert goods(**properties).currency == code


@pytest.mark.parametrize("name", ORDER_ID)
def test_an_order_id_has_four_names(name: str) -> None:
    assert goods(**{name: 123_123_123_123}).order_id == "123123123123"


@pytest.mark.parametrize("name", ["checkout_id", "orderid", "cart_id"])
def test_a_checkout_is_no_order(name: str) -> None:
    assert goods(**{name: "c-1"}).order_id == ""


@pytest.mark.parametrize("name", SEARCH)
def test_a_search_has_three_names_and_no_e_mail_address(name: str) -> None:
    assert goods(**{name: "red shoes"}).search_string == "red shoes"
    assert goods(**{name: "jane@example.com"}).search_string == ""


@pytest.mark.parametrize(
    ("properties", "category"),
    [
        ({"item_category": "bikes", "category": "other"}, "bikes"),
        ({"category": "bikes"}, "bikes"),
        ({"products": [{"id": "a", "category": "x"}, {"id": "b", "item_category": "x"}]}, "x"),
        ({"products": [{"id": "a", "category": "x"}, {"id": "b", "category": "y"}]}, ""),
        ({"products": [{"id": "a", "category": "x"}, {"id": "b"}]}, ""),
        ({"products": [{"id": "a"}]}, ""),
    ],
)
def test_the_category_is_given_or_common_to_all_lines(
    properties: dict[str, Any], category: str
) -> None:
    assert goods(**properties).category == category


def test_brands_are_given_or_those_of_the_lines_each_once() -> None:
    products = [{"id": str(n), "brand": brand} for n, brand in enumerate(["A", "B", "A", ""])]
    assert goods(products=products).brands == ("A", "B")
    assert goods(products=products, brands=["C"]).brands == ("C",)
    assert goods(brands="C").brands == ("C",)


def test_the_sign_up_method_is_read_from_method_on_sign_ups_only() -> None:
    properties = {"method": "Google"}
    assert read_goods(properties, sign_up=True).sign_up_method == "Google"
    assert read_goods(properties, sign_up=False).sign_up_method == ""
    both = {"method": "Google", "sign_up_method": "E-mail"}
    assert read_goods(both, sign_up=True).sign_up_method == "E-mail"
    assert read_goods(both, sign_up=False).sign_up_method == "E-mail"


def test_description_and_level_have_one_name_each() -> None:
    found = goods(description=" A bike ", level=7)
    assert (found.description, found.level) == ("A bike", "7")


def test_travel_fields_pass_under_snap_s_names() -> None:
    properties: dict[str, Any] = dict.fromkeys(TRAVEL, "x") | {"num_adults": 2, "airline": "y"}
    assert goods(**properties).travel == dict.fromkeys(TRAVEL, "x") | {"num_adults": "2"}
    assert goods(num_adults=None, origin_airport="jane@example.com").travel == {}


NAMES = st.sampled_from(
    [*LINES, *ITEM_IDS, *ORDER_ID, *TRAVEL, "value", "price", "quantity", "currency", "brands"]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10)
values = st.recursive(
    scalars,
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(NAMES, inside, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(NAMES, values, max_size=6), st.booleans())
@example({"value": float("nan")}, False)
@example({"products": [{"price": float("nan"), "quantity": float("inf")}]}, True)
def test_any_properties_are_read_or_refused(properties: dict[str, Any], sign_up: bool) -> None:
    try:
        found = read_goods(properties, sign_up=sign_up)
    except Unacceptable as no:
        code = no.code
    else:
        code = "bad_number"
        assert found.price is None or found.price.is_finite()
    assert code in ("bad_number", "too_many_products")

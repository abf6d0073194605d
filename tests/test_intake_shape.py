"""What a set of property names means, whoever spelled them and however many there are."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.clickid import from_properties
from edgeproxy.intake.goods import GOODS_NAMES, read_goods
from edgeproxy.intake.raw import Unacceptable
from edgeproxy.intake.shape import NOTHING, Shape, shape_of

VALUES = st.sampled_from(
    ["", "a", "12.5", "-1", "USD", 7, True, None, [], [{"id": "a", "price": 2}], ["x"]]
)
PROPERTIES = st.dictionaries(st.sampled_from(GOODS_NAMES), VALUES, max_size=6)


@given(PROPERTIES)
def test_what_a_shape_leaves_out_would_have_said_nothing(properties: dict[str, Any]) -> None:
    """Reading only the groups that occur gives what reading all of them gives."""
    every = shape_of(dict.fromkeys(GOODS_NAMES)).goods

    def read(groups: frozenset[str]) -> object:
        try:
            return read_goods(properties, sign_up=True, groups=groups)
        except Unacceptable as no:
            return no.code

    assert read(shape_of(properties).goods) == read(every)


@pytest.mark.parametrize("name", ["ScCid", "sclid", "click_id", "CLICK_IDS", "sc_click_id"])
def test_a_click_id_is_looked_for_where_one_may_be(name: str) -> None:
    value: object = {"ScCid": "click-1"} if name == "CLICK_IDS" else "click-1"
    assert shape_of({name: value}).clicks
    assert from_properties({name: value}) == "click-1"


def test_of_names_that_mean_nothing_nothing_is_read() -> None:
    assert shape_of({"color": "red", "city": "Paris"}) == NOTHING


def test_each_kind_of_name_is_noticed() -> None:
    assert shape_of({"user_email": 1}) == Shape(person=True)
    assert shape_of({"data_use": 1}) == Shape(limits=True)
    assert shape_of({"Order-ID": 1}) == Shape(
        odd=(("Order-ID", "order_id"),), goods=frozenset({"order"})
    )


@pytest.mark.parametrize(
    "names", [[f"n{number}" for number in range(33)], ["n" * 513], ["n" * 300, "m" * 300]]
)
def test_a_large_set_of_names_is_read_too_and_not_remembered(names: list[str]) -> None:
    from edgeproxy.intake import shape

    before = shape._cached.cache_info().currsize
    assert shape_of({**dict.fromkeys(names), "order_id": 1}).goods == {"order"}
    assert shape._cached.cache_info().currsize == before

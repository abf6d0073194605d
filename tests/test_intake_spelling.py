"""Names in any spelling: Snap's pixel takes them so, and its users write them so."""

from collections.abc import Mapping
from typing import Any

import pytest

from edgeproxy import pii
from edgeproxy.event import Event
from edgeproxy.intake.build import Scene, build_event
from edgeproxy.intake.goods import GOODS_NAMES
from edgeproxy.intake.person import Known, person_in, read_person
from edgeproxy.intake.raw import RawEvent
from edgeproxy.intake.shape import Shape
from edgeproxy.intake.spelling import Spelling

NAMES = Spelling(("item_ids", "order_id", "orderId", "currency"))


def read(properties: dict[str, Any]) -> Mapping[str, Any]:
    return Shape(odd=NAMES.odd(properties)).spelled(properties)


SCENE = Scene(source="shop", channel="WEB", now_ms=1_790_000_000_000, default_country="US")


def built(properties: dict[str, Any], known: Known | None = None) -> Event:
    raw = RawEvent(index=0, name="PURCHASE", properties=properties)
    scene = (
        SCENE
        if known is None
        else Scene(source="shop", channel="WEB", now_ms=SCENE.now_ms, known=known)
    )
    return build_event(raw, scene, sign_up=False, new_id=lambda: "minted")


@pytest.mark.parametrize("name", ["item_ids", "Item-IDs", "ITEMIDS", "item ids", "itemIds"])
def test_a_name_is_read_in_any_spelling(name: str) -> None:
    assert read({name: ["a"]})["item_ids"] == ["a"]


def test_a_name_that_is_spelled_as_meant_wins() -> None:
    assert read({"ITEM_IDS": ["b"], "item_ids": ["a"]})["item_ids"] == ["a"]


def test_a_second_name_of_the_same_thing_stays_itself() -> None:
    assert read({"orderId": "1"}) == {"orderId": "1"}
    assert read({"ORDERID": "1"})["order_id"] == "1"


def test_what_needs_no_change_is_not_copied() -> None:
    properties = {"currency": "USD", "foreign": 1}
    assert read(properties) is properties


def test_an_endless_name_is_none_of_ours() -> None:
    assert read({"c" * 1_000_000: 1}) == {"c" * 1_000_000: 1}


@pytest.mark.parametrize("name", sorted(set(GOODS_NAMES) - {"method"}))
def test_goods_do_not_depend_on_the_spelling(name: str) -> None:
    value = [{"id": "a"}] if name in ("products", "items", "contents") else "7"
    plain, odd = built({name: value}), built({name.upper().replace("_", "-"): value})
    assert odd.goods == plain.goods


def test_a_purchase_of_the_pixel_is_read_whole() -> None:
    event = built(
        {
            "Client-Dedup-Id": "dedup-1",
            "TRANSACTION_ID": "order-1",
            "Price": "12.50",
            "Currency": "eur",
            "Item-IDs": ["a", "b"],
            "numberItems": 2,
            "Event_Tag": "spring",
            "DATA-USE": "['lmu']",
        }
    )
    assert (event.id, event.label, event.limited) == ("dedup-1", "spring", True)
    assert (event.goods.order_id, str(event.goods.price)) == ("order-1", "12.50")
    assert (event.goods.currency, event.goods.item_ids) == ("EUR", ("a", "b"))


def test_an_event_may_say_whom_it_is_about() -> None:
    event = built(
        {
            "user_email": "Jane@Example.com ",
            "User-Phone-Number": "(555) 123-4567",
            "firstName": "Jane",
            "geo_postal_code": "90210",
        }
    )
    who = event.who
    assert who.email_sha256 == pii.sha256_hex("jane@example.com")
    assert who.phone_sha256 == pii.sha256_hex("15551234567")
    assert who.first_name_sha256 == pii.sha256_hex("jane")
    assert who.zip_sha256


def test_the_event_s_own_person_comes_before_the_batch_s() -> None:
    batch = read_person({"email": "batch@example.com", "first_name": "Ann"}, "")
    who = built({"user_email": "event@example.com"}, batch).who
    assert who.email_sha256 == pii.sha256_hex("event@example.com")
    assert who.first_name_sha256 == pii.sha256_hex("ann")


@pytest.mark.parametrize("name", ["email", "phone", "city", "country", "zip", "state", "name"])
def test_names_that_may_mean_anything_name_nobody(name: str) -> None:
    assert person_in({name: "90210"}, "") == Known().person


@pytest.mark.parametrize("text", ["__INSERT_FIRST_NAME__", "{{name}}", "null"])
def test_a_placeholder_is_no_value(text: str) -> None:
    assert person_in({"firstname": text, "user_email": text}, "") == Known().person

"""The canonical event's stored form: what goes in comes out, and nothing else gets in."""

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.event import (
    Device,
    Event,
    Goods,
    Line,
    Person,
    Sealed,
    decode_event,
    decode_person,
    encode_event,
    encode_person,
    merge_person,
)

SMALL = Event(id="e-1", name="PURCHASE", time_ms=1_706_540_000_123, source="shop")
FULL = Event(
    id="e-1",
    name="PURCHASE",
    time_ms=1_706_540_000_123,
    source="shop",
    channel="MOBILE_APP",
    privacy="strict",
    label="jackets",
    page_url="https://example.com/?ScCid=abc",
    test=True,
    limited=True,
    scid="34dd6077-e3a0-4b1c-9f91-a690ea0e335d",
    click_id="abc123",
    who=Person(email_sha256="e" * 64, city_sha256="c" * 64, city_compact_sha256="d" * 64),
    goods=Goods(
        price=Decimal("129.99"),
        currency="USD",
        number_items=Decimal(3),
        item_ids=("SKU-A", "SKU-Ü"),
        lines=(Line(id="SKU-A", quantity=Decimal("1.5"), price=Decimal("49.990")),),
        travel={"origin_airport": "VIE"},
    ),
    device=Device(model="iPhone", os_version="17.5", os="iOS", browser="Mobile Safari"),
    address_hmac="a" * 24,
    agent_hmac="b" * 24,
)


@pytest.mark.parametrize("event", [SMALL, FULL], ids=["small", "full"])
def test_a_stored_event_comes_back_equal(event: Event) -> None:
    assert decode_event(encode_event(event)) == event


amounts = st.none() | st.decimals(0, 10**12, places=15, allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(price=amounts, quantity=amounts, label=texts, time_ms=st.integers(0, 2**53))
def test_any_event_comes_back_with_all_its_digits(
    price: Decimal | None, quantity: Decimal | None, label: str, time_ms: int
) -> None:
    event = msgspec.structs.replace(
        SMALL,
        label=label,
        time_ms=time_ms,
        goods=Goods(price=price, lines=(Line(id=label, quantity=quantity or Decimal(1)),)),
    )
    again = decode_event(encode_event(event))
    assert again == event
    assert str(again.goods.price) == str(price)


def test_money_is_stored_as_text_and_what_says_nothing_is_left_out() -> None:
    event = msgspec.structs.replace(SMALL, goods=Goods(price=Decimal("0.30")))
    assert json.loads(encode_event(event)) == {
        "id": "e-1",
        "name": "PURCHASE",
        "time_ms": 1_706_540_000_123,
        "source": "shop",
        "goods": {"price": "0.30"},
    }


def test_a_body_of_a_newer_version_is_read_without_its_new_fields() -> None:
    body = json.loads(encode_event(FULL)) | {"invented_later": {"a": 1}}
    assert decode_event(json.dumps(body).encode()) == FULL


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b'{"id":"a","name":"b","time_ms":"c","source":"d"}',
        b'{"id":"a","name":"b","time_ms":1,"source":"d","channel":"PAPER"}',
        b'{"id":"a","name":"b","time_ms":1,"source":"d","goods":{"price":"much"}}',
        b'{"id":"a","name":"b","time_ms":1,"source":"d"}x',
    ],
)
def test_a_damaged_body_is_a_decode_error(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_event(body)


def test_traits_are_a_flat_object_of_texts() -> None:
    assert encode_person(Person()) == b"{}"
    traits = encode_person(Person(email_sha256="e" * 64, idfv_sha256="f" * 64))
    assert json.loads(traits) == {"email_sha256": "e" * 64, "idfv_sha256": "f" * 64}
    assert decode_person(traits) == Person(email_sha256="e" * 64, idfv_sha256="f" * 64)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"email_sha256":1}', b"not json"])
def test_damaged_traits_are_a_decode_error(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_person(body)


def test_the_event_s_own_digests_win_and_the_known_ones_fill_the_gaps() -> None:
    own = Person(email_sha256="own")
    known = Person(email_sha256="old", phone_sha256="known")
    assert merge_person(own, known) == Person(email_sha256="own", phone_sha256="known")
    assert merge_person(Person(), known) == known


def test_nothing_known_leaves_the_event_s_person_as_it_is() -> None:
    own = Person(email_sha256="own")
    assert merge_person(own, Person()) is own
    assert merge_person(own, Person(email_sha256="old")) is own


def test_the_sealed_extras_leave_out_what_they_do_not_hold() -> None:
    sealed = Sealed(bound_to="shop/1:aa", user_agent="Mozilla/5.0")
    assert json.loads(msgspec.json.encode(sealed)) == {
        "bound_to": "shop/1:aa",
        "user_agent": "Mozilla/5.0",
    }

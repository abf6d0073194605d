"""Both wire versions: the rules they share, and every field in its place."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from edgeproxy.errors import CannotMap
from edgeproxy.event import Device, Event, Goods, Line, Person, Sealed
from edgeproxy.outcome import DEAD_REASONS
from edgeproxy.sites import Integration, Secret
from edgeproxy.snap import DIALECTS
from edgeproxy.snap.dialect import number, present, text
from edgeproxy.wire import Endpoint, WireEvent

D = Decimal
APIS = sorted(DIALECTS)
BROWSER = {
    "v2": Sealed(bound_to="b", user_agent="Mozilla/5.0", address_sha256="a" * 64),
    "v3": Sealed(bound_to="b", user_agent="Mozilla/5.0", address="203.0.113.7"),
}


def event(**fields: Any) -> Event:
    return Event(
        **{
            "id": "e-1",
            "name": "VIEW_CONTENT",
            "time_ms": 1_706_540_000_999,
            "source": "shop",
            "scid": "scid-1234",
            **fields,
        }
    )


def integration(**settings: Any) -> Integration:
    defaults = {"id": "shop/1", "source": "shop", "access_token": Secret("t"), "pixel_id": "p-1"}
    return Integration(**{**defaults, **settings})


APP = integration(snap_app_id="snap-app", app_id="com.example.app")


def encoded(
    api: str,
    given: Event,
    opened: Sealed | None = None,
    mine: Integration | None = None,
) -> WireEvent:
    return DIALECTS[api].encode(given, mine or integration(), opened)


def dead(
    api: str, given: Event, opened: Sealed | None = None, mine: Integration | None = None
) -> CannotMap:
    with pytest.raises(CannotMap) as caught:
        encoded(api, given, opened, mine)
    assert caught.value.reason in DEAD_REASONS
    return caught.value


def body(api: str, *events: WireEvent, endpoint: Endpoint = "live") -> Any:
    return json.loads(DIALECTS[api].request(events, integration(), endpoint).body)


EVERYTHING = event(
    name="PURCHASE",
    label="jackets",
    page_url="https://example.com/?ScCid=abc",
    click_id="abc",
    limited=True,
    who=Person(
        email_sha256="em",
        phone_sha256="ph",
        first_name_sha256="fn",
        last_name_sha256="ln",
        city_sha256="ct v2",
        city_compact_sha256="ct v3",
        state_sha256="st",
        zip_sha256="zp",
        country_sha256="co",
        external_id_sha256="ex",
        mobile_ad_id_sha256="ad",
        idfv_sha256="fv",
    ),
    goods=Goods(
        price=D("129.990"),
        currency="USD",
        order_id="o-1",
        number_items=D("2.5"),
        item_ids=("A", "B"),
        lines=(
            Line(id="A", quantity=D("1.5"), price=D("49.990"), brand="Acme"),
            Line(id="B", quantity=D("1.0"), price=D("5.00")),
            Line(price=D(1)),
        ),
        category="bikes",
        brands=("Acme", "Bolt"),
        description="A bike",
        level="7",
        search_string="red",
        sign_up_method="Google",
        travel={"origin_airport": "VIE"},
    ),
    device=Device(model="iPhone", os_version="17.5", os="iOS", browser="Mobile Safari"),
)
COMMERCE_V2 = {
    "price": 129.99,
    "currency": "USD",
    "transaction_id": "o-1",
    "number_items": 2.5,
    "item_ids": ["A", "B"],
    "item_category": "bikes",
    "brands": ["Acme", "Bolt"],
    "description": "A bike",
    "search_string": "red",
    "sign_up_method": "Google",
    "level": "7",
}
V2 = {
    "pixel_id": "p-1",
    "event_type": "PURCHASE",
    "event_conversion_type": "WEB",
    "timestamp": 1_706_540_000_999,
    "event_tag": "jackets",
    "client_dedup_id": "e-1",
    "page_url": "https://example.com/?ScCid=abc",
    "user_agent": "Mozilla/5.0",
    "hashed_ip_address": "a" * 64,
    "hashed_email": "em",
    "hashed_phone_number": "ph",
    "hashed_first_name_sha": "fn",
    "hashed_last_name_sha": "ln",
    "hashed_city_sha": "ct v2",
    "hashed_state_sha": "st",
    "hashed_zip": "zp",
    "hashed_mobile_ad_id": "ad",
    "hashed_idfv": "fv",
    "click_id": "abc",
    "uuid_c1": "scid-1234",
    "hashed_sc_cookie": "scid-1234",
    **COMMERCE_V2,
    "device_model": "iPhone",
    "os_version": "17.5",
    "data_use": ["lmu"],
}
V3 = {
    "event_name": "PURCHASE",
    "event_time": 1_706_540_000,
    "action_source": "WEB",
    "event_source_url": "https://example.com/?ScCid=abc",
    "event_id": "e-1",
    "user_data": {
        "em": ["em"],
        "ph": ["ph"],
        "fn": ["fn"],
        "ln": ["ln"],
        "ct": ["ct v3"],
        "st": ["st"],
        "zp": ["zp"],
        "country": ["co"],
        "external_id": "ex",
        "client_ip_address": "203.0.113.7",
        "client_user_agent": "Mozilla/5.0",
        "sc_click_id": "abc",
        "sc_cookie1": "scid-1234",
        "madid": "raw ad",
        "idfv": "raw fv",
    },
    "custom_data": {
        "currency": "USD",
        "value": 129.99,
        "content_ids": ["A", "B"],
        "content_category": "bikes",
        "contents": [
            {"id": "A", "quantity": "1.5", "item_price": "49.99", "brand": "Acme"},
            {"id": "B", "quantity": "1", "item_price": "5"},
        ],
        "num_items": 3,
        "order_id": "o-1",
        "search_string": "red",
        "sign_up_method": "Google",
        "brands": "Acme,Bolt",
        "event_tag": "jackets",
        "origin_airport": "VIE",
    },
    "data_processing_options": ["LMU"],
}


def test_v2_has_every_field_in_its_place() -> None:
    assert body("v2", encoded("v2", EVERYTHING, BROWSER["v2"])) == V2


def test_v3_has_every_field_in_its_place() -> None:
    opened = msgspec.structs.replace(BROWSER["v3"], mobile_ad_id="raw ad", idfv="raw fv")
    assert body("v3", encoded("v3", EVERYTHING, opened)) == {"data": [V3]}


def test_a_bare_event_has_no_empty_field() -> None:
    assert encoded("v2", event()).fields == {
        "pixel_id": "p-1",
        "event_type": "VIEW_CONTENT",
        "event_conversion_type": "WEB",
        "timestamp": 1_706_540_000_999,
        "event_tag": "e-1",
        "client_dedup_id": "e-1",
        "uuid_c1": "scid-1234",
        "hashed_sc_cookie": "scid-1234",
    }
    assert encoded("v3", event()).fields == {
        "event_name": "VIEW_CONTENT",
        "event_time": 1_706_540_000,
        "action_source": "WEB",
        "event_id": "e-1",
        "user_data": {"sc_cookie1": "scid-1234"},
    }


def test_zero_and_false_say_something_and_empty_values_do_not() -> None:
    assert present(a=0, b=False, c=D(0), d=0.0) == {"a": 0, "b": False, "c": D(0), "d": 0.0}
    assert present(a=None, b="", c=(), d=[], e={}) == {}


def test_a_price_of_zero_is_sent() -> None:
    free = event(name="PURCHASE", goods=Goods(price=D("0.00"), currency="USD", number_items=D(0)))
    v2, v3 = body("v2", encoded("v2", free)), body("v3", encoded("v3", free))["data"][0]
    assert (v2["price"], v2["number_items"]) == (0, 0)
    assert (v3["custom_data"]["value"], v3["custom_data"]["num_items"]) == (0, 0)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("5", "5"),
        ("5.00", "5"),
        ("1E+2", "100"),
        ("49.990", "49.99"),
        ("0.30000000000000004", "0.30000000000000004"),
        ("1000000000000", "1000000000000"),
        ("0E-15", "0"),
        ("-0.0", "0"),
    ],
)
def test_a_decimal_is_written_plainly_and_with_all_its_digits(value: str, written: str) -> None:
    assert text(D(value)) == written
    sent = encoded("v2", event(goods=Goods(price=D(value))))
    raw = DIALECTS["v2"].request([sent], integration(), "live").body
    assert f'"price":{written}'.encode() in raw


def test_a_tiny_price_is_a_plain_text_too() -> None:
    assert text(D("1E-7")) == "0.0000001"


def test_no_decimal_is_no_number_and_no_text() -> None:
    assert number(None) is None
    assert text(None) == ""


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    ("goods", "lacking"),
    [
        (Goods(), "price"),
        (Goods(currency="USD"), "price"),
        (Goods(price=D(0)), "currency"),
        (Goods(price=D(5)), "currency"),
    ],
    ids=["nothing", "currency only", "free without currency", "price only"],
)
def test_a_purchase_without_money_is_dead_and_says_what_it_lacks(
    api: str, goods: Goods, lacking: str
) -> None:
    error = dead(api, event(name="PURCHASE", goods=goods), BROWSER[api])
    assert error.reason == "missing_price"
    assert error.detail.endswith(f"it has no {lacking}")
    assert encoded(api, event(name="ADD_CART", goods=goods), BROWSER[api]).fields


IDENTIFIED: Mapping[str, Person] = {
    "e-mail": Person(email_sha256="e"),
    "phone": Person(phone_sha256="p"),
}


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("who", IDENTIFIED.values(), ids=IDENTIFIED.keys())
def test_an_e_mail_or_a_phone_is_enough_for_snap(api: str, who: Person) -> None:
    assert not encoded(api, event(who=who, scid="")).low_match


@pytest.mark.parametrize("api", APIS)
def test_address_and_user_agent_are_enough_together_only(api: str) -> None:
    both = BROWSER[api]
    assert not encoded(api, event(scid=""), both).low_match
    no_agent = msgspec.structs.replace(both, user_agent="")
    no_address = msgspec.structs.replace(both, address="", address_sha256="")
    for half in (no_agent, no_address):
        assert encoded(api, event(), half).low_match
        assert dead(api, event(scid=""), half).reason == "no_identifier"


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("field", ["scid", "click_id"])
def test_a_click_id_or_cookie_alone_is_sent_as_a_low_match(api: str, field: str) -> None:
    assert encoded(api, event(**{"scid": "", field: "abc-12345"})).low_match


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    "who",
    [
        Person(),
        Person(external_id_sha256="x", first_name_sha256="f", zip_sha256="z", idfv_sha256="i"),
    ],
    ids=["nobody", "a name and an own id"],
)
def test_an_event_that_matches_nobody_is_dead(api: str, who: Person) -> None:
    assert dead(api, event(scid="", who=who)).reason == "no_identifier"


def test_a_mobile_ad_id_identifies_where_the_wire_carries_it() -> None:
    """v3 takes it raw only: a digest, or a raw one erased since, leaves its event without."""
    given = event(scid="", who=Person(mobile_ad_id_sha256="d" * 64))
    assert not encoded("v2", given).low_match
    raw = Sealed(bound_to="b", mobile_ad_id="raw ad")
    assert not encoded("v3", given, raw).low_match
    assert dead("v3", given).reason == "no_identifier"
    assert encoded("v3", msgspec.structs.replace(given, scid="scid-1234")).low_match


STRICT = Sealed(
    bound_to="b",
    user_agent="Mozilla/5.0",
    user_agent_sha256="u" * 64,
    address="203.0.113.7",
    address_sha256="a" * 64,
)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("who_is_strict", ["event", "integration"])
def test_the_stricter_of_two_profiles_decides(api: str, who_is_strict: str) -> None:
    """A profile may have changed since the event was accepted."""
    given = event(privacy="strict" if who_is_strict == "event" else "match")
    mine = integration(privacy="strict" if who_is_strict == "integration" else "match")
    found = encoded(api, given, STRICT, mine)
    raw = json.dumps(found.fields)
    assert "Mozilla" not in raw
    assert "203.0.113.7" not in raw
    assert found.low_match
    if api == "v2":
        assert found.fields["hashed_user_agent"] == "u" * 64
        assert found.fields["hashed_ip_address"] == "a" * 64


def test_v2_sends_the_user_agent_raw_or_hashed_never_both() -> None:
    found = encoded("v2", event(), STRICT).fields
    assert found["user_agent"] == "Mozilla/5.0"
    assert "hashed_user_agent" not in found


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("where", ["event", "integration"])
def test_limited_data_use_is_the_event_s_or_the_integration_s(api: str, where: str) -> None:
    given, mine = event(limited=where == "event"), integration()
    if where == "integration":
        mine = integration(limited_data_use=True)
    field, value = ("data_use", ("lmu",)) if api == "v2" else ("data_processing_options", ("LMU",))
    assert encoded(api, given, None, mine).fields[field] == value
    assert field not in encoded(api, event()).fields


@pytest.mark.parametrize("channel", ["MOBILE_APP", "OFFLINE"])
def test_only_a_web_event_has_a_page(channel: str) -> None:
    given = event(channel=channel, page_url="https://example.com/")
    assert "page_url" not in encoded("v2", given, None, APP).fields
    assert "event_source_url" not in encoded("v3", given, None, APP).fields


def test_an_app_event_names_the_app_instead_of_the_pixel() -> None:
    given = event(channel="MOBILE_APP", device=EVERYTHING.device)
    v2 = encoded("v2", given, None, APP)
    assert (v2.fields["snap_app_id"], v2.fields["app_id"]) == ("snap-app", "com.example.app")
    assert "pixel_id" not in v2.fields
    v3 = encoded("v3", given, None, APP)
    assert v3.target == "snap-app"
    extinfo = ["i2", "com.example.app", "", "", "17.5", "iPhone"] + [""] * 10
    assert v3.fields["app_data"] == {"app_id": "com.example.app", "extinfo": extinfo}


@pytest.mark.parametrize(("os", "code"), [("iOS", "i2"), ("Android", "a2")])
def test_the_device_s_system_has_snap_s_code(os: str, code: str) -> None:
    given = event(channel="MOBILE_APP", device=Device(os=os))
    extinfo = encoded("v3", given, None, APP).fields["app_data"]["extinfo"]  # type: ignore[index]
    assert (extinfo[0], len(extinfo)) == (code, 16)


def test_an_unknown_system_has_no_device_line() -> None:
    given = event(channel="MOBILE_APP", device=Device(os="KaiOS"))
    assert encoded("v3", given, None, APP).fields["app_data"] == {"app_id": "com.example.app"}


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("lacking", ["snap_app_id", "app_id"])
def test_an_app_event_without_an_app_cannot_be_rendered(api: str, lacking: str) -> None:
    mine = msgspec.structs.replace(APP, **{lacking: ""})
    assert dead(api, event(channel="MOBILE_APP"), None, mine).reason == "unrenderable"
    assert encoded(api, event(channel="OFFLINE"), None, mine).fields


def test_v2_sends_one_object_or_an_array_in_order() -> None:
    one, two = (encoded("v2", event(id=name)) for name in ("e-1", "e-2"))
    assert body("v2", one)["client_dedup_id"] == "e-1"
    assert [sent["client_dedup_id"] for sent in body("v2", two, one)] == ["e-2", "e-1"]


def test_v3_sends_an_array_always() -> None:
    one, two = (encoded("v3", event(id=name)) for name in ("e-1", "e-2"))
    assert [sent["event_id"] for sent in body("v3", one)["data"]] == ["e-1"]
    assert [sent["event_id"] for sent in body("v3", two, one)["data"]] == ["e-2", "e-1"]


@pytest.mark.parametrize(
    ("api", "endpoint", "path", "token_in"),
    [
        ("v2", "live", "/v2/conversion", "header"),
        ("v2", "validate", "/v2/conversion/validate", "header"),
        ("v3", "live", "/v3/p-1/events", "query"),
        ("v3", "validate", "/v3/p-1/events/validate", "query"),
    ],
)
def test_each_request_has_its_path_and_place_for_the_token(
    api: str, endpoint: Endpoint, path: str, token_in: str
) -> None:
    events = [encoded(api, event())] * 3
    request = DIALECTS[api].request(events, integration(), endpoint)
    assert (request.path, request.token_in, request.events) == (path, token_in, 3)


def test_an_app_s_v3_request_goes_to_the_app() -> None:
    sent = encoded("v3", event(channel="MOBILE_APP"), None, APP)
    assert DIALECTS["v3"].request([sent], APP, "live").path == "/v3/snap-app/events"


@pytest.mark.parametrize("api", APIS)
def test_the_same_event_is_the_same_bytes_on_every_attempt(api: str) -> None:
    attempts = {
        DIALECTS[api].request([encoded(api, EVERYTHING, BROWSER[api])], integration(), "live").body
        for _ in range(3)
    }
    assert len(attempts) == 1


def test_no_dialect_puts_more_into_a_request_than_snap_takes() -> None:
    assert {dialect.max_batch for dialect in DIALECTS.values()} == {2000}
    assert {name: dialect.name for name, dialect in DIALECTS.items()} == {"v2": "v2", "v3": "v3"}

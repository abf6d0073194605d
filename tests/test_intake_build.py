"""From what a caller wrote to the canonical event: its time, its id, its privacy."""

import hashlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.errors import BadBatch
from edgeproxy.event import Channel, Device, Event, Goods, Person, decode_event, encode_event
from edgeproxy.intake.build import MAX_AGE_MS, Scene, build_event, skew_ms
from edgeproxy.intake.person import Known
from edgeproxy.intake.raw import RawEvent, Unacceptable
from edgeproxy.intake.tag import parse

NOW_MS = 1_706_540_000_123
MINUTE_MS = 60_000
SCENE = Scene(source="shop", channel="WEB", now_ms=NOW_MS)


def built(
    scene: Scene = SCENE, *, sign_up: bool = False, new_id: str = "minted", **raw: Any
) -> Event:
    event = RawEvent(index=0, name="any", **raw)
    return build_event(event, scene, sign_up=sign_up, new_id=lambda: new_id)


def refused(scene: Scene = SCENE, **raw: Any) -> str:
    with pytest.raises(Unacceptable) as caught:
        built(scene, **raw)
    assert caught.value.reason
    return caught.value.code


def scene(**changes: Any) -> Scene:
    return msgspec.structs.replace(SCENE, **changes)


def test_a_bare_event_has_a_time_and_an_id() -> None:
    assert built() == Event(id="minted", name="", time_ms=NOW_MS, source="shop")


def test_what_the_request_says_is_in_every_event_of_it() -> None:
    person, device = Person(email_sha256="e" * 64), Device(model="iPhone", os_version="17.5")
    found = built(
        scene(
            page_url="https://example.com/",
            scid="scid-1234",
            click_id="abc",
            known=Known(person=person, mobile_ad_id="raw-ad-id", idfv="raw-idfv"),
            device=device,
            address_hmac="a",
            agent_hmac="b",
        ),
        id="e-1",
        test=True,
    )
    assert found == Event(
        id="e-1",
        name="",
        time_ms=NOW_MS,
        source="shop",
        page_url="https://example.com/",
        test=True,
        scid="scid-1234",
        click_id="abc",
        who=person,
        device=device,
        address_hmac="a",
        agent_hmac="b",
    )
    assert b"raw-" not in encode_event(found)


@pytest.mark.parametrize(
    ("properties", "read"),
    [
        ({"event_id": "e-1", "client_dedup_id": "e-2"}, "e-1"),
        ({"client_dedup_id": "e-2", "client_deduplication_id": "e-3"}, "e-2"),
        ({"client_deduplication_id": 17}, "17"),
        ({"event_id": " ", "client_dedup_id": "e-2"}, "e-2"),
        ({"event_id": None}, "minted"),
        ({"event_id": ["e-1"]}, "minted"),
        ({"order_id": "o-1", "checkout_id": "c-1", "id": "i-1"}, "minted"),
    ],
)
def test_an_id_is_found_among_the_properties_or_minted(
    properties: dict[str, Any], read: str
) -> None:
    assert built(properties=properties).id == read


def test_the_event_s_own_id_wins_over_its_properties() -> None:
    assert built(id="e-0", properties={"event_id": "e-1"}).id == "e-0"


def test_an_id_that_holds_an_e_mail_address_travels_as_its_digest() -> None:
    """The same text gives the same id, so that a repeated event still collapses."""
    text = "order-7-jane@example.com"
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert built(id=text).id == digest
    assert built(properties={"event_id": text}).id == digest


def test_a_long_id_of_the_properties_is_cut_to_the_length_of_an_id() -> None:
    assert built(properties={"event_id": "e" * 300}).id == "e" * 256


def test_the_label_is_the_caller_s_event_tag() -> None:
    assert built(properties={"event_tag": " jackets "}).label == "jackets"
    assert built(properties={"event_tag": ["jackets"]}).label == ""


@pytest.mark.parametrize(
    ("time", "read"),
    [
        (None, NOW_MS),
        ("", NOW_MS),
        (NOW_MS - MINUTE_MS, NOW_MS - MINUTE_MS),
        (NOW_MS // 1000, NOW_MS // 1000 * 1000),
        (NOW_MS + 10 * MINUTE_MS, NOW_MS + 10 * MINUTE_MS),
        (NOW_MS + 10 * MINUTE_MS + 1, NOW_MS),
        (NOW_MS * 1000 + 999, NOW_MS),
        ("2024-01-29T14:53:19.000Z", 1_706_539_999_000),
        (9_999_999_999_999, NOW_MS),
    ],
)
def test_a_time_is_kept_unless_it_is_missing_or_far_ahead(time: object, read: int) -> None:
    assert built(time=time).time_ms == read


@pytest.mark.parametrize("time", ["yesterday", True, -1, 10**399, [], {}, 1e300])
def test_a_time_that_is_none_is_refused(time: object) -> None:
    assert refused(time=time) == "bad_time"


@pytest.mark.parametrize(("channel", "days"), [("WEB", 7), ("MOBILE_APP", 7), ("OFFLINE", 37)])
def test_an_event_may_be_as_old_as_snap_takes_it_and_not_a_millisecond_older(
    channel: Channel, days: int
) -> None:
    """Seven days sharp are not older than seven days."""
    where, oldest = scene(channel=channel), NOW_MS - days * 86_400_000
    assert MAX_AGE_MS[channel] == days * 86_400_000
    assert built(where, time=oldest + 1).time_ms == oldest + 1
    assert refused(where, time=oldest - 1) == "too_old"
    assert built(where, time=oldest).time_ms == oldest


@pytest.mark.parametrize("time", [0, 12, 1_000_000_000, "0012"])
def test_a_small_number_is_a_time_long_ago(time: object) -> None:
    assert refused(time=time) == "too_old"


@pytest.mark.parametrize(
    ("sent_at", "skew"),
    [
        (None, 0),
        ("", 0),
        (NOW_MS, 0),
        (NOW_MS - 4_999, 0),
        (NOW_MS + 4_999, 0),
        (NOW_MS - 5_000, 5_000),
        (NOW_MS + 3_600_000, -3_600_000),
        (str(NOW_MS - 3_600_000), 3_600_000),
        ("2024-01-29T13:53:20.123Z", 3_600_000),
        ("yesterday", 0),
        (10**399, 0),
        (True, 0),
        ([], 0),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_the_skew_is_what_the_caller_s_clock_lacks(sent_at: object, skew: int) -> None:
    assert skew_ms(sent_at, NOW_MS) == skew


def test_the_skew_is_applied_before_the_time_is_judged() -> None:
    hour = 3_600_000
    ahead = scene(skew_ms=-hour)
    assert built(ahead, time=NOW_MS + hour - 5).time_ms == NOW_MS - 5
    assert built(ahead, time=NOW_MS + hour + 11 * MINUTE_MS).time_ms == NOW_MS
    behind = scene(skew_ms=hour)
    week = 7 * 86_400_000
    assert built(behind, time=NOW_MS - week - hour + 1).time_ms == NOW_MS - week + 1
    assert refused(behind, time=NOW_MS - week - hour - 1) == "too_old"


def test_a_missing_time_is_now_whatever_the_skew() -> None:
    assert built(scene(skew_ms=-3_600_000)).time_ms == NOW_MS


@pytest.mark.parametrize(
    ("properties", "limited"),
    [
        ({}, False),
        ({"data_use": "lmu"}, True),
        ({"data_use": ["lmu"]}, True),
        ({"data_use": "['lmu']"}, True),
        ({"data_use": '["LDU"]'}, True),
        ({"data_use": "['lmu', 'other']"}, True),
        ({"data_processing_options": ["LDU"]}, True),
        ({"data_processing_options": ["other", "LMU"]}, True),
        ({"data_use": [], "data_processing_options": ["LMU"]}, True),
        ({"data_use": ["none"], "data_processing_options": ["LMU"]}, True),
        ({"data_use": "none"}, False),
        ({"data_use": []}, False),
        ({"data_use": {"lmu": True}}, False),
        ({"data_use": [1, None, {}]}, False),
        ({"data_use": True}, False),
    ],
    ids=repr,
)
def test_limited_data_use_is_recognised_in_every_spelling(
    properties: dict[str, Any], *, limited: bool
) -> None:
    assert built(properties=properties).limited is limited


def test_an_event_s_own_click_id_wins_where_it_may() -> None:
    properties = {"ScCid": "own"}
    assert built(scene(click_id="visitor"), properties=properties).click_id == "own"
    assert built(scene(click_id="visitor"), properties={"ScCid": "a b"}).click_id == "visitor"
    assert built(scene(click_id=""), properties=properties).click_id == "own"
    assert built(scene(own_clicks=False), properties=properties).click_id == ""


def test_a_sign_up_reads_its_method() -> None:
    properties = {"method": "Google"}
    assert built(sign_up=True, properties=properties).goods == Goods(sign_up_method="Google")
    assert built(sign_up=False, properties=properties).goods == Goods()


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"value": -1}, "bad_number"),
        ({"price": 10**399}, "bad_number"),
        ({"products": [{"price": -5}]}, "bad_number"),
        ({"products": [{"quantity": 10**399}]}, "bad_number"),
        ({"quantity": 1e13}, "bad_number"),
        ({"products": [{}] * 201}, "too_many_products"),
    ],
    ids=["value", "price", "line price", "line quantity", "quantity", "lines"],
)
def test_goods_beyond_reason_refuse_the_event(properties: dict[str, Any], code: str) -> None:
    assert refused(properties=properties) == code


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**400), 10**400)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=20)
    | st.sampled_from(["jane@example.com", "2024-01-29T14:53:20Z", "129.99", "EUR", "lmu"])
)
names = st.sampled_from(
    ["value", "price", "products", "items", "product_id", "quantity", "currency", "data_use"]
) | st.sampled_from(["event_id", "event_tag", "ScCid", "click_ids", "order_id", "item_ids", "k"])
values = st.recursive(
    scalars,
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(names, inside, max_size=4),
    max_leaves=10,
)
events = st.fixed_dictionaries(
    {"name": st.just("any")},
    optional={
        "id": scalars,
        "time": scalars,
        "properties": st.dictionaries(names, values, max_size=5),
    },
)


@given(st.lists(events, min_size=1, max_size=3), scalars)
def test_any_batch_becomes_events_that_can_be_stored_or_refusals(
    given_events: list[dict[str, Any]], sent_at: object
) -> None:
    body = json.dumps({"events": given_events, "sent_at": sent_at}).encode()
    try:
        batch = parse(body)
    except BadBatch:
        return
    where = scene(skew_ms=skew_ms(batch.sent_at, NOW_MS))
    for raw in batch.events:
        try:
            event = build_event(raw, where, sign_up=True, new_id=lambda: "minted")
        except Unacceptable as no:
            code = no.code
        else:
            code = ""
            assert decode_event(encode_event(event)) == event
            assert "@" not in event.id
            assert NOW_MS - MAX_AGE_MS["WEB"] <= event.time_ms <= NOW_MS + 10 * MINUTE_MS
        assert code in ("", "bad_time", "too_old", "bad_number", "too_many_products")

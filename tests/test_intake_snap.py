"""Snap's own request shapes read as events, v2 flat and v3 nested."""

import json
from typing import Any

import pytest

from edgeproxy.errors import BadBatch
from edgeproxy.intake.raw import Unacceptable
from edgeproxy.intake.report import Report
from edgeproxy.intake.snap import read_v2, read_v3
from edgeproxy.pii import email_sha256, sha256_hex

SCID = "5e2f7c1a-9b3d-4e6f-8a10-2c4d6e8f0a1b"
PIXEL = "67d34640-b7a4-42a8-b821-6434d70f08a4"
EMAIL = email_sha256("jane@example.com")


def v2(event: dict[str, Any], *, test: bool = False) -> Report:
    [found] = read_v2(json.dumps({"event_type": "PURCHASE", **event}).encode(), test=test)
    assert isinstance(found, Report)
    return found


def v3(event: dict[str, Any], *, test: bool = False) -> Report:
    body = {"data": [{"event_name": "PURCHASE", **event}]}
    [found] = read_v3(json.dumps(body).encode(), PIXEL, test=test)
    assert isinstance(found, Report)
    return found


def test_a_v2_object_is_one_event() -> None:
    one = v2(
        {
            "pixel_id": PIXEL,
            "timestamp": "1642815764000",
            "event_conversion_type": "WEB",
            "page_url": "https://www.example.com",
            "price": "43",
            "hashed_email": EMAIL,
            "hashed_first_name_sha": sha256_hex("jane"),
            "hashed_ip_address": sha256_hex("203.0.113.7").upper(),
            "user_agent": "Browser/1",
            "uuid_c1": SCID,
            "click_id": "c-1",
            "client_dedup_id": "d-1",
        }
    )
    [event] = one.batch.events
    assert (event.name, event.id, event.time) == ("PURCHASE", "d-1", "1642815764000")
    assert event.properties["price"] == "43"
    assert one.batch.user == {"email": EMAIL, "first_name": sha256_hex("jane")}
    assert one.batch.pixels == (PIXEL,)
    assert one.batch.click_id == "c-1"
    assert one.batch.page_url == "https://www.example.com"
    assert (one.scid, one.names, one.user_agent) == (SCID, (SCID,), "Browser/1")
    assert (one.address, one.address_sha256) == ("", sha256_hex("203.0.113.7"))


def test_a_v3_event_is_nested() -> None:
    one = v3(
        {
            "event_time": 1642815764,
            "event_id": "d-1",
            "action_source": "website",
            "event_source_url": "https://www.example.com/a",
            "data_processing_options": ["LDU"],
            "event_tag": "jackets",
            "user_data": {
                "em": [EMAIL],
                "client_ip_address": "203.0.113.7",
                "client_user_agent": "Browser/1",
                "sc_click_id": "c-1",
                "sc_cookie1": SCID,
            },
            "custom_data": {"value": "43", "currency": "usd", "event_tag": "own"},
        }
    )
    [event] = one.batch.events
    assert (event.name, event.id, event.time) == ("PURCHASE", "d-1", 1642815764)
    assert event.properties == {
        "value": "43",
        "currency": "usd",
        "event_tag": "own",
        "data_processing_options": ["LDU"],
    }
    assert one.batch.user["em"] == [EMAIL]
    assert one.batch.pixels == (PIXEL,)
    assert one.batch.click_id == "c-1"
    assert one.batch.page_url == "https://www.example.com/a"
    assert (one.scid, one.user_agent, one.address) == (SCID, "Browser/1", "203.0.113.7")
    assert one.channel == "WEB"


@pytest.mark.parametrize("test", [True, False])
def test_validation_makes_test_events(test: bool) -> None:
    assert v2({}, test=test).batch.events[0].test is test
    assert v3({}, test=test).batch.events[0].test is test


@pytest.mark.parametrize(
    ("given", "channel"),
    [(None, "WEB"), ("OFFLINE", "OFFLINE"), ("MOBILE_APP", "MOBILE_APP"), ("?", "WEB")],
)
def test_the_place_is_what_the_event_says(given: object, channel: str) -> None:
    assert v2({"event_conversion_type": given}).channel == channel
    assert v3({"action_source": given}).channel == channel


def test_an_app_s_events_go_to_its_integration() -> None:
    assert v2({"snap_app_id": "app-1"}).batch.pixels == ("app-1",)
    assert v2({}).batch.pixels is None


def test_a_raw_address_in_the_hashed_field_is_taken_as_one() -> None:
    one = v2({"hashed_ip_address": "203.0.113.7"})
    assert (one.address, one.address_sha256) == ("203.0.113.7", "")


def test_the_other_spelling_of_the_cookie_is_known_and_junk_is_none() -> None:
    assert v2({"uuid_c1": 5, "hashed_sc_cookie": SCID}).scid == SCID
    assert v2({"uuid_c1": "a b"}).names == ()


def test_consent_may_be_added_and_opting_out_is_a_no() -> None:
    assert v2({}).batch.consent is None
    assert v2({"consent": {"ad": True}}).batch.consent == {"categories": {"advertising": True}}
    assert v3({"consent": {"ad": True}}).batch.consent == {"categories": {"advertising": True}}
    assert v3({"opt_out": True}).batch.consent == {"ad": False}
    assert v3({"opt_out": 0}).batch.consent is None


@pytest.mark.parametrize("wrong", [None, 5, "x", [], {}, [[]], True, "x" * 2000])
def test_fields_of_another_type_say_nothing(wrong: object) -> None:
    fields = ("pixel_id", "page_url", "uuid_c1", "click_id", "hashed_ip_address", "consent")
    one = v2(dict.fromkeys((*fields, "user_agent", "hashed_email"), wrong))
    assert (one.scid, one.address, one.batch.consent) == ("", "", None)
    assert v3({"user_data": wrong, "custom_data": wrong}).batch.user == {}


def test_an_array_has_several_events_and_a_bad_one_costs_itself() -> None:
    events = [{"event_type": "PURCHASE"}, {"event_type": 5}, 5, {"event_type": "x" * 300}]
    events += [{"event_type": "PAGE_VIEW", "x": "y" * 40_000}, {"event_type": "A", "b": "\0"}]
    found = list(read_v2(json.dumps([*events, {"event_type": "PAGE_VIEW"}]).encode(), test=False))
    codes = [one.code if isinstance(one, Unacceptable) else "" for one in found]
    assert codes == [
        "",
        "no_name",
        "unreadable",
        "too_long",
        "too_large",
        "control_character",
        "",
    ]
    last = found[-1]
    assert isinstance(last, Report)
    assert last.batch.events[0].index == 6


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"[]", "no_events"),
        (b"[" * 10, "unreadable"),
        (b"[" + b"1," * 2000 + b"1]", "too_many_events"),
        (b"[" * 90_000, "unreadable"),
    ],
)
def test_a_v2_body_without_events_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(BadBatch) as caught:
        read_v2(body, test=False)
    assert (caught.value.status, caught.value.code) == (400, code)


def test_a_v2_body_that_is_no_object_is_a_bad_event() -> None:
    for body in (b"", b"5", b"hello", b"\xff"):
        [no] = read_v2(body, test=False)
        assert isinstance(no, Unacceptable)
        assert no.code == "unreadable"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "unreadable"),
        (b"[]", "unreadable"),
        (b"{}", "unreadable"),
        (b'{"data":{}}', "unreadable"),
        (b'{"data":[]}', "no_events"),
        (b'{"data":[' + b"1," * 2000 + b"1]}", "too_many_events"),
    ],
)
def test_a_v3_body_without_events_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(BadBatch) as caught:
        read_v3(body, PIXEL, test=False)
    assert (caught.value.status, caught.value.code) == (400, code)

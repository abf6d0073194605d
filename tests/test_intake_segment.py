"""Segment's calls read: one visitor and one event each, and a bad one costs only itself."""

import json
from typing import Any

import pytest

from edgeproxy.errors import BadBatch
from edgeproxy.intake.raw import Rejected
from edgeproxy.intake.report import Report
from edgeproxy.intake.segment import Call, open_request, read
from edgeproxy.pii import sha256_hex

SCID = "5e2f7c1a-9b3d-4e6f-8a10-2c4d6e8f0a1b"


def told(message: dict[str, Any], call: Call = "track", **shared: Any) -> Report:
    """The one message of a batch, as read."""
    body = {"batch": [{"type": call, "event": "Order Completed", **message}], **shared}
    [found] = read(open_request(json.dumps(body).encode(), None))
    assert isinstance(found, Report)
    return found


def refused(message: object, call: Call | None = None) -> str:
    """The code under which the one message of a batch is refused."""
    body = json.dumps({"batch": [message]} if call is None else message).encode()
    [no] = read(open_request(body, call))
    assert isinstance(no, Rejected)
    assert no.index == 0
    return no.code


def test_a_single_call_has_its_key_in_the_message() -> None:
    body = {"writeKey": "k", "event": "Order Completed", "userId": 7, "sentAt": "2026-11-22T01:00Z"}
    request = open_request(json.dumps(body).encode(), "track")
    assert request.write_key == "k"
    [one] = read(request)
    assert isinstance(one, Report)
    assert one.batch.events[0].name == "Order Completed"
    assert one.batch.sent_at == "2026-11-22T01:00Z"
    assert one.batch.user == {"external_id": "7"}
    assert one.names == ("user\0" + "7",)


def test_the_event_is_what_the_message_says() -> None:
    one = told(
        {
            "messageId": "m-1",
            "timestamp": "2026-11-22T01:02:03Z",
            "properties": {"order_id": "o-1", "value": 5},
        },
        sentAt="2026-11-22T01:02:04Z",
    )
    [event] = one.batch.events
    assert (event.index, event.id, event.call, event.test) == (0, "m-1", "track", False)
    assert event.time == "2026-11-22T01:02:03Z"
    assert event.properties == {"order_id": "o-1", "value": 5}
    assert one.batch.sent_at == "2026-11-22T01:02:04Z"
    assert one.batch.pixels is None


def test_the_first_time_of_a_message_counts_when_there_is_no_other() -> None:
    assert told({"originalTimestamp": "x"}).batch.events[0].time == "x"


@pytest.mark.parametrize(
    ("message", "scid", "names"),
    [
        ({}, "", ()),
        ({"anonymousId": SCID}, SCID, (SCID,)),
        ({"anonymousId": SCID, "userId": "u"}, SCID, (SCID,)),
        ({"anonymousId": "a b", "userId": "u"}, "", ("anonymous\0a b",)),
        ({"anonymousId": "short"}, "", ("anonymous\0short",)),
        ({"anonymousId": "person@example.com"}, "", ("anonymous\0person@example.com",)),
        ({"userId": "u"}, "", ("user\0u",)),
        ({"userId": "u" * 300}, "", ("user\0" + sha256_hex("u" * 300),)),
        ({"userId": ["u"], "anonymousId": {}}, "", ()),
        ({"context": {"_scid": SCID}, "anonymousId": "other-id"}, SCID, (SCID,)),
        ({"properties": {"uuid_c1": SCID}}, SCID, (SCID,)),
        ({"integrations": {"Snapchat": {"sc_cookie1": SCID}}}, SCID, (SCID,)),
        ({"properties": {"uuid_c1": "no id"}, "anonymousId": SCID}, SCID, (SCID,)),
        ({"properties": {"uuid_c1": 5}}, "", ()),
    ],
)
def test_the_visitor_is_the_anonymous_id_else_the_user(
    message: dict[str, Any], scid: str, names: tuple[str, ...]
) -> None:
    one = told(message)
    assert (one.scid, one.names) == (scid, names)


def test_identify_joins_both_names_of_a_visitor() -> None:
    one = told({"anonymousId": SCID, "userId": "u", "traits": {"email": "a@b.example"}}, "identify")
    assert one.names == (SCID, "user\0u")
    assert one.batch.user == {"email": "a@b.example", "external_id": "u"}
    assert [event.name for event in one.batch.events] == ["identify"]


def test_the_person_is_in_traits_in_the_device_and_in_two_properties() -> None:
    one = told(
        {
            "userId": "u",
            "properties": {"email": "property@b.example", "phone": "1", "city": "a hotel's"},
            "context": {
                "traits": {"email": "trait@b.example", "address": {"city": "Oakland"}},
                "device": {"advertisingId": "AD-1"},
            },
        }
    )
    assert one.batch.user == {
        "mobile_ad_id": "AD-1",
        "email": "trait@b.example",
        "phone": "1",
        "address": {"city": "Oakland"},
        "external_id": "u",
    }


def test_the_visitor_s_address_and_browser_come_from_the_context() -> None:
    one = told({"context": {"ip": " [2001:DB8::7]:443 ", "userAgent": "Browser/1"}})
    assert (one.address, one.user_agent, one.channel) == ("2001:db8::7", "Browser/1", "WEB")


@pytest.mark.parametrize("wrong", [None, 5, [], {}, "a\r\nb", "x" * 3000, True])
def test_a_strange_context_says_nothing(wrong: object) -> None:
    fields = ("ip", "userAgent", "page", "traits", "device", "os", "library", "consent", "channel")
    one = told({"context": dict.fromkeys(fields, wrong), "integrations": wrong})
    address, agent, page = one.address, one.user_agent, one.batch.page_url
    assert (address, agent if wrong != 5 else "", page) == ("", "", "")
    assert one.batch.consent is None
    assert told({"context": wrong}).batch.user == {}


def test_what_the_batch_says_holds_for_its_messages_unless_they_say_otherwise() -> None:
    shared: dict[str, Any] = {
        "context": {"ip": "203.0.113.7", "userAgent": "Shared/1"},
        "integrations": {"All": False},
        "consent": {"ad": True},
        "test_mode": True,
    }
    one = told({"context": {"userAgent": "Own/1"}, "integrations": {"All": True}}, **shared)
    assert (one.address, one.user_agent) == ("203.0.113.7", "Own/1")
    assert one.batch.pixels is None
    assert one.batch.consent == {"categories": {"advertising": True}}
    assert one.batch.events[0].test
    assert told({}, **shared).batch.pixels == ()


@pytest.mark.parametrize(
    "message",
    [{"test_mode": True}, {"context": {"test_mode": True}}, {"properties": {"test_mode": True}}],
)
def test_test_mode_may_stand_in_any_place(message: dict[str, Any]) -> None:
    assert told(message).batch.events[0].test
    assert not told({"test_mode": 1}).batch.events[0].test


@pytest.mark.parametrize(
    ("message", "click_id"),
    [
        ({"integrations": {"Snap Conversions Api": {"click_id": "c-1"}}}, "c-1"),
        ({"context": {"ScCid": "c-2"}}, "c-2"),
        ({"context": {"click_ids": {"sccid": "c-3"}}}, "c-3"),
        ({"context": {"click_id": "no id"}}, ""),
    ],
)
def test_the_click_may_be_an_option_or_in_the_context(
    message: dict[str, Any], click_id: str
) -> None:
    assert told(message).batch.click_id == click_id


def test_a_page_call_has_its_address_in_its_properties_and_other_calls_a_product_s() -> None:
    properties = {"url": "https://shop.example/a", "referrer": "https://www.snapchat.com/"}
    page = told({"properties": properties}, "page")
    assert (page.batch.page_url, page.batch.referrer) == tuple(properties.values())
    assert page.channel == "WEB"
    track = told({"properties": properties})
    assert (track.batch.page_url, track.batch.referrer, track.channel) == ("", "", "OFFLINE")
    context = {"page": {"url": "https://shop.example/c", "referrer": 5}}
    assert told({"context": context, "properties": properties}).batch.page_url.endswith("/c")
    assert told({"context": {"page": {"url": "https://x/" + "y" * 9000}}}).batch.page_url == ""


@pytest.mark.parametrize(
    ("message", "title"),
    [
        ({"name": "Quiz"}, "Quiz"),
        ({"properties": {"name": "Quiz"}}, "Quiz"),
        ({}, "page"),
        ({"name": "x" * 300}, "page"),
        ({"name": "\0"}, "page"),
        ({"name": "Orders of jane@example.com"}, "page"),
    ],
)
def test_a_page_s_name_is_its_title(message: dict[str, Any], title: str) -> None:
    [event] = told({"event": None, **message}, "page").batch.events
    assert (event.name, event.call) == (title, "page")
    assert told(message, "screen").batch.events[0].call == "page"


def test_denied_tracking_is_limited_data_use() -> None:
    context = {"device": {"adTrackingEnabled": False}}
    assert told({"context": context}).batch.events[0].properties == {"data_use": "lmu"}
    own = told({"context": context, "properties": {"data_use": []}})
    assert own.batch.events[0].properties == {"data_use": []}


@pytest.mark.parametrize("call", ["group", "alias"])
def test_calls_that_are_about_no_event_are_passed_over(call: Call) -> None:
    body = json.dumps({"batch": [{"type": call, "userId": "u"}]}).encode()
    assert list(read(open_request(body, None))) == [None]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({}, "bad_type"),
        ({"type": "purchase"}, "bad_type"),
        ({"type": 5}, "bad_type"),
        ({"type": ["track"]}, "bad_type"),
        (5, "unreadable"),
        (None, "unreadable"),
        ([], "unreadable"),
        ({"type": "track"}, "no_name"),
        ({"type": "track", "event": "\0"}, "control_character"),
        ({"type": "track", "event": "x", "properties": []}, "no error"),
        ({"type": "track", "event": "x", "properties": [1]}, "unreadable"),
        ({"type": "track", "event": "x", "properties": "y"}, "unreadable"),
        ({"type": "track", "event": "x", "messageId": "a\nb"}, "control_character"),
        ({"type": "track", "event": "x", "messageId": 10**30}, "bad_number"),
        ({"type": "track", "event": "x", "properties": {"x": "\0"}}, "control_character"),
        ({"type": "track", "event": "x", "x": ["y" * 100] * 400}, "too_large"),
    ],
)
def test_a_bad_message_is_refused_by_its_index(message: object, code: str) -> None:
    if code == "no error":
        assert told(message).batch.events[0].properties == {}  # type: ignore[arg-type]
        return
    assert refused(message) == code
    good = {"type": "page"}
    body = json.dumps({"batch": [good, message, good]}).encode()
    first, no, last = read(open_request(body, None))
    assert isinstance(first, Report)
    assert isinstance(last, Report)
    assert [one.batch.events[0].index for one in (first, last)] == [0, 2]
    assert isinstance(no, Rejected)
    assert (no.index, no.code) == (1, code)


def test_the_older_name_of_the_type_is_known() -> None:
    body = json.dumps({"batch": [{"action": "Track", "event": "x"}]}).encode()
    [one] = read(open_request(body, None))
    assert isinstance(one, Report)
    assert one.batch.events[0].name == "x"


def test_half_a_character_costs_nothing() -> None:
    body = b'{"batch":[{"type":"track","event":"x","properties":{"query":"\\ud83d"}}]}'
    [one] = read(open_request(body, None))
    assert isinstance(one, Report)
    assert one.batch.events[0].properties == {"query": "\ufffd"}


@pytest.mark.parametrize(
    ("body", "call", "status", "code"),
    [
        (b"", None, 400, "unreadable"),
        (b"[]", None, 400, "unreadable"),
        (b"{}", None, 400, "unreadable"),
        (b'{"batch":5}', None, 400, "unreadable"),
        (b'{"batch":[]}', None, 400, "no_events"),
        (b'{"batch":[' + b"1," * 2500 + b"1]}", None, 413, "too_many_events"),
        (b"", "track", 400, "unreadable"),
        (b"[]", "track", 400, "unreadable"),
        (b"[" * 9000, "track", 400, "unreadable"),
        (b"\xff\xfe", "page", 400, "unreadable"),
    ],
)
def test_what_is_no_call_is_refused_as_a_whole(
    body: bytes, call: Call | None, status: int, code: str
) -> None:
    with pytest.raises(BadBatch) as caught:
        open_request(body, call)
    assert (caught.value.status, caught.value.code) == (status, code)

"""Segment's context and integrations: where it happened, on what, and with whose leave."""

from typing import Any

import pytest

from edgeproxy.event import Device
from edgeproxy.intake.context import (
    channel_of,
    consent_of,
    conversion_type,
    device_ids,
    device_of,
    said_channel,
    snap_options,
    text,
    tracking_denied,
)

WRONG: list[Any] = [None, 1, True, "x", [], [{}], {"name": []}]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("u-1", "u-1"),
        (" u-1 ", "u-1"),
        (7, "7"),
        (None, ""),
        (1.5, ""),
        (True, ""),
        ([], ""),
        ("a\nb", ""),
        ("x" * 2049, ""),
        ("x" * 2048, "x" * 2048),
    ],
)
def test_a_text_is_printable_and_bounded(value: object, found: str) -> None:
    assert text(value) == found


@pytest.mark.parametrize(
    ("value", "channel"),
    [
        ("WEB", "WEB"),
        ("web", "WEB"),
        ("website", "WEB"),
        ("MOBILE_APP", "MOBILE_APP"),
        ("mobile app", "MOBILE_APP"),
        ("app", "MOBILE_APP"),
        ("OFFLINE", "OFFLINE"),
        ("physical_store", "OFFLINE"),
        ("phone_call", "OFFLINE"),
        ("server", None),
        ("", None),
        (7, None),
        (None, None),
    ],
)
def test_snap_s_words_for_the_place_are_known(value: object, channel: str | None) -> None:
    assert conversion_type(value) == channel


def test_what_the_caller_says_counts_first_and_snap_s_field_before_segment_s() -> None:
    told = {"Event-Conversion-Type": "offline"}
    assert said_channel([{}, told], ["browser"]) == "OFFLINE"
    assert said_channel([{"eventConversionType": "?"}, {"action_source": "app"}], []) == (
        "MOBILE_APP"
    )
    assert said_channel([{"channel": "mobile"}], ["server", "browser"]) == "WEB"
    assert said_channel([{"x": 1}], ["server", None, 5]) is None


@pytest.mark.parametrize(
    ("context", "channel"),
    [
        ({}, "OFFLINE"),
        ({"library": {"name": "analytics-python"}}, "OFFLINE"),
        ({"ip": "203.0.113.7"}, "OFFLINE"),
        ({"userAgent": "Mozilla/5.0"}, "WEB"),
        ({"library": {"name": "analytics.js"}}, "WEB"),
        ({"library": {"name": "analytics-swift"}}, "MOBILE_APP"),
        ({"library": {"name": "@segment/analytics-react-native"}}, "MOBILE_APP"),
        ({"library": {"name": "analytics-kotlin"}, "userAgent": "Dalvik"}, "MOBILE_APP"),
        ({"device": {"advertisingId": "38400000-8CF0-11BD-B23E-10B96E40000D"}}, "MOBILE_APP"),
        ({"device": {"advertisingId": ""}}, "OFFLINE"),
        *(({"device": one, "library": one, "userAgent": {}}, "OFFLINE") for one in WRONG),
    ],
)
def test_the_context_tells_app_browser_and_neither_apart(
    context: dict[str, Any], channel: str
) -> None:
    assert channel_of(context, page=False) == channel


def test_a_page_is_in_a_browser_unless_an_app_shows_it() -> None:
    assert channel_of({}, page=True) == "WEB"
    assert channel_of({"library": {"name": "analytics-ios"}}, page=True) == "MOBILE_APP"


def test_the_device_is_what_the_app_s_library_says() -> None:
    context = {
        "device": {"model": "iPhone16,2", "type": "ios", "id": "A-1", "advertisingId": "B-2"},
        "os": {"name": "iOS", "version": "18.1"},
    }
    assert device_of(context) == Device(model="iPhone16,2", os="iOS", os_version="18.1")
    assert device_ids(context) == {"mobile_ad_id": "B-2", "idfv": "A-1"}
    android = {"device": {"type": "android", "id": "C-3"}, "os": {"name": "android"}}
    assert device_of(android) == Device(os="Android")
    assert device_ids(android) == {}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_strange_device_is_none(wrong: object) -> None:
    assert device_of({"device": wrong, "os": wrong}) is None
    assert device_ids({"device": wrong}) == {}
    assert not tracking_denied({"device": wrong})


def test_a_denied_leave_to_track_is_seen() -> None:
    assert tracking_denied({"device": {"adTrackingEnabled": False}})
    assert not tracking_denied({"device": {"adTrackingEnabled": 0}})
    assert not tracking_denied({})


@pytest.mark.parametrize(
    ("places", "said"),
    [
        ([], None),
        ([{}], None),
        ([{"consent": None}], None),
        ([{"consent": "yes"}], None),
        ([{"consent": {"ad": None}}], None),
        ([{"consent": {"ad": True}}], {"advertising": True}),
        ([{"consent": {"ad": False}}], {"advertising": False}),
        ([{"consent": {"categoryPreferences": {"Advertising": True}}}], {"advertising": True}),
        (
            [{"consent": {"categoryPreferences": {"C0004": True, "ADVERTISING": False}}}],
            {"C0004": True, "advertising": False},
        ),
        ([{"consent": {"categories": {"advertising": "yes"}}}], {"advertising": "yes"}),
        (
            [
                {
                    "consent": {
                        "ad": True,
                        "categoryPreferences": {"Advertising": False, "advertising": True},
                    }
                }
            ],
            {"advertising": False},
        ),
        ([{"consent": {"ad": False}}, {"consent": {"ad": True}}], {"advertising": False}),
        ([{"consent": {"ad": True}}, {"consent": {"ad": False}}], {"advertising": False}),
        ([{"consent": {"categoryPreferences": ["Advertising"]}}], None),
    ],
)
def test_of_several_answers_the_no_counts(
    places: list[dict[str, Any]], said: dict[str, Any] | None
) -> None:
    assert consent_of(places) == (None if said is None else {"categories": said})


@pytest.mark.parametrize(
    ("integrations", "wanted", "options"),
    [
        ({}, True, {}),
        ({"All": True}, True, {}),
        ({"All": False}, False, {}),
        ({"all": False}, False, {}),
        ({"All": False, "Snapchat Conversions": True}, True, {}),
        ({"All": True, "Snap Conversions Api": False}, False, {}),
        ({"All": False, "snapchat": {"click_id": "c"}}, True, {"click_id": "c"}),
        ({"Google Analytics": False}, True, {}),
        ({"All": 0}, True, {}),
    ],
)
def test_integrations_switch_us_on_and_off(
    integrations: dict[str, Any], wanted: bool, options: dict[str, Any]
) -> None:
    assert snap_options(integrations) == (wanted, options)

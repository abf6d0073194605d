"""The sandbox refuses what Snap documents as wrong, names why, and lets good events through."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.sandbox.checks import NAMES
from edgeproxy.sandbox.rules import DAY_MS, Judged, judge_v2, judge_v3

NOW = 1_795_000_000_000
PIXEL = "67d34640-b7a4-42a8-b821-6434d70f08a4"
DIGEST = "542d240129883c019e106e3b1b2d3f3cb3537c43c425364de8e951d5a3083345"
DIGEST_OF_NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
DIGEST_OF_NULL = "74234e98afe7498fb5daf1f36ac2d78acc339464f950703b8c019892f982b90b"
DIGEST_OF_LOOPBACK = "12ca17b49af2289436f303e0166030a21e525d266e209267433801a8fd4071a0"
GONE = object()

V2: dict[str, Any] = {
    "pixel_id": PIXEL,
    "event_type": "PURCHASE",
    "event_conversion_type": "WEB",
    "timestamp": NOW - 5000,
    "client_dedup_id": "evt-1",
    "page_url": "https://shop.example.com/done",
    "hashed_email": DIGEST,
    "hashed_ip_address": DIGEST,
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0)",
    "price": 129.99,
    "currency": "USD",
    "transaction_id": "ORD-1",
    "item_ids": ["A", "B"],
    "number_items": 2,
}
V3: dict[str, Any] = {
    "event_name": "PURCHASE",
    "event_time": NOW // 1000 - 5,
    "action_source": "WEB",
    "event_source_url": "https://shop.example.com/done",
    "event_id": "evt-1",
    "user_data": {"em": [DIGEST], "client_ip_address": "203.0.113.7", "client_user_agent": "Moz"},
    "custom_data": {
        "currency": "USD",
        "value": 129.99,
        "content_ids": ["A"],
        "contents": [{"id": "A", "quantity": "2", "item_price": "5.50", "brand": "Acme"}],
        "num_items": 2,
        "order_id": "ORD-1",
    },
}
EXTINFO = ["i2", "com.example.shop", "1", "1.2", "17.5", "", "", "", "", "", "", "", "", "", "", ""]


def changed(event: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A deep copy with some fields set by their dotted path, or taken away by GONE."""
    copy: dict[str, Any] = json.loads(json.dumps(event))
    for path, value in changes.items():
        *outer, last = path.split(".")
        at = copy
        for name in outer:
            at = at.setdefault(name, {})
        if value is GONE:
            del at[last]
        else:
            at[last] = value
    return copy


def faults(judged: Judged) -> list[tuple[str, str]]:
    return [(fault.code, fault.field) for fault in judged.faults]


def warnings(judged: Judged) -> list[tuple[str, str]]:
    return [(warning.code, warning.field) for warning in judged.warnings]


def golden() -> Iterator[Any]:
    cases = json.loads((Path(__file__).parent / "cases" / "mapping.json").read_text())
    for case in cases["cases"] + cases.get("more", []):
        v2, v3 = case["expected"]["v2"], case["expected"]["v3"]
        bodies = [("v2", one) for one in (v2 if isinstance(v2, list) else [v2] if v2 else [])]
        bodies += [("v3", one) for one in (v3["data"] if v3 else [])]
        for index, (dialect, body) in enumerate(bodies):
            yield pytest.param(dialect, body, case, id=f"{case['name']}-{dialect}-{index}")


@pytest.mark.parametrize(("dialect", "body", "case"), list(golden()))
def test_every_golden_body_is_accepted(dialect: str, body: Any, case: Any) -> None:
    judge = judge_v2 if dialect == "v2" else judge_v3
    judged = judge(body, now_ms=case["context"]["now"])
    assert judged.faults == ()
    low = ("low_match", "event" if dialect == "v2" else "user_data") in warnings(judged)
    assert case["expected"]["low_match"] in (low, None)
    others = [code for code, field in warnings(judged) if field != "app_data.extinfo"]
    assert others == (["low_match"] if low else [])


def test_golden_cases_are_there() -> None:
    assert len(list(golden())) > 70


def test_good_events_have_neither_faults_nor_warnings() -> None:
    assert judge_v2(V2, now_ms=NOW) == Judged()
    assert judge_v3(V3, now_ms=NOW) == Judged()


BAD_V2: list[tuple[dict[str, Any], str, str]] = [
    ({"event_type": GONE}, "missing", "event_type"),
    ({"event_conversion_type": GONE}, "missing", "event_conversion_type"),
    ({"timestamp": GONE}, "missing", "timestamp"),
    ({"pixel_id": GONE}, "missing", "pixel_id"),
    ({"pixel_id": "my-pixel"}, "bad_pixel", "pixel_id"),
    ({"pixel_id": 7}, "bad_pixel", "pixel_id"),
    ({"event_type": "LEAD"}, "bad_name", "event_type"),
    ({"event_type": "ADD_TO_CART"}, "bad_name", "event_type"),
    ({"event_type": "SPEND_CREDITS"}, "bad_name", "event_type"),
    ({"event_type": "CUSTOM_EVENT_6"}, "bad_name", "event_type"),
    ({"event_type": "purchase"}, "bad_name", "event_type"),
    ({"event_type": 5}, "bad_type", "event_type"),
    ({"event_conversion_type": "web"}, "bad_value", "event_conversion_type"),
    ({"event_conversion_type": "website"}, "bad_value", "event_conversion_type"),
    ({"event_conversion_type": "MOBILE_APP"}, "missing", "snap_app_id"),
    ({"event_conversion_type": "MOBILE_APP", "snap_app_id": PIXEL}, "missing", "app_id"),
    ({"timestamp": NOW // 1000}, "bad_time", "timestamp"),
    ({"timestamp": str(NOW // 1000)}, "bad_time", "timestamp"),
    ({"timestamp": float(NOW)}, "bad_time", "timestamp"),
    ({"timestamp": True}, "bad_time", "timestamp"),
    ({"timestamp": "2026-11-21T00:00:00Z"}, "bad_time", "timestamp"),
    ({"timestamp": "٣٣٣"}, "bad_time", "timestamp"),
    ({"timestamp": -5}, "out_of_range", "timestamp"),
    ({"timestamp": NOW + 11 * 60_000}, "out_of_range", "timestamp"),
    ({"timestamp": NOW - 37 * DAY_MS - 1}, "out_of_range", "timestamp"),
    ({"timestamp": NOW * 1000}, "out_of_range", "timestamp"),
    ({"price": GONE}, "missing", "price"),
    ({"currency": GONE}, "missing", "currency"),
    ({"currency": "XYZ"}, "bad_value", "currency"),
    ({"currency": 840}, "bad_type", "currency"),
    ({"price": "abc"}, "bad_value", "price"),
    ({"price": "NaN"}, "empty", "price"),
    ({"price": "null"}, "empty", "price"),
    ({"price": ""}, "empty", "price"),
    ({"price": None}, "empty", "price"),
    ({"price": True}, "bad_type", "price"),
    ({"price": ["5"]}, "bad_type", "price"),
    ({"hashed_email": "jane@example.com"}, "unhashed", "hashed_email"),
    ({"hashed_phone_number": "+15551234567"}, "unhashed", "hashed_phone_number"),
    ({"hashed_first_name_sha": "jane"}, "unhashed", "hashed_first_name_sha"),
    ({"hashed_zip": "10001"}, "unhashed", "hashed_zip"),
    ({"hashed_email": DIGEST.upper()}, "bad_hash", "hashed_email"),
    ({"hashed_email": DIGEST[:-1]}, "bad_hash", "hashed_email"),
    ({"hashed_email": DIGEST + "0"}, "bad_hash", "hashed_email"),
    ({"hashed_email": DIGEST_OF_NOTHING}, "bad_hash", "hashed_email"),
    ({"hashed_email": DIGEST_OF_NULL}, "bad_hash", "hashed_email"),
    ({"hashed_email": [DIGEST]}, "bad_hash", "hashed_email"),
    ({"hashed_email": " "}, "empty", "hashed_email"),
    ({"hashed_ip_address": "203.0.113.7"}, "unhashed", "hashed_ip_address"),
    ({"hashed_ip_address": DIGEST_OF_NOTHING}, "bad_hash", "hashed_ip_address"),
    ({"hashed_user_agent": "Mozilla/5.0"}, "unhashed", "hashed_user_agent"),
    ({"user_agent": DIGEST}, "hashed", "user_agent"),
    ({"user_agent": ""}, "empty", "user_agent"),
    ({"uuid_c1": None}, "empty", "uuid_c1"),
    ({"click_id": "undefined"}, "empty", "click_id"),
    ({"page_url": "/done"}, "bad_value", "page_url"),
    ({"page_url": "javascript:alert(1)"}, "bad_value", "page_url"),
    ({"page_url": "https://"}, "bad_value", "page_url"),
    ({"page_url": 5}, "bad_type", "page_url"),
    ({"item_ids": []}, "empty", "item_ids"),
    ({"item_ids": [{"id": "A"}]}, "bad_type", "item_ids"),
    ({"item_ids": ["A", ""]}, "empty", "item_ids"),
    ({"number_items": 1.5}, "bad_type", "number_items"),
    ({"number_items": "two"}, "bad_value", "number_items"),
    ({"transaction_id": {"id": 1}}, "bad_type", "transaction_id"),
    ({"data_use": 1}, "bad_type", "data_use"),
    ({"email": "jane@example.com"}, "unhashed", "email"),
]


@pytest.mark.parametrize(("changes", "code", "field"), BAD_V2, ids=str)
def test_v2_refuses(changes: dict[str, Any], code: str, field: str) -> None:
    assert (code, field) in faults(judge_v2(changed(V2, changes), now_ms=NOW))


@pytest.mark.parametrize(
    "changes",
    [
        {"price": "43"},
        {"price": "129.99"},
        {"price": 0},
        {"currency": "usd"},
        {"timestamp": str(NOW)},
        {"timestamp": NOW + 9 * 60_000},
        {"timestamp": NOW - 36 * DAY_MS},
        {"transaction_id": 123123123123},
        {"item_ids": "sam001"},
        {"item_ids": [1, 2]},
        {"number_items": "2"},
        {"data_use": ["lmu"]},
        {"data_use": "['lmu']"},
        {"hashed_sc_cookie": "OOd_8W0Y2ZnY0ZJQW_gILyv8O3ROGi_J"},
        {"hashed_user_agent": DIGEST},
        {"event_conversion_type": "OFFLINE", "page_url": GONE},
        {"event_conversion_type": "MOBILE_APP", "snap_app_id": PIXEL, "app_id": "com.example"},
        {"event_type": "PAGE_VIEW", "price": GONE, "currency": GONE},
        {"hashed_email": GONE},  # address and user agent together are enough
        {"search_string": "null hypothesis"},
        {"description": "none"},
    ],
    ids=str,
)
def test_v2_takes_without_a_word(changes: dict[str, Any]) -> None:
    assert judge_v2(changed(V2, changes), now_ms=NOW) == Judged()


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"client_dedup_id": GONE}, "no_id", "client_dedup_id"),
        ({"my_field": 1}, "unknown_field", "my_field"),
        ({"user_data": {}}, "unknown_field", "user_data"),
        ({"price": -1}, "bad_value", "price"),
        ({"click_id": DIGEST}, "hashed", "click_id"),
        ({"hashed_ip_address": DIGEST_OF_LOOPBACK}, "bad_ip", "hashed_ip_address"),
        ({"page_url": "https://a.example/?q=jane@example.com"}, "unhashed", "page_url"),
        ({"page_url": "https://a.example/?q=jane%40example.com"}, "unhashed", "page_url"),
        ({"data_use": ["xyz"]}, "bad_value", "data_use"),
        ({"hashed_email": GONE, "user_agent": GONE}, "low_match", "event"),
        ({"hashed_email": GONE, "hashed_ip_address": GONE}, "low_match", "event"),
    ],
    ids=str,
)
def test_v2_takes_with_a_warning(changes: dict[str, Any], code: str, field: str) -> None:
    judged = judge_v2(changed(V2, changes), now_ms=NOW)
    assert (faults(judged), warnings(judged)) == ([], [(code, field)])


def test_an_at_sign_in_a_path_is_no_email_address() -> None:
    event = changed(V2, {"page_url": "https://a.example/@jane"})
    assert judge_v2(event, now_ms=NOW) == Judged()


BAD_V3: list[tuple[dict[str, Any], str, str]] = [
    ({"event_name": GONE}, "missing", "event_name"),
    ({"event_time": GONE}, "missing", "event_time"),
    ({"action_source": GONE}, "missing", "action_source"),
    ({"user_data": GONE}, "missing", "user_data"),
    ({"user_data": [DIGEST]}, "bad_type", "user_data"),
    ({"user_data": None}, "empty", "user_data"),
    ({"custom_data": "x"}, "bad_type", "custom_data"),
    ({"event_source_url": GONE}, "missing", "event_source_url"),
    ({"event_name": "Purchase"}, "bad_name", "event_name"),
    ({"event_name": "generate_lead"}, "bad_name", "event_name"),
    ({"action_source": "web"}, "bad_value", "action_source"),
    ({"event_time": str(NOW // 1000)}, "bad_time", "event_time"),
    ({"event_time": NOW / 1000}, "bad_time", "event_time"),
    ({"event_time": NOW, "action_source": "OFFLINE"}, "bad_time", "event_time"),
    ({"event_time": NOW // 1000 + 660}, "out_of_range", "event_time"),
    ({"event_time": NOW // 1000 - 7 * 86_400 - 1}, "out_of_range", "event_time"),
    (
        {"event_time": NOW // 1000 - 38 * 86_400, "action_source": "OFFLINE"},
        "out_of_range",
        "event_time",
    ),
    ({"event_time": NOW - 8 * DAY_MS}, "out_of_range", "event_time"),
    ({"event_id": 5}, "bad_type", "event_id"),
    ({"user_data.em": DIGEST}, "bad_type", "user_data.em"),
    ({"user_data.em": ["jane@example.com"]}, "unhashed", "user_data.em"),
    ({"user_data.em": []}, "empty", "user_data.em"),
    ({"user_data.ph": ["+15551234567"]}, "unhashed", "user_data.ph"),
    ({"user_data.ph": [DIGEST, DIGEST_OF_NOTHING]}, "bad_hash", "user_data.ph"),
    ({"user_data.db": "19800131"}, "unhashed", "user_data.db"),
    ({"user_data.external_id": "jane@example.com"}, "unhashed", "user_data.external_id"),
    ({"user_data.external_id": 7}, "bad_type", "user_data.external_id"),
    ({"user_data.client_ip_address": "999.1.1.1"}, "bad_ip", "user_data.client_ip_address"),
    ({"user_data.client_ip_address": DIGEST}, "bad_ip", "user_data.client_ip_address"),
    ({"user_data.client_ip_address": "fe80::1%eth0"}, "bad_ip", "user_data.client_ip_address"),
    ({"user_data.client_ip_address": 3405803783}, "bad_ip", "user_data.client_ip_address"),
    ({"user_data.client_user_agent": DIGEST}, "hashed", "user_data.client_user_agent"),
    ({"user_data.madid": DIGEST}, "hashed", "user_data.madid"),
    ({"user_data.sc_cookie1": ""}, "empty", "user_data.sc_cookie1"),
    ({"user_data.email": "jane@example.com"}, "unhashed", "user_data.email"),
    ({"custom_data.value": GONE}, "missing", "custom_data.value"),
    ({"custom_data.value": "129.99"}, "bad_type", "custom_data.value"),
    ({"custom_data.currency": GONE}, "missing", "custom_data.currency"),
    ({"custom_data.currency": "EURO"}, "bad_value", "custom_data.currency"),
    ({"custom_data": GONE}, "missing", "custom_data.value"),
    ({"custom_data.num_items": "2"}, "bad_type", "custom_data.num_items"),
    ({"custom_data.num_items": 2.0}, "bad_type", "custom_data.num_items"),
    ({"custom_data.content_ids": "A"}, "bad_type", "custom_data.content_ids"),
    ({"custom_data.content_ids": [1]}, "bad_type", "custom_data.content_ids"),
    ({"custom_data.brands": ["Acme"]}, "bad_type", "custom_data.brands"),
    ({"custom_data.contents": []}, "empty", "custom_data.contents"),
    ({"custom_data.contents": {"id": "A"}}, "bad_type", "custom_data.contents"),
    ({"custom_data.contents": ["A"]}, "bad_type", "custom_data.contents[0]"),
    (
        {"custom_data.contents": [{"id": "A"}, {"id": "B", "quantity": 2}]},
        "bad_type",
        "custom_data.contents[1].quantity",
    ),
    (
        {"custom_data.contents": [{"id": "A", "item_price": "5 EUR"}]},
        "bad_value",
        "custom_data.contents[0].item_price",
    ),
    ({"data_processing_options": "['LMU']"}, "bad_type", "data_processing_options"),
    ({"opt_out": "no"}, "bad_type", "opt_out"),
    ({"action_source": "MOBILE_APP"}, "missing", "app_data"),
    ({"action_source": "app", "app_data": {"extinfo": EXTINFO}}, "missing", "app_data.app_id"),
    ({"action_source": "app", "app_data.app_id": "x"} | {"app_data.extinfo": EXTINFO[:15]},
     "bad_value", "app_data.extinfo"),
    ({"action_source": "app", "app_data.app_id": "x", "app_data.extinfo": ["web", *EXTINFO[1:]]},
     "bad_value", "app_data.extinfo"),
    ({"action_source": "app", "app_data.app_id": "x", "app_data.extinfo": ["i2", *[1] * 15]},
     "bad_value", "app_data.extinfo"),
    ({"action_source": "app", "app_data": {"advertiser_tracking_enabled": 2}}, "bad_type",
     "app_data.advertiser_tracking_enabled"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "code", "field"), BAD_V3, ids=str)
def test_v3_refuses(changes: dict[str, Any], code: str, field: str) -> None:
    assert (code, field) in faults(judge_v3(changed(V3, changes), now_ms=NOW))


@pytest.mark.parametrize(
    "changes",
    [
        {"action_source": "website"},
        {"action_source": "OFFLINE", "event_source_url": GONE},
        {"action_source": "OFFLINE", "event_time": NOW // 1000 - 36 * 86_400},
        {"action_source": "physical_store", "event_source_url": GONE},
        {"custom_data.value": 0},
        {"custom_data.currency": "eur"},
        {"custom_data.predicted_ltv": "10"},
        {"data_processing_options": ["LMU"], "data_processing_options_country": 0},
        {"user_data.external_id": ["u-1"]},
        {"user_data.em": GONE},
        {"user_data": {"madid": "38400000-8cf0-11bd-b23e-10b96e40000d"}},
        {
            "action_source": "MOBILE_APP",
            "app_data": {
                "app_id": "com.example.shop",
                "extinfo": EXTINFO,
                "advertiser_tracking_enabled": 0,
            },
        },
        {"event_name": "PAGE_VIEW", "custom_data": GONE},
    ],
    ids=str,
)
def test_v3_takes_without_a_word(changes: dict[str, Any]) -> None:
    assert judge_v3(changed(V3, changes), now_ms=NOW) == Judged()


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"event_id": GONE}, "no_id", "event_id"),
        ({"event_time": NOW}, "bad_time", "event_time"),
        ({"transaction_id": "ORD-1"}, "unknown_field", "transaction_id"),
        ({"custom_data.client_dedup_id": "x"}, "unknown_field", "custom_data.client_dedup_id"),
        ({"user_data.client_ip_address": "10.0.0.1"}, "bad_ip", "user_data.client_ip_address"),
        ({"user_data.client_ip_address": "::1"}, "bad_ip", "user_data.client_ip_address"),
        ({"user_data.client_ip_address": "224.0.0.1"}, "bad_ip", "user_data.client_ip_address"),
        ({"user_data.client_ip_address": "100.64.0.1"}, "bad_ip", "user_data.client_ip_address"),
        ({"user_data.sc_click_id": DIGEST}, "hashed", "user_data.sc_click_id"),
        (
            {"user_data.madid": "00000000-0000-0000-0000-000000000000"},
            "bad_value",
            "user_data.madid",
        ),
        ({"custom_data.num_items": -1}, "bad_value", "custom_data.num_items"),
        ({"custom_data.contents": [{"quantity": "1"}]}, "missing", "custom_data.contents[0].id"),
        ({"user_data": {"sc_cookie1": "a-cookie-value"}}, "low_match", "user_data"),
        (
            {"action_source": "MOBILE_APP", "app_data": {"app_id": "com.example"}},
            "missing",
            "app_data.extinfo",
        ),
    ],
    ids=str,
)
def test_v3_takes_with_a_warning(changes: dict[str, Any], code: str, field: str) -> None:
    judged = judge_v3(changed(V3, changes), now_ms=NOW)
    assert (faults(judged), warnings(judged)) == ([], [(code, field)])


def test_low_match_is_refused_on_request_and_no_identifier_always() -> None:
    low_v2 = changed(V2, {"hashed_email": GONE, "user_agent": GONE})
    low_v3 = changed(V3, {"user_data": {"sc_click_id": "abc"}})
    assert faults(judge_v2(low_v2, now_ms=NOW, refuse_low_match=True)) == [("low_match", "event")]
    assert faults(judge_v3(low_v3, now_ms=NOW, refuse_low_match=True)) == [
        ("low_match", "user_data")
    ]
    nobody_v2 = changed(low_v2, {"hashed_ip_address": GONE})
    assert faults(judge_v2(nobody_v2, now_ms=NOW)) == [("no_identifier", "event")]
    nobody_v3 = changed(V3, {"user_data": {}})
    assert faults(judge_v3(nobody_v3, now_ms=NOW)) == [("no_identifier", "user_data")]


@pytest.mark.parametrize("event", [None, 5, "PURCHASE", [V2], True])
def test_what_is_no_object_is_refused(event: object) -> None:
    for judge in (judge_v2, judge_v3):
        assert faults(judge(event, now_ms=NOW)) == [("bad_type", "event")]


def test_no_sentence_repeats_a_value() -> None:
    secret = "jane.secret@example.com"
    filled = dict.fromkeys([*V2, "email", "page_url"], f"https://{secret}")
    judged = judge_v2(filled, now_ms=NOW)
    assert judged.faults
    assert judged.warnings
    assert secret not in " ".join(map(str, judged.faults + judged.warnings))


def test_sentences_read_as_sentences() -> None:
    judged = judge_v2(changed(V2, {"price": GONE}), now_ms=NOW)
    assert [str(fault) for fault in judged.faults] == ["price is required for PURCHASE"]


def test_snaps_list_of_events_is_complete() -> None:
    assert len(NAMES) == 31
    assert {"SPENT_CREDITS", "CUSTOM_EVENT_5", "APP_INSTALL"} <= NAMES
    assert not {"LEAD", "ADD_TO_CART", "SPEND_CREDITS", "CUSTOM_EVENT_6"} & NAMES


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(V2)), JSON), JSON)
def test_no_v2_event_breaks_the_judge(values: dict[str, Any], other: object) -> None:
    assert isinstance(judge_v2({**V2, **values}, now_ms=NOW), Judged)
    assert isinstance(judge_v2(other, now_ms=NOW), Judged)


@given(
    st.sampled_from(["", "user_data.", "custom_data.", "app_data."]),
    st.sampled_from(
        [*V3, *V3["custom_data"], "em", "external_id", "client_ip_address", "app_data", "extinfo"]
    ),
    JSON,
)
def test_no_v3_event_breaks_the_judge(place: str, name: str, value: object) -> None:
    event = changed({**V3, "action_source": "MOBILE_APP"}, {place + name: value})
    assert isinstance(judge_v3(event, now_ms=NOW), Judged)

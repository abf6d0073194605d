"""Snap's own API as a way in: its shapes, its answers, our keys and our store."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeproxy.pii import email_sha256, sha256_hex
from tests import canary
from tests.edge import PIXEL, Answer, Life, Snap, now_ms, running_snap
from tests.keyed import KEY, basic, call, serving_keyed
from tests.until import until

SCID = "5e2f7c1a-9b3d-4e6f-8a10-2c4d6e8f0a1b"
EMAIL = email_sha256(canary.EMAIL)
LIVE = f"/v3/{PIXEL}/events"
_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def far_snap() -> Iterator[Snap]:
    with running_snap() as ours:
        yield ours


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory, far_snap: Snap) -> Iterator[Life]:
    with serving_keyed(tmp_path_factory.mktemp("shape"), far_snap.url) as life:
        yield life


def new_id() -> str:
    return f"shape-{next(_NUMBERS)}"


def v2(**more: Any) -> dict[str, Any]:
    """A purchase as Snap's v2 SDK writes it."""
    return {
        "pixel_id": PIXEL,
        "event_type": "PURCHASE",
        "event_conversion_type": "WEB",
        "timestamp": str(now_ms()),
        "client_dedup_id": new_id(),
        "hashed_email": EMAIL,
        "price": "43.5",
        "currency": "usd",
        **more,
    }


def v3(**more: Any) -> dict[str, Any]:
    """The same as Snap's v3 SDK writes it."""
    return {
        "event_name": "PURCHASE",
        "action_source": "website",
        "event_time": now_ms() // 1000,
        "event_id": new_id(),
        "user_data": {"em": [EMAIL]},
        "custom_data": {"value": "43.5", "currency": "USD"},
        **more,
    }


def post_v2(life: Life, body: object, path: str = "/v2/conversion", key: str = KEY) -> Answer:
    return call(life, path, body, key=None, headers={"Authorization": f"Bearer {key}"})


def post_v3(life: Life, *events: object, path: str = LIVE, key: str = KEY) -> Answer:
    return call(life, f"{path}?access_token={key}", {"data": events}, key=None)


def arrived(snap: Snap, event_id: str) -> dict[str, Any]:
    """The event as Snap got it."""

    def look() -> list[dict[str, Any]]:
        return [event for event in snap.events if event["client_dedup_id"] == event_id]

    [event] = until(look, f"{event_id} arrives")
    return event


def test_a_v2_event_goes_out_as_it_came_in(life: Life, far_snap: Snap) -> None:
    given = v2(
        uuid_c1=SCID,
        click_id="Click-9",
        hashed_ip_address=sha256_hex(canary.ADDRESS),
        user_agent=canary.AGENT,
        page_url="https://www.example.com/thanks",
        transaction_id="o-v2",
        item_ids=["SKU-A"],
        number_items="2",
        hashed_city_sha=sha256_hex("oakland"),
        hashed_mobile_ad_id=sha256_hex("ad"),
        data_use="['lmu']",
    )
    answer = post_v2(life, given)
    assert answer.status == 200
    assert answer.json() == {"status": "SUCCESS", "reason": "All records processed"}
    event = arrived(far_snap, given["client_dedup_id"])
    same = (
        "event_type",
        "event_conversion_type",
        "hashed_email",
        "hashed_city_sha",
        "hashed_mobile_ad_id",
        "hashed_ip_address",
        "user_agent",
        "uuid_c1",
        "click_id",
        "page_url",
        "transaction_id",
        "item_ids",
    )
    assert {name: event[name] for name in same} == {name: given[name] for name in same}
    assert event["timestamp"] == int(given["timestamp"])
    assert (event["price"], event["currency"], event["number_items"]) == (43.5, "USD", 2)
    assert event["data_use"] == ["lmu"]


def test_a_v3_event_goes_out_as_v2_when_the_integration_speaks_v2(
    life: Life, far_snap: Snap
) -> None:
    given = v3(
        event_source_url="https://www.example.com/thanks",
        user_data={
            "em": [EMAIL],
            "client_ip_address": canary.ADDRESS,
            "client_user_agent": canary.AGENT,
            "sc_cookie1": SCID,
            "sc_click_id": "Click-9",
        },
        custom_data={
            "value": 129.99,
            "currency": "USD",
            "order_id": "o-v3",
            "contents": [{"id": "SKU-A", "quantity": "2", "item_price": "49.99", "brand": "b"}],
        },
    )
    answer = post_v3(life, given)
    assert answer.status == 200
    assert answer.json() == {
        "status": "VALID",
        "reason": "All events have been processed successfully.",
    }
    event = arrived(far_snap, given["event_id"])
    assert event["timestamp"] == given["event_time"] * 1000
    assert event["hashed_ip_address"] == sha256_hex(canary.ADDRESS)
    assert (event["user_agent"], event["uuid_c1"]) == (canary.AGENT, SCID)
    assert (event["transaction_id"], event["item_ids"]) == ("o-v3", ["SKU-A"])
    assert (event["price"], event["number_items"]) == (129.99, 2)


def test_a_digest_of_the_address_is_no_address_for_v3(tmp_path: Path) -> None:
    """v3 takes the raw address only: what came hashed stays with us."""
    with running_snap() as snap, serving_keyed(tmp_path, snap.url, integration='api = "v3"') as own:
        given = v2(
            hashed_ip_address=sha256_hex(canary.ADDRESS),
            user_agent=canary.AGENT,
            page_url="https://www.example.com/",
        )
        assert post_v2(own, given).status == 200
        until(lambda: bool(snap.events), "it arrives")
        [event] = snap.events
    assert event["event_id"] == given["client_dedup_id"]
    assert "client_ip_address" not in event["user_data"]
    assert event["user_data"]["em"] == [EMAIL]


def test_some_bad_records_cost_themselves(life: Life, far_snap: Snap) -> None:
    good = v2()
    answer = post_v2(life, [v2(event_type=5), good, v2(timestamp="yesterday"), v2(pixel_id="x")])
    assert answer.status == 200
    told = answer.json()
    assert (told["status"], told["reason"]) == ("SUCCESS", "Some records failed")
    assert [
        (one["reason"].partition(":")[0], one["record_indexes"]) for one in told["error_records"]
    ] == [
        ("no_name", [1]),
        ("bad_time", [3]),
        ("unmapped", [4]),
    ]
    arrived(far_snap, good["client_dedup_id"])


def test_no_good_record_is_a_failure(life: Life) -> None:
    answer = post_v2(life, v2(pixel_id="00000000-0000-4000-8000-00000000dead"))
    assert (answer.status, answer.json()["status"]) == (400, "FAILED")
    assert answer.json()["error_records"][0]["record_indexes"] == [1]
    answer = post_v3(life, v3(), path="/v3/00000000-0000-4000-8000-00000000dead/events")
    assert (answer.status, answer.json()["status"]) == (400, "INVALID")
    assert answer.json()["errors"]["codes"] == ["unmapped"]
    assert answer.json()["event"] == 0


def test_the_first_bad_v3_event_is_named(life: Life, far_snap: Snap) -> None:
    good = v3()
    answer = post_v3(life, good, 5, v3(event_name=""))
    assert (answer.status, answer.json()["status"]) == (200, "VALID")
    assert answer.json()["event"] == 1
    assert answer.json()["errors"]["codes"] == ["unreadable"]
    arrived(far_snap, good["event_id"])


def test_validation_answers_for_each_event_and_reaches_snap_s_own(
    life: Life, far_snap: Snap
) -> None:
    answer = post_v2(life, [v2(), v2(event_type="")], "/v2/conversion/validate")
    assert answer.status == 200
    told = answer.json()
    assert told["status"] == "SUCCESS"
    assert [one["record_indexes"] for one in told["error_records"]] == [[2]]
    assert told["warning_records"] == told["validated_fields"] == []
    answer = post_v2(life, v2(), "/v2/conversion/validate")
    assert answer.json()["error_records"] == []
    answer = post_v3(life, v3(), v3(event_id="a\nb"), path=f"{LIVE}/validate")
    assert answer.status == 200
    assert answer.json()["test_event"] is True
    assert [one["status"] for one in answer.json()["event_logs"]] == ["VALID", "INVALID"]
    assert answer.json()["event_logs"][0]["errors"] == {}
    answer = post_v3(life, 5, path=f"{LIVE}/validate")
    assert (answer.status, answer.json()["status"]) == (200, "INVALID")
    until(
        lambda: (
            sum(r.events for r in far_snap.sandbox.requests if r.path.endswith("validate")) == 3
        ),
        "the three that were taken reach the validation",
    )


def test_consent_is_needed_where_the_source_needs_it(tmp_path: Path) -> None:
    """Snap's shapes have no field for it: one is added."""
    with (
        running_snap() as snap,
        serving_keyed(tmp_path, snap.url, consent="required") as strict,
    ):
        answer = post_v2(strict, [v2(), v2(consent={"ad": True})])
        assert answer.status == 200
        [record] = answer.json()["error_records"]
        assert record["record_indexes"] == [1]
        assert record["reason"].startswith("no_consent: ")
        answer = post_v3(strict, v3(opt_out=True, consent={"ad": True}))
        assert (answer.status, answer.json()["errors"]["codes"]) == (400, ["no_consent"])
        snap.arrived(1)


@pytest.mark.parametrize("path", ["/v2/conversion", "/v2/conversion/validate"])
def test_v2_takes_the_key_as_bearer_only(life: Life, path: str) -> None:
    """Fault 58."""
    for headers, query in (
        ({}, ""),
        ({}, f"?access_token={KEY}"),
        ({"Authorization": "Bearer wrong"}, ""),
        ({"Authorization": "Bearer"}, ""),
        ({"Authorization": basic()}, ""),
    ):
        answer = call(life, path + query, v2(), key=None, headers=headers)
        assert answer.status == 401
        assert answer.json() == {"status": "FAILED", "reason": "Authentication failed"}


@pytest.mark.parametrize("path", [LIVE, f"{LIVE}/validate"])
def test_v3_takes_the_key_as_access_token_or_bearer(life: Life, path: str) -> None:
    for query in ("", "?access_token=", "?access_token=wrong", f"?token={KEY}", "?" + "a=1&" * 99):
        answer = call(life, path + query, {"data": [v3()]}, key=None)
        assert answer.status == 401
        assert answer.json() == {"status": "INVALID", "reason": "Authentication failed"}
    headers = {"Authorization": f"Bearer {KEY}"}
    assert call(life, path, {"data": [v3()]}, key=None, headers=headers).status == 200


def test_an_unusable_body_is_refused_in_snap_s_shape(life: Life) -> None:
    for body in (b"[]", b"[1", b'{"data":[]}x'):
        answer = call(life, f"{LIVE}?access_token={KEY}", body, key=None)
        assert (answer.status, answer.json()["status"]) == (400, "INVALID")
    answer = post_v2(life, b"[]")
    assert answer.status == 400
    assert answer.json() == {"status": "FAILED", "reason": "no_events: the body has no events"}
    answer = post_v2(life, b" " * (1024 * 1024 + 1))
    assert (answer.status, answer.json()["status"]) == (413, "FAILED")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/conversion", 405),
        ("OPTIONS", LIVE, 405),
        ("POST", "/v3//events", 404),
        ("POST", "/v3/a/b/events", 404),
        ("POST", f"/v3/{'x' * 65}/events", 404),
        ("POST", f"{LIVE}/", 404),
        ("POST", f"{LIVE}/validate/logs", 404),
        ("POST", "/v3/%2e%2e/events", 404),
        ("POST", f"/x{LIVE}", 404),
    ],
)
def test_other_paths_are_not_snap_s(life: Life, method: str, path: str, status: int) -> None:
    assert life.request(method, path).status == status


def test_no_page_reads_these_answers(life: Life) -> None:
    answer = call(life, LIVE, {"data": []}, key=None, headers={"Origin": "null"})
    assert answer.header("Access-Control-Allow-Origin") is None


def test_a_proxy_may_deliver_to_another_one(life: Life, far_snap: Snap, tmp_path: Path) -> None:
    """What goes out in Snap's shape comes in again: address, agent, ids and all."""
    chained = serving_keyed(tmp_path, f"http://127.0.0.1:{life.port}", token=KEY)
    with chained as near:
        name = new_id()
        message = {
            "event": "Order Completed",
            "messageId": name,
            "anonymousId": SCID,
            "properties": {"order_id": new_id(), "total": 5, "currency": "EUR"},
            "context": {"ip": canary.ADDRESS, "userAgent": canary.AGENT},
        }
        assert call(near, "/v1/track", json.dumps(message)).status == 200
        event = arrived(far_snap, name)
    assert event["hashed_ip_address"] == sha256_hex(canary.ADDRESS)
    assert (event["uuid_c1"], event["user_agent"]) == (SCID, canary.AGENT)

"""Segment's HTTP API from outside: SDKs' own bytes, durability, visitors, consent, refusals."""

import base64
import gzip
import itertools
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeproxy.pii import email_sha256, sha256_hex
from tests import canary
from tests.edge import PIXEL, Life, Snap, now_ms, running_snap
from tests.keyed import KEY, OTHER_KEY, KeyedEdge, basic, call, serving_keyed
from tests.until import until

SCID = "5e2f7c1a-9b3d-4e6f-8a10-2c4d6e8f0a1b"
SUCCESS = {"success": True}
_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def far_snap() -> Iterator[Snap]:
    with running_snap() as ours:
        yield ours


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory, far_snap: Snap) -> Iterator[Life]:
    with serving_keyed(tmp_path_factory.mktemp("implied"), far_snap.url) as life:
        yield life


@pytest.fixture(scope="module")
def required(tmp_path_factory: pytest.TempPathFactory, far_snap: Snap) -> Iterator[Life]:
    folder = tmp_path_factory.mktemp("required")
    with serving_keyed(folder, far_snap.url, consent="required") as life:
        yield life


@pytest.fixture
def keyed(tmp_path: Path, snap: Snap) -> Iterator[KeyedEdge]:
    edge = KeyedEdge(tmp_path, snap.url)
    edge.configure()
    try:
        yield edge
    finally:
        edge.stop_all()


def new_id() -> str:
    return f"server-{next(_NUMBERS)}"


def order(**more: Any) -> dict[str, Any]:
    """A purchase as a track call."""
    name = new_id()
    properties = {"order_id": name, "total": 129.99, "currency": "USD"}
    return {"event": "Order Completed", "messageId": name, "properties": properties, **more}


def arrived(snap: Snap, message: dict[str, Any]) -> dict[str, Any]:
    """The event as Snap got it."""

    def look() -> list[dict[str, Any]]:
        name = message["messageId"]
        return [event for event in snap.events if event["client_dedup_id"] == name]

    [event] = until(look, f"{message['messageId']} arrives")
    return event


def passed_over(life: Life, snap: Snap, message: dict[str, Any]) -> bool:
    """Whether a later event has arrived and this one has not."""
    later = order(
        userId="later", consent={"ad": True}, context={"traits": {"email": "a@b.example"}}
    )
    assert call(life, "/v1/track", later).json() == SUCCESS
    arrived(snap, later)
    return all(event["client_dedup_id"] != message["messageId"] for event in snap.events)


# What SDKs send ---------------------------------------------------------------------------------

PYTHON = (
    b"POST /v1/batch HTTP/1.1\r\n"
    b"Host: 127.0.0.1\r\n"
    b"User-Agent: analytics-python/2.3.5\r\n"
    b"Accept-Encoding: gzip, deflate, br\r\n"
    b"Accept: */*\r\n"
    b"Connection: keep-alive\r\n"
    b"Content-Type: application/json\r\n"
)
"""As analytics-python 2.3.5 writes it, by way of requests."""

NODE = (
    b"POST /v1/batch HTTP/1.1\r\n"
    b"host: 127.0.0.1\r\n"
    b"connection: keep-alive\r\n"
    b"Content-Type: application/json\r\n"
    b"User-Agent: analytics-node-next/latest\r\n"
    b"Authorization: " + basic().encode() + b"\r\n"
    b"accept: */*\r\n"
    b"accept-language: *\r\n"
    b"sec-fetch-mode: cors\r\n"
    b"accept-encoding: gzip, deflate\r\n"
)
"""As @segment/analytics-node 3.1.0 writes it, by way of Node's fetch."""


def answered(life: Life, head: bytes, body: bytes) -> bytes:
    """The answer to a request of exactly these bytes."""
    with socket.create_connection(("127.0.0.1", life.port), timeout=10) as line:
        line.sendall(head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        found = b""
        while not found.endswith(b"}"):
            found += line.recv(65536)
    return found


def python_body(name: str) -> bytes:
    """The body of analytics-python, in its own order, with its own times and nulls."""
    now = "2026-11-22T02:23:48.462+00:00"
    message = {
        "integrations": {},
        "anonymousId": None,
        "properties": {"order_id": name, "total": 129.99, "currency": "USD"},
        "timestamp": None,
        "context": {
            "ip": canary.ADDRESS,
            "traits": {"email": canary.EMAIL},
            "library": {"name": "analytics-python", "version": "2.3.5"},
        },
        "userId": "u-1",
        "type": "track",
        "event": "Order Completed",
        "messageId": name,
    }
    return json.dumps({"batch": [message], "sentAt": now, "writeKey": KEY}).encode()


@pytest.mark.parametrize("packed", [False, True])
def test_the_python_sdk_s_bytes_are_taken(life: Life, far_snap: Snap, packed: bool) -> None:
    """Its key is in the body; with `gzip=True` the body is packed."""
    name = new_id()
    head, body = PYTHON, python_body(name)
    if packed:
        head, body = head + b"Content-Encoding: gzip\r\n", gzip.compress(body)
    found = answered(life, head, body)
    assert found.startswith(b"HTTP/1.1 200 OK\r\n")
    assert found.endswith(b'\r\n\r\n{"success":true}')
    event = arrived(far_snap, {"messageId": name})
    assert event["event_type"] == "PURCHASE"
    assert event["hashed_email"] == email_sha256(canary.EMAIL)


def test_the_node_sdk_s_bytes_are_taken(life: Life, far_snap: Snap) -> None:
    """Its key is the Basic user name; its times are JavaScript's."""
    name = new_id()
    message = {
        "integrations": {},
        "event": "Order Completed",
        "type": "track",
        "properties": {"order_id": name, "total": 3, "currency": "EUR"},
        "userId": "u-9",
        "context": {
            "traits": {"email": canary.EMAIL},
            "library": {"name": "@segment/analytics-node", "version": "3.1.0"},
        },
        "messageId": name,
        "_metadata": {"nodeVersion": "v20.20.2", "jsRuntime": "node"},
    }
    found = answered(life, NODE, json.dumps({"batch": [message]}).encode())
    assert found.endswith(b'\r\n\r\n{"success":true}')
    assert arrived(far_snap, {"messageId": name})["currency"] == "EUR"


@pytest.mark.parametrize(
    "path", ["/v1/batch", "/v1/import", "/v1/import/", "/v1/b"], ids=lambda path: path
)
def test_batches_are_taken_where_sdks_post_them(life: Life, far_snap: Snap, path: str) -> None:
    message = order(type="track", userId="u", context={"traits": {"email": canary.EMAIL}})
    answer = call(life, path, {"batch": [message]})
    assert (answer.status, answer.json()) == (200, SUCCESS)
    assert arrived(far_snap, message)["transaction_id"] == message["messageId"]


def test_the_answer_is_a_plain_success(life: Life) -> None:
    answer = call(life, "/v1/track", order(userId="u"))
    assert (answer.status, answer.body) == (200, b'{"success":true}')
    assert answer.header("Content-Type") == "application/json"
    assert answer.header("Cache-Control") == "no-store"
    assert answer.set_cookies == {}


# What becomes of it -----------------------------------------------------------------------------


def test_a_web_purchase_has_all_that_the_server_knows_of_the_visitor(
    life: Life, far_snap: Snap
) -> None:
    message = order(
        anonymousId=SCID,
        userId="u-1",
        timestamp=now_ms() - 60_000,
        context={
            "ip": canary.ADDRESS,
            "userAgent": canary.AGENT,
            "page": {"url": f"https://www.example.com/thanks?ScCid=Click-9&email={canary.EMAIL}"},
            "traits": {"email": canary.EMAIL, "phone": canary.PHONE, "firstName": "Jane"},
        },
    )
    assert call(life, "/v1/track", message).json() == SUCCESS
    event = arrived(far_snap, message)
    assert event["pixel_id"] == PIXEL
    assert event["event_conversion_type"] == "WEB"
    assert event["timestamp"] == message["timestamp"]
    assert event["uuid_c1"] == SCID
    assert event["click_id"] == "Click-9"
    assert event["page_url"] == "https://www.example.com/thanks?ScCid=Click-9"
    assert event["hashed_ip_address"] == sha256_hex(canary.ADDRESS)
    assert event["user_agent"] == canary.AGENT
    assert event["hashed_email"] == email_sha256(canary.EMAIL)
    assert event["hashed_phone_number"] == sha256_hex(canary.PHONE_DIGITS)
    assert event["hashed_first_name_sha"] == sha256_hex("jane")
    assert (event["price"], event["currency"]) == (129.99, "USD")


def test_the_server_s_own_address_and_agent_never_go_out(life: Life, far_snap: Snap) -> None:
    message = order(userId="u", context={"traits": {"email": canary.EMAIL}})
    headers = {"X-Forwarded-For": "198.51.100.7", "Cookie": f"_scid={SCID}"}
    assert call(life, "/v1/track", message, headers=headers).json() == SUCCESS
    event = arrived(far_snap, message)
    assert {"hashed_ip_address", "user_agent", "uuid_c1", "page_url"}.isdisjoint(event)
    assert event["event_conversion_type"] == "OFFLINE"


def test_a_robot_s_agent_is_no_reason_to_drop(life: Life, far_snap: Snap) -> None:
    """Servers are robots by trade."""
    message = order(anonymousId=SCID, context={"userAgent": "curl/8.9", "ip": canary.ADDRESS})
    headers = {"User-Agent": "Googlebot/2.1"}
    assert call(life, "/v1/track", message, headers=headers).json() == SUCCESS
    assert arrived(far_snap, message)["user_agent"] == "curl/8.9"


def test_identify_fills_later_events_of_either_name(life: Life, far_snap: Snap) -> None:
    """What identify says stays with the anonymous id and with the user."""
    someone, user = f"visitor-{new_id()}", new_id()
    who = {"anonymousId": someone, "userId": user, "traits": {"email": canary.EMAIL}}
    assert call(life, "/v1/identify", who).json() == SUCCESS
    by_browser, by_server = order(anonymousId=someone), order(userId=user)
    stranger = order(userId=new_id(), context={"ip": canary.ADDRESS, "userAgent": canary.AGENT})
    for message in (by_browser, by_server, stranger):
        assert call(life, "/v1/track", message).json() == SUCCESS
    assert arrived(far_snap, by_browser)["hashed_email"] == email_sha256(canary.EMAIL)
    assert arrived(far_snap, by_server)["hashed_email"] == email_sha256(canary.EMAIL)
    assert "hashed_email" not in arrived(far_snap, stranger)


def test_identify_before_track_in_one_batch_holds_for_it(life: Life, far_snap: Snap) -> None:
    user = new_id()
    first, last = order(type="track", userId=user), order(type="track", userId=user)
    context = {"ip": canary.ADDRESS, "userAgent": canary.AGENT}
    first["context"] = context
    who = {"type": "identify", "userId": user, "traits": {"email": canary.EMAIL}}
    assert call(life, "/v1/batch", {"batch": [first, who, last]}).json() == SUCCESS
    assert arrived(far_snap, last)["hashed_email"] == email_sha256(canary.EMAIL)
    assert "hashed_email" not in arrived(far_snap, first)


def test_the_tag_and_the_server_mean_the_same_visitor(life: Life, far_snap: Snap) -> None:
    scid = f"shared-{new_id()}"
    body = {
        "consent": {"ad": True},
        "user": {"email": canary.EMAIL},
        "events": [{"name": "page", "id": new_id()}],
    }
    assert life.post(body, cookie=f"_scid={scid}").status == 202
    message = order(anonymousId=scid)
    assert call(life, "/v1/track", message).json() == SUCCESS
    assert arrived(far_snap, message)["hashed_email"] == email_sha256(canary.EMAIL)


@pytest.mark.parametrize("place", ["context", "integrations"])
def test_a_stranger_s_events_do_not_share_a_visitor(life: Life, far_snap: Snap, place: str) -> None:
    """Who has no name is a visitor of his own, and gets no id that he does not have."""
    one = order(context={"traits": {"email": canary.EMAIL}})
    two = order(context={"ip": canary.ADDRESS, "userAgent": canary.AGENT})
    for message in (one, two):
        assert call(life, "/v1/track", message).json() == SUCCESS
    assert "uuid_c1" not in arrived(far_snap, one)
    assert "hashed_email" not in arrived(far_snap, two)


def test_a_repeat_is_one_event_and_a_success(life: Life, far_snap: Snap) -> None:
    message = order(userId="u", context={"traits": {"email": canary.EMAIL}})
    for _ in range(3):
        assert call(life, "/v1/track", message).json() == SUCCESS
    arrived(far_snap, message)
    assert passed_over(life, far_snap, {"messageId": "nothing"})
    ids = [event["client_dedup_id"] for event in far_snap.events]
    assert ids.count(message["messageId"]) == 1


def test_an_app_s_event_goes_to_the_app(tmp_path: Path) -> None:
    app = 'snap_app_id = "0cfdb5bf-ef37-4a16-9a0a-000000000001"\napp_id = "com.example.shop"\n'
    with running_snap() as snap, serving_keyed(tmp_path, snap.url, integration=app) as life:
        message = {
            "event": "Application Opened",
            "messageId": new_id(),
            "context": {
                "device": {
                    "type": "ios",
                    "model": "iPhone16,2",
                    "advertisingId": "38400000-8CF0-11BD-B23E-10B96E40000D",
                },
                "os": {"name": "iOS", "version": "18.1"},
                "library": {"name": "analytics-swift"},
            },
        }
        assert call(life, "/v1/track", message).json() == SUCCESS
        event = arrived(snap, message)
    assert event["event_conversion_type"] == "MOBILE_APP"
    assert event["app_id"] == "com.example.shop"
    assert event["hashed_mobile_ad_id"].startswith("d4181bb4")
    assert (event["device_model"], event["os_version"]) == ("iPhone16,2", "18.1")


def test_an_offline_sale_may_be_five_weeks_old_and_a_web_one_a_week(
    life: Life, far_snap: Snap
) -> None:
    old = now_ms() - 30 * 86_400_000
    context = {"traits": {"email": canary.EMAIL}}
    sale = order(timestamp=old, context=context)
    assert call(life, "/v1/track", sale).json() == SUCCESS
    assert arrived(far_snap, sale)["event_conversion_type"] == "OFFLINE"
    web = order(timestamp=old, context=context, properties={"action_source": "WEB"})
    answer = call(life, "/v1/track", web)
    assert (answer.status, answer.json()["rejected"][0]["code"]) == (422, "too_old")


def test_a_test_event_goes_to_validation(life: Life, far_snap: Snap) -> None:
    message = order(userId="u", context={"traits": {"email": canary.EMAIL}}, test_mode=True)
    assert call(life, "/v1/track", message).json() == SUCCESS
    until(
        lambda: [r for r in far_snap.sandbox.requests if r.path.endswith("/validate")],
        "the validation gets it",
    )
    assert passed_over(life, far_snap, message)


def test_what_is_switched_off_or_unknown_is_dropped_and_said(life: Life) -> None:
    for message in (
        order(integrations={"All": False}),
        order(integrations={"Snapchat Conversions": False}),
        order(event="Something Else"),
    ):
        answer = call(life, "/v1/track", message)
        assert (answer.status, answer.json()) == (
            200,
            {"success": True, "dropped": {"unmapped": 1}},
        )


def test_a_bad_message_costs_itself_and_is_named(life: Life, far_snap: Snap) -> None:
    good = order(type="track", userId="u", context={"traits": {"email": canary.EMAIL}})
    bad = [{"type": "track"}, {**order(), "type": "track", "timestamp": canary.EMAIL}]
    answer = call(life, "/v1/batch", {"batch": [bad[0], good, bad[1]]})
    assert (answer.status, answer.json()["success"]) == (200, True)
    assert [(no["index"], no["code"]) for no in answer.json()["rejected"]] == [
        (0, "no_name"),
        (2, "bad_time"),
    ]
    arrived(far_snap, good)
    answer = call(life, "/v1/batch", {"batch": bad})
    assert (answer.status, answer.json()["success"]) == (422, False)
    assert answer.json()["code"] == "no_name"
    assert answer.json()["message"] == "the event has no name"


def test_calls_about_no_event_are_a_success(life: Life) -> None:
    for path in ("/v1/group", "/v1/alias", "/v1/g", "/v1/a"):
        assert call(life, path, {"userId": "u", "groupId": "g"}).json() == SUCCESS


@pytest.mark.parametrize("path", ["/v1/page", "/v1/p", "/v1/screen", "/v1/s"])
def test_a_page_call_is_a_page_view(life: Life, far_snap: Snap, path: str) -> None:
    message = {"messageId": new_id(), "anonymousId": SCID, "name": "Home"}
    assert call(life, path, message).json() == SUCCESS
    assert arrived(far_snap, message)["event_type"] == "PAGE_VIEW"


# Consent ----------------------------------------------------------------------------------------


def test_a_source_that_needs_consent_stores_nothing_without_it(
    required: Life, far_snap: Snap
) -> None:
    message = order(anonymousId=SCID, userId="u", context={"traits": {"email": canary.EMAIL}})
    answer = call(required, "/v1/track", message)
    assert (answer.status, answer.json()) == (200, {"success": True, "dropped": {"no_consent": 1}})
    who = {"userId": "no-yes-yet", "traits": {"email": canary.EMAIL}}
    assert call(required, "/v1/identify", who).json() == {
        "success": True,
        "dropped": {"no_consent": 1},
    }
    assert passed_over(required, far_snap, message)
    later = order(
        userId="no-yes-yet",
        consent={"ad": True},
        context={"ip": canary.ADDRESS, "userAgent": canary.AGENT},
    )
    assert call(required, "/v1/track", later).json() == SUCCESS
    assert "hashed_email" not in arrived(far_snap, later)


@pytest.mark.parametrize(
    "consent", [{"ad": True}, {"categoryPreferences": {"Advertising": True, "Analytics": False}}]
)
@pytest.mark.parametrize("place", ["context", "properties", "message", "batch"])
def test_consent_may_stand_in_any_place(
    required: Life, far_snap: Snap, consent: dict[str, Any], place: str
) -> None:
    message = order(type="track", context={"traits": {"email": canary.EMAIL}})
    body: dict[str, Any] = {"batch": [message]}
    where = {"message": message, "batch": body}.get(place) or message[place]
    where["consent"] = consent
    assert call(required, "/v1/batch", body).json() == SUCCESS
    arrived(far_snap, message)


def test_a_no_counts_under_either_rule(life: Life, required: Life, far_snap: Snap) -> None:
    for each in (life, required):
        message = order(consent={"ad": True}, context={"consent": {"ad": False}})
        answer = call(each, "/v1/track", message)
        assert answer.json() == {"success": True, "dropped": {"no_consent": 1}}
        assert passed_over(each, far_snap, message)


def test_a_signal_of_the_browser_is_a_refusal_here_too(life: Life, far_snap: Snap) -> None:
    """A shop's pixel posts from the visitor's own browser."""
    message = order(anonymousId=SCID, consent={"ad": True})
    answer = call(life, "/v1/track", message, headers={"Sec-GPC": "1"})
    assert answer.json() == {"success": True, "dropped": {"gpc": 1}}
    assert passed_over(life, far_snap, message)


def test_who_withdraws_is_forgotten_in_the_order_of_the_messages(
    keyed: KeyedEdge, snap: Snap
) -> None:
    """What was queued before is cancelled, and what identify had told."""
    life = keyed.start(EDGEPROXY_UPSTREAM="http://127.0.0.1:9")
    someone, user = "leaving-visitor", "leaving-user"
    both = {"anonymousId": someone, "userId": user}
    before = order(**both)
    assert call(life, "/v1/identify", {**both, "traits": {"email": canary.EMAIL}}).json() == SUCCESS
    assert call(life, "/v1/track", before).json() == SUCCESS
    within = order(type="track", **both)
    no = {"type": "identify", **both, "context": {"consent": {"ad": False}}}
    after = order(type="track", **both, context={"ip": canary.ADDRESS, "userAgent": canary.AGENT})
    answer = call(life, "/v1/batch", {"batch": [within, no, after]})
    assert answer.json() == {"success": True, "dropped": {"no_consent": 1}}
    by_user = order(userId=user, context={"ip": canary.ADDRESS, "userAgent": canary.AGENT})
    assert call(life, "/v1/track", by_user).json() == SUCCESS
    assert life.stop() == 0
    keyed.start()
    events = snap.arrived(2, within_s=60)
    wanted = {after["messageId"], by_user["messageId"]}
    assert {event["client_dedup_id"] for event in events} == wanted
    assert not any("hashed_email" in event for event in events)


# Durability -------------------------------------------------------------------------------------


def test_a_success_outlives_kill_9(keyed: KeyedEdge, snap: Snap) -> None:
    """The whole batch is durable before the answer."""
    first_life = keyed.start(EDGEPROXY_UPSTREAM="http://127.0.0.1:9")
    context = {"traits": {"email": canary.EMAIL}}
    batch = [order(type="track", userId="u", context=context) for _ in range(200)]
    assert call(first_life, "/v1/batch", {"batch": batch}).json() == SUCCESS
    first_life.kill()
    keyed.start()
    events = snap.arrived(200, within_s=60)
    assert {event["client_dedup_id"] for event in events} == {one["messageId"] for one in batch}


# Keys -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/track", "/v1/batch"])
@pytest.mark.parametrize(
    ("headers", "body_key", "query"),
    [
        ({}, None, ""),
        ({}, "", ""),
        ({}, "wrong", ""),
        ({}, KEY.upper(), ""),
        ({}, KEY[:-1], ""),
        ({}, [KEY], ""),
        ({}, None, f"?writeKey={KEY}"),
        ({}, None, f"?write_key={KEY}&access_token={KEY}"),
        ({"Authorization": basic("wrong")}, None, ""),
        ({"Authorization": basic("wrong")}, KEY, ""),
        ({"Authorization": basic("")}, KEY, ""),
        ({"Authorization": "Basic !!!"}, KEY, ""),
        ({"Authorization": "Basic"}, KEY, ""),
        ({"Authorization": f"Bearer {KEY}"}, None, ""),
        ({"Authorization": KEY}, None, ""),
        ({"X-Write-Key": KEY}, None, ""),
        ({"Cookie": f"writeKey={KEY}"}, None, ""),
    ],
    ids=range(17),
)
def test_without_a_valid_key_the_answer_is_the_same_401(
    life: Life, path: str, headers: dict[str, str], body_key: object, query: str
) -> None:
    """Fault 58: missing, wrong, nearly right, in a query or a cookie: no hint which."""
    body = {"batch": [order(type="track")], **order()}
    if body_key is not None:
        body["writeKey"] = body_key
    plain = call(life, path, {}, key=None)
    answer = call(life, path + query, body, key=None, headers=headers)
    assert (answer.status, answer.body) == (401, plain.body)
    assert answer.json()["code"] == "no_write_key"
    assert answer.header("WWW-Authenticate") == 'Basic realm="write key"'


@pytest.mark.parametrize("junk", [b"", b"{", b"[]", b"\xff", b'{"batch":[]}', b"[" * 9000])
def test_who_shows_no_key_learns_nothing_of_the_body(life: Life, junk: bytes) -> None:
    assert call(life, "/v1/batch", junk, key=None).status == 401


def test_credentials_without_a_colon_or_with_a_password_are_taken(life: Life) -> None:
    for text in (KEY, f"{KEY}:", f"{KEY}:ignored"):
        coded = base64.b64encode(text.encode()).decode()
        for scheme in ("Basic", "basic", "BASIC"):
            headers = {"Authorization": f"{scheme} {coded}"}
            assert call(life, "/v1/track", order(), key=None, headers=headers).status == 200


def test_a_key_in_the_body_counts_beside_an_oauth_token(life: Life) -> None:
    headers = {"Authorization": "Bearer of-segment-s-own"}
    body = {**order(), "writeKey": KEY}
    assert call(life, "/v1/track", body, key=None, headers=headers).json() == SUCCESS


def test_two_keys_live_side_by_side_and_a_revoked_one_is_wrong(keyed: KeyedEdge) -> None:
    """Fault 58; a digest in the file is as good as the key."""
    keyed.configure(keys=(KEY, f"sha256:{sha256_hex(OTHER_KEY)}"))
    life = keyed.start()
    assert [call(life, "/v1/track", order(), key=key).status for key in (KEY, OTHER_KEY)] == [
        200,
        200,
    ]
    assert call(life, "/v1/track", order(), key=f"sha256:{sha256_hex(OTHER_KEY)}").status == 401
    assert life.stop() == 0
    keyed.configure(keys=(OTHER_KEY,))
    life = keyed.start()
    assert [call(life, "/v1/track", order(), key=key).status for key in (KEY, OTHER_KEY)] == [
        401,
        200,
    ]


def test_no_key_stands_in_what_is_written(keyed: KeyedEdge) -> None:
    life = keyed.start()
    call(life, "/v1/track", {**order(), "writeKey": KEY})
    call(life, f"/v1/track?writeKey={KEY}", order(), key=None)
    call(life, "/v1/track", b"junk " + KEY.encode())
    assert life.stop() == 0
    for path in keyed.folder.rglob("*"):
        if path.is_file() and path.name != "edgeproxy.toml":
            assert KEY.encode() not in path.read_bytes(), path


# Floods -----------------------------------------------------------------------------------------


def flooded(keyed: KeyedEdge) -> Life:
    keyed.configure(keys=(KEY, OTHER_KEY))
    return keyed.start(EDGEPROXY_SERVER__FLOOD_RPS="0.01", EDGEPROXY_SERVER__FLOOD_BURST="10")


def test_a_flood_with_one_key_is_refused_before_it_is_read(keyed: KeyedEdge) -> None:
    """Fault 52: by source, from whatever address; browsers are limited by theirs."""
    life = flooded(keyed)
    found = [
        call(life, "/v1/batch", "junk", headers={"X-Forwarded-For": f"198.51.100.{n}"}).status
        for n in range(12)
    ]
    assert found == [400] * 10 + [429] * 2
    refused = call(life, "/v1/track", order())
    assert (refused.status, refused.json()["code"]) == (429, "too_many_requests")
    assert 50 < int(refused.header("Retry-After") or "") <= 100
    assert refused.header("Access-Control-Allow-Origin") == "*"
    visitor = {"Origin": "null", "X-Forwarded-For": "203.0.113.9"}
    assert call(life, "/v1/track", order(), headers=visitor).status == 200
    assert life.stop() == 0


def test_guessing_keys_from_one_address_is_slowed_down(keyed: KeyedEdge) -> None:
    life = flooded(keyed)
    place = {"X-Forwarded-For": "198.51.100.9"}
    found = [
        call(life, "/v1/track", order(), key=f"guess-{n}", headers=place).status for n in range(12)
    ]
    assert found == [401] * 10 + [429] * 2
    assert (
        call(life, "/v1/track", order(), headers={"X-Forwarded-For": "198.51.100.8"}).status == 200
    )
    assert life.stop() == 0


# Pages ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", ["null", "https://extensions.shopifycdn.com", None])
def test_any_page_may_call_and_read_but_never_with_cookies(life: Life, origin: str | None) -> None:
    headers = {} if origin is None else {"Origin": origin}
    for key, status in ((KEY, 200), ("wrong", 401)):
        answer = call(life, "/v1/track", order(), key=key, headers=headers)
        assert answer.status == status
        assert answer.header("Access-Control-Allow-Origin") == "*"
        assert answer.header("Access-Control-Allow-Credentials") is None
        assert answer.header("Access-Control-Expose-Headers") == "Retry-After"
        assert answer.set_cookies == {}


def test_the_preflight_allows_what_sdks_send(life: Life) -> None:
    asked = {
        "Origin": "null",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    answer = life.request("OPTIONS", "/v1/batch", headers=asked)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.header("Access-Control-Allow-Origin") == "*"
    assert answer.header("Access-Control-Allow-Methods") == "POST"
    assert answer.header("Access-Control-Allow-Headers") == (
        "Authorization, Content-Type, Content-Encoding"
    )
    assert answer.header("Access-Control-Allow-Credentials") is None


def test_other_methods_are_named(life: Life) -> None:
    answer = life.get("/v1/track")
    assert (answer.status, answer.header("Allow")) == (405, "OPTIONS, POST")

"""The proxy from outside: a real process, real sockets, the sandbox in Snap's place."""

import signal
import socket

import pytest

from tests import canary
from tests.edge import ORIGIN, Snap, StartEdge, batch, now_ms, purchase
from tests.until import until


def test_a_purchase_reaches_snap_whole(edge: StartEdge, snap: Snap) -> None:
    """Click id, `_scid`, hashed e-mail, phone and address, money and items, in Snap's words."""
    answer = edge.start().post(purchase(sent_at=now_ms()))
    assert (answer.status, answer.json()["accepted"]) == (202, 1)
    [event] = snap.arrived(1)
    scid = answer.set_cookies["_scid"].partition(";")[0].partition("=")[2]
    assert event["event_type"] == "PURCHASE"
    assert event["click_id"] == "click-abc"
    assert event["uuid_c1"] == event["hashed_sc_cookie"] == scid
    assert len(event["hashed_email"]) == len(event["hashed_phone_number"]) == 64
    assert len(event["hashed_ip_address"]) == 64
    assert event["user_agent"] == canary.AGENT
    assert (event["price"], event["currency"]) == (129.99, "USD")
    assert event["item_ids"] == ["SKU-A", "SKU-B"]
    assert event["client_dedup_id"] == event["transaction_id"] == "order-7"


def test_v3_carries_the_raw_address_only_under_match(edge: StartEdge, snap: Snap) -> None:
    edge.environ["EDGEPROXY_API"] = "v3"
    edge.start().post(purchase())
    [event] = snap.arrived(1)
    assert event["user_data"]["client_ip_address"] == canary.ADDRESS
    assert event["event_id"] == "order-7"


def test_strict_sends_no_raw_agent_and_no_raw_address(edge: StartEdge, snap: Snap) -> None:
    edge.environ["EDGEPROXY_PRIVACY"] = "strict"
    edge.start().post(purchase())
    [event] = snap.arrived(1)
    assert "user_agent" not in event
    assert len(event["hashed_user_agent"]) == len(event["hashed_ip_address"]) == 64


def test_an_accepted_event_survives_kill_9_and_reaches_snap_once(
    edge: StartEdge, snap: Snap
) -> None:
    """202 outlives an outage, a repeated request and the process that gave it."""
    snap.sandbox.answer_with(status=503)
    first_life = edge.start()
    answers = [first_life.post(purchase()) for _ in range(2)]
    until(lambda: snap.sandbox.attempts, "Snap is tried")
    first_life.kill()

    snap.sandbox.answer_normally()
    edge.start()
    [event] = snap.arrived(1, within_s=60)

    assert [answer.status for answer in answers] == [202, 202]
    assert [answer.json()["duplicates"] for answer in answers] == [0, 1]
    assert event["client_dedup_id"] == "order-7"


def test_what_was_identified_goes_with_every_later_event(edge: StartEdge, snap: Snap) -> None:
    life = edge.start()
    first = life.post(batch({"name": "identify"}, user={"email": canary.EMAIL}))
    assert first.json()["dropped"] == {"internal": 1}
    life.post(batch({"name": "page"}), cookie=first.jar)
    [event] = snap.arrived(1)
    assert len(event["hashed_email"]) == 64


def test_reset_forgets_what_was_identified(edge: StartEdge, snap: Snap) -> None:
    life = edge.start()
    first = life.post(batch({"name": "identify"}, user={"email": canary.EMAIL}))
    life.post(batch({"name": "reset"}), cookie=first.jar)
    life.post(batch({"name": "page"}), cookie=first.jar)
    [event] = snap.arrived(1)
    assert "hashed_email" not in event


def test_a_return_visit_without_click_id_still_carries_it(edge: StartEdge, snap: Snap) -> None:
    """From the cookie, and from the master alone when scripts purged the others."""
    life = edge.start()
    first = life.post(batch({"name": "page"}, page={"url": f"{ORIGIN}/?ScCid=Click-1"}))
    master = first.set_cookies["__Secure-edge"].partition(";")[0]
    again = life.post(batch({"name": "page", "id": "second"}), cookie=master)
    events = snap.arrived(2)
    assert {event["click_id"] for event in events} == {"Click-1"}
    assert len({event["uuid_c1"] for event in events}) == 1
    assert "_scclid=Click-1" in again.set_cookies["_scclid"]


def test_cookies_are_as_the_readme_says(edge: StartEdge) -> None:
    answer = edge.start().post(batch({"name": "page"}, page={"url": f"{ORIGIN}/?ScCid=c"}))
    scid, click, master = (
        answer.attributes(name) for name in ("_scid", "_scclid", "__Secure-edge")
    )
    for cookie in (scid, click, master):
        assert (cookie["domain"], cookie["path"], cookie["samesite"]) == ("example.com", "/", "Lax")
        assert cookie["secure"]
    assert [one["max-age"] for one in (scid, click, master)] == ["34128000", "7776000", "34128000"]
    assert [bool(one["httponly"]) for one in (scid, click, master)] == [False, True, True]


@pytest.mark.parametrize("refusal", ["no answer", "Sec-GPC", "no", "a robot", "a prefetch"])
def test_without_consent_nothing_is_stored_and_no_cookie_set(
    edge: StartEdge, snap: Snap, refusal: str
) -> None:
    life = edge.start()
    body = purchase()
    headers: dict[str, str | None] = {}
    reason = "no_consent"
    if refusal == "no answer":
        del body["consent"]
    elif refusal == "no":
        body["consent"] = {"ad": False}
    elif refusal == "Sec-GPC":
        headers, reason = {"Sec-GPC": "1"}, "gpc"
    elif refusal == "a robot":
        headers, reason = {"User-Agent": "Googlebot/2.1"}, "bot"
    else:
        headers, reason = {"Sec-Purpose": "prefetch;prerender"}, "prefetch"
    answer = life.post(body, headers=headers)
    assert answer.status == 202
    assert answer.json() == {"accepted": 0, "duplicates": 0, "dropped": {reason: 1}, "rejected": []}
    set_lines = [v for k, v in answer.headers if k.lower() == "set-cookie" and "Max-Age=0" not in v]
    assert [line for line in set_lines if not line.startswith("edge_optout=1")] == []
    life.post(batch({"name": "page", "id": "allowed"}))
    assert [e["client_dedup_id"] for e in snap.arrived(1)] == ["allowed"]


def test_a_withdrawal_reaches_the_queue(edge: StartEdge, snap: Snap) -> None:
    """Cookies expire, the refusal is remembered, and what waits is never sent."""
    snap.sandbox.answer_with(status=503)
    life = edge.start()
    first = life.post(purchase())
    until(lambda: snap.sandbox.attempts, "Snap is tried")
    no = life.post({"ad": False}, path="/consent", cookie=first.jar)
    assert no.status == 204
    lines = [value for key, value in no.headers if key.lower() == "set-cookie"]
    assert any(line.startswith("edge_optout=1") for line in lines)
    for name in ("_scid", "_scclid", "__Secure-edge"):
        assert any(line.startswith(f"{name}=;") and "Max-Age=0" in line for line in lines), name
    life.stop()  # first: an attempt that is under way at the withdrawal must not be the good one
    snap.sandbox.answer_normally()
    edge.start().post(batch({"name": "page", "id": "somebody-else"}))
    events = snap.arrived(1)
    assert [event["client_dedup_id"] for event in events] == ["somebody-else"]


def test_consent_given_later_is_remembered(edge: StartEdge) -> None:
    life = edge.start()
    yes = life.post({"ad": True}, path="/consent")
    assert yes.status == 204
    body = batch({"name": "page"})
    del body["consent"]
    assert life.post(body, cookie=yes.jar).json()["accepted"] == 1
    assert life.post(body).json()["dropped"] == {"no_consent": 1}


def test_implied_consent_takes_events_until_a_refusal(edge: StartEdge) -> None:
    edge.environ["EDGEPROXY_CONSENT"] = "implied"
    life = edge.start()
    body = batch({"name": "page"})
    del body["consent"]
    first = life.post(body)
    assert first.json()["accepted"] == 1
    no = life.post({"ad": False}, path="/consent", cookie=first.jar)
    kept = "edge_optout=1"
    assert kept in str(no.headers)
    assert life.post(body, cookie=kept).json()["dropped"] == {"no_consent": 1}


def test_a_token_that_snap_refuses_loses_nothing(edge: StartEdge, snap: Snap) -> None:
    """401 pauses the integration; a new token at the next start delivers what waited."""
    snap.sandbox.answer_with(
        status=401, body={"status": "FAILED", "reason": "Authentication failed"}
    )
    life = edge.start()
    for number in range(3):
        life.post(batch({"name": "page", "id": f"waits-{number}"}))
    until(lambda: "paused_auth" in life.log.read_text(), "the gate closes")
    life.stop()
    snap.sandbox.answer_normally()
    edge.start(EDGEPROXY_ACCESS_TOKEN="another-token-0123456789")
    snap.arrived(3, within_s=30)


def test_a_richer_copy_completes_the_event_that_still_waits(edge: StartEdge, snap: Snap) -> None:
    """Browser and server tell of the same purchase; the first may know less of the buyer."""
    snap.sandbox.answer_with(status=401)
    life = edge.start()
    life.post(batch({"name": "page"}))
    until(lambda: "paused_auth" in life.log.read_text(), "the gate closes")
    poor, rich = purchase(), purchase()
    del poor["user"]
    answers = [life.post(one).json() for one in (poor, rich)]
    assert [(one["accepted"], one["duplicates"]) for one in answers] == [(1, 0), (0, 1)]
    life.stop()

    snap.sandbox.answer_normally()
    edge.start(EDGEPROXY_ACCESS_TOKEN="another-token-0123456789")
    bought = [one for one in snap.arrived(2, within_s=60) if one["event_type"] == "PURCHASE"]
    assert [len(one["hashed_email"]) for one in bought] == [64]


def test_sigterm_drains_and_exits_0(edge: StartEdge, snap: Snap) -> None:
    life = edge.start()
    life.post(purchase())
    assert life.stop() == 0
    assert '"stopped"' in life.log.read_text()


def test_the_service_manager_is_told_how_it_is(edge: StartEdge) -> None:
    address = str(edge.folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(15)
        manager.bind(address)
        life = edge.start(NOTIFY_SOCKET=address)
        assert [manager.recv(100) for _ in range(2)] == [b"READY=1", b"WATCHDOG=1"]
        assert life.stop() == 0
        assert manager.recv(100) == b"STOPPING=1"


def test_ctrl_c_drains_too(edge: StartEdge) -> None:
    life = edge.start()
    life.process.send_signal(signal.SIGINT)
    assert life.process.wait(30) == 130
    assert '"stopped"' in life.log.read_text()


def test_a_stuck_caller_does_not_stop_the_end(edge: StartEdge) -> None:
    life = edge.start()
    with socket.create_connection(("127.0.0.1", life.port)) as stuck:
        stuck.sendall(b"POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
        assert life.stop() == 0


def configured_by_file(edge: StartEdge, snap: Snap, line: str) -> None:
    """Use a file with one integration that has one line more, instead of the one-site variables."""
    token = edge.folder / "token"
    token.write_text("a-token-of-the-file-0123")
    token.chmod(0o600)
    (edge.folder / "edgeproxy.toml").write_text(
        f"""
upstream = "{snap.url}"
[[sources]]
id = "shop"
origins = ["{ORIGIN}"]
[[sources.integrations]]
vendor = "snapchat"
pixel_id = "67d34640-b7a4-42a8-b821-6434d70f08a4"
access_token_file = "{token}"
{line}
"""
    )
    unset = ("ORIGIN", "PIXEL_ID", "ACCESS_TOKEN", "UPSTREAM")
    edge.environ.update({f"EDGEPROXY_{name}": "" for name in unset})


def test_two_names_of_one_event_are_two_events(edge: StartEdge, snap: Snap) -> None:
    configured_by_file(edge, snap, 'events = {"Order Completed" = ["PURCHASE", "SUBSCRIBE"]}')
    edge.start().post(purchase())
    events = snap.arrived(2)
    assert {(e["event_type"], e["client_dedup_id"]) for e in events} == {
        ("PURCHASE", "order-7"),
        ("SUBSCRIBE", "order-7-2"),
    }


def test_another_category_than_advertising_names_nobody(edge: StartEdge, snap: Snap) -> None:
    """Its events go where it was agreed to; no cookie, no `_scid`, nothing kept of the person."""
    configured_by_file(edge, snap, 'consent_categories = ["analytics"]')
    life = edge.start()
    agreed = {"consent": {"categories": {"analytics": True}}}
    jar = "_scid=kept-by-the-pixel"
    first = life.post(
        {**batch({"name": "page", "id": "1"}, user={"email": canary.EMAIL}), **agreed}, cookie=jar
    )
    second = life.post({**batch({"name": "page", "id": "2"}), **agreed}, cookie=jar)
    events = {event["client_dedup_id"]: event for event in snap.arrived(2)}
    assert (first.set_cookies, second.set_cookies) == ({}, {})
    assert not any("uuid_c1" in event for event in events.values())
    assert "hashed_email" not in events["2"]

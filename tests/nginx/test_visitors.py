"""What a visitor's browser sends and gets through nginx, and whose word the proxy takes for it."""

import hashlib
import itertools
import threading
import time
from typing import Any

from tests import canary
from tests.edge import HOST, ORIGIN, Answer, Life, Snap, batch, purchase
from tests.nginx.front import Front
from tests.until import until

FORGED = {
    "X-Forwarded-For": canary.ADDRESS,
    "X-Real-IP": canary.ADDRESS,
    "Forwarded": f"for={canary.ADDRESS};proto=http;host=evil.example",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "80",
}
_NUMBERS = itertools.count()


def visit(**user: str) -> tuple[str, dict[str, Any]]:
    """A page view nobody sent before: its id and its batch."""
    event_id = f"visit-{next(_NUMBERS)}"
    page = {"url": f"{ORIGIN}/?ScCid=click-abc"}
    return event_id, batch({"id": event_id, "name": "page"}, page=page, user=user)


def arrived(snap: Snap, event_id: str) -> dict[str, Any]:
    """The event as Snap got it."""

    def look() -> list[dict[str, Any]]:
        return [event for event in snap.events if event["client_dedup_id"] == event_id]

    [event] = until(look, f"{event_id} arrives")
    return event


def set_cookie_names(answer: Answer) -> list[str]:
    """The names of all `Set-Cookie` lines, repeated ones too."""
    lines = [value for name, value in answer.headers if name.lower() == "set-cookie"]
    return sorted(line.partition("=")[0] for line in lines)


def test_a_purchase_through_tls_reaches_snap(front: Front, far_snap: Snap) -> None:
    order = f"order-{next(_NUMBERS)}"
    answer = front.post(purchase(order))
    assert (answer.status, answer.json()["accepted"]) == (202, 1)
    assert answer.header("access-control-allow-origin") == ORIGIN
    assert answer.header("cache-control") == "no-store"
    event = arrived(far_snap, order)
    assert (event["event_type"], event["click_id"]) == ("PURCHASE", "click-abc")
    assert event["user_agent"] == canary.AGENT


def test_cookies_are_set_for_the_whole_site_and_over_tls_only(front: Front) -> None:
    answer = front.post(visit()[1])
    assert set(answer.set_cookies) == {"_scid", "_scclid", "__Secure-edge"}
    for name in answer.set_cookies:
        cookie = answer.attributes(name)
        assert (cookie["domain"], cookie["path"]) == ("example.com", "/")
        assert cookie["secure"] is True


def test_every_set_cookie_line_passes(front: Front, proxy: Life) -> None:
    """A withdrawal sets the most of them: each cookie is expired in two variants."""
    refusal = {"v": 1, "consent": {"ad": False}}
    jar = front.post(visit()[1]).jar
    through = front.post(refusal, "/consent", headers={"Cookie": jar})
    direct = proxy.post(refusal, path="/consent", cookie=jar)
    assert (through.status, direct.status) == (204, 204)
    assert set_cookie_names(through) == set_cookie_names(direct)
    assert len(set_cookie_names(through)) > 4


def test_a_returning_visitor_is_the_same_visitor(front: Front, far_snap: Snap) -> None:
    first_id, first = visit()
    second_id, second = visit()
    jar = front.post(first).jar
    front.post(second, headers={"Cookie": jar})
    assert arrived(far_snap, first_id)["uuid_c1"] == arrived(far_snap, second_id)["uuid_c1"]


def test_a_forged_address_reaches_neither_the_proxy_nor_snap(
    front: Front, far_snap: Snap, proxy: Life
) -> None:
    """The client is on loopback, which is no visitor's address: Snap must get none."""
    believed_id, believed = visit()
    proxy.post(believed, headers={"X-Forwarded-For": canary.ADDRESS})
    assert arrived(far_snap, believed_id)["hashed_ip_address"] == sha256(canary.ADDRESS)

    forged_id, forged = visit()
    answer = front.post(forged, source="127.0.0.2", headers=FORGED)
    assert answer.status == 202
    assert answer.attributes("_scid")["secure"] is True
    assert "hashed_ip_address" not in arrived(far_snap, forged_id)

    head = front.tap.heads[-1]
    assert head.all("x-forwarded-for") == ["127.0.0.2"]
    assert head.all("x-forwarded-proto") == ["https"]
    assert head.all("host") == [HOST]
    for name in ("x-real-ip", "forwarded", "x-forwarded-host", "x-forwarded-port", "connection"):
        assert head.all(name) == []


def test_the_address_that_nginx_sees_reaches_snap_hashed(balanced: Front, far_snap: Snap) -> None:
    event_id, body = visit()
    balanced.post(body, headers={**FORGED, "X-Seen-Address": "198.51.100.7"})
    assert arrived(far_snap, event_id)["hashed_ip_address"] == sha256("198.51.100.7")


def test_pauses_between_requests_never_meet_a_closing_connection(front: Front) -> None:
    """200 events with gaps, over a few connections to the proxy that are used again and again."""
    before = front.tap.connections
    statuses: list[int] = []

    def shop_around(source: str) -> None:
        gaps_s = itertools.cycle((0.0, 0.002, 0.01, 0.08))
        with front.session(source) as session:
            for gap_s in itertools.islice(gaps_s, 50):
                statuses.append(session.post(visit()[1]).status)
                time.sleep(gap_s)

    visitors = [
        threading.Thread(target=shop_around, args=(f"127.0.1.{number}",)) for number in range(1, 5)
    ]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert statuses == [202] * 200
    assert front.tap.connections - before <= 16


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

"""`/i`, the image in `<noscript>`: one event without JavaScript, under the rules of all others."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from edgeproxy.public.image import GIF
from tests import canary
from tests.edge import HOST, ORIGIN, Answer, Life, Snap, StartEdge, batch, running_snap, serving
from tests.until import until

LANDING = f"{ORIGIN}/landing?ScCid=Click-42&email={canary.EMAIL}"
_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def far_snap() -> Iterator[Snap]:
    with running_snap() as ours:
        yield ours


@pytest.fixture(scope="module")
def required(tmp_path_factory: pytest.TempPathFactory, far_snap: Snap) -> Iterator[Life]:
    folder = tmp_path_factory.mktemp("edge")
    with serving(folder, far_snap.url, EDGEPROXY_CONSENT="required") as life:
        yield life


@pytest.fixture(scope="module")
def implied(tmp_path_factory: pytest.TempPathFactory, far_snap: Snap) -> Iterator[Life]:
    folder = tmp_path_factory.mktemp("edge")
    with serving(folder, far_snap.url, EDGEPROXY_CONSENT="implied") as life:
        yield life


def new_id() -> str:
    return f"image-{next(_NUMBERS)}"


def show(life: Life, query: str, **more: str | None) -> Answer:
    """Ask as a browser does that shows the image on the landing page; None drops a header."""
    given: dict[str, str | None] = {
        "Host": HOST,
        "Referer": LANDING,
        "X_Forwarded_For": canary.ADDRESS,
        "X_Forwarded_Proto": "https",
        "User_Agent": canary.AGENT,
        "Sec_Fetch_Dest": "image",
        "Sec_Fetch_Site": "same-site",
        **more,
    }
    headers = {name: value for name, value in given.items() if value is not None}
    return life.get(f"/i?{query}", **headers)


def is_dot(answer: Answer) -> bool:
    """Whether it is the image, which nobody may keep."""
    assert answer.header("content-type") == "image/gif"
    assert answer.header("cache-control") == "no-store"
    assert answer.header("content-length") == "43"
    assert answer.header("x-content-type-options") == "nosniff"
    assert answer.header("cross-origin-resource-policy") == "cross-origin"
    return answer.body == GIF


def arrived(snap: Snap, event_id: str) -> dict[str, Any]:
    """The event as Snap got it."""

    def look() -> list[dict[str, Any]]:
        return [event for event in snap.events if event["client_dedup_id"] == event_id]

    [event] = until(look, f"{event_id} arrives")
    return event


def passed_over(life: Life, snap: Snap, event_id: str) -> bool:
    """Whether a later event has arrived and this one has not."""
    later = new_id()
    life.post(batch({"id": later, "name": "page"}))
    arrived(snap, later)
    return all(event["client_dedup_id"] != event_id for event in snap.events)


def test_a_page_view_without_javascript_reaches_snap(implied: Life, far_snap: Snap) -> None:
    event_id = new_id()
    answer = show(implied, f"id={event_id}")
    assert answer.status == 200
    assert is_dot(answer)
    assert set(answer.set_cookies) == {"_scid", "_scclid", "__Secure-edge"}
    event = arrived(far_snap, event_id)
    assert event["event_type"] == "PAGE_VIEW"
    assert event["click_id"] == "Click-42"
    assert event["page_url"] == f"{ORIGIN}/landing?ScCid=Click-42"
    assert event["user_agent"] == canary.AGENT
    assert answer.set_cookies["_scid"].startswith(f"_scid={event['uuid_c1']}; ")


@pytest.mark.parametrize("name", ["page", "page_view", "PAGE_VIEW"])
def test_a_page_view_may_be_named(implied: Life, far_snap: Snap, name: str) -> None:
    event_id = new_id()
    assert show(implied, f"name={name}&id={event_id}").status == 200
    assert arrived(far_snap, event_id)["event_type"] == "PAGE_VIEW"


def test_an_order_without_javascript_has_its_value(implied: Life, far_snap: Snap) -> None:
    event_id = new_id()
    query = f"name=Order+Completed&id={event_id}&order_id=o-{event_id}&total=12.50&currency=eur"
    assert show(implied, query).status == 200
    event = arrived(far_snap, event_id)
    assert (event["event_type"], event["price"], event["currency"]) == ("PURCHASE", 12.5, "EUR")
    assert event["transaction_id"] == f"o-{event_id}"


def test_it_is_durable_before_the_answer(edge: StartEdge, snap: Snap) -> None:
    edge.environ["EDGEPROXY_CONSENT"] = "implied"
    snap.sandbox.answer_with(status=503)
    first_life = edge.start()
    assert is_dot(show(first_life, "id=kept"))
    first_life.kill()
    snap.sandbox.answer_normally()
    edge.start()
    [event] = snap.arrived(1, within_s=60)
    assert event["client_dedup_id"] == "kept"


def test_a_repeated_id_is_one_event(implied: Life, far_snap: Snap) -> None:
    event_id = new_id()
    for _ in range(2):
        assert is_dot(show(implied, f"id={event_id}"))
    assert arrived(far_snap, event_id)
    assert passed_over(implied, far_snap, "no such id")


def test_consent_comes_from_the_signed_cookie(required: Life, far_snap: Snap) -> None:
    refused, allowed = new_id(), new_id()
    answer = show(required, f"id={refused}")
    assert is_dot(answer)
    assert answer.set_cookies == {}
    jar = required.post(batch({"name": "page"})).jar
    assert set(show(required, f"id={allowed}", Cookie=jar).set_cookies) >= {"_scid"}
    assert arrived(far_snap, allowed)["event_type"] == "PAGE_VIEW"
    assert passed_over(required, far_snap, refused)


@pytest.mark.parametrize(
    "more",
    [
        {"User_Agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"},
        {"Sec_Purpose": "prefetch;prerender"},
        {"Sec_GPC": "1"},
        {"Cookie": "edge_optout=1"},
        {"Sec_Fetch_Dest": "document", "Sec_Fetch_Site": "none", "Referer": None},
        {"Sec_Fetch_Dest": "document"},
        {"Sec_Fetch_Dest": "script"},
    ],
    ids=str,
)
def test_robots_prefetchers_refusals_and_tabs_see_the_dot_and_nothing_follows(
    implied: Life, far_snap: Snap, more: Mapping[str, str | None]
) -> None:
    event_id = new_id()
    answer = show(implied, f"id={event_id}", **more)
    assert answer.status == 200
    assert is_dot(answer)
    lines = [value for name, value in answer.headers if name.lower() == "set-cookie"]
    assert all("=; " in line and "Max-Age=0" in line for line in lines)
    assert bool(lines) == ("Sec_GPC" in more)
    assert passed_over(implied, far_snap, event_id)


@pytest.mark.parametrize(
    "more",
    [
        {"Referer": "https://www.example.org/"},
        {"Referer": "https://www.example.com.evil.example/"},
        {"Referer": "http://www.example.com/"},
        {"Referer": None},
        {"Referer": "about:blank"},
        {"Origin": "null"},
        {"Origin": "https://www.example.org"},
        {"Host": "www.example.com", "Referer": None, "Sec_Fetch_Site": "cross-site"},
        {"Host": "www.example.com", "Referer": "https://www.example.org/"},
    ],
    ids=str,
)
def test_an_image_on_a_foreign_page_is_refused(
    implied: Life, more: Mapping[str, str | None]
) -> None:
    answer = show(implied, "name=page", **more)
    assert (answer.status, answer.json()["code"]) == (403, "foreign_page")
    assert answer.set_cookies == {}


@pytest.mark.parametrize(
    ("relation", "cookies"), [("same-origin", True), ("same-site", True), (None, False)]
)
def test_without_a_referrer_it_is_the_page_of_our_own_host(
    implied: Life, far_snap: Snap, relation: str | None, cookies: bool
) -> None:
    """Where the proxy is a path of the site; cookies only if the browser vouches for the page."""
    event_id = new_id()
    answer = show(
        implied,
        f"id={event_id}",
        Host="www.example.com",
        Referer=None,
        Sec_Fetch_Site=relation,
    )
    assert is_dot(answer)
    assert bool(answer.set_cookies) == cookies
    assert arrived(far_snap, event_id)["event_type"] == "PAGE_VIEW"


def test_an_image_with_cors_names_its_page_itself(implied: Life) -> None:
    assert is_dot(show(implied, "", Origin=ORIGIN, Referer=None))


@pytest.mark.parametrize(
    "query", ["id=" + "x" * 257, "name=" + "x" * 257, "name=%00", "id=a%0Ab", "x=" + "y" * 9000]
)
def test_an_unusable_event_is_told_apart(implied: Life, query: str) -> None:
    answer = show(implied, query)
    assert answer.status == 422
    assert is_dot(answer)


@pytest.mark.parametrize(
    "query",
    ["", "&&&", "=", "name=%ff%fe", "name=page&name=page", "%ud800=1", "a[b]=1"],
)
def test_no_query_is_a_fault_of_ours(implied: Life, query: str) -> None:
    assert show(implied, query).status == 200


def test_a_query_has_its_bounds(implied: Life) -> None:
    answer = show(implied, "&".join(f"p{number}=1" for number in range(65)))
    assert (answer.status, answer.json()["code"]) == (400, "too_many_parameters")


def test_a_flood_of_images_is_refused(edge: StartEdge) -> None:
    life = edge.start(
        EDGEPROXY_SERVER__FLOOD_RPS="0.01",
        EDGEPROXY_SERVER__FLOOD_BURST="3",
        EDGEPROXY_CONSENT="implied",
    )
    statuses = [show(life, "name=page").status for _ in range(6)]
    assert statuses == [200] * 3 + [429] * 3
    assert life.stop() == 0


def test_another_method_is_not_taken(implied: Life) -> None:
    answer = implied.request("POST", "/i", b"", {"Host": HOST})
    assert (answer.status, answer.header("allow")) == (405, "GET")

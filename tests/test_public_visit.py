"""`/visit` as nginx asks it: which cookies a page's answer is given, and when it is given none."""

from collections.abc import Iterator, Mapping

import pytest

from tests import canary
from tests.edge import Answer, Life, Snap, StartEdge, batch, running_snap, serving

PAGE = "www.example.com"
CLICK = "/landing?utm_source=snap&ScCid=Click-42"
DAY_S = 86_400


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


def visit(life: Life, uri: str | None = "/", **more: str | None) -> Answer:
    """Ask as nginx does for a browser that opens a page; None drops a header."""
    given: dict[str, str | None] = {
        "Host": PAGE,
        "X_Original_URI": uri,
        "X_Forwarded_For": canary.ADDRESS,
        "X_Forwarded_Proto": "https",
        "User_Agent": canary.AGENT,
        "Sec_Fetch_Dest": "document",
        **more,
    }
    return life.get("/visit", **{name: value for name, value in given.items() if value is not None})


def numbered(answer: Answer) -> list[str]:
    """The values that nginx copies, in order."""
    found = [(name.lower(), value) for name, value in answer.headers]
    copies = [value for name, value in found if name.startswith("x-edge-cookie-")]
    names = [name for name, _ in found if name.startswith("x-edge-cookie-")]
    assert names == [f"x-edge-cookie-{number}" for number in range(1, len(names) + 1)]
    assert copies == [value for name, value in found if name == "set-cookie"]
    return copies


def agreed(life: Life) -> str:
    """The cookies of a visitor who agreed."""
    return life.post(batch({"name": "page"})).jar


def test_a_first_visit_is_given_every_cookie_of_an_ad_click(implied: Life) -> None:
    answer = visit(implied, CLICK)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.header("cache-control") == "no-store"
    assert set(answer.set_cookies) == {"_scid", "_scclid", "__Secure-edge"}
    assert answer.set_cookies["_scclid"].startswith("_scclid=Click-42; ")
    for name in answer.set_cookies:
        cookie = answer.attributes(name)
        assert (cookie["domain"], cookie["path"]) == ("example.com", "/")
        assert (cookie["samesite"], cookie["secure"]) == ("Lax", True)
        assert bool(cookie["httponly"]) == (name != "_scid")
    assert answer.attributes("_scid")["max-age"] == str(395 * DAY_S)
    assert numbered(answer) == list(answer.set_cookies.values())


def test_a_returning_visitor_keeps_id_and_click(implied: Life) -> None:
    first = visit(implied, CLICK)
    second = visit(implied, "/cart", Cookie=first.jar)
    assert second.jar == first.jar
    assert len(numbered(second)) == 3


def test_an_event_and_a_page_speak_of_the_same_visitor(implied: Life) -> None:
    page = visit(implied, CLICK)
    event = implied.post(batch({"name": "page"}), cookie=page.jar)
    for name in ("_scid", "_scclid"):
        assert event.set_cookies[name] == page.set_cookies[name]


def test_the_referrer_may_bring_the_click(implied: Life) -> None:
    """A visitor who agrees on the second page comes from the landing page."""
    answer = visit(implied, "/second", Referer=f"https://{PAGE}{CLICK}")
    assert answer.set_cookies["_scclid"].startswith("_scclid=Click-42; ")


def test_the_last_click_wins(implied: Life) -> None:
    jar = visit(implied, CLICK).jar
    answer = visit(implied, "/?sccid=second", Cookie=jar)
    assert answer.set_cookies["_scclid"].startswith("_scclid=second; ")


@pytest.mark.parametrize("uri", [None, "", "?", "//", "no-slash", "/%zz?%", "/\xff?ScCid=\xff"])
def test_an_odd_address_costs_only_its_click(implied: Life, uri: str | None) -> None:
    answer = visit(implied, uri)
    assert (answer.status, set(answer.set_cookies)) == (204, {"_scid", "__Secure-edge"})


@pytest.mark.parametrize(
    "more",
    [
        {"User_Agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"},
        {"User_Agent": None},
        {"Sec_Purpose": "prefetch"},
        {"Sec_Purpose": "prefetch;prerender"},
        {"Purpose": "prefetch"},
        {"Sec_Fetch_Dest": "empty"},
        {"Sec_Fetch_Dest": "image"},
        {"Sec_Fetch_Dest": "iframe"},
        {"Origin": f"https://{PAGE}"},
        {"Origin": "null"},
        {"Host": "www.example.org"},
        {"Host": "edge.example.com"},
        {"Sec_GPC": "1"},
        {"Cookie": "edge_optout=1"},
    ],
    ids=str,
)
def test_who_is_given_nothing_is_not_refused_either(
    implied: Life, more: Mapping[str, str | None]
) -> None:
    """Robots, prefetchers, scripts, images, frames, foreign hosts and refusals."""
    answer = visit(implied, CLICK, **more)
    assert (answer.status, numbered(answer)) == (204, [])


def test_an_old_browser_that_does_not_say_what_it_opens_is_served(implied: Life) -> None:
    assert len(numbered(visit(implied, CLICK, Sec_Fetch_Dest=None))) == 3


@pytest.mark.parametrize("host", ["WWW.Example.COM", "www.example.com:443", "www.example.com:8443"])
def test_the_page_s_host_may_have_any_case_and_port(implied: Life, host: str) -> None:
    assert visit(implied, Host=host).attributes("_scid")["domain"] == "example.com"


def test_without_an_answer_to_the_question_nothing_is_set(required: Life) -> None:
    answer = visit(required, CLICK)
    assert (answer.status, numbered(answer)) == (204, [])


def test_who_agreed_is_given_cookies_and_the_new_click(required: Life) -> None:
    answer = visit(required, CLICK, Cookie=agreed(required))
    assert set(answer.set_cookies) == {"_scid", "_scclid", "__Secure-edge"}
    assert answer.set_cookies["_scclid"].startswith("_scclid=Click-42; ")


def test_a_forged_master_is_no_consent(required: Life) -> None:
    forged = agreed(required)[:-3] + "AAA"
    assert numbered(visit(required, CLICK, Cookie=forged)) == []


def test_who_withdrew_is_given_nothing(required: Life) -> None:
    refusal = {"v": 1, "consent": {"ad": False}}
    after = required.post(refusal, path="/consent", cookie=agreed(required))
    opted_out = [
        value
        for name, value in after.headers
        if name.lower() == "set-cookie" and value.startswith("edge_optout=")
    ]
    assert opted_out
    jar = f"{agreed(required)}; {opted_out[0].partition(';')[0]}"
    assert numbered(visit(required, CLICK, Cookie=jar)) == []


@pytest.mark.parametrize("life", ["required", "implied"])
def test_global_privacy_control_expires_what_is_there(
    life: str, request: pytest.FixtureRequest
) -> None:
    edge: Life = request.getfixturevalue(life)
    answer = visit(edge, CLICK, Cookie=agreed(edge), Sec_GPC="1")
    assert len(numbered(answer)) == 3
    for name in ("_scid", "_scclid", "__Secure-edge"):
        assert answer.set_cookies[name].startswith(
            f"{name}=; Domain=example.com; Path=/; Max-Age=0"
        )


def test_second_copies_of_cookies_do_not_fill_nginx_s_places(implied: Life) -> None:
    """Their removal is left to the event's answer, which has no such bound."""
    jar = visit(implied, CLICK).jar
    twice = f"_scid=tossed-in-by-a-sibling; __Host-edge=x.y; {jar}"
    assert len(numbered(visit(implied, CLICK, Cookie=twice))) == 3


def test_only_a_front_server_is_answered(edge: StartEdge) -> None:
    """Anybody else could name any page of any host."""
    life = edge.start(
        EDGEPROXY_CONSENT="implied", EDGEPROXY_SERVER__TRUSTED_PROXIES="198.51.100.0/24"
    )
    assert numbered(visit(life, CLICK)) == []
    assert life.stop() == 0


def test_another_method_is_not_taken(implied: Life) -> None:
    answer = implied.request("POST", "/visit", b"", {"Host": PAGE})
    assert (answer.status, answer.header("allow")) == (405, "GET")

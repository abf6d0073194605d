"""The other shapes under a real nginx: a path of the site's host, and cookies on the pages."""

import contextlib
import itertools
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edgeproxy.front import Front as Shape
from edgeproxy.front import configuration
from edgeproxy.public.collect import BODY_BYTES
from edgeproxy.public.image import GIF
from edgeproxy.web.assets import load
from tests import canary
from tests.edge import HOST, ORIGIN, Answer, Life, Snap, StartEdge, batch, purchase
from tests.nginx.front import SITE, Front, arguments, localised, nginx_of, running_front
from tests.nginx.front import write_certificate as certify
from tests.nginx.shop import NO_PAGES, PAGES, Shop, running_shop
from tests.until import until

SHAPES = {
    "path": Shape(mode="path", domain=SITE),
    "html": Shape(mode="html", domain=SITE),
    "html beside": Shape(mode="html", domain=HOST, site=SITE),
}
OURS = {"_scid", "_scclid", "__Secure-edge"}
LANDING = "/?utm_source=snap&ScCid=Click-42"
IN_A_HURRY = re.compile(r"(proxy_(?:connect|send|read)_timeout +)[23]00ms;")
"""A page waits no longer for the proxy; on a busy machine a good answer may come later."""

NOBODY = 1
"""A port where nobody listens."""

_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with running_shop() as ours:
        yield ours


@pytest.fixture(scope="module")
def under(tmp_path_factory: pytest.TempPathFactory, far_snap: Snap) -> Iterator[Life]:
    """The proxy under a path."""
    yield from serving(tmp_path_factory.mktemp("under"), far_snap, prefix="/edge")


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory, far_snap: Snap) -> Iterator[Life]:
    """The proxy on a host of its own."""
    yield from serving(tmp_path_factory.mktemp("beside"), far_snap, prefix="")


def serving(folder: Path, snap: Snap, *, prefix: str) -> Iterator[Life]:
    edge = StartEdge(folder, snap.url, {"EDGEPROXY_CONSENT": "implied"})
    try:
        yield edge.start(EDGEPROXY_SERVER__PREFIX=prefix)
    finally:
        edge.stop_all()


@pytest.fixture(scope="module")
def path(
    kind: str, under: Life, shop: Shop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Front]:
    with shaped("path", kind, tmp_path_factory.mktemp("path"), under.port, shop) as ours:
        yield ours


@pytest.fixture(scope="module", params=["html", "html beside"])
def html(
    kind: str,
    under: Life,
    beside: Life,
    shop: Shop,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Front]:
    life = under if request.param == "html" else beside
    folder = tmp_path_factory.mktemp("html")
    with shaped(str(request.param), kind, folder, life.port, shop) as ours:
        yield ours


@contextlib.contextmanager
def shaped(
    shape: str,
    kind: str,
    folder: Path,
    upstream_port: int,
    shop: Shop,
    status: bytes = b"",
    *,
    hurried: bool = False,
) -> Iterator[Front]:
    """nginx in a shape; with a status, the proxy's answers to `/visit` have that one instead.

    Only a hurried one gives the proxy as little time as it is shipped with.
    """
    text, times = IN_A_HURRY.subn(r"\g<1>20s;", configuration(SHAPES[shape]))
    assert times == (0 if shape == "path" else 3)

    def edit(answer: bytes) -> bytes:
        return answer.replace(b"HTTP/1.1 204 No Content", b"HTTP/1.1 " + status, 1)

    with running_front(
        kind,
        folder,
        upstream_port,
        edit=edit if status else bytes,
        text=configuration(SHAPES[shape]) if hurried else text,
        backend_port=shop.port,
        host=SITE,
    ) as ours:
        yield ours


def browse(front: Front, uri: str = LANDING, **more: str) -> Answer:
    """A browser opens a page."""
    usual = {"User_Agent": canary.AGENT, "Sec_Fetch_Dest": "document"}
    return front.get(uri, **{**usual, **more})


def new_id() -> str:
    return f"mode-{next(_NUMBERS)}"


def arrived(snap: Snap, event_id: str) -> dict[str, object]:
    """The event as Snap got it."""

    def look() -> list[dict[str, object]]:
        return [event for event in snap.events if event["client_dedup_id"] == event_id]

    [event] = until(look, f"{event_id} arrives")
    return event


# The files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_nginx_takes_the_file_without_a_warning(kind: str, shape: str, tmp_path: Path) -> None:
    certify(tmp_path)
    text = configuration(SHAPES[shape])
    (tmp_path / "nginx.conf").write_text(
        localised(tmp_path, http=8080, https=8443, upstream=8000, text=text, backend=3000)
    )
    command = [*nginx_of(kind), *arguments(tmp_path), "-t"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert [line for line in said.stderr.splitlines() if "[" in line] == []


@pytest.mark.parametrize("shape", SHAPES)
def test_the_linter_finds_nothing(shape: str, tmp_path: Path) -> None:
    (tmp_path / "nginx.conf").write_text(configuration(SHAPES[shape]))
    command = [sys.executable, "-m", "gixy", "-f", "json", str(tmp_path / "nginx.conf")]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (said.returncode, json.loads(said.stdout)) == (0, [])


@pytest.mark.parametrize("shape", SHAPES)
def test_no_directive_is_commented_out(shape: str) -> None:
    comments = re.findall(r"^\s*#(.*)$", configuration(SHAPES[shape]), re.MULTILINE)
    assert [line for line in comments if re.search(r"[;{}]\s*$", line)] == []


# A path of the site's host ----------------------------------------------------------------------


def test_a_purchase_through_the_path_reaches_snap(path: Front, far_snap: Snap) -> None:
    order = new_id()
    answer = path.post(purchase(order), "/edge/e")
    assert (answer.status, answer.json()["accepted"]) == (202, 1)
    assert arrived(far_snap, order)["event_type"] == "PURCHASE"
    assert set(answer.set_cookies) == OURS
    for name in OURS:
        cookie = answer.attributes(name)
        assert (cookie["domain"], cookie["path"], cookie["secure"]) == ("example.com", "/", True)


def test_a_forged_address_reaches_neither_the_proxy_nor_the_site(path: Front, shop: Shop) -> None:
    forged = {"X-Forwarded-For": canary.ADDRESS, "X-Real-IP": canary.ADDRESS}
    path.post(batch({"name": "page"}), "/edge/e", source="127.0.0.2", headers=forged)
    head = path.tap.heads[-1]
    assert head.all("x-forwarded-for") == ["127.0.0.2"]
    assert head.all("x-forwarded-proto") == ["https"]
    assert head.all("x-real-ip") == []
    path.get("/", source="127.0.0.2", X_Forwarded_For=canary.ADDRESS)
    assert shop.asked[-1][1]["x-forwarded-for"] == "127.0.0.2"


def test_bodies_for_the_proxy_are_bounded_and_the_site_s_are_not_touched(
    path: Front, shop: Shop
) -> None:
    before = len(path.tap.heads)
    refused = path.post(b" " * (BODY_BYTES + 1), "/edge/e")
    assert (refused.status, refused.json()["code"]) == (413, "too_large")
    assert refused.header("strict-transport-security") == "max-age=31536000"
    assert len(path.tap.heads) == before
    assert path.post(b" " * (BODY_BYTES + 1), "/").status == 200
    assert shop.asked[-1][1]["content-length"] == str(BODY_BYTES + 1)


def test_the_server_api_takes_a_mebibyte(path: Front) -> None:
    path.post(b" " * 2**20, "/edge/v1/batch")
    assert path.tap.heads[-1].line == "POST /edge/v1/batch HTTP/1.1"
    assert path.tap.heads[-1].all("content-length") == [str(2**20)]
    assert path.post(b" " * (2**20 + 1), "/edge/v1/batch").status == 413


def test_the_tag_is_kept_under_the_path_too(
    kind: str, far_snap: Snap, shop: Shop, tmp_path: Path
) -> None:
    tag = load("s.js")
    edge = StartEdge(tmp_path, far_snap.url)
    life = edge.start(EDGEPROXY_SERVER__PREFIX="/edge")
    try:
        with shaped("path", kind, tmp_path, life.port, shop) as front:
            for uri in ("/edge/s.js", f"/edge/s.{tag.hash}.js"):
                for _ in range(2):
                    assert front.get(uri).body == tag.body
            assert len(front.tap.heads) == 2
            life.kill()
            assert front.get("/edge/s.js?v=2").body == tag.body
            lost = front.post(batch({"name": "page"}), "/edge/e")
            assert (lost.status, lost.json()["code"]) == (503, "unavailable")
            assert front.get("/").status == 200
    finally:
        edge.stop_all()


def test_a_flood_on_the_proxy_does_not_close_the_site(path: Front) -> None:
    with path.session("127.0.0.3") as greedy:
        asked = (greedy.request("GET", "/edge/s.js", None, {}) for _ in range(900))
        refused = next(answer for answer in asked if answer.status == 429)
    assert refused.json()["code"] == "too_many_requests"
    assert refused.header("retry-after") == "5"
    assert path.get("/", source="127.0.0.3").status == 200
    assert path.post(batch({"name": "page"}), "/edge/e", source="127.0.0.4").status == 202


def test_the_site_is_served_as_before(path: Front, shop: Shop) -> None:
    """Every page and file, with its own cookies and without ours."""
    before = len(path.tap.heads)
    for uri in (*PAGES, *NO_PAGES):
        answer = browse(path, uri)
        assert answer.body == uri.encode()
        assert set(answer.set_cookies) <= {"cart"}
    assert len(path.tap.heads) == before
    assert shop.asked[-1][1]["host"] == SITE


@pytest.mark.parametrize(
    "uri", ["/edge/", "/edge/visit", "/edge/healthz", "/edge/readyz", "/edge/x", "/edge/e/"]
)
def test_the_rest_of_the_path_is_not_found(path: Front, uri: str) -> None:
    before = len(path.tap.heads)
    answer = browse(path, uri)
    assert (answer.status, answer.json()["code"]) == (404, "not_found")
    assert len(path.tap.heads) == before


def test_an_image_on_a_page_without_referrer_is_the_site_s(path: Front, far_snap: Snap) -> None:
    event_id = new_id()
    answer = path.get(
        f"/edge/i?id={event_id}",
        User_Agent=canary.AGENT,
        Sec_Fetch_Dest="image",
        Sec_Fetch_Site="same-origin",
    )
    assert (answer.status, answer.body) == (200, GIF)
    assert "_scid" in answer.set_cookies
    assert arrived(far_snap, event_id)["event_type"] == "PAGE_VIEW"


# Cookies on the pages ---------------------------------------------------------------------------


@pytest.mark.parametrize("uri", PAGES)
def test_a_page_brings_the_cookies_with_it(html: Front, uri: str) -> None:
    answer = browse(html, f"{uri}?ScCid=Click-42")
    assert answer.body == uri.encode()
    own = {"cart"} if uri == "/" else set()
    assert set(answer.set_cookies) == OURS | own
    assert answer.set_cookies["_scclid"].startswith("_scclid=Click-42; ")
    for name in OURS:
        cookie = answer.attributes(name)
        assert (cookie["domain"], cookie["path"], cookie["secure"]) == ("example.com", "/", True)
        assert bool(cookie["httponly"]) == (name != "_scid")
    assert [key for key, _ in answer.headers if key.lower().startswith("x-edge")] == []
    assert answer.header("strict-transport-security") == "max-age=31536000"


@pytest.mark.parametrize("uri", NO_PAGES)
def test_what_a_shared_cache_may_keep_and_what_is_no_page_brings_none(
    html: Front, uri: str
) -> None:
    """Also when the browser does not say what it fetches, so that the proxy is asked."""
    usual = {"User_Agent": canary.AGENT}
    answer = html.get(f"{uri}?ScCid=Click-42", **usual)
    assert (answer.status, answer.set_cookies) == (200, {})
    assert html.tap.heads[-1].line.endswith("/visit HTTP/1.1")


@pytest.mark.parametrize("purpose", ["image", "script", "style", "iframe", "empty", "font"])
def test_nothing_but_a_document_is_asked_about(html: Front, purpose: str) -> None:
    before = len(html.tap.heads)
    answer = browse(html, "/bare", Sec_Fetch_Dest=purpose)
    assert (answer.status, answer.set_cookies) == (200, {})
    assert len(html.tap.heads) == before


def test_a_returning_visitor_keeps_the_cookies(html: Front) -> None:
    first = browse(html, f"/bare?{LANDING.partition('?')[2]}")
    second = browse(html, "/bare", Cookie=first.jar)
    assert second.jar == first.jar


def test_the_proxy_is_told_the_page_and_the_visitor(html: Front) -> None:
    """The address that nginx sees, the page's own host and address, and no body."""
    html.post(
        b"a form's fields",
        LANDING,
        source="127.0.0.2",
        headers={
            "Sec-Fetch-Dest": "document",
            "X-Forwarded-For": canary.ADDRESS,
            "X-Original-URI": "/?ScCid=forged",
            "Forwarded": f"for={canary.ADDRESS}",
            "Sec-GPC": "1",
        },
    )
    head = html.tap.heads[-1]
    assert head.line.startswith("GET ")
    assert head.all("host") == [SITE]
    assert head.all("x-original-uri") == [LANDING]
    assert head.all("x-forwarded-for") == ["127.0.0.2"]
    assert head.all("x-forwarded-proto") == ["https"]
    assert head.all("sec-gpc") == ["1"]
    assert head.all("content-length") == []
    assert head.all("forwarded") == []


@pytest.mark.parametrize(
    "more",
    [
        {"User_Agent": "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)"},
        {"Sec_Purpose": "prefetch;prerender"},
        {"Sec_GPC": "1"},
        {"Cookie": "edge_optout=1"},
        {"Origin": ORIGIN},
    ],
    ids=str,
)
def test_who_is_given_no_cookies_is_given_the_page(html: Front, more: dict[str, str]) -> None:
    answer = browse(html, "/bare?ScCid=Click-42", **more)
    assert (answer.status, answer.body, answer.set_cookies) == (200, b"/bare", {})


def test_global_privacy_control_expires_the_cookies_on_the_page(html: Front) -> None:
    jar = browse(html, "/bare?ScCid=Click-42").jar
    answer = browse(html, "/bare", Cookie=jar, Sec_GPC="1")
    assert set(answer.set_cookies) == OURS
    for name in OURS:
        assert answer.attributes(name)["max-age"] == "0"


@pytest.mark.parametrize("uri", ["/edgeproxy-visit", "/edgeproxy-visit?ScCid=x"])
def test_nobody_can_ask_from_outside(html: Front, uri: str) -> None:
    """nginx itself has nothing to say there, and the proxy is not asked."""
    before = len(html.tap.heads)
    answer = browse(html, uri)
    assert (answer.status, answer.body, answer.set_cookies) == (204, b"", {})
    assert len(html.tap.heads) == before


def test_the_proxy_under_the_path_is_there_as_well(
    kind: str, under: Life, shop: Shop, far_snap: Snap, tmp_path: Path
) -> None:
    order = new_id()
    with shaped("html", kind, tmp_path, under.port, shop) as front:
        assert front.post(purchase(order), "/edge/e").status == 202
    assert arrived(far_snap, order)["event_type"] == "PURCHASE"


def test_the_proxy_beside_the_site_is_there_as_well(
    kind: str, beside: Life, shop: Shop, far_snap: Snap, tmp_path: Path
) -> None:
    order = new_id()
    with shaped("html beside", kind, tmp_path, beside.port, shop) as site:
        edge = replace(site, host=HOST)
        assert edge.post(purchase(order)).status == 202
        assert edge.post(b" " * (BODY_BYTES + 1)).status == 413
        assert edge.get("/visit").status == 404
    assert arrived(far_snap, order)["event_type"] == "PURCHASE"


def test_under_required_consent_a_page_brings_cookies_after_the_yes(
    kind: str, far_snap: Snap, shop: Shop, tmp_path: Path
) -> None:
    edge = StartEdge(tmp_path, far_snap.url)
    life = edge.start()
    try:
        with shaped("html beside", kind, tmp_path, life.port, shop) as front:
            assert browse(front, "/bare?ScCid=Click-42").set_cookies == {}
            jar = life.post(batch({"name": "page"})).jar
            answer = browse(front, "/bare?ScCid=Click-42", Cookie=jar)
            assert set(answer.set_cookies) == OURS
    finally:
        edge.stop_all()


# The pages do not depend on the proxy -----------------------------------------------------------

STATUSES = (
    *("301 Moved Permanently", "302 Found", "304 Not Modified", "307 Temporary Redirect"),
    *("400 Bad Request", "401 Unauthorized", "403 Forbidden", "404 Not Found"),
    *("429 Too Many Requests", "431 Request Header Fields Too Large"),
    *("500 Internal Server Error", "502 Bad Gateway", "503 Service Unavailable"),
    *("504 Gateway Timeout", "507 Insufficient Storage"),
)


@pytest.mark.parametrize("status", STATUSES)
def test_a_page_is_served_whatever_the_proxy_answers(
    kind: str, beside: Life, shop: Shop, tmp_path: Path, status: str
) -> None:
    with shaped("html beside", kind, tmp_path, beside.port, shop, status.encode()) as front:
        answer = browse(front)
        assert front.tap.heads[-1].line == "GET /visit HTTP/1.1"
    assert (answer.status, answer.body) == (200, b"/")
    assert "cart" in answer.set_cookies


def test_a_page_is_served_while_the_proxy_is_down(kind: str, shop: Shop, tmp_path: Path) -> None:
    """What listens there hangs up; then nothing listens."""
    with shaped("html", kind, tmp_path, NOBODY, shop) as front:
        for closed in (False, True):
            if closed:
                front.tap.shutdown()
                front.tap.server_close()
            for uri in PAGES:
                assert browse(front, uri).body == uri.encode()


def test_a_page_is_served_while_the_proxy_is_gone(
    kind: str, far_snap: Snap, shop: Shop, tmp_path: Path
) -> None:
    """Its process, so that nginx's own connection is refused or cut."""
    edge = StartEdge(tmp_path, far_snap.url, {"EDGEPROXY_CONSENT": "implied"})
    life = edge.start()
    try:
        with shaped("html beside", kind, tmp_path, life.port, shop) as front:
            assert set(browse(front, LANDING).set_cookies) == OURS | {"cart"}
            life.kill()
            answer = browse(front, LANDING)
            assert (answer.status, set(answer.set_cookies)) == (200, {"cart"})
    finally:
        edge.stop_all()


def test_a_page_is_served_while_the_proxy_is_silent(
    kind: str, beside: Life, shop: Shop, tmp_path: Path
) -> None:
    """It takes the question and never answers; nginx's own patience would be a minute."""
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        shaped("html beside", kind, tmp_path, beside.port, shop, hurried=True) as front,
    ):
        front.tap.upstream_port = silent.getsockname()[1]
        answer = browse(front)
        assert (answer.status, set(answer.set_cookies)) == (200, {"cart"})

"""The snippets in a real browser, on a page whose policy allows what they say and nothing else."""

import contextlib
import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from edgeproxy.snippets import Snippet, Tag, snippet
from edgeproxy.web.assets import load
from tests.edge import PIXEL, Life, Snap, StartEdge, running_snap
from tests.until import until

pytestmark = pytest.mark.browser

_NUMBERS = itertools.count()
AUTOMATIC = ("html", "snaptr", "gtm", "segment")
"""The platforms whose snippet sends a page view by itself."""

LAYER = """<script>
window.dataLayer = [{event: 'view_item', ecommerce: {currency: 'EUR', value: 7.5,
  items: [{item_id: 'SKU-A', item_name: 'Cup', price: 7.5, quantity: 1}]}}];
</script>"""


@dataclass
class Shop:
    """A site of one page, which a test fills in."""

    url: str = ""
    head: str = ""
    policy: str = ""


@dataclass(frozen=True)
class Visit:
    """One visitor on the page, come by an ad of its own."""

    page: Page
    url: str
    click: str
    snap: Snap

    def events(self) -> list[dict[str, Any]]:
        """What Snap got of this visitor."""
        return [event for event in self.snap.events if event.get("click_id") == self.click]

    def arrived(self, name: str) -> dict[str, Any]:
        """The first event of a name."""
        of_name = until(
            lambda: [event for event in self.events() if event["event_type"] == name],
            f"{name} arrives",
        )
        return of_name[0]

    def cookies(self) -> set[str]:
        """Their names."""
        return {str(cookie["name"]) for cookie in self.page.context.cookies()}


@pytest.fixture(scope="module")
def far_snap() -> Iterator[Snap]:
    with running_snap() as ours:
        yield ours


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    """The site, at a host beside the proxy's."""
    with serving() as ours:
        yield ours


@contextlib.contextmanager
def serving() -> Iterator[Shop]:
    shop = Shop()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            return

        def do_GET(self) -> None:
            page = f"<!doctype html><html><head><title>Shop</title>{shop.head}</head></html>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            if shop.policy:
                self.send_header("Content-Security-Policy", shop.policy)
            self.end_headers()
            self.wfile.write(page.encode())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    shop.url = f"http://www.shop.localhost:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield shop
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def life(shop: Shop, far_snap: Snap, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """The proxy of this site; events flow until a refusal."""
    environ = {"EDGEPROXY_ORIGIN": shop.url, "EDGEPROXY_CONSENT": "implied"}
    edge = StartEdge(tmp_path_factory.mktemp("edge"), far_snap.url, environ)
    try:
        yield edge.start()
    finally:
        edge.stop_all()


@pytest.fixture
def opened(browser: Browser, shop: Shop, far_snap: Snap) -> Iterator["Open"]:
    """Opens the page with a snippet in its head."""
    opens = Open(browser, shop, far_snap)
    yield opens
    for visit in opens.visits:
        visit.page.context.close()


@dataclass
class Open:
    """Opens the page in fresh profiles."""

    browser: Browser
    shop: Shop
    snap: Snap
    visits: list[Visit] = field(default_factory=list)

    def __call__(
        self, made: Snippet, *, before: str = "", policy: str = "", scripts: bool = True
    ) -> Visit:
        """The page with the snippet in its head, come to by an ad.

        Args:
            made: What is pasted.
            before: What the site has before it.
            policy: Its Content-Security-Policy.
            scripts: Whether the browser runs JavaScript.
        """
        self.shop.head, self.shop.policy = before + made.code, policy
        page = self.browser.new_context(java_script_enabled=scripts).new_page()
        click = f"Click-{next(_NUMBERS)}"
        visit = Visit(page, f"{self.shop.url}/?ScCid={click}", click, self.snap)
        self.visits.append(visit)
        page.goto(visit.url)
        return visit


def tag(life: Life, **more: Any) -> Tag:
    """Of this proxy, at a host beside the site's."""
    endpoint = f"http://edge.shop.localhost:{life.port}"
    return Tag(endpoint=endpoint, consent="implied", pixel=PIXEL, **more)


@pytest.mark.parametrize("pinned", [False, True], ids=["fresh", "pinned"])
@pytest.mark.parametrize("platform", AUTOMATIC)
def test_a_pasted_snippet_sends_the_page_view(
    opened: Open, life: Life, platform: str, pinned: bool
) -> None:
    """Also with its digest, which the browser checks."""
    asset = load("s.js")
    more = {"file": f"s.{asset.hash}.js", "integrity": asset.integrity} if pinned else {}
    visit = opened(snippet(tag(life, **more), platform=platform))
    assert visit.arrived("PAGE_VIEW")["page_url"] == visit.url
    until(lambda: visit.cookies() >= {"_scid", "_scclid", "edge"}, "the cookies are there")


@pytest.mark.parametrize("platform", ["html", "snaptr", "segment"])
def test_the_policy_that_is_said_is_enough(opened: Open, life: Life, platform: str) -> None:
    made = snippet(tag(life), platform=platform)
    visit = opened(made, policy=f"default-src 'none'; {made.policy}")
    assert visit.arrived("PAGE_VIEW")["page_url"] == visit.url


def test_the_policy_is_needed(opened: Open, life: Life) -> None:
    """Or the test above would prove nothing."""
    visit = opened(snippet(tag(life)), policy="default-src 'none'")
    assert visit.page.evaluate("typeof window.edge") == "undefined"


def test_a_wrong_digest_is_refused(opened: Open, life: Life) -> None:
    file, other = f"s.{load('s.js').hash}.js", "sha384-" + "A" * 64
    visit = opened(snippet(tag(life, file=file, integrity=other)))
    assert visit.page.evaluate("typeof window.edge") == "undefined"


def test_tag_manager_s_data_layer_is_read(opened: Open, life: Life) -> None:
    visit = opened(snippet(tag(life), platform="gtm"), before=LAYER)
    event = visit.arrived("VIEW_CONTENT")
    assert (event["price"], event["currency"]) == (7.5, "EUR")
    assert event["item_ids"] == ["SKU-A"]


def test_calls_of_segment_s_library_become_events(opened: Open, life: Life) -> None:
    """Those made before the tag is there, and those after it."""
    visit = opened(snippet(tag(life), platform="segment"))
    visit.page.evaluate("analytics.track('Product Added', {product_id: 'SKU-A', price: 3})")
    assert visit.arrived("ADD_CART")["item_ids"] == ["SKU-A"]
    assert visit.arrived("PAGE_VIEW")["page_url"] == visit.url


@pytest.mark.parametrize("platform", AUTOMATIC)
def test_a_visitor_without_javascript_is_seen_too(opened: Open, life: Life, platform: str) -> None:
    made = snippet(tag(life, noscript=True), platform=platform)
    visit = opened(made, policy=f"default-src 'none'; {made.policy}", scripts=False)
    assert visit.arrived("PAGE_VIEW")["page_url"] == visit.url
    until(visit.cookies, "the answer has come, too")
    assert visit.cookies() == {"_scid", "_scclid", "edge"}


def test_a_visitor_with_javascript_is_not_counted_by_the_image_as_well(
    opened: Open, life: Life
) -> None:
    visit = opened(snippet(tag(life, noscript=True)))
    visit.arrived("PAGE_VIEW")
    visit.page.evaluate("edge.track('Product Added', {product_id: 'SKU-A'})")
    visit.arrived("ADD_CART")
    assert [event["event_type"] for event in visit.events()] == ["PAGE_VIEW", "ADD_CART"]

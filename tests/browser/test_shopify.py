"""Shopify's pixel in a frame like the one that Shopify runs it in: sandboxed, of origin `null`."""

import itertools
import json
from collections.abc import Iterator
from html import escape
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from edgeproxy.snippets import WRITE_KEY_PLACEHOLDER, Tag, snippet
from tests.browser.test_pasted import Shop, serving
from tests.edge import Life, Snap, running_snap
from tests.keyed import KEY, serving_keyed
from tests.until import until

pytestmark = pytest.mark.browser

SCID = "5e2f7c1a-9b3d-4e6f-8a10-2c4d6e8f0a1b"
_NUMBERS = itertools.count()

FRAME = """
<script>
const listeners = {}, kept = {}, answers = [];
const init = {customerPrivacy: {marketingAllowed: true}};
const analytics = {subscribe: (name, run) => { listeners[name] = run; }};
const browser = {
  cookie: {get: async () => %(scid)s},
  localStorage: {
    getItem: async (name) => kept[name] === undefined ? null : kept[name],
    setItem: async (name, value) => { kept[name] = value; }
  }
};
const outer = fetch;
window.fetch = async (url, options) => {
  const answer = await outer(url, options);
  const body = await answer.clone().text();
  parent.postMessage({origin: self.origin, status: answer.status, body}, '*');
  return answer;
};
</script>
<script>%(code)s</script>
<script>
listeners.checkout_completed({
  id: %(id)s, name: 'checkout_completed', clientId: 'client-1234',
  timestamp: new Date().toISOString(),
  data: {checkout: {
    order: {id: %(id)s}, email: 'person@shop.test', currencyCode: 'USD',
    totalPrice: {amount: 129.99}, lineItems: []
  }},
  context: {
    document: {location: {href: 'https://www.example.com/thanks?ScCid=Click-42'}, referrer: ''},
    navigator: {userAgent: navigator.userAgent}
  }
});
</script>
"""


@pytest.fixture(scope="module")
def far_snap() -> Iterator[Snap]:
    with running_snap() as ours:
        yield ours


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory, far_snap: Snap) -> Iterator[Life]:
    folder = tmp_path_factory.mktemp("shopify")
    with serving_keyed(folder, far_snap.url, consent="required") as life:
        yield life


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_context().new_page()
    yield page
    page.context.close()


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with serving() as ours:
        yield ours


def bought(page: Page, shop: Shop, life: Life, key: str) -> tuple[str, dict[str, Any]]:
    """The order's id, and what the frame of a thank-you page could read of the answer."""
    name = f"shopify-{next(_NUMBERS)}"
    code = snippet(Tag(endpoint=f"http://127.0.0.1:{life.port}"), platform="shopify").code
    frame = FRAME % {
        "scid": json.dumps(SCID),
        "id": json.dumps(name),
        "code": code.replace(WRITE_KEY_PLACEHOLDER, key),
    }
    shop.head = (
        "<script>window.told = []; addEventListener('message', (e) => told.push(e.data));</script>"
        f'<iframe sandbox="allow-scripts" srcdoc="{escape(frame)}"></iframe>'
    )
    page.goto(shop.url)
    told: list[dict[str, Any]] = until(lambda: page.evaluate("told"), "the frame got an answer")
    return name, told[0]


def test_an_order_reaches_snap_from_a_frame_without_an_origin(
    page: Page, shop: Shop, life: Life, far_snap: Snap
) -> None:
    """No preflight is needed, and the frame may read the answer, so that it can try again."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.method))
    name, told = bought(page, shop, life, KEY)
    assert told == {"origin": "null", "status": 200, "body": '{"success":true}'}
    assert "OPTIONS" not in asked
    until(lambda: [e for e in far_snap.events if e["client_dedup_id"] == name], "it arrives")
    [event] = [e for e in far_snap.events if e["client_dedup_id"] == name]
    assert (event["event_type"], event["uuid_c1"]) == ("PURCHASE", SCID)
    assert event["click_id"] == "Click-42"


def test_a_refusal_can_be_read_too(page: Page, shop: Shop, life: Life) -> None:
    _, told = bought(page, shop, life, "not-the-key")
    assert (told["origin"], told["status"]) == ("null", 401)

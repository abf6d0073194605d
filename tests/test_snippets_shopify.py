"""Shopify's pixel as pasted, run by Node against a real proxy: what it tells reaches Snap."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from edgeproxy.pii import email_sha256, sha256_hex
from edgeproxy.snippets import WRITE_KEY_PLACEHOLDER, Tag, snippet
from tests.edge import Life, Snap, running_snap
from tests.keyed import KEY, serving_keyed
from tests.test_snippets import DATA, node
from tests.until import until

SCID = "5e2f7c1a-9b3d-4e6f-8a10-2c4d6e8f0a1b"
AGENT = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Version/18.1 Mobile Safari/604.1"

FRAME = """
const shop = JSON.parse(process.argv[1]), listeners = {}, kept = {}, answers = []
const analytics = {subscribe: (name, run) => { listeners[name] = run }}
const browser = {
  cookie: {get: async (name) => name === '_scid' ? shop.scid : ''},
  localStorage: {
    getItem: async (name) => kept[name] === undefined ? null : kept[name],
    setItem: async (name, value) => { kept[name] = value }
  }
}
let chosen
const customerPrivacy = {subscribe: (name, run) => { chosen = run }}
const init = {customerPrivacy: {marketingAllowed: true, saleOfDataAllowed: true}}
const tapped = async (url, options) => {
  const answer = await fetch(url, options)
  answers.push([answer.status, await answer.clone().text()])
  return answer
}
const pixel = new Function('analytics', 'browser', 'init', 'customerPrivacy', 'fetch', shop.code)
pixel(analytics, browser, init, customerPrivacy, tapped)
const run = async () => {
  let url = 'https://www.example.com/?ScCid=Click-42'
  for (const [name, data] of Object.entries(shop.data)) {
    await listeners[name]({
      id: 'sh-' + name, name, clientId: 'client-1234', timestamp: new Date().toISOString(), data,
      context: {
        document: {location: {href: url}, referrer: 'https://www.snapchat.com/'},
        navigator: {userAgent: shop.agent}
      }
    })
    url = 'https://www.example.com/next'
  }
  console.log(JSON.stringify(answers))
}
run()
"""


@pytest.fixture(scope="module")
def far_snap() -> Iterator[Snap]:
    with running_snap() as ours:
        yield ours


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory, far_snap: Snap) -> Iterator[Life]:
    """A source that needs consent, as most do; the pixel reports it."""
    folder = tmp_path_factory.mktemp("shopify")
    with serving_keyed(folder, far_snap.url, consent="required") as life:
        yield life


def day(life: Life, key: str = KEY) -> list[tuple[int, Any]]:
    """Every customer event once; how the proxy answered each."""
    tag = Tag(endpoint=f"http://127.0.0.1:{life.port}")
    code = snippet(tag, platform="shopify").code
    shop = {
        "code": code.replace(WRITE_KEY_PLACEHOLDER, key),
        "data": DATA,
        "scid": SCID,
        "agent": AGENT,
    }
    found = json.loads(node("-e", FRAME, json.dumps(shop)))
    return [(status, json.loads(text)) for status, text in found]


def test_every_customer_event_reaches_snap_with_its_visitor(life: Life, far_snap: Snap) -> None:
    assert day(life) == [(200, {"success": True})] * len(DATA)
    until(lambda: len(far_snap.events) >= len(DATA), "all of them arrive")
    events = {event["client_dedup_id"]: event for event in far_snap.events}
    assert {name: event["event_type"] for name, event in events.items()} == {
        "sh-page_viewed": "PAGE_VIEW",
        "sh-product_viewed": "VIEW_CONTENT",
        "sh-collection_viewed": "LIST_VIEW",
        "sh-search_submitted": "SEARCH",
        "sh-product_added_to_cart": "ADD_CART",
        "sh-checkout_started": "START_CHECKOUT",
        "sh-payment_info_submitted": "ADD_BILLING",
        "sh-checkout_completed": "PURCHASE",
    }
    for event in events.values():
        assert event["event_conversion_type"] == "WEB"
        assert (event["uuid_c1"], event["click_id"]) == (SCID, "Click-42")
        assert event["user_agent"] == AGENT
    assert events["sh-page_viewed"]["page_url"] == "https://www.example.com/?ScCid=Click-42"
    order = events["sh-checkout_completed"]
    assert (order["price"], order["currency"]) == (129.99, "USD")
    assert (order["transaction_id"], order["item_ids"]) == ("order-7", ["v-1"])
    assert order["hashed_email"] == email_sha256("person@shop.test")
    assert order["hashed_phone_number"] == sha256_hex("14155550142")
    assert day(life) == [(200, {"success": True})] * len(DATA)
    assert len(far_snap.events) == len(DATA)


def test_a_wrong_key_is_told_to_the_pixel(life: Life) -> None:
    statuses = {status for status, _ in day(life, key="not-the-key")}
    assert statuses == {401}

"""What a site pastes: exact, escaped, readable by its own language, nothing the proxy refuses."""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from edgeproxy.cli import main
from edgeproxy.cli.setup import snippet as command
from edgeproxy.snippets import (
    PIXEL_PLACEHOLDER,
    PLACEHOLDER,
    PLATFORMS,
    WRITE_KEY_PLACEHOLDER,
    Fault,
    Tag,
    endpoint_of,
    snippet,
)
from edgeproxy.web.assets import load

Output = pytest.CaptureFixture[str]
PIXEL = "67d34640-b7a4-42a8-b821-6434d70f08a4"
PLAIN = Tag(endpoint=PLACEHOLDER)
EVERYTHING = Tag(
    endpoint="https://www.example.com/edge",
    consent="implied",
    name="px",
    auto=False,
    pixel=PIXEL,
    layer="dataLayer",
    cmp="tcf google",
    noscript=True,
    file="s.0123456789abcdef.js",
    integrity="sha384-abc+/=",
)
HTML = ("html", "snaptr", "gtm", "segment")
"""The platforms whose snippet is HTML."""


def test_the_plain_tag_is_one_line_with_its_policy() -> None:
    made = snippet(PLAIN)
    assert made.code == '<script async src="https://edge.example.com/s.js"></script>'
    assert made.policy == (
        "script-src https://edge.example.com; connect-src https://edge.example.com"
    )
    assert made.place == "in the <head> of every page"


def test_a_prefix_stands_in_the_tag_and_not_in_the_policy() -> None:
    made = snippet(Tag(endpoint="https://WWW.example.com:443/edge/"))
    assert made.code == '<script async src="https://www.example.com/edge/s.js"></script>'
    assert made.policy == (
        "script-src https://www.example.com; connect-src https://www.example.com"
    )


def test_every_option_that_differs_from_the_default_is_an_attribute() -> None:
    [script, *_] = elements(snippet(EVERYTHING).code)
    assert script == (
        "script",
        {
            "async": None,
            "src": "https://www.example.com/edge/s.0123456789abcdef.js",
            "integrity": "sha384-abc+/=",
            "crossorigin": "anonymous",
            "data-consent": "implied",
            "data-global": "px",
            "data-auto": "false",
            "data-pixel": PIXEL,
            "data-layer": "dataLayer",
            "data-cmp": "tcf google",
        },
    )


def test_a_local_proxy_may_be_http() -> None:
    assert endpoint_of("http://localhost:8000/") == "http://localhost:8000"


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "edge.example.com",
        "http://edge.example.com",
        "https://edge.example.com/s.js?x=1",
        "https://edge.example.com/#x",
        'https://edge.example.com/"><script>',
        "https://edge.example.com/a b",
        "https://user@edge.example.com",
        "javascript:alert(1)",
        "https://[::1",
    ],
)
def test_an_endpoint_that_browsers_would_not_take_is_refused(endpoint: str) -> None:
    with pytest.raises(Fault, match=r"."):
        endpoint_of(endpoint)


@pytest.mark.parametrize("name", ["a b", "1a", 'x"y', "a-b", "é", "x;y"])
@pytest.mark.parametrize("field", ["name", "layer"])
def test_names_are_names_of_variables(field: str, name: str) -> None:
    with pytest.raises(Fault, match="variable") as fault:
        snippet(replace(PLAIN, **{field: name}))
    assert fault.value.field == field


@pytest.mark.parametrize("pixel", ["a b", "'x'", "</script>", "x" * 65])
def test_a_pixel_is_an_id(pixel: str) -> None:
    with pytest.raises(Fault, match="id of a pixel"):
        snippet(replace(PLAIN, pixel=pixel))


def test_only_adapters_that_exist_are_named() -> None:
    with pytest.raises(Fault, match='"other" is none of them'):
        snippet(replace(PLAIN, cmp="tcf other"))


# Every platform ---------------------------------------------------------------------------------


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("tag", [PLAIN, EVERYTHING])
def test_every_platform_has_its_text(platform: str, tag: Tag) -> None:
    made = snippet(tag, platform=platform)
    assert tag.endpoint in made.code
    assert made.place
    assert "https://" in made.policy
    assert "{{" not in made.code
    assert "{%" not in made.code
    assert not re.search(r"[ \t]\n|\n$", made.code)
    for placeholder in (PIXEL_PLACEHOLDER, WRITE_KEY_PLACEHOLDER):
        assert (placeholder in made.code) == (placeholder in made.todo)


@pytest.mark.parametrize("platform", HTML)
@pytest.mark.parametrize("tag", [PLAIN, EVERYTHING])
def test_html_is_closed_and_its_scripts_are_javascript(
    platform: str, tag: Tag, tmp_path: Path
) -> None:
    code = snippet(tag, platform=platform).code
    assert elements(code)
    for script in inline(code):
        parses(script, tmp_path)


@pytest.mark.parametrize("platform", [*HTML, "woocommerce"])
def test_integrity_is_asked_for_with_the_file_it_belongs_to(platform: str) -> None:
    code = snippet(EVERYTHING, platform=platform).code
    for part in ("s.0123456789abcdef.js", "sha384-abc+/=", "crossorigin"):
        assert part in code
    assert "/s.js" not in code
    assert "scevent" not in code
    assert "integrity" not in snippet(PLAIN, platform=platform).code


@pytest.mark.parametrize("platform", [*HTML, "woocommerce"])
def test_the_image_without_javascript_tells_the_whole_address(platform: str) -> None:
    """Its host and query; the default would be the host alone for another host."""
    code = snippet(EVERYTHING, platform=platform).code
    found = re.search(r"<noscript>(.*)</noscript>", code)
    assert found is not None
    [(name, attributes)] = elements(found[1])
    assert name == "img"
    assert attributes["src"] == "https://www.example.com/edge/i?name=page"
    assert attributes["referrerpolicy"] == "no-referrer-when-downgrade"
    assert "img-src https://www.example.com" in snippet(EVERYTHING, platform=platform).policy
    assert "noscript" not in snippet(PLAIN, platform=platform).code


@pytest.mark.parametrize("platform", ["snaptr", "segment"])
def test_the_policy_allows_the_inline_script_by_its_digest(platform: str) -> None:
    made = snippet(PLAIN, platform=platform)
    [script] = inline(made.code)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in made.policy


# Snap's snippet, Tag Manager, Segment -----------------------------------------------------------


def test_snap_s_snippet_loads_the_tag_under_the_pixel_s_name() -> None:
    made = snippet(replace(PLAIN, pixel=PIXEL), platform="snaptr")
    assert '"https://edge.example.com/scevent.min.js"' in made.code
    assert f"snaptr('init', \"{PIXEL}\");\nsnaptr('track', 'PAGE_VIEW');" in made.code
    assert made.todo == ()


def test_snap_s_snippet_leaves_the_page_view_out_when_asked() -> None:
    made = snippet(EVERYTHING, platform="snaptr")
    assert "PAGE_VIEW" not in made.code
    assert "data-auto" not in made.code


def test_tag_manager_is_read_by_default_and_its_attributes_are_set_by_script() -> None:
    """Attributes of elements in a Custom HTML tag are lost."""
    code = snippet(PLAIN, platform="gtm").code
    assert 's.setAttribute("data-layer", "dataLayer");' in code
    assert 's.setAttribute("data-cmp", "google");' in code
    assert elements(code) == [("script", {})]
    own = snippet(replace(PLAIN, layer="events", cmp="tcf"), platform="gtm").code
    assert 's.setAttribute("data-layer", "events");' in own
    assert 's.setAttribute("data-cmp", "tcf");' in own


def test_segment_s_calls_have_their_usual_name_or_the_one_given() -> None:
    code = snippet(PLAIN, platform="segment").code
    assert 'data-global="analytics" data-auto="false"' in code
    assert "analytics.page();" in code
    own = snippet(replace(PLAIN, name="px", auto=False), platform="segment").code
    assert 'data-global="px"' in own
    assert ".page();" not in own


# WooCommerce ------------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", [PLAIN, EVERYTHING])
def test_the_php_is_balanced(tag: Tag) -> None:
    code = snippet(tag, platform="woocommerce").code
    bare = re.sub(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|//[^\n]*", "''", code)
    open_ones: list[str] = []
    for sign in re.findall(r"[()\[\]{}]", bare):
        if sign in "([{":
            open_ones.append(sign)
        else:
            assert open_ones.pop() + sign in ("()", "[]", "{}")
    assert open_ones == []
    assert "<?php" not in code


@pytest.mark.parametrize("tag", [PLAIN, EVERYTHING])
def test_php_takes_it(tag: Tag, tmp_path: Path) -> None:
    php = shutil.which("php")
    if php is None:
        pytest.skip("php is not installed")
    file = tmp_path / "functions.php"
    file.write_text("<?php\n" + snippet(tag, platform="woocommerce").code)
    said = subprocess.run([php, "-l", str(file)], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


def test_an_element_s_quotes_do_not_end_a_php_text() -> None:
    code = snippet(EVERYTHING, platform="woocommerce").code
    [line] = [line for line in code.splitlines() if "<script async" in line]
    assert re.fullmatch(r"\techo '<script async [^'\\]*></script>', \"\\n\";", line)


# Shopify ----------------------------------------------------------------------------------------

VARIANT = {
    "id": "v-1",
    "sku": "SKU-A",
    "price": {"amount": 49.99, "currencyCode": "USD"},
    "product": {"id": "p-1", "title": "Cup", "vendor": "Potter", "type": "Tableware"},
}
CHECKOUT = {
    "order": {"id": "order-7"},
    "token": "t-1",
    "email": "person@shop.test",
    "phone": None,
    "billingAddress": {
        "phone": "+14155550142",
        "firstName": "Jane",
        "lastName": "Doe",
        "city": "Oakland",
        "provinceCode": "CA",
        "zip": "94601",
        "countryCode": "US",
    },
    "totalPrice": {"amount": "129.99", "currencyCode": "USD"},
    "currencyCode": "USD",
    "lineItems": [{"quantity": 2, "variant": VARIANT}, {"quantity": 1, "variant": None}],
}
DATA: dict[str, Any] = {
    "page_viewed": {},
    "product_viewed": {"productVariant": VARIANT},
    "collection_viewed": {
        "collection": {"id": "c-1", "title": "Cups", "productVariants": [VARIANT]}
    },
    "search_submitted": {"searchResult": {"query": "cup"}},
    "product_added_to_cart": {"cartLine": {"merchandise": VARIANT, "quantity": 2}},
    "checkout_started": {"checkout": {**CHECKOUT, "order": None, "billingAddress": None}},
    "payment_info_submitted": {"checkout": CHECKOUT},
    "checkout_completed": {"checkout": CHECKOUT},
}
"""Customer event → its data. Source: Shopify, Web Pixels API, standard events."""

FRAME = """
const told = [], listeners = {}, kept = {}, waits = []
const shop = JSON.parse(process.argv[1])
const analytics = {subscribe: (name, run) => { listeners[name] = run }}
const browser = {
  cookie: {get: async (name) => ({_scid: 'scid-of-the-shop'})[name] || ''},
  localStorage: {
    getItem: async (name) => kept[name] === undefined ? null : kept[name],
    setItem: async (name, value) => { kept[name] = value }
  }
}
let chosen
const customerPrivacy = {subscribe: (name, run) => { chosen = run }}
const init = {customerPrivacy: {marketingAllowed: shop.allowed, ...shop.privacy}}
const fetch = async (url, options) => {
  told.push({url, options, body: JSON.parse(options.body)})
  return {status: shop.statuses && shop.statuses.length ? shop.statuses.shift() : 200}
}
const setTimeout = (run, wait) => { waits.push(wait); run() }
new Function('analytics', 'browser', 'init', 'customerPrivacy', 'fetch', 'setTimeout', shop.code)(
  analytics, browser, init, customerPrivacy, fetch, setTimeout)
const run = async () => {
  for (const [name, data] of Object.entries(shop.data)) {
    await listeners[name]({
      id: 'sh-' + name, name, clientId: 'client-1', timestamp: '2026-11-21T12:00:00.000Z', data,
      context: {
        document: {location: {href: shop.url}, referrer: 'https://www.shop.test/'},
        navigator: {userAgent: 'Browser/1'}
      }
    })
    shop.url = 'https://www.shop.test/next'
    if (shop.answer !== undefined) chosen({customerPrivacy: {marketingAllowed: shop.answer}})
  }
  console.log(JSON.stringify({told, waits, names: Object.keys(listeners)}))
}
run()
"""


def in_shopify(allowed: bool, answer: bool | None = None, **more: object) -> list[dict[str, Any]]:
    """What the pixel sends when every customer event happens once, the first with an ad click."""
    sent: list[dict[str, Any]] = shop_day(allowed, answer, **more)["told"]
    return sent


def shop_day(allowed: bool, answer: bool | None = None, **more: object) -> dict[str, Any]:
    """The same, with how long the pixel waited before each repeat."""
    shop = {
        "code": snippet(PLAIN, platform="shopify").code,
        "data": DATA,
        "allowed": allowed,
        "url": "https://www.shop.test/?ScCid=Click-42",
        **more,
    }
    if answer is not None:
        shop["answer"] = answer
    found: dict[str, Any] = json.loads(node("-e", FRAME, json.dumps(shop)))
    assert sorted(found["names"]) == sorted(DATA)
    return found


def test_every_customer_event_is_told_to_the_server_api() -> None:
    sent = in_shopify(allowed=True)
    assert {one["url"] for one in sent} == {"https://edge.example.com/v1/batch"}
    for one in sent:
        assert one["options"]["keepalive"] is True
        assert one["options"]["mode"] == "cors"
        assert one["options"]["credentials"] == "omit"
        assert "headers" not in one["options"]
        assert one["body"]["writeKey"] == WRITE_KEY_PLACEHOLDER
    messages = [message for one in sent for message in one["body"]["batch"]]
    assert [message["event"] for message in messages] == list(DATA)
    assert [message["messageId"] for message in messages] == [f"sh-{name}" for name in DATA]
    for message in messages:
        assert message["type"] == ("page" if message["event"] == "page_viewed" else "track")
        assert message["anonymousId"] == "scid-of-the-shop"
        assert message["properties"]["click_id"] == "Click-42"
        assert message["context"]["userAgent"] == "Browser/1"
        assert message["context"]["page"]["referrer"] == "https://www.shop.test/"


def test_an_order_in_shopify_has_its_money_and_its_buyer() -> None:
    message = in_shopify(allowed=True)[-1]["body"]["batch"][0]
    product = {
        "product_id": "v-1",
        "sku": "SKU-A",
        "name": "Cup",
        "brand": "Potter",
        "category": "Tableware",
        "price": 49.99,
        "currency": "USD",
        "quantity": 2,
    }
    assert message["properties"] == {
        "order_id": "order-7",
        "checkout_id": "t-1",
        "total": 129.99,
        "currency": "USD",
        "products": [product],
        "url": "https://www.shop.test/next",
        "click_id": "Click-42",
    }
    assert message["context"]["traits"] == {
        "email": "person@shop.test",
        "phone": "+14155550142",
        "firstName": "Jane",
        "lastName": "Doe",
        "address": {"city": "Oakland", "state": "CA", "postalCode": "94601", "country": "US"},
    }


def test_without_consent_shopify_tells_nothing() -> None:
    assert in_shopify(allowed=False) == []


def test_a_no_to_the_sale_of_data_is_a_no() -> None:
    assert in_shopify(allowed=True, privacy={"saleOfDataAllowed": False}) == []
    assert len(in_shopify(allowed=True, privacy={"saleOfDataAllowed": True})) == len(DATA)


def test_shopify_follows_the_visitor_s_choice_at_once() -> None:
    """A withdrawal is told once, so that what is queued is cancelled."""
    assert len(in_shopify(allowed=False, answer=True)) == len(DATA) - 1
    first, last = in_shopify(allowed=True, answer=False)
    assert first["body"]["batch"][0]["event"] == next(iter(DATA))
    assert last["body"]["batch"] == [
        {
            "type": "identify",
            "anonymousId": "scid-of-the-shop",
            "context": {"consent": {"ad": False}},
        }
    ]


def test_an_event_that_the_proxy_cannot_keep_now_is_told_again() -> None:
    day = shop_day(allowed=True, statuses=[503, 429, 200])
    ids = [one["body"]["batch"][0]["messageId"] for one in day["told"]]
    assert ids == [ids[0]] * 3 + [f"sh-{name}" for name in list(DATA)[1:]]
    assert day["waits"] == [2000, 10000]


@pytest.mark.parametrize("status", [200, 400, 401, 413, 422])
def test_what_is_answered_for_good_is_told_once(status: int) -> None:
    assert len(in_shopify(allowed=True, statuses=[status])) == len(DATA)


def test_it_gives_up_after_a_while() -> None:
    day = shop_day(allowed=True, statuses=[500] * 4)
    assert len(day["told"]) == len(DATA) + 3
    assert day["waits"] == [2000, 10000, 30000]


# The command ------------------------------------------------------------------------------------


def test_the_command_offers_every_platform() -> None:
    [platform] = [one for one in command.params if one.name == "platform"]
    assert list(getattr(platform.type, "choices", ())) == list(PLATFORMS)


def test_integrity_is_that_of_the_file_in_this_version(capsys: Output) -> None:
    asset = load("s.js")
    assert main(["snippet", "--endpoint", PLACEHOLDER, "--integrity"]) == 0
    told = capsys.readouterr().out
    assert f'src="{PLACEHOLDER}/s.{asset.hash}.js"' in told
    digest = base64.b64encode(hashlib.sha384(asset.body).digest()).decode()
    assert f'integrity="sha384-{digest}" crossorigin="anonymous"' in told


@pytest.mark.parametrize(
    ("args", "lines"),
    [
        (["--platform", "snaptr"], [f"edgeproxy: put your own in place of {PIXEL_PLACEHOLDER}"]),
        (["--platform", "snaptr", "--pixel", PIXEL], []),
        (
            ["--platform", "shopify"],
            [f"edgeproxy: put your own in place of {WRITE_KEY_PLACEHOLDER}"],
        ),
        (["--platform", "gtm"], []),
    ],
)
def test_what_is_left_to_fill_in_is_said(
    args: Sequence[str], lines: Sequence[str], capsys: Output
) -> None:
    assert main(["snippet", "--endpoint", PLACEHOLDER, *args]) == 0
    assert capsys.readouterr().err.splitlines() == list(lines)


@pytest.mark.parametrize("platform", ["shopify", "woocommerce"])
def test_remarks_are_comments_of_the_language(
    platform: str, capsys: Output, tmp_path: Path
) -> None:
    assert main(["snippet", "--endpoint", PLACEHOLDER, "--platform", platform]) == 0
    told = capsys.readouterr().out
    assert told.splitlines()[0].startswith("// ")
    assert told.splitlines()[-1].startswith("// a Content-Security-Policy has to allow: ")
    if platform == "shopify":
        parses(told, tmp_path)


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--pixel", "a b"], "Invalid value for --pixel: must be the id of a pixel"),
        (["--cmp", "x"], "Invalid value for --cmp: must name tcf, gpp or google"),
        (["--layer", "a-b"], "Invalid value for --layer: must be a name"),
        (["--global", "a-b"], "Invalid value for --global: must be a name"),
        (["--endpoint", "x"], "Invalid value for --endpoint: must have a plain path"),
    ],
)
def test_wrong_values_are_named(args: Sequence[str], sentence: str, capsys: Output) -> None:
    assert main(["snippet", *args]) == 2
    assert sentence in capsys.readouterr().err


# Reading ----------------------------------------------------------------------------------------


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), "an attribute is given twice"
        self.found.append((tag, dict(attrs)))
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def elements(code: str) -> list[tuple[str, dict[str, str | None]]]:
    """The elements of a piece of HTML with their attributes; each is closed in its place."""
    reader = _Reader()
    reader.feed(code)
    reader.close()
    assert reader.open == []
    return reader.found


def inline(code: str) -> list[str]:
    """The scripts that stand in a piece of HTML."""
    return re.findall(r"<script>(.*?)</script>", code, re.DOTALL)


def parses(script: str, folder: Path) -> None:
    """See that a script is one."""
    file = folder / "script.js"
    file.write_text(script)
    node("--check", str(file))


def node(*args: str) -> str:
    """What Node says; skips where it is missing, and fails in CI."""
    found = shutil.which("node")
    if found is None and os.environ.get("CI"):
        pytest.fail("node is not installed; with CI set nothing may be skipped")
    if found is None:
        pytest.skip("node is not installed")
    said = subprocess.run([found, *args], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    return said.stdout

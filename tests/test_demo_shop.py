"""The shop's pages: safe, usable without JavaScript, and telling the tag what they should."""

import json
import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest

from edgeproxy.demo import goods
from edgeproxy.demo.forward import VISITOR_ADDRESS
from edgeproxy.demo.pages import POLICY
from edgeproxy.demo.parts import Stage
from edgeproxy.demo.shop import ORDERS_KEPT
from edgeproxy.demo.stage import staged
from edgeproxy.outbound import Answer

CART = "cart=TW-101.2~TW-401.1"
TAGGED = (
    "/landing?ScCid=c-1",
    "/products",
    "/products/low-tide-mug",
    "/cart",
    "/checkout",
    "/payment",
    "/welcome-back",
)
PAGES = ("/", *TAGGED, "/backstage", "/nothing")


@pytest.fixture(scope="module")
async def stage() -> AsyncIterator[Stage]:
    async with staged(port=0) as stage:
        yield stage


async def get(stage: Stage, path: str, *, cookie: str = CART) -> Answer:
    return await stage.outbound.request(
        "GET", stage.url + path, headers={"cookie": cookie}, limit_bytes=1 << 20
    )


async def post(stage: Stage, path: str, fields: dict[str, str], *, cookie: str = CART) -> Answer:
    headers = {"cookie": cookie, "content-type": "application/x-www-form-urlencoded"}
    return await stage.outbound.request(
        "POST", stage.url + path, headers=headers, body=urlencode(fields).encode()
    )


class Page(HTMLParser):
    """What matters of a page: its elements, and texts inside of scripts and styles."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.inline: list[str] = []
        self._inside = ""
        self.feed(answer.body.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside in ("script", "style") and data.strip():
            self.inline.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def told(self) -> list[tuple[str, dict[str, object]]]:
        """Events in data attributes: those of the page and those of its forms."""
        return [
            (
                each.get("data-event") or each["data-event-on-submit"],
                json.loads(each["data-properties"]),
            )
            for _, each in self.elements
            if "data-event" in each or "data-event-on-submit" in each
        ]


@pytest.mark.parametrize("path", PAGES)
async def test_nothing_inline_and_a_strict_policy(stage: Stage, path: str) -> None:
    answer = await get(stage, path)
    page = Page(answer)
    assert answer.header("content-security-policy") == POLICY
    assert answer.header("x-content-type-options") == "nosniff"
    assert answer.header("cache-control") == "no-store"
    assert page.inline == []
    for tag, attributes in page.elements:
        assert "style" not in attributes, tag
        assert not [name for name in attributes if name.startswith("on")], tag
    assert "unsafe" not in POLICY


@pytest.mark.parametrize("path", PAGES)
async def test_everything_a_page_loads_is_here(stage: Stage, path: str) -> None:
    page = Page(await get(stage, path))
    loaded = [each["src"] for tag in ("script", "img") for each in page.all(tag)]
    loaded += [each["href"] for each in page.all("link")]
    assert loaded
    for address in loaded:
        assert address.startswith("/")
        assert (await get(stage, address)).status == 200, address


@pytest.mark.parametrize("path", PAGES)
async def test_links_and_forms_lead_somewhere(stage: Stage, path: str) -> None:
    page = Page(await get(stage, path))
    for each in page.all("a"):
        if not each["href"].startswith(("#", stage.sandbox_url)):
            inside = each["href"].startswith("/dashboard")
            assert (await get(stage, each["href"])).status == (303 if inside else 200), each
    for each in page.all("form"):
        assert (each["method"], each["action"][0]) == ("post", "/")


@pytest.mark.parametrize("path", PAGES)
async def test_ids_are_unique_and_labels_have_their_field(stage: Stage, path: str) -> None:
    page = Page(await get(stage, path))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {each["for"] for each in page.all("label")} <= set(ids)
    for _, attributes in page.elements:
        assert set(attributes.get("aria-labelledby", "").split()) <= set(ids)


@pytest.mark.parametrize("path", TAGGED)
async def test_the_tag_comes_from_the_same_origin_after_the_queue(stage: Stage, path: str) -> None:
    """A choice made before must be in the queue when the tag starts, so our script is not late."""
    scripts = [each for each in Page(await get(stage, path)).all("script") if "defer" not in each]
    assert [each["src"].partition("?")[0] for each in scripts] == [
        "/assets/shop.js",
        "/edge/s.js",
    ]
    assert "async" in scripts[1]
    assert "async" not in scripts[0]
    assert scripts[1]["data-consent"] == "required"


async def test_the_ad_is_not_the_shop_and_carries_a_new_click_id(stage: Stage) -> None:
    first, second = [await get(stage, "/") for _ in range(2)]
    assert b"s.js" not in first.body
    links = [
        re.findall(r'href="(/landing\?ScCid=[0-9a-f-]{36})"', each.body.decode())
        for each in (first, second)
    ]
    assert [len(found) for found in links] == [1, 1]
    assert links[0] != links[1]


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/landing", []),
        ("/products", ["Product List Viewed"]),
        ("/products/low-tide-mug", ["Product Viewed", "Product Added"]),
        ("/cart", []),
        ("/checkout", ["Checkout Started"]),
        ("/payment", ["Payment Info Entered"]),
        ("/welcome-back", []),
    ],
)
async def test_each_page_tells_its_events(stage: Stage, path: str, names: list[str]) -> None:
    assert [name for name, _ in Page(await get(stage, path)).told] == names


async def test_the_product_page_tells_the_product(stage: Stage) -> None:
    told = dict(Page(await get(stage, "/products/wave-plate")).told)
    assert told["Product Viewed"] == goods.product_properties(goods.BY_SLUG["wave-plate"])
    assert told["Product Added"] == {**told["Product Viewed"], "quantity": 1}


async def test_the_form_names_the_traits_it_has_fields_for(stage: Stage) -> None:
    page = Page(await get(stage, "/checkout"))
    [form] = [each for each in page.all("form") if "data-identify" in each]
    fields = {each["name"]: each["value"] for each in page.all("input")}
    assert tuple(form["data-identify"].split()) == goods.TRAITS
    assert fields == goods.PERSON


async def test_an_order_is_placed_once_and_told_under_its_number(stage: Stage) -> None:
    placed = await post(stage, "/payment", {})
    where = placed.header("location")
    assert placed.status == 303
    assert 'cart=""' in placed.header("set-cookie")
    first, again = [Page(await get(stage, where, cookie="")) for _ in range(2)]
    order_id = where.rpartition("/")[2]
    cart = goods.read_cart(CART.partition("=")[2])
    assert first.told == [("Order Completed", goods.cart_properties(cart, order_id))]
    ids = {page.all("body")[0]["data-event-id"] for page in (first, again)}
    assert ids == {f"order-{order_id}"}


async def test_only_the_last_orders_are_remembered(stage: Stage) -> None:
    first = (await post(stage, "/payment", {})).header("location")
    for _ in range(ORDERS_KEPT):
        await post(stage, "/payment", {})
    assert (await get(stage, first)).status == 404


async def test_the_cart_is_filled_and_emptied_by_forms(stage: Stage) -> None:
    added = await post(stage, "/cart", {"sku": "TW-301"}, cookie="cart=TW-101.2")
    assert (added.status, added.header("location")) == (303, "/cart")
    assert "cart=TW-101.2~TW-301.1; HttpOnly" in added.header("set-cookie")
    removed = await post(
        stage, "/cart", {"sku": "TW-101", "change": "remove"}, cookie="cart=TW-101.2"
    )
    assert 'cart=""' in removed.header("set-cookie")


@pytest.mark.parametrize("path", ["/checkout", "/payment"])
async def test_without_a_cart_there_is_no_checkout(stage: Stage, path: str) -> None:
    back = await get(stage, path, cookie="")
    assert (back.status, back.header("location")) == (303, "/cart")


async def test_without_a_cart_there_is_no_order(stage: Stage) -> None:
    back = await post(stage, "/payment", {}, cookie="")
    assert back.header("location") == "/cart"
    assert b"nothing in it" in (await get(stage, "/cart", cookie="")).body


async def test_details_are_taken_and_forgotten(stage: Stage) -> None:
    back = await post(stage, "/checkout", goods.PERSON)
    assert (back.status, back.header("location")) == (303, "/payment")
    assert back.header("set-cookie") == ""
    page = await get(stage, "/payment")
    assert goods.PERSON["email"].encode() not in page.body


@pytest.mark.parametrize(
    "path", ["/nothing", "/products/nothing", "/thanks/TW-0", "/assets/nothing.css", "/assets/../x"]
)
async def test_what_is_not_there_is_a_page_with_a_way_back(stage: Stage, path: str) -> None:
    answer = await get(stage, path)
    assert answer.status == 404
    assert b'href="/products"' in answer.body


async def test_a_form_that_is_too_large_is_refused(stage: Stage) -> None:
    answer = await post(stage, "/cart", {"sku": "x" * 20_000})
    assert answer.status == 413


async def test_the_page_says_whose_address_visitors_have(stage: Stage) -> None:
    for path in ("/landing", "/backstage"):
        assert VISITOR_ADDRESS.encode() in (await get(stage, path)).body


async def test_files_can_be_kept_for_ever(stage: Stage) -> None:
    [style] = re.findall(
        r'href="(/assets/shop\.css\?v=[0-9a-f]+)"', (await get(stage, "/")).body.decode()
    )
    answer = await get(stage, style)
    assert answer.header("content-type").startswith("text/css")
    assert "immutable" in answer.header("cache-control")
    assert answer.header("x-content-type-options") == "nosniff"

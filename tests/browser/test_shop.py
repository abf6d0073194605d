"""The demo in a real browser: every click of a visit, and what Snap has at its end."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from edgeproxy.demo import goods
from edgeproxy.demo.forward import VISITOR_ADDRESS
from tests.browser.driver import Demo
from tests.until import until

pytestmark = pytest.mark.browser

DAY_S = 86_400
WIDE = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}


@contextmanager
def visiting(browser: Browser, **options: Any) -> Iterator[Page]:
    """A page in a fresh profile; what it complains about fails the test."""
    context = browser.new_context(**{"viewport": WIDE, **options})
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda message: (
            complaints.append(message.text) if message.type in ("error", "warning") else None
        ),
    )
    try:
        yield page
    finally:
        context.close()
    assert complaints == []


def tag_is_there(page: Page) -> None:
    page.wait_for_function("window.edge && window.edge.loaded")


def click(page: Page, text: str, path: str) -> None:
    """Click a link or button and arrive at a page whose tag runs."""
    page.locator("#main").get_by_text(text, exact=True).first.click()
    page.wait_for_url(f"**{path}")
    tag_is_there(page)


def land(page: Page, demo: Demo) -> str:
    """Click the ad; the click id that it carried."""
    page.goto(demo.shop)
    page.locator(".ad").click()
    page.wait_for_url("**/landing?ScCid=*")
    tag_is_there(page)
    return parse_qs(urlsplit(page.url).query)["ScCid"][0]


def agree(page: Page) -> None:
    page.get_by_role("button", name="Yes, I agree").click()
    expect(page.locator("#choice")).to_be_hidden()


def buy(page: Page) -> None:
    """From the landing page to the thank-you page."""
    click(page, "See all pieces", "/products")
    click(page, "Low Tide Mug", "/products/low-tide-mug")
    click(page, "Put into the cart", "/cart")
    click(page, "Look further", "/products")
    click(page, "Pebble Vase", "/products/pebble-vase")
    click(page, "Put into the cart", "/cart")
    click(page, "Check out", "/checkout")
    click(page, "On to payment", "/payment")
    click(page, "Pay $108.00", "/thanks/*")


def cookies(context: BrowserContext) -> dict[str, Any]:
    return {str(cookie.get("name")): cookie for cookie in context.cookies()}


def arrived(demo: Demo, count: int) -> list[dict[str, Any]]:
    """What Snap has when it has as many events."""
    until(lambda: len(demo.received) >= count, f"Snap has {count} events")
    return demo.received


def counted(demo: Demo, count: int) -> None:
    """Return when the proxy has seen as many events, whatever became of them."""
    until(lambda: len(demo.fates) == count, f"{count} events have come")


def test_a_whole_visit_reaches_snap_once_with_all_that_ties_it_to_the_ad(
    browser: Browser, demo: Demo
) -> None:
    with visiting(browser) as page:
        click_id = land(page, demo)
        assert cookies(page.context) == {}
        agree(page)
        buy(page)
        order_id = page.url.rpartition("/")[2]
        click(page, "Come back a week later", "/welcome-back")
        events = arrived(demo, 20)
        jar = cookies(page.context)
    names = Counter(event["event_type"] for event in events)
    assert names == {
        "PAGE_VIEW": 11,
        "LIST_VIEW": 2,
        "VIEW_CONTENT": 2,
        "ADD_CART": 2,
        "START_CHECKOUT": 1,
        "ADD_BILLING": 1,
        "PURCHASE": 1,
    }
    views = Counter(
        urlsplit(event["page_url"]).path for event in events if event["event_type"] == "PAGE_VIEW"
    )
    assert views == {
        "/landing": 1,
        "/products": 2,
        "/products/low-tide-mug": 1,
        "/products/pebble-vase": 1,
        "/cart": 2,
        "/checkout": 1,
        "/payment": 1,
        f"/thanks/{order_id}": 1,
        "/welcome-back": 1,
    }
    scid = jar["_scid"]["value"]
    assert {(event["click_id"], event["uuid_c1"]) for event in events} == {(click_id, scid)}
    address = hashlib.sha256(VISITOR_ADDRESS.encode()).hexdigest()
    assert {event["hashed_ip_address"] for event in events} == {address}
    assert_purchase(events, order_id)
    assert_cookies(jar, click_id)
    told = json.dumps(events)
    raw = [value for value in (*goods.PERSON.values(), VISITOR_ADDRESS) if len(value) > 5]
    assert not [value for value in raw if value in told]


def assert_purchase(events: list[dict[str, Any]], order_id: str) -> None:
    [purchase] = [event for event in events if event["event_type"] == "PURCHASE"]
    [returned] = [event for event in events if event["page_url"].endswith("/welcome-back")]
    email = hashlib.sha256(b"jane@example.com").hexdigest()
    assert purchase["hashed_email"] == returned["hashed_email"] == email
    assert purchase["hashed_phone_number"] == hashlib.sha256(b"14155550132").hexdigest()
    assert purchase["transaction_id"] == order_id
    assert purchase["item_ids"] == ["TW-101", "TW-401"]
    assert (purchase["price"], purchase["currency"]) == (108, "USD")
    assert purchase["number_items"] == 2


def assert_cookies(jar: dict[str, Any], click_id: str) -> None:
    assert set(jar) == {"_scid", "_scclid", "edge"}
    assert jar["_scclid"]["value"] == click_id
    assert {name: jar[name]["httpOnly"] for name in jar} == {
        "_scid": False,
        "_scclid": True,
        "edge": True,
    }
    assert {cookie["sameSite"] for cookie in jar.values()} == {"Lax"}
    lives = {name: jar[name]["expires"] - jar["_scclid"]["expires"] for name in ("_scid", "edge")}
    for life in lives.values():
        assert abs(life - (395 - 90) * DAY_S) < 60


def test_a_reload_of_the_thank_you_page_is_no_second_purchase(browser: Browser, demo: Demo) -> None:
    with visiting(browser) as page:
        land(page, demo)
        agree(page)
        buy(page)
        until(lambda: ("Order Completed", "delivered") in demo.fates, "the order is delivered")
        page.reload()
        until(lambda: ("Order Completed", "duplicate") in demo.fates, "the reload is seen")
    names = [event["event_type"] for event in demo.received]
    assert names.count("PURCHASE") == 1


def test_who_says_nothing_and_who_refuses_sends_nothing(browser: Browser, demo: Demo) -> None:
    """The second visitor is the fence: when its page view is there, ours would be, too."""
    with visiting(browser) as page:
        land(page, demo)
        click(page, "See all pieces", "/products")
        assert cookies(page.context) == {}
        page.get_by_role("button", name="No, thank you").click()
        until(lambda: "edge_optout" in cookies(page.context), "the refusal is remembered")
        buy_more(page)
        assert set(cookies(page.context)) <= {"edge_optout", "cart"}
    with visiting(browser) as page:
        land(page, demo)
        agree(page)
        [event] = arrived(demo, 1)
    assert urlsplit(event["page_url"]).path == "/landing"
    until(lambda: ("page", "delivered") in demo.fates, "the answer of Snap is noted")
    assert demo.fates == [("page", "delivered")]


def buy_more(page: Page) -> None:
    click(page, "Low Tide Mug", "/products/low-tide-mug")
    click(page, "Put into the cart", "/cart")


def test_a_withdrawal_is_one_click_and_stops_everything(browser: Browser, demo: Demo) -> None:
    with visiting(browser) as page:
        land(page, demo)
        agree(page)
        arrived(demo, 1)
        page.get_by_role("button", name="Privacy choice").click()
        page.get_by_role("button", name="No, thank you").click()
        until(lambda: set(cookies(page.context)) == {"edge_optout"}, "the cookies are gone")
        click(page, "See all pieces", "/products")
        # And a yes after it counts again, with a new name.
        page.get_by_role("button", name="Privacy choice").click()
        agree(page)
        events = arrived(demo, 2)
        page.reload()
        tag_is_there(page)
        arrived(demo, 3)
    assert len({event["uuid_c1"] for event in events}) == 2


def test_global_privacy_control_outweighs_a_yes(browser: Browser, demo: Demo) -> None:
    with visiting(browser, extra_http_headers={"Sec-GPC": "1"}) as page:
        land(page, demo)
        agree(page)
        # Not left in a hurry: requests that outlive their page lose the header set here.
        counted(demo, 1)
        click(page, "See all pieces", "/products")
        counted(demo, 3)
        click(page, "Wave Plate", "/products/wave-plate")
        counted(demo, 5)
        assert cookies(page.context) == {}
    assert {fate for _, fate in demo.fates} == {"dropped"}
    assert {each["card"]["reason"] for each in demo.dock["events"]} == {"gpc"}
    assert demo.received == []


def test_a_choice_is_remembered_over_runs_of_the_demo(browser: Browser, demo: Demo) -> None:
    """A new run has new keys and knows no cookie of the last one; the page's own memory counts."""
    with visiting(browser) as page:
        land(page, demo)
        agree(page)
        arrived(demo, 1)
        page.context.clear_cookies(name="edge")
        click(page, "See all pieces", "/products")
        arrived(demo, 3)
        expect(page.locator("#choice")).to_be_hidden()


def test_the_dock_follows_without_a_reload(browser: Browser, demo: Demo) -> None:
    with visiting(browser) as backstage:
        backstage.goto(f"{demo.shop}/backstage")
        expect(backstage.get_by_text("Nothing yet.")).to_be_visible()
        expect(backstage.locator("[data-state=live]")).to_be_visible()
        with visiting(browser) as page:
            land(page, demo)
            agree(page)
            buy(page)
            dock = page.locator(".dock .event", has_text="PURCHASE")
            expect(dock.locator(".chip")).to_have_text("Accepted")
        card = backstage.locator(".event", has_text="PURCHASE")
        expect(card.locator(".chip")).to_have_text("Accepted")
        expect(backstage.get_by_text("Nothing yet.")).to_be_hidden()
        expect(backstage.locator(".event")).to_have_count(12)
        until(lambda: demo.dock["totals"]["waiting"] == 0, "Snap has answered for all of them")
        count = sum(fate == "delivered" for _, fate in demo.fates)
        expect(backstage.locator("[data-total=delivered]")).to_have_text(str(count))


def test_the_experiments_work_by_keyboard(browser: Browser, demo: Demo) -> None:
    with visiting(browser) as backstage:
        backstage.goto(f"{demo.shop}/backstage")
        backstage.keyboard.press("Tab")
        expect(backstage.get_by_text("Skip to the experiments")).to_be_focused()
        backstage.locator("button[value=gpc]").focus()
        backstage.keyboard.press("Enter")
        expect(backstage.locator(".event .chip")).to_have_text("Privacy signal")
        backstage.locator(".event a").focus()
        backstage.keyboard.press("Enter")
        expect(backstage.get_by_role("heading", level=1)).to_have_text("page")
        assert backstage.url.startswith(f"{demo.dash}/events/")


def test_the_shop_and_its_backstage_work_without_javascript(browser: Browser, demo: Demo) -> None:
    with visiting(browser, java_script_enabled=False) as page:
        page.goto(f"{demo.shop}/products/low-tide-mug")
        page.get_by_role("button", name="Put into the cart").click()
        page.get_by_role("link", name="Check out").click()
        page.get_by_role("button", name="On to payment").click()
        page.get_by_role("button", name="Pay").click()
        expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
        expect(page.locator("#choice")).to_be_hidden()
        page.goto(f"{demo.shop}/backstage")
        page.locator("button[value=unmapped]").click()
        expect(page.locator(".event .chip")).to_have_text("No mapping")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_a_phone(browser: Browser, demo: Demo, scheme: str) -> None:
    with visiting(browser, viewport=PHONE, color_scheme=scheme, is_mobile=True) as page:
        land(page, demo)
        agree(page)
        buy(page)
        order = urlsplit(page.url).path
        page.goto(f"{demo.shop}/products/wave-plate")
        click(page, "Put into the cart", "/cart")
        for path in (
            "/",
            "/landing",
            "/products",
            "/products/wave-plate",
            "/cart",
            "/checkout",
            "/payment",
            order,
            "/backstage",
            "/welcome-back",
        ):
            page.goto(demo.shop + path)
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide == PHONE["width"], path
        expect(page.locator(".bar")).to_be_visible()

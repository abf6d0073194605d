"""A site is connected in a real browser: a source, a pixel, a token that breaks and is mended."""

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from edgeproxy.sandbox.script import Settings
from tests.browser.engine import AGENT
from tests.browser.test_dashboard import PHONE, TOKEN, address, log_in
from tests.edge import Life, Snap, StartEdge, batch, running_snap
from tests.until import until

pytestmark = pytest.mark.browser

SHOP = "https://shop.example"
PIXEL = "67d34640-b7a4-42a8-b821-6434d70f08a4"
GOOD, REVOKED = "eyJ-good-token-of-the-newcomer", "eyJ-token-that-was-revoked"
NOTHING = dict.fromkeys(("EDGEPROXY_ORIGIN", "EDGEPROXY_PIXEL_ID", "EDGEPROXY_ACCESS_TOKEN"), "")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_a_newcomer_connects_a_site_breaks_the_token_and_mends_it(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory, scripts: bool
) -> None:
    with running_snap() as snap:
        snap.sandbox.change(Settings(tokens=[GOOD]))
        edge = StartEdge(tmp_path_factory.mktemp("connecting"), snap.url)
        edge.environ.update(NOTHING)
        life = edge.start(EDGEPROXY_ADMIN_TOKEN=TOKEN)
        options: dict[str, Any] = {"viewport": PHONE, "user_agent": AGENT}
        context = browser.new_context(java_script_enabled=scripts, **options)
        try:
            page = context.new_page()
            url = address(life)
            log_in(page, url)
            page.goto(f"{url}/integrations")
            make_a_source(page)
            connect_it(page)
            it_goes_to_snap(page, life, snap)
            break_the_token(page, life, snap)
            mend_it(page, snap)
            the_log_tells_it(page, url)
        finally:
            context.close()
            edge.stop_all()


def make_a_source(page: Page) -> None:
    """From the empty page, which says what is needed."""
    expect(page.get_by_text("Two things from Snap are needed")).to_be_visible()
    page.get_by_role("link", name="First your site").click()
    page.get_by_label("Id", exact=True).fill("my shop")
    page.get_by_label("Origins").fill(SHOP)
    page.get_by_role("button", name="Make the source").click()
    expect(page.get_by_text("must be 1 to 64 letters").first).to_be_visible()
    expect(page.get_by_label("Origins")).to_have_value(SHOP)
    page.get_by_label("Id", exact=True).fill("shop")
    page.get_by_role("button", name="Make the source").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("shop")
    expect(page.locator("pre").first).to_contain_text("https://edge.shop.example/s.js")
    page.get_by_role("link", name="Add an integration").click()


def connect_it(page: Page) -> None:
    """A revoked token first: its cause is told, and it is mended in place."""
    page.get_by_label("Snap Pixel ID").fill(PIXEL)
    page.get_by_label("Access token").fill(REVOKED)
    page.get_by_role("button", name="Save and test").click()
    test = page.locator("#connection")
    expect(test).to_contain_text("Snap does not accept the token")
    expect(test).to_contain_text("the access token is wrong or was revoked", ignore_case=True)
    expect(test).to_contain_text("401")
    page.get_by_label("Access token").fill(GOOD)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(test).to_contain_text("Snap accepts what we send")
    page.get_by_role("button", name="Switch it on").click()
    expect(page.get_by_text("It is live")).to_be_visible()


def it_goes_to_snap(page: Page, life: Life, snap: Snap) -> None:
    """Within the two seconds that a change takes."""
    until(lambda: view(life, "first") == 202, "the page may send")
    snap.arrived(1)
    page.get_by_role("button", name="Test again").click()
    expect(page.locator("#connection")).to_contain_text("Snap accepts what we send")
    page.get_by_role("link", name="What Snap noted").click()
    expect(page.get_by_role("row", name="Live events")).to_contain_text("1")
    expect(page.get_by_role("row", name="PAGE_VIEW").first).to_contain_text("success")
    page.get_by_role("link", name="Settings").click()


def break_the_token(page: Page, life: Life, snap: Snap) -> None:
    """Snap revokes it: the events wait, and the page says why and what to do."""
    snap.sandbox.change(Settings(tokens=["another"]))
    assert view(life, "second") == 202

    def paused() -> bool:
        page.reload()
        return page.get_by_text("paused: token or pixel").is_visible()

    until(paused, "the gate is closed")
    expect(page.get_by_text("Correct the access token or the pixel id")).to_be_visible()
    page.get_by_role("button", name="Test again").click()
    expect(page.locator("#connection")).to_contain_text("Snap does not accept the token")
    page.get_by_role("link", name="Integrations").first.click()
    expect(page.get_by_text("paused: token or pixel")).to_be_visible()
    expect(page.locator(".strip").filter(has_text="Waiting")).to_contain_text("1")
    page.get_by_role("link", name="shop-67d34640").first.click()


def mend_it(page: Page, snap: Snap) -> None:
    """A new token: what waited goes out by itself."""
    snap.sandbox.change(Settings(tokens=[GOOD + "-2"]))
    page.get_by_label("Access token").fill(GOOD + "-2")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#connection")).to_contain_text("Snap accepts what we send")
    assert [one["client_dedup_id"] for one in snap.arrived(2)] == ["first", "second"]

    def open_again() -> bool:
        page.reload()
        return page.get_by_text("Events are sent as they come").is_visible()

    until(open_again, "the gate is open")


def the_log_tells_it(page: Page, url: str) -> None:
    """Who did what, and no token anywhere."""
    page.goto(f"{url}/audit")
    told = page.locator("#main").inner_text()
    for part in ("the connection test passed", "the connection test failed", "config.access_token"):
        assert part in told, part
    assert GOOD not in page.content()


def view(life: Life, event: str) -> int:
    """The status of a page view of the shop."""
    return life.post(batch({"name": "page", "id": event}), headers={"Origin": SHOP}).status

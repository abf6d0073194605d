"""The debugger in a real browser: it goes on by itself, and runs nothing that came from outside."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.test_dashboard import TOKEN, address, looking
from tests.edge import Life, StartEdge, batch, purchase, running_snap
from tests.until import until

pytestmark = pytest.mark.browser

XSS = "<img src=x onerror=\"document.title='pwned'\"><script>document.title='pwned'</script>"


@dataclass
class Shop:
    """A proxy, its dashboard, and who sends events to it."""

    life: Life
    url: str

    def send(self, *events: dict[str, Any], **more: Any) -> None:
        """Post events."""
        answer = self.life.post(batch(*events, **more))
        assert answer.status == 202, answer.body


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with running_snap() as snap:
        edge = StartEdge(tmp_path_factory.mktemp("events"), snap.url)
        try:
            life = edge.start(EDGEPROXY_ADMIN_TOKEN=TOKEN)
            yield Shop(life, address(life))
        finally:
            edge.stop_all()


def test_an_event_shows_up_by_itself_and_becomes_delivered(browser: Browser, shop: Shop) -> None:
    with looking(browser, shop.url) as page:
        page.goto(f"{shop.url}/events")
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        shop.life.post(purchase("live-1"))
        row = page.get_by_role("row").filter(has_text="PURCHASE").first
        expect(row).to_contain_text("Delivered")
        expect(row).to_contain_text("Order Completed")
        row.get_by_role("link").click()
        for pane in ("What came in", "What we sent", "What Snap said"):
            expect(page.get_by_role("heading", name=pane)).to_be_visible()
        expect(page.locator("#main")).to_contain_text("129.99 USD")


def test_a_pause_holds_the_list_and_afterwards_it_catches_up(browser: Browser, shop: Shop) -> None:
    with looking(browser, shop.url) as page:
        page.goto(f"{shop.url}/events?name=pause_me")
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        page.get_by_role("button", name="Pause").click()
        expect(page.get_by_text("Paused")).to_be_visible()
        shop.send({"id": "p-1", "name": "pause_me"})
        until(lambda: _count(shop, "pause_me") == 1, "the event is traced")
        expect(page.locator("table.events tbody tr")).to_have_count(0)
        page.get_by_role("button", name="Go on").click()
        expect(page.locator("table.events tbody tr")).to_have_count(1)
        expect(page.locator("table.events")).to_contain_text("No mapping")


def _count(shop: Shop, name: str) -> int:
    import urllib.request

    asked = urllib.request.Request(  # noqa: S310 - of ours
        f"{shop.url}/v1/admin/events?name={name}", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310 - of ours
        return len(json.load(answer)["events"])


def test_what_came_from_outside_runs_nothing(browser: Browser, shop: Shop) -> None:
    """Row by the stream, row of the page, and the page of one event."""
    with looking(browser, shop.url) as page:
        page.goto(f"{shop.url}/events")
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        products = [{"product_id": XSS[:60], "price": 1, "name": XSS}]
        properties = {"order_id": XSS[:60], "total": 2, "currency": "USD", "products": products}
        shop.send({"id": XSS, "name": XSS}, page={"url": f"https://www.example.com/?q={XSS}"})
        shop.send({"id": "x-2", "name": "Order Completed", "properties": properties})
        rows = page.locator("table.events tbody")
        expect(rows).to_contain_text("<img src=x")  # by the stream
        page.reload()
        expect(rows).to_contain_text("<img src=x")  # by the server
        for name in ("<img src=x", "Order Completed"):
            page.goto(f"{shop.url}/events")
            page.get_by_role("row").filter(has_text=name).first.get_by_role("link").click()
            expect(page.locator("#main")).to_contain_text("<img src=x")
            assert page.title() == "Event · edgeproxy"
            assert page.locator("#main img").count() == 0
            assert page.locator("#main script").count() == 0


def test_without_scripts_one_can_filter_and_open(browser: Browser, shop: Shop) -> None:
    shop.send({"id": "plain-1", "name": "nobody_maps_this"})
    until(lambda: _count(shop, "nobody_maps_this") == 1, "the event is traced")
    with looking(browser, shop.url, java_script_enabled=False) as page:
        page.goto(f"{shop.url}/events")
        page.get_by_label("Event name").fill("nobody_maps_this")
        page.get_by_label("Outcome").select_option("dropped:unmapped")
        page.get_by_role("button", name="Filter").click()
        expect(page.locator("table.events tbody tr")).to_have_count(1)
        page.get_by_role("link", name="nobody_maps_this").click()
        expect(page.locator("#main")).to_contain_text("What to do")

"""Makes the README's pictures from the demo: `python -m tests.browser.shots [FOLDER]`.

The shop with its dock, and the dashboard with the demo's made-up week: on a wide screen in light
and dark, and on a phone. The visit is real; so are its events.
"""

import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

from tests.browser.driver import Demo, running_demo
from tests.browser.played import chromium_itself
from tests.until import until

FOLDER = Path(__file__).parent / "pictures"
MAX_BYTES = 250_000
"""Of one picture: a README is read over slow lines too."""

WIDE = {"width": 1280, "height": 860}
PHONE = {"width": 390, "height": 844}

_UNHURRIED = """
document.addEventListener('submit', (event) => {
  event.preventDefault()
  setTimeout(() => event.target.submit(), 700)
})
"""
"""A request under way when its page ends is sent twice by a driven Chromium, by no other one. So
forms wait here until the tag has its answer."""


def buy_something(page: Page, demo: Demo, folder: Path) -> None:
    """One visit, from the ad to the order, with a picture of a product beside the dock."""
    page.goto(demo.shop)
    page.locator(".ad").click()
    page.get_by_role("button", name="Yes, I agree").click()
    _settled(page, demo, "page")
    page.goto(f"{demo.shop}/products/low-tide-mug")
    _settled(page, demo, "Product Viewed")
    page.get_by_role("button", name="Put into the cart").click()
    _settled(page, demo, "Product Added")
    page.get_by_role("link", name="Check out").click()
    _settled(page, demo, "Checkout Started")
    page.get_by_role("button", name="On to payment").click()
    page.wait_for_url("**/payment")
    _settled(page, demo, "page")
    page.get_by_role("button", name="Pay").click()
    page.wait_for_url("**/thanks/*")
    _settled(page, demo, "Order Completed")
    picture(page, folder / "shop.png")


def look_at_the_dashboard(browser: Browser, demo: Demo, folder: Path, order: str) -> None:
    """The pages that the README shows."""
    for name, path, size, scheme in (
        ("overview-light", "/?window=24h", WIDE, "light"),
        ("overview-dark", "/?window=24h", WIDE, "dark"),
        ("event", f"/events/{order}", WIDE, "light"),
        ("quality-phone", "/match-quality", PHONE, "light"),
    ):
        page = _page(browser, size, scheme, scale=2 if size is PHONE else 1)
        page.goto(f"{demo.shop}/dashboard{path}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        page.wait_for_function(
            "document.querySelectorAll('.chart:not(:has(canvas, svg))').length === 0"
        )
        picture(page, folder / f"{name}.png")
        page.context.close()


def picture(page: Page, path: Path) -> None:
    """Write what is seen.

    Raises:
        AssertionError: The picture is too large for the README.
    """
    page.evaluate("Promise.all([...document.images].map((one) => one.decode()))")
    taken = page.screenshot(path=path, animations="disabled")
    assert len(taken) < MAX_BYTES, f"{path.name} has {len(taken)} bytes"


def _page(browser: Browser, size: Any, scheme: Any, *, scale: int = 1) -> Page:
    context = browser.new_context(
        viewport=size,
        color_scheme=scheme,
        reduced_motion="reduce",
        device_scale_factor=scale,
        locale="en-GB",
    )
    return context.new_page()


def _settled(page: Page, demo: Demo, name: str) -> None:
    """Return when an event has been delivered and everything on its way too."""
    page.wait_for_function("window.edge && window.edge.loaded")
    until(lambda: (name, "delivered") in demo.fates, f"{name} is delivered")
    until(lambda: demo.dock["totals"]["waiting"] == 0, "Snap has everything")
    delivered = str(demo.dock["totals"]["delivered"])
    expect(page.locator(".bar [data-total=delivered]")).to_have_text(delivered)


def main(arguments: list[str]) -> int:
    """Take all pictures; 2 for wrong usage."""
    if len(arguments) > 1:
        sys.stderr.write("usage: python -m tests.browser.shots [FOLDER]\n")
        return 2
    folder = Path(arguments[0]) if arguments else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with chromium_itself() as browser, running_demo(past=True) as demo:
        page = _page(browser, WIDE, "light")
        page.context.add_init_script(_UNHURRIED)
        buy_something(page, demo, folder)
        order = f"order-{page.url.rpartition('/')[2]}"
        page.context.close()
        look_at_the_dashboard(browser, demo, folder, order)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

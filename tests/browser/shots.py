"""Makes the README's pictures from the demo: `python -m tests.browser.shots FOLDER`.

Each page on a wide screen and on a phone, light and dark. The visit is real; so are the events.
"""

import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

from tests.browser.driver import Demo, running_demo
from tests.browser.played import chromium_itself
from tests.until import until

SCREENS: dict[str, dict[str, Any]] = {
    "wide": {"viewport": {"width": 1280, "height": 860}},
    "phone": {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True},
}
SCHEMES = ("light", "dark")
_SHARP = 2
"""Pixels of a picture for each of the page's."""

_TALL = 1080
"""Of the live page's picture on a wide screen, so that one event is seen whole."""

_UNHURRIED = """
document.addEventListener('submit', (event) => {
  if (location.pathname === '/live') return
  event.preventDefault()
  setTimeout(() => event.target.submit(), 700)
})
"""
"""A request under way when its page ends is sent twice by a driven Chromium, by no other one. So
forms wait here until the tag has its answer."""


def take(browser: Browser, demo: Demo, folder: Path, screen: str, scheme: str) -> None:
    """One visit on one kind of screen, with a picture at each stop."""
    context = browser.new_context(
        **SCREENS[screen],
        color_scheme=scheme,  # type: ignore[arg-type]
        reduced_motion="reduce",
        device_scale_factor=_SHARP,
    )
    context.add_init_script(_UNHURRIED)
    page = context.new_page()

    def picture(name: str) -> None:
        page.evaluate("Promise.all([...document.images].map((one) => one.decode()))")
        page.screenshot(path=folder / f"{name}-{screen}-{scheme}.png")

    page.goto(demo.shop)
    picture("ad")
    page.locator(".ad").click()
    expect(page.locator("#choice")).to_be_visible()
    picture("landing")
    page.get_by_role("button", name="Yes, I agree").click()
    _settled(page, demo, "page")
    _look_around(page, demo, picture)
    _buy(page, demo, picture)
    if screen == "wide":
        page.set_viewport_size({"width": 1280, "height": _TALL})
    page.goto(f"{demo.shop}/live")
    picture("live")
    for name in ("no-consent", "gpc", "twice", "outage"):
        _play(page, demo, name)
    until(lambda: demo.live["totals"]["waiting"] == 0, "Snap has everything")
    page.goto(f"{demo.shop}/live")
    picture("what-if")
    context.close()


def _play(page: Page, demo: Demo, name: str) -> None:
    before = demo.live["next"]
    page.locator(f"button[value={name}]").click()
    until(lambda: demo.live["next"] > before, f"{name} is played")


def _look_around(page: Page, demo: Demo, picture: Any) -> None:
    page.goto(f"{demo.shop}/products")
    _settled(page, demo, "Product List Viewed")
    picture("products")
    page.goto(f"{demo.shop}/products/low-tide-mug")
    _settled(page, demo, "Product Viewed")
    picture("product")


def _buy(page: Page, demo: Demo, picture: Any) -> None:
    page.get_by_role("button", name="Put into the cart").click()
    _settled(page, demo, "Product Added")
    picture("cart")
    page.get_by_role("link", name="Check out").click()
    _settled(page, demo, "Checkout Started")
    picture("checkout")
    page.get_by_role("button", name="On to payment").click()
    page.wait_for_url("**/payment")
    _settled(page, demo, "page")
    page.get_by_role("button", name="Pay").click()
    page.wait_for_url("**/thanks/*")
    _settled(page, demo, "Order Completed")
    picture("thanks")


def _settled(page: Page, demo: Demo, name: str) -> None:
    """Return when an event has been delivered and everything on its way too."""
    page.wait_for_function("window.edge && window.edge.loaded")
    until(lambda: (name, "delivered") in demo.fates, f"{name} is delivered")
    until(lambda: demo.live["totals"]["waiting"] == 0, "Snap has everything")
    delivered = str(demo.live["totals"]["delivered"])
    expect(page.locator(".bar [data-total=delivered]")).to_have_text(delivered)


def main(arguments: list[str]) -> int:
    """Take all pictures; 2 for wrong usage."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m tests.browser.shots FOLDER\n")
        return 2
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    with chromium_itself() as browser:
        for screen in SCREENS:
            for scheme in SCHEMES:
                with running_demo() as demo:
                    take(browser, demo, folder, screen, scheme)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

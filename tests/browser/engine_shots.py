"""Makes the README's picture of one visit in each engine: `python -m tests.browser.engine_shots`.

The demo's shop with what Snap got beside it: where the ad leads, a product, and after the purchase.
"""

import base64
import sys
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser

from tests.browser.driver import Demo, running_demo
from tests.browser.engine import Engine, Tab, shown
from tests.browser.engines.conftest import STARTS
from tests.browser.played import chromium_itself
from tests.until import until

PICTURE = Path(__file__).parent / "pictures" / "engines.png"

_SHEET = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; padding: 16px; width: 1560px; font: 15px/1.4 "DejaVu Sans", sans-serif;
  background: #fff; color: #222; display: grid; grid-template-columns: repeat(3, 1fr); gap: 12px }}
h2 {{ grid-column: 1 / -1; margin: 4px 0 0; font-size: 17px }}
figure {{ margin: 0 }} img {{ width: 100%; border: 1px solid #bbb; display: block }}
</style>{rows}"""

_ROW = "<h2>{name} {version}</h2>{pictures}"
_FIGURE = '<figure><img src="data:image/png;base64,{data}"></figure>'


def visit(tab: Tab, demo: Demo) -> Iterator[bytes]:
    """One visit, with a picture of three of its pages."""
    tab.open(demo.shop)
    _press(tab, ".ad", "/landing")
    tab.run("void document.querySelector('[data-choice=yes]').click()")
    yield _settled(tab, demo, "page")
    tab.open(f"{demo.shop}/products/low-tide-mug")
    yield _settled(tab, demo, "Product Viewed")
    for text, path in (
        ("Put into the cart", "/cart"),
        ("Check out", "/checkout"),
        ("On to payment", "/payment"),
        ("Pay", "/thanks"),
    ):
        tab.run(_FIND.format(text=text))
        until(lambda path=path: _is_at(tab, path), f"{path} is there")  # type: ignore[misc]
        until(lambda: demo.dock["totals"]["waiting"] == 0, "Snap has everything")
    yield _settled(tab, demo, "Order Completed")


_FIND = """void setTimeout(() => [...document.querySelectorAll('main a, main button')].find(
  (one) => one.textContent.trim().startsWith('{text}')).click(), 700)"""
"""Not in a hurry: so that the picture's events do not depend on what a page that is left sends."""


def _press(tab: Tab, selector: str, path: str) -> None:
    tab.run(f"void setTimeout(() => document.querySelector('{selector}').click())")
    until(lambda: _is_at(tab, path), f"{path} is there")


def _is_at(tab: Tab, path: str) -> bool:
    here = f"location.pathname.startsWith('{path}') && document.readyState === 'complete'"
    return bool(shown(tab, f"{here} && !!(window.edge && edge.loaded)"))


def _settled(tab: Tab, demo: Demo, name: str) -> bytes:
    """A picture when an event has been delivered and the page tells of all of them."""
    until(lambda: (name, "delivered") in demo.fates, f"{name} is delivered")
    until(lambda: demo.dock["totals"]["waiting"] == 0, "Snap has everything")
    total = "Number(document.querySelector('.dock [data-total=delivered]').textContent)"
    until(lambda: tab.run(total) == demo.dock["totals"]["delivered"], "the page tells of it")
    tab.run("Promise.all([...document.images].map((one) => one.decode())).then(() => true)")
    tab.run("new Promise((done) => setTimeout(() => requestAnimationFrame(done), 300))")
    return tab.picture()


def row(engine: Engine) -> str:
    """The pictures of one engine, as a part of the sheet."""
    with running_demo() as demo, engine.visitor() as visitor:
        taken = list(visit(visitor.tab(), demo))
    figures = [_FIGURE.format(data=base64.b64encode(one).decode()) for one in taken]
    return _ROW.format(name=engine.name, version=engine.version, pictures="".join(figures))


def sheet(browser: Browser, rows: list[str]) -> bytes:
    """All of them in one picture."""
    page = browser.new_page(viewport={"width": 1592, "height": 800})
    page.set_content(_SHEET.format(rows="".join(rows)))
    page.evaluate("Promise.all([...document.images].map((one) => one.decode()))")
    return page.screenshot(full_page=True)


def main() -> int:
    """Take the pictures and put them together."""
    rows = []
    for start in STARTS.values():
        with start() as engine:
            rows.append(row(engine))
    with chromium_itself() as browser:
        PICTURE.write_bytes(sheet(browser, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())

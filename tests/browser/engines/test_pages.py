"""Pages that are not ours to change: Snap's snippet, a data layer, locked pages."""

import pytest

from tests.browser.engine import Tab, Visitor
from tests.browser.site import Site, Stage
from tests.edge import PIXEL
from tests.until import until

pytestmark = pytest.mark.browser


def push(site: Site) -> str:
    """A purchase as GA4 wants it."""
    return f"""(window.dataLayer = window.dataLayer || []).push({{
      event: 'purchase', ecommerce: {{transaction_id: '{site.order_id}', value: 12, currency: 'EUR',
      items: [{{item_id: 'SKU-B', price: 12}}]}}}})"""


def test_the_snippet_of_snap_works_with_one_host_changed(visitor: Visitor, stage: Stage) -> None:
    site, tab = stage.site(), visitor.tab()
    site.visit(tab, "/snap?ScCid=click-of-snap")
    tab.run("void edge.consent({ad: true})")
    event = site.arrived("PAGE_VIEW")
    assert (event["pixel_id"], event["click_id"]) == (PIXEL, "click-of-snap")
    assert "hashed_email" not in event
    tab.run(
        "void snaptr('track', 'PURCHASE', {'price': 333.33, 'currency': 'USD', 'number_items': 2,"
        f" 'transaction_id': '{site.order_id}', 'item_ids': ['SKU-A', 'SKU-B']}})"
    )
    bought = site.arrived("PURCHASE")
    assert (bought["price"], bought["currency"]) == (333.33, "USD")
    assert (bought["transaction_id"], bought["item_ids"]) == (site.order_id, ["SKU-A", "SKU-B"])
    site.arrived("PAGE_VIEW")


def test_a_data_layer_becomes_events(visitor: Visitor, stage: Stage) -> None:
    site, tab = stage.site("implied"), visitor.tab()
    site.visit(tab, "/layer")
    assert site.arrived("VIEW_CONTENT")["item_ids"] == ["SKU-A"]
    tab.run(push(site))
    assert_bought(site)


def assert_bought(site: Site) -> None:
    event = site.arrived("PURCHASE")
    assert (event["transaction_id"], event["price"]) == (site.order_id, 12)
    assert event["item_ids"] == ["SKU-B"]


def layered(site: Site, tab: Tab, path: str) -> None:
    """A page view, and a purchase through a part of the tag that was fetched later."""
    site.visit(tab, path)
    site.arrived("PAGE_VIEW")
    tab.run(push(site))
    assert_bought(site)


def test_a_page_that_is_locked_but_for_two_directives_works(visitor: Visitor, stage: Stage) -> None:
    site, tab = stage.site("implied"), visitor.tab()
    layered(site, tab, "/locked")
    # It is locked indeed, and this is the first that it had to keep out.
    tab.run(
        "void document.body.append(Object.assign(document.createElement('script'),"
        " {textContent: 'window.broken = true'}))"
    )
    until(lambda: site.violations, "the browser reports it")
    assert set(site.violations) <= {"script-src", "script-src-elem"}
    assert len(site.violations) == 1
    assert tab.run("window.broken") is None


def test_a_page_with_trusted_types_works(visitor: Visitor, stage: Stage) -> None:
    site, tab = stage.site("implied"), visitor.tab()
    layered(site, tab, "/trusted")
    refused = "(() => { try { document.body.innerHTML = '<b>' } catch (e) { return e.name } })()"
    assert tab.run(refused) == "TypeError"
    until(lambda: site.violations, "the browser reports it")
    assert site.violations == ["require-trusted-types-for"]

"""The proxy is killed while visitors are there: nothing that happened meanwhile is lost."""

import pytest

from tests import canary
from tests.browser.engine import Tab, Visitor
from tests.browser.site import Site, Stage
from tests.until import until

pytestmark = pytest.mark.browser


def buy(tab: Tab, site: Site) -> None:
    """What a thank-you page does."""
    order = f"{{order_id: '{site.order_id}', total: 25, currency: 'EUR'}}"
    tab.run(f"void edge.track('Order Completed', {order})")


def kept(tab: Tab) -> str:
    """All that lies in the page's storage."""
    return str(tab.run("JSON.stringify(localStorage)"))


def test_a_purchase_made_offline_arrives_when_the_browser_is_online_again(
    visitor: Visitor, stage: Stage
) -> None:
    site, tab = stage.site("implied"), visitor.tab()
    site.visit(tab, "/")
    site.arrived("PAGE_VIEW")
    asked = len(site.asked)
    tab.cut_off()
    assert tab.run("navigator.onLine") is False
    buy(tab, site)
    # The tag gathers what comes within 50 ms; then it would send.
    tab.run("new Promise((done) => setTimeout(done, 200))")
    assert len(site.asked) == asked
    assert site.order_id in kept(tab)
    tab.reconnect()
    site.arrived("PURCHASE")


def test_a_purchase_made_while_the_proxy_is_down_arrives_from_the_same_page(
    visitor: Visitor, working: Stage
) -> None:
    site, tab = working.site("implied"), visitor.tab()
    site.visit(tab, "/")
    site.arrived("PAGE_VIEW")
    working.down()
    before = working.tap.connections
    buy(tab, site)
    until(lambda: working.tap.connections > before, "the page has tried in vain")
    until(lambda: site.order_id in kept(tab), "the page keeps it")
    working.up()
    # After 2, 10 and 30 s the page tries again: where the start is slow, the third time counts.
    assert site.arrived("PURCHASE", within_s=60)["transaction_id"] == site.order_id
    until(lambda: site.order_id not in kept(tab), "the page has forgotten what arrived")


def test_a_purchase_made_while_the_proxy_is_down_outlives_its_page(
    visitor: Visitor, working: Stage
) -> None:
    """And what lies on the visitor's disk meanwhile names nobody."""
    site, tab = working.site("implied"), visitor.tab()
    site.visit(tab, "/")
    tab.run(f"void edge.identify({{email: {canary.EMAIL!r}}})")
    site.arrived("PAGE_VIEW")
    working.down()
    buy(tab, site)
    tab.open(site.url("/elsewhere"))
    found = kept(tab)
    assert site.order_id in found
    assert canary.EMAIL not in found
    working.up()
    site.visit(tab, "/next")
    assert site.arrived("PURCHASE")["transaction_id"] == site.order_id
    site.arrived("PAGE_VIEW", count=2)


def test_of_several_tabs_one_sends_what_a_closed_one_left(visitor: Visitor, working: Stage) -> None:
    site = working.site("implied")
    tabs = [visitor.tab() for _ in range(3)]
    for number, tab in enumerate(tabs, 1):
        site.visit(tab, "/tab")
        site.arrived("PAGE_VIEW", count=number)
    working.down()
    buy(tabs[0], site)
    tabs[0].open(site.url("/elsewhere"))
    assert site.order_id in kept(tabs[0])
    working.up()
    others = tabs[1:]
    for number, tab in enumerate(others, 4):
        tab.run(f"void history.pushState(null, '', '/tab/{number}')")
        site.arrived("PAGE_VIEW", count=number)
    site.arrived("PURCHASE")
    senders = [tab for tab in others if site.order_id in tab.run("sent.join()")]
    assert len(senders) == 1

"""An ordinary visit: the ad, the pages of a single-page site, a form, a purchase."""

import hashlib
import time
from urllib.parse import urlsplit

import pytest

from tests import canary
from tests.browser.engine import Visitor, shown
from tests.browser.site import Stage, tag_runs
from tests.until import until

pytestmark = pytest.mark.browser

DAY_S = 86_400
CLICK = "AbC-123.def_456"


def test_an_ad_click_is_kept_by_the_server_and_goes_with_the_page_view(
    visitor: Visitor, stage: Stage
) -> None:
    site, tab = stage.site("implied"), visitor.tab()
    site.visit(tab, f"/?ScCid={CLICK}")
    event = site.arrived("PAGE_VIEW")
    jar = until(lambda: visitor.cookies(site.edge), "the answer has come, too")
    assert set(jar) == {"_scid", "_scclid", "edge"}
    assert jar["_scclid"].value == event["click_id"] == CLICK
    assert jar["_scid"].value == event["uuid_c1"]
    assert {jar[name].http_only for name in ("_scclid", "edge")} == {True}
    assert {one.domain.lstrip(".") for one in jar.values()} == {f"{site.name}.localhost"}
    assert {one.same_site for one in jar.values()} == {"Lax"}
    for name, days in (("_scid", 395), ("edge", 395), ("_scclid", 90)):
        assert abs(jar[name].expires_s - _now_s() - days * DAY_S) < DAY_S / 2
    site.visit(tab, "/next")
    again = site.arrived("PAGE_VIEW", count=2)
    assert (again["click_id"], again["uuid_c1"]) == (CLICK, event["uuid_c1"])


def _now_s() -> float:
    return time.time()  # noqa: TID251 - a test is a caller with a clock


def test_a_single_page_site_counts_each_view_once(visitor: Visitor, stage: Stage) -> None:
    """Its router cleans the address before the tag is there: the click id is not lost."""
    site, tab = stage.site("implied"), visitor.tab()
    site.visit(tab, f"/app?ScCid={CLICK}")
    assert tab.run("location.search") == ""
    assert site.arrived("PAGE_VIEW")["click_id"] == CLICK
    for step in (
        "history.pushState(null, '', '/app/list')",
        "history.replaceState({scroll: 5}, '', '/app/list')",
        "history.replaceState(null, '', '/app/list?sorted=1')",
        "location.hash = 'reviews'",
        "history.pushState(null, '', '/app/one')",
    ):
        tab.run(f"void ({step})")
    site.arrived("PAGE_VIEW", count=3)
    tab.back()
    # What should have been no view would have come before this one.
    site.arrived("PAGE_VIEW", count=4)
    assert site.paths() == ["/app", "/app/list", "/app/list", "/app/one"]


def test_a_form_says_who_it_is_and_leaves_the_page_at_once(visitor: Visitor, stage: Stage) -> None:
    site, tab = stage.site("implied"), visitor.tab()
    site.visit(tab, "/form")
    tab.run(f"void (document.forms[0].email.value = {canary.EMAIL!r})")
    tab.run("void setTimeout(() => document.forms[0].requestSubmit())")
    until(lambda: shown(tab, "location.pathname") == "/next", "the form is sent")
    tag_runs(tab)
    event = site.arrived("SIGN_UP")
    assert event["hashed_email"] == hashlib.sha256(canary.EMAIL.encode()).hexdigest()
    assert urlsplit(event["page_url"]).path == "/form"


def test_a_purchase_arrives_with_its_goods_and_a_reload_is_no_second_one(
    visitor: Visitor, stage: Stage
) -> None:
    site, tab = stage.site("implied"), visitor.tab()
    site.visit(tab, "/thanks")
    event = site.arrived("PURCHASE")
    assert (event["price"], event["currency"], event["number_items"]) == (129.99, "USD", 3)
    assert event["item_ids"] == ["SKU-A", "SKU-B"]
    assert event["transaction_id"] == site.order_id
    tab.reload()
    tag_runs(tab)
    site.arrived("PAGE_VIEW", count=2)
    site.visit(tab, "/next")
    site.arrived("PAGE_VIEW", count=3)
    site.arrived("PURCHASE")


def test_a_page_from_the_back_forward_cache_is_a_view(visitor: Visitor, stage: Stage) -> None:
    site, tab = stage.site("implied"), visitor.tab()
    site.visit(tab, "/shown")
    site.arrived("PAGE_VIEW")
    site.visit(tab, "/next")
    site.arrived("PAGE_VIEW", count=2)
    tab.back()
    until(lambda: shown(tab, "location.pathname") == "/shown", "the page is back")
    # Only a page that was kept alive has it: the tag does not stand in the cache's way.
    until(lambda: shown(tab, "window.kept === true"), "it is the same page as before")
    site.arrived("PAGE_VIEW", count=3)
    assert site.paths() == ["/next", "/shown", "/shown"]

"""A newcomer's first minutes with the demo, in a real browser: every step is one that is offered.

Why one event was dropped; a better match by `identify`; a broken token, its pause and its cure;
dead letters that are replayed. And no page of the lived-in dashboard keeps anybody out.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.axe import demand_axe, serious_faults
from tests.browser.driver import Demo, running_demo
from tests.browser.engine import AGENT
from tests.until import until

pytestmark = pytest.mark.browser

WIDE = {"width": 1280, "height": 860}
PHONE = {"width": 390, "height": 844}
PAGES = (
    "/",
    "/?window=7d",
    "/events",
    "/events?outcome=dropped",
    "/events/order-demo-1",
    "/match-quality",
    "/dead",
    "/dead/1",
    "/alerts",
    "/integrations",
    "/integrations/demo-pixel",
    "/integrations/demo-pixel/events",
    "/integrations/demo-pixel/snap",
    "/integrations/new",
    "/sources",
    "/sources/shop",
    "/privacy",
    "/access",
    "/audit",
)


@pytest.fixture(scope="module")
def lived_in(browser: Browser) -> Iterator[Demo]:
    """A demo with its past; tests that share it only look."""
    with running_demo(past=True) as demo:
        yield demo


@contextmanager
def visiting(browser: Browser, **options: Any) -> Iterator[Page]:
    """A page in a fresh profile; what it complains about fails the test."""
    context = browser.new_context(**{"viewport": WIDE, "user_agent": AGENT, **options})
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


def menu(page: Page, name: str) -> None:
    page.get_by_role("navigation", name="Pages").get_by_role("link", name=name).click()


def backstage(page: Page, demo: Demo, button: str) -> None:
    page.goto(f"{demo.shop}/backstage")
    with page.expect_navigation(url="**/backstage"):  # it is there already, and comes anew
        page.get_by_role("button", name=button).click()


def test_the_newcomer_s_path(browser: Browser) -> None:
    with running_demo(past=True) as demo, visiting(browser) as page:
        page.goto(f"{demo.shop}/dashboard")
        expect(page).to_have_title("Overview · edgeproxy")
        finds_why_one_event_was_dropped(page)
        raises_the_match_score(page, demo)
        token = breaks_the_token(page, demo)
        sees_the_pause_and_its_cure(page)
        mends_the_token(page, token)
        replays_the_dead_letters(page, demo)
        sees_the_own_visit(page, demo)


def finds_why_one_event_was_dropped(page: Page) -> None:
    menu(page, "Events")
    page.get_by_role("row").filter(has_text="Quiz Finished").get_by_role("link").first.click()
    expect(page.locator("#main")).to_contain_text(
        "No integration of the source wants an event of this name"
    )
    expect(page.locator("#main")).to_contain_text("What to do")
    expect(page.get_by_text("Nothing: it goes nowhere.")).to_be_visible()


def raises_the_match_score(page: Page, demo: Demo) -> None:
    menu(page, "Match quality")
    before = score_of(page, "PURCHASE")
    expect(page.get_by_text("Add the e-mail with identify")).to_be_visible()
    backstage(page, demo, "Add identify")
    page.goto(f"{demo.dash}/match-quality")

    def better() -> bool:
        page.reload()
        return score_of(page, "PURCHASE") > before

    until(better, f"PURCHASE is matched better than {before}")


def score_of(page: Page, event: str) -> int:
    row = page.get_by_role("row").filter(has_text=event)
    return int(row.get_by_role("cell").nth(1).inner_text())


def breaks_the_token(page: Page, demo: Demo) -> str:
    """Break it; the new one, which Snap gives."""
    backstage(page, demo, "Break the token")
    return page.locator(".token code").inner_text()


def sees_the_pause_and_its_cure(page: Page) -> None:
    page.get_by_role("link", name="dashboard", exact=True).click()
    verdict = page.locator("#now")
    expect(verdict).to_contain_text("does not accept the access token")
    expect(verdict).to_contain_text("Cure")
    expect(page.locator("#integrations")).to_contain_text(re.compile("paused", re.IGNORECASE))


def mends_the_token(page: Page, token: str) -> None:
    menu(page, "Integrations")
    page.get_by_role("link", name="Demo pixel").first.click()
    page.get_by_label("Access token").fill(token)
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name=re.compile("^Test")).click()
    expect(page.locator("#connection .result.good")).to_be_visible()
    menu(page, "Overview")
    expect(page.locator("#now")).not_to_contain_text("is paused")
    expect(page.locator("#now")).to_contain_text("the queue is empty")


def replays_the_dead_letters(page: Page, demo: Demo) -> None:
    menu(page, "Dead letters")
    page.get_by_role("button", name="Replay 3").click()
    expect(page.get_by_text("Nothing is dead")).to_be_visible()
    replayed = {f"order-demo-{number}" for number in (1, 2, 3)}

    def arrived() -> bool:
        return replayed <= {event["client_dedup_id"] for event in demo.received}

    until(arrived, "Snap has the replayed orders")


def sees_the_own_visit(page: Page, demo: Demo) -> None:
    page.goto(demo.shop)
    page.locator(".ad").click()
    page.get_by_role("button", name="Yes, I agree").click()
    card = page.locator(".dock .event", has_text="PAGE_VIEW").first
    expect(card.locator(".chip")).to_have_text("Accepted")
    page.get_by_role("link", name="In the dashboard").click()
    expect(page.get_by_role("row").filter(has_text="PAGE_VIEW")).to_have_count(1)
    page.go_back()
    card.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("PAGE_VIEW")


@pytest.mark.parametrize(
    ("size", "scheme"),
    [(WIDE, "light"), (WIDE, "dark"), (PHONE, "light")],
    ids=["wide-light", "wide-dark", "phone"],
)
def test_axe_finds_nothing_serious_on_any_page(
    browser: Browser, lived_in: Demo, size: dict[str, int], scheme: str
) -> None:
    demand_axe()
    found = {}
    with visiting(browser, viewport=size, color_scheme=scheme, bypass_csp=True) as page:
        page.goto(f"{lived_in.shop}/dashboard")
        for path in PAGES:
            answer = page.goto(f"{lived_in.dash}{path}")
            assert answer is not None
            assert answer.status == 200, path
            found[path] = serious_faults(page)
        for path in ("/", "/landing", "/backstage"):
            page.goto(f"{lived_in.shop}{path}")
            found[f"shop {path}"] = serious_faults(page)
    assert {path: faults for path, faults in found.items() if faults} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_is_wider_than_its_screen(browser: Browser, lived_in: Demo, scheme: str) -> None:
    wide = {}
    for size in (WIDE, PHONE):
        with visiting(browser, viewport=size, color_scheme=scheme) as page:
            page.goto(f"{lived_in.shop}/dashboard")
            for path in PAGES:
                page.goto(f"{lived_in.dash}{path}")
                over = page.evaluate(
                    "document.documentElement.scrollWidth - document.documentElement.clientWidth"
                )
                wide[f"{path} at {size['width']}"] = over
    assert {where: over for where, over in wide.items() if over > 0} == {}

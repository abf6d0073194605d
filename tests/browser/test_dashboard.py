"""The dashboard in a real browser: both themes, both widths, by keyboard, without scripts."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from edgeproxy.admin import pages
from edgeproxy.admin.views import PAGES
from tests.browser.axe import demand_axe, serious_faults
from tests.browser.engine import AGENT
from tests.edge import Life, StartEdge, running_snap
from tests.until import until

pytestmark = pytest.mark.browser

TOKEN = "the-token-of-the-dashboard-tests"
WIDE = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
OPEN = [page.path for page in PAGES if "{" not in page.path]
XSS = "<img src=x onerror=\"document.title='pwned'\"><script>document.title='pwned'</script>"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A proxy's admin listener."""
    with running_snap() as snap:
        edge = StartEdge(tmp_path_factory.mktemp("dashboard"), snap.url)
        try:
            yield address(edge.start(EDGEPROXY_ADMIN_TOKEN=TOKEN))
        finally:
            edge.stop_all()


def address(life: Life) -> str:
    until(lambda: life.told("admin_listening"), "the admin listener is there")
    [line] = life.told("admin_listening")
    return str(line["url"]).replace("127.0.0.1", "localhost")


@contextmanager
def looking(browser: Browser, url: str, **options: Any) -> Iterator[Page]:
    """A page of somebody who is logged in; what the browser complains about fails the test."""
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
        log_in(page, url)
        yield page
    finally:
        context.close()
    assert complaints == []


def log_in(page: Page, url: str) -> None:
    page.goto(f"{url}/login?next=/audit")
    page.get_by_label("Admin token").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_title("Audit log · edgeproxy")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_every_page_fits_and_breaks_no_rule_of_its_policy(
    browser: Browser, url: str, size: dict[str, int], scheme: str
) -> None:
    with looking(browser, url, viewport=size, color_scheme=scheme) as page:
        for path in OPEN:
            page.goto(f"{url}{path}")
            over = page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert over <= 0, f"{path} is {over} px too wide"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Browser, url: str, scheme: str) -> None:
    demand_axe()
    found = {}
    with looking(browser, url, color_scheme=scheme, bypass_csp=True) as page:
        for path in OPEN:
            page.goto(f"{url}{path}")
            found[path] = serious_faults(page)
    assert not any(found.values()), json.dumps(found, indent=1)


def test_a_name_with_code_in_it_runs_nothing(browser: Browser, url: str) -> None:
    with looking(browser, url) as page:
        page.goto(f"{url}/access")
        page.get_by_label("New token for").fill(XSS[:64])
        page.get_by_role("button", name="Make token").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("<img src=x")
        for path in ("/access", "/audit"):
            page.goto(f"{url}{path}")
            expect(page.locator("#main")).to_contain_text("<img src=x")
            assert page.title() != "pwned"
            assert page.locator("#main img").count() == 0


def test_the_policy_stops_code_that_got_into_a_page(browser: Browser, url: str) -> None:
    """The second line of defence: even text that is not escaped runs nothing."""
    context = browser.new_context()
    page = context.new_page()
    log_in(page, url)
    page.evaluate(
        """code => new Promise(failed => {
            document.body.insertAdjacentHTML('beforeend', code)
            document.querySelector('img').addEventListener('error', failed)
            const script = document.createElement('script')
            script.textContent = "document.title = 'pwned'"
            document.body.append(script)
        })""",
        "<img src='data:x' onerror=\"document.title='pwned'\">",
    )
    assert page.title() == "Audit log · edgeproxy"
    context.close()


def test_the_theme_is_switched_and_remembered(browser: Browser, url: str) -> None:
    with looking(browser, url, color_scheme="light") as page:
        paper = "getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(paper)
        page.get_by_role("button", name="Light or dark").click()
        dark = page.evaluate(paper)
        assert dark != light
        page.reload()
        assert page.evaluate(paper) == dark
        page.get_by_role("button", name="Light or dark").click()
        assert page.evaluate(paper) == light


def test_the_keyboard_reaches_everything(browser: Browser, url: str) -> None:
    with looking(browser, url) as page:
        page.goto(f"{url}/access")
        page.keyboard.press("Tab")
        expect(page.get_by_text("Skip to content")).to_be_focused()
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        page.locator("details.person summary").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("link", name="Audit log")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("link", name="Audit log")).to_be_hidden()


def test_times_are_of_the_viewer_s_zone_with_utc_beside(browser: Browser, url: str) -> None:
    with looking(browser, url, timezone_id="Asia/Tokyo", locale="en-GB") as page:
        page.goto(f"{url}/audit")
        shown = page.locator("time").first
        at = shown.get_attribute("datetime")
        assert at is not None
        hour = (int(at[11:13]) + 9) % 24
        expect(shown).to_have_text(f"{hour:02}{at[13:19]}")
        assert f"{at[11:19]} UTC" in (shown.get_attribute("title") or "")


def test_without_scripts_one_can_look_change_and_leave(browser: Browser, url: str) -> None:
    with looking(browser, url, java_script_enabled=False) as page:
        page.goto(f"{url}/access")
        page.get_by_label("New token for").fill("no scripts")
        page.get_by_role("button", name="Make token").click()
        expect(page.get_by_text("Copy it now")).to_be_visible()
        page.get_by_role("link", name="I have it").click()
        row = page.get_by_role("row").filter(has_text="no scripts")
        row.get_by_text("Revoke").first.click()
        row.get_by_role("button", name="Revoke").click()
        expect(page.get_by_text("The token is revoked")).to_be_visible()
        expect(row).to_have_count(0)
        page.goto(f"{url}/audit")
        expect(page.locator("time").first).to_contain_text("UTC")
        page.locator("details.person summary").click()
        page.get_by_role("button", name="Log out").click()
        expect(page).to_have_title("Log in · edgeproxy")
        page.goto(f"{url}/audit")
        expect(page).to_have_title("Log in · edgeproxy")


def test_every_file_of_the_pages_is_there() -> None:
    for path, file in pages.files().items():
        assert file.body, path
        assert Path(path).suffix in (".css", ".js")

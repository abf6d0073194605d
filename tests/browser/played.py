"""Chromium and Firefox, driven by Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Error, Page, Playwright, sync_playwright

from tests.browser.engine import AGENT, Cookie, Engine, Leaving, Missing, Visitor
from tests.edge import now_ms

SCREEN: Any = {"width": 1280, "height": 860}

_GPC = "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', {value: true})"
"""Chromium has no such switch; extensions for it do this and add the header."""


@dataclass(frozen=True)
class PlayedTab:
    """A tab; see `engine.Tab`."""

    page: Page

    def open(self, url: str) -> None:
        """Go to an address."""
        self.page.goto(url)

    def run(self, expression: str) -> Any:
        """The value of an expression."""
        try:
            return self.page.evaluate(f"() => ({expression})")
        except Error as error:
            if "navigation" not in error.message and "context" not in error.message:
                raise
            raise Leaving(error.message) from None

    def back(self) -> None:
        """One step back. Playwright's own waits for a load that a cached page does not have."""
        self.page.evaluate("() => void setTimeout(() => history.back())")

    def reload(self) -> None:
        """Load the page anew."""
        self.page.reload()

    def cut_off(self) -> None:
        """Take the network away, from all tabs."""
        self.page.context.set_offline(True)

    def reconnect(self) -> None:
        """Give it back."""
        self.page.context.set_offline(False)

    def picture(self) -> bytes:
        """What is seen, as PNG."""
        return self.page.screenshot()


@dataclass(frozen=True)
class PlayedVisitor:
    """A profile of its own; see `engine.Visitor`."""

    context: BrowserContext

    def tab(self) -> PlayedTab:
        """A new tab."""
        return PlayedTab(self.context.new_page())

    def cookies(self, url: str) -> dict[str, Cookie]:
        """The jar for an address, without what is over: Firefox may list it until it tidies up."""
        return {
            str(one.get("name")): Cookie(
                value=str(one.get("value")),
                domain=str(one.get("domain")),
                expires_s=float(one.get("expires", -1)),
                http_only=bool(one.get("httpOnly")),
                same_site=str(one.get("sameSite")),
            )
            for one in self.context.cookies(url)
            if not 0 <= float(one.get("expires", -1)) <= now_ms() / 1000
        }


@dataclass(frozen=True)
class Chromium:
    """Debian's Chromium, without a window."""

    browser: Browser
    name: str = "Chromium"
    sends_gpc: bool = True

    @property
    def version(self) -> str:
        """The browser's."""
        return self.browser.version

    @contextmanager
    def visitor(self, *, gpc: bool = False) -> Iterator[Visitor]:
        """A fresh profile."""
        headers = {"Sec-GPC": "1"} if gpc else {}
        context = self.browser.new_context(viewport=SCREEN, extra_http_headers=headers)
        if gpc:
            context.add_init_script(_GPC)
        yield PlayedVisitor(context)
        context.close()


@dataclass(frozen=True)
class Firefox:
    """Debian's Firefox, without a window."""

    playwright: Playwright
    browser: Browser
    name: str = "Firefox"
    sends_gpc: bool = True

    @property
    def version(self) -> str:
        """The browser's."""
        return self.browser.version

    @contextmanager
    def visitor(self, *, gpc: bool = False) -> Iterator[Visitor]:
        """A fresh profile; Global Privacy Control is a preference of a whole Firefox."""
        browser = _start_firefox(self.playwright, gpc=True) if gpc else self.browser
        context = browser.new_context(viewport=SCREEN)
        yield PlayedVisitor(context)
        context.close()
        if gpc:
            browser.close()


@contextmanager
def chromium() -> Iterator[Engine]:
    """Chromium as one engine of several."""
    with chromium_itself() as browser:
        yield Chromium(browser)


@contextmanager
def chromium_itself() -> Iterator[Browser]:
    """A Chromium that talks to this machine only and calls itself an ordinary one."""
    path = _found("chromium", "chromium")
    arguments = [
        "--no-sandbox",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        # Not Playwright's own setting: requests that outlive their page would lose it.
        f"--user-agent={AGENT}",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=arguments,
            ignore_default_args=["--disable-back-forward-cache"],
        )
        yield browser
        browser.close()


@contextmanager
def firefox() -> Iterator[Engine]:
    """A Firefox with its own defaults."""
    _found("firefox-esr", "firefox-esr")
    with sync_playwright() as playwright:
        browser = _start_firefox(playwright, gpc=False)
        yield Firefox(playwright, browser)
        browser.close()


def _start_firefox(playwright: Playwright, *, gpc: bool) -> Browser:
    # Over WebDriver BiDi, which is what an unpatched Firefox speaks.
    return playwright.firefox.launch(
        channel="moz-firefox",
        executable_path=_found("firefox-esr", "firefox-esr"),
        firefox_user_prefs={"privacy.globalprivacycontrol.enabled": gpc},
    )


def _found(command: str, package: str) -> str:
    path = shutil.which(command)
    if path is None:
        raise Missing(f"{command} is not installed (apt-get install {package})")
    return path

"""WebKitGTK: driven by WebDriver, or alone with its tracking prevention on; a screen for both."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw
from selenium import webdriver
from selenium.webdriver.remote.client_config import ClientConfig
from selenium.webdriver.remote.remote_connection import RemoteConnection
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.webkitgtk.service import Service

from tests.browser.engine import Cookie, Engine, Missing, Visitor

_BROWSERS = "/usr/lib/*/webkit2gtk-4.1/MiniBrowser"

_WINDOW = (1280, 898)
"""Pixels, with the browser's own bar."""

_COOKIES = "SELECT name, value, host, expiry, isHttpOnly, sameSite FROM moz_cookies"


@dataclass(frozen=True)
class DrivenTab:
    """A tab; see `engine.Tab`. There is one driver for all, so each step says who is meant."""

    driver: WebDriver
    handle: str

    def open(self, url: str) -> None:
        """Go to an address."""
        self._front().get(url)

    def run(self, expression: str) -> Any:
        """The value of an expression."""
        return self._front().execute_script(f"return ({expression})")

    def back(self) -> None:
        """One step back."""
        self.run("void setTimeout(() => history.back())")

    def reload(self) -> None:
        """Load the page anew."""
        self._front().refresh()

    def cut_off(self) -> None:
        """Say so, which is all that WebDriver can do: the network is there."""
        self.run("void Object.defineProperty(navigator, 'onLine', {value: false, writable: true})")

    def reconnect(self) -> None:
        """Say that it is back."""
        self.run("void (navigator.onLine = true, dispatchEvent(new Event('online')))")

    def picture(self) -> bytes:
        """What is seen, as PNG."""
        return self._front().get_screenshot_as_png()

    def _front(self) -> WebDriver:
        self.driver.switch_to.window(self.handle)
        return self.driver


@dataclass(frozen=True)
class DrivenVisitor:
    """One visitor after the other in one session: each comes to hosts nobody has been to."""

    driver: WebDriver
    tabs: list[DrivenTab] = field(default_factory=list)

    def tab(self) -> DrivenTab:
        """A window of its own, because a new tab stays behind the old one and is hidden."""
        self.driver.switch_to.new_window("window")
        self.driver.set_window_size(*_WINDOW)
        made = DrivenTab(self.driver, self.driver.current_window_handle)
        self.tabs.append(made)
        return made

    def cookies(self, url: str) -> dict[str, Cookie]:
        """The jar for the page of the newest tab; WebDriver tells of no other."""
        self.driver.switch_to.window(self.tabs[-1].handle)
        return {
            str(one["name"]): Cookie(
                value=str(one["value"]),
                domain=str(one["domain"]),
                expires_s=float(one.get("expiry", -1)),
                http_only=bool(one["httpOnly"]),
                same_site=str(one["sameSite"]),
            )
            for one in self.driver.get_cookies()
        }


@dataclass(frozen=True)
class WebKitGTK:
    """Debian's WebKitGTK in its own small browser."""

    driver: WebDriver
    name: str = "WebKitGTK"
    sends_gpc: bool = False

    @property
    def version(self) -> str:
        """The library's, as its package says; the browser says another."""
        shown = subprocess.run(
            ["dpkg-query", "--show", "--showformat=${Version}", "webkit2gtk-driver"],
            capture_output=True,
            text=True,
            check=False,
        )
        return shown.stdout.partition("-")[0] or str(self.driver.capabilities["browserVersion"])

    @contextmanager
    def visitor(self, *, gpc: bool = False) -> Iterator[Visitor]:
        """A fresh visitor; there is no Global Privacy Control here but what a page sets."""
        first = self.driver.current_window_handle
        visitor = DrivenVisitor(self.driver)
        yield visitor
        for tab in visitor.tabs:
            self.driver.switch_to.window(tab.handle)
            self.driver.close()
        self.driver.switch_to.window(first)


@contextmanager
def webkit() -> Iterator[Engine]:
    """WebKitGTK on a screen that nobody sees."""
    driver_path = shutil.which("WebKitWebDriver")
    if driver_path is None:
        raise Missing("WebKitWebDriver is not installed (apt-get install webkit2gtk-driver)")
    options = webdriver.WebKitGTKOptions()
    options.binary_location = mini_browser()
    options.add_argument("--automation")
    with screen() as environ:
        service = Service(driver_path, env={**os.environ, **environ})
        service.start()
        try:
            # Selenium's own class for it still uses what Selenium warns of.
            client = ClientConfig(remote_server_addr=service.service_url)
            driver = webdriver.Remote(RemoteConnection(client_config=client), options=options)
            yield WebKitGTK(driver)
            driver.quit()
        finally:
            service.stop()


def mini_browser() -> str:
    """The path of WebKitGTK's own browser."""
    found = sorted(Path("/").glob(_BROWSERS.removeprefix("/")))
    if not found:
        raise Missing("MiniBrowser is not installed (apt-get install webkit2gtk-driver)")
    return str(found[0])


@contextmanager
def screen() -> Iterator[dict[str, str]]:
    """A screen in memory; gives what the environment of its programs needs."""
    path = shutil.which("Xvfb")
    if path is None:
        raise Missing("Xvfb is not installed (apt-get install xvfb)")
    reading, writing = os.pipe()
    command = [path, "-displayfd", str(writing), "-screen", "0", "1280x960x24"]
    command += ["-nolisten", "tcp"]
    process = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    try:
        with open(reading, encoding="ascii") as told:
            number = told.readline().strip()
        # Its own sandbox needs namespaces that root in a container does not have.
        yield {"DISPLAY": f":{number}", "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1"}
    finally:
        process.terminate()
        process.wait()


@contextmanager
def with_tracking_prevention(url: str, jar: Path, *, on: bool = True) -> Iterator[None]:
    """WebKitGTK at an address without a driver: driven ones are private, and prevent nothing.

    Args:
        url: Where it goes.
        jar: A new file, in which it keeps its cookies.
        on: Whether the prevention is on.
    """
    command = [mini_browser(), "-c", str(jar), url]
    command[1:1] = ["--enable-itp"] if on else []
    with screen() as environ:
        process = subprocess.Popen(
            command, env={**os.environ, **environ}, stderr=subprocess.DEVNULL
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait()


def read_jar(jar: Path) -> dict[str, Cookie]:
    """The cookies in such a file, by name; none while it is not there or being written."""
    if not jar.exists():
        return {}
    database = apsw.Connection(str(jar), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        rows = list(database.execute(_COOKIES))
    except apsw.Error:
        return {}
    finally:
        database.close()
    return {
        str(name): Cookie(
            value=str(value),
            domain=str(host),
            expires_s=float(str(expiry)),
            http_only=bool(http_only),
            same_site=str(same_site),
        )
        for name, value, host, expiry, http_only, same_site in rows
    }

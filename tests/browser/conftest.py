"""Fixtures with a real browser. Where there is none: a skip with a reason, a failure in CI."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.driver import Demo, running_demo
from tests.browser.engine import lacking
from tests.browser.played import chromium_itself

expect.set_options(timeout=30_000)  # Playwright's own five seconds are few on a busy machine


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium."""
    with lacking(), chromium_itself() as started:
        yield started


@pytest.fixture
def demo(browser: Browser) -> Iterator[Demo]:
    """A demo that nobody has visited yet."""
    with running_demo() as demo:
        yield demo

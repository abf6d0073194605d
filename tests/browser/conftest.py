"""Fixtures with a real browser. Where there is none: a skip with a reason, a failure in CI."""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.driver import CHROMIUM, Demo, chromium, running_demo


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium."""
    if CHROMIUM is None:
        reason = "chromium is not installed"
        if os.environ.get("CI"):
            pytest.fail(f"{reason}; with CI set nothing may be skipped")
        pytest.skip(reason)
    with chromium() as started:
        yield started


@pytest.fixture
def demo(browser: Browser) -> Iterator[Demo]:
    """A demo that nobody has visited yet."""
    with running_demo() as demo:
        yield demo

"""What a scenario needs of a browser, whichever engine it is."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import pytest

AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36"
)
"""Chromium without a window names itself, and is taken for the robot that it is."""


class Missing(Exception):
    """The engine is not on this machine; the message says what would install it."""


class Leaving(Exception):
    """The page was left before it could answer."""


@contextmanager
def lacking() -> Iterator[None]:
    """Where an engine is missing: a skip with the reason, a failure in CI."""
    try:
        yield
    except Missing as missing:
        if os.environ.get("CI"):
            pytest.fail(f"{missing}; with CI set nothing may be skipped")
        pytest.skip(str(missing))


@dataclass(frozen=True)
class Cookie:
    """A cookie in the browser's jar; `expires_s` is Unix seconds, -1 for the session only."""

    value: str
    domain: str
    expires_s: float
    http_only: bool
    same_site: str


class Tab(Protocol):
    """One tab."""

    def open(self, url: str) -> None:
        """Go to an address; returns when the page has loaded."""

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression on the page, JSON; a promise is waited for.

        Raises:
            Leaving: The page is being left.
        """

    def back(self) -> None:
        """One step back in the history; does not wait."""

    def reload(self) -> None:
        """Load the page anew."""

    def cut_off(self) -> None:
        """Take the network away."""

    def reconnect(self) -> None:
        """Give it back."""

    def picture(self) -> bytes:
        """What is seen, as PNG."""


def shown(tab: Tab, expression: str) -> Any:
    """The value of an expression; None while one page follows another."""
    try:
        return tab.run(expression)
    except Leaving:
        return None


class Visitor(Protocol):
    """Somebody who was never here before, with any number of tabs."""

    def tab(self) -> Tab:
        """A new tab."""

    def cookies(self, url: str) -> dict[str, Cookie]:
        """What the browser would send to an address, by name."""


class Engine(Protocol):
    """A browser that runs."""

    @property
    def name(self) -> str:
        """As its makers write it."""

    @property
    def version(self) -> str:
        """The browser's."""

    @property
    def sends_gpc(self) -> bool:
        """Whether Global Privacy Control can be had with its header, or only as the property."""

    def visitor(self, *, gpc: bool = False) -> AbstractContextManager[Visitor]:
        """A fresh visitor, with Global Privacy Control on where asked and possible."""

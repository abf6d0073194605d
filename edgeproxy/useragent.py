"""What a user agent says: family names, device, and whether it is a robot.

The judgements are the user-agents package's; ua-parser's Rust engine reads the text for it.
"""

import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import msgspec

_MAX_CHARS = 512
"""What lies behind is not read: a long text costs the engine a second and says nothing."""

_ROBOTS = (
    "headlesschrome",
    "lighthouse",
    "phantomjs",
    "curl/",
    "wget/",
    "python-requests",
    "python-httpx",
    "aiohttp",
    "go-http-client",
    "okhttp",
    "axios/",
    "node-fetch",
    "java/",
    "libwww",
)
"""Programs that the package takes for browsers."""

_GENERIC = frozenset(
    {"Other", "Smartphone", "Feature Phone", "Tablet", "Desktop", "Mac", "K", "Generic"}
)
"""Models that say nothing of the device."""

# Chrome says "Android 10; K" on every Android. Source: Chromium, User-Agent reduction.
_REDUCED = re.compile(r"Android 10; K[;)]")


class Agent(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One user agent, read; "" is unknown. `os_version` as in "17.5"."""

    browser: str = ""
    os: str = ""
    os_version: str = ""
    model: str = ""
    bot: bool = False


def read_agent(text: str) -> Agent:
    """What the user agent says; for the empty text a robot. Never raises."""
    return _read(text[:_MAX_CHARS])


def warm() -> None:
    """Load the parser now, so that the first visitor does not wait for it."""
    read_agent("Mozilla/5.0 (warm-up)")


@lru_cache(maxsize=16_384)
def _read(text: str) -> Agent:
    if not text.isascii():
        # The engine takes UTF-8 only, and a lone surrogate has none.
        text = text.encode("utf-8", "replace").decode()
    if not text.strip():
        return Agent(bot=True)
    parsed = _parser()(text)
    reduced = _REDUCED.search(text) is not None
    bot = parsed.is_bot or _is_program(text.lower())
    return Agent(
        browser=_known(parsed.browser.family),
        os=_known(parsed.os.family),
        os_version="" if reduced else parsed.os.version_string,
        model="" if bot else _known(parsed.device.model),
        bot=bot,
    )


def _is_program(lowered: str) -> bool:
    return any(name in lowered for name in _ROBOTS)


def _known(name: str | None) -> str:
    return name if name and name not in _GENERIC else ""


@cache
def _parser() -> Callable[[str], Any]:
    """The package's user agent over the Rust engine; imported late, because it takes 0.1 s."""
    from ua_parser import parse
    from user_agents import parsers

    class UserAgent(parsers.UserAgent):  # type: ignore[misc] # the package is untyped
        def __init__(self, text: str) -> None:
            found = parse(text).with_defaults()
            self.ua_string = text
            os, browser, device = found.os, found.user_agent, found.device
            self.os = parsers.parse_operating_system(os.family, os.major, os.minor, os.patch)
            self.browser = parsers.parse_browser(browser.family, browser.major, browser.minor)
            self.device = parsers.parse_device(device.family, device.brand, device.model)

    return UserAgent

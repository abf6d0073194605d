"""Promises of `edgeproxy.useragent`: what is not known is not said, and robots are robots."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.useragent import Agent, read_agent, warm

IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
)
CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36"


@pytest.mark.parametrize(
    ("text", "agent"),
    [
        (IPHONE, Agent(browser="Mobile Safari", os="iOS", os_version="17.5", model="iPhone")),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
            Agent(browser="Firefox", os="Linux"),
        ),
        (
            f"Mozilla/5.0 (Linux; Android 14; SM-S921B) {CHROME}",
            Agent(browser="Chrome Mobile", os="Android", os_version="14", model="SM-S921B"),
        ),
        (
            f"Mozilla/5.0 (Linux; Android 10; K) {CHROME}",
            Agent(browser="Chrome Mobile", os="Android"),
        ),
        (
            f"Mozilla/5.0 (Linux; Android 10; K; wv) {CHROME} Version/4.0",
            Agent(browser="Chrome Mobile WebView", os="Android"),
        ),
        (
            "Mozilla/5.0 (Android 14; Mobile; rv:128.0) Gecko/128.0 Firefox/128.0",
            Agent(browser="Firefox Mobile", os="Android", os_version="14"),
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like "
            "Gecko) Version/17.5 Safari/605.1.15",
            Agent(browser="Safari", os="Mac OS X", os_version="10.15.7"),
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML,"
            " like Gecko) Mobile/15E148 Snapchat/12.90.0.31 (like Safari/8617.2.4.10.8, panda)",
            Agent(browser="Snapchat", os="iOS", os_version="17.5.1", model="iPhone"),
        ),
        ("Mozilla/5.0 ...", Agent()),
        ("no browser at all", Agent()),
    ],
)
def test_an_agent_says_what_is_known_and_no_more(text: str, agent: Agent) -> None:
    assert read_agent(text) == agent


ROBOTS = [
    "",
    "   ",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; Snap URL Preview Service; bot; snapchat; https://example.com)",
    "facebookexternalhit/1.1",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "HeadlessChrome/126.0.0.0 Safari/537.36",
    f"Mozilla/5.0 (Linux; Android 11; moto g power) {CHROME} Chrome-Lighthouse",
    "Mozilla/5.0 (Unknown; Linux) AppleWebKit/538.1 (KHTML, like Gecko) PhantomJS/2.1.1 Safari",
    "curl/8.1.2",
    "CURL/8",
    "python-requests/2.32",
    "python-httpx/0.28.1",
    "Python/3.11 aiohttp/3.9",
    "Go-http-client/2.0",
    "okhttp/4.9",
    "axios/1.6",
    "node-fetch/1.0 (+https://github.com/bitinn/node-fetch)",
    "Wget/1.21",
    "Java/17.0.2",
    "Apache-HttpClient/4.5.13 (Java/11.0.17)",
    "libwww-perl/6.05",
]


@pytest.mark.parametrize("text", ROBOTS)
def test_a_robot_is_known_as_one(text: str) -> None:
    agent = read_agent(text)
    assert agent.bot
    assert agent.model == ""


@pytest.mark.parametrize(
    "text", ["Mozilla/5.0 (curly; JavaScript/1.5)", "Mozilla/5.0 taxiosoft", "Wgetter Browser/1"]
)
def test_a_name_that_only_looks_like_a_robots_is_none(text: str) -> None:
    assert not read_agent(text).bot


@pytest.mark.timeout(20)
def test_what_lies_behind_512_characters_is_not_read() -> None:
    padded = IPHONE + " " * (512 - len(IPHONE))
    assert read_agent(padded + "Googlebot/2.1 curl/8" * 50_000) == read_agent(IPHONE)
    assert read_agent(" " * 512 + IPHONE) == Agent(bot=True)


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    assert read_agent(text) == read_agent(text)


@pytest.mark.parametrize("text", ["\ud800", "Mozilla/5.0 \udfff", "Mozilla\x00/5.0", "ÿ" * 600])
def test_broken_text_is_an_unknown_agent(text: str) -> None:
    assert read_agent(text) == Agent()


def test_warming_up_can_be_repeated() -> None:
    warm()
    warm()
    assert read_agent(IPHONE).model == "iPhone"

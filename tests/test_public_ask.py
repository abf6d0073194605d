"""What a request says besides its body, and whom it is believed from."""

from typing import Any

import pytest

from edgeproxy.addresses import TrustedProxies
from edgeproxy.public.ask import Ask, read_ask

NGINX = "127.0.0.1"
PROXIES = TrustedProxies([NGINX, "::1"])


def ask(
    *headers: tuple[str, str], peer: str | None = NGINX, scheme: str = "http", **scope: Any
) -> Ask:
    lines = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    client = None if peer is None else (peer, 50_000)
    return read_ask({"headers": lines, "client": client, "scheme": scheme, **scope}, PROXIES)


def test_a_bare_request_says_nothing() -> None:
    assert ask() == Ask(
        origin=None,
        host="",
        secure=False,
        address=NGINX,
        user_agent="",
        cookies=(),
        gpc=False,
        speculative="",
        content_length=None,
        content_encoding=b"",
    )


def test_every_header_that_matters_is_read() -> None:
    asked = ask(
        ("Origin", "https://www.example.com"),
        ("Host", "edge.example.com"),
        ("User-Agent", "Mozilla/5.0 \xe9"),
        ("Cookie", "_scid=abc"),
        ("Content-Length", "12"),
        ("Content-Encoding", "gzip"),
    )
    assert asked.origin == b"https://www.example.com"
    assert asked.host == "edge.example.com"
    assert asked.user_agent == "Mozilla/5.0 \xe9"
    assert asked.cookies == (b"_scid=abc",)
    assert asked.content_length == b"12"
    assert asked.content_encoding == b"gzip"


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("example.com", "example.com"),
        ("EXAMPLE.com:8443", "example.com"),
        ("203.0.113.7:80", "203.0.113.7"),
        ("[2001:DB8::7]:443", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7", "2001:db8::7"),
        (":80", ""),
        ("", ""),
        ("b\xfccher.example", "b\xfccher.example"),
    ],
)
def test_the_host_has_no_port_and_lower_case(header: str, host: str) -> None:
    assert ask(("Host", header)).host == host


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        (NGINX, "203.0.113.7", "203.0.113.7"),
        ("::1", "203.0.113.7", "203.0.113.7"),
        (NGINX, "6.6.6.6, 203.0.113.7", "203.0.113.7"),
        (NGINX, "203.0.113.7, ::1", "203.0.113.7"),
        (NGINX, "::ffff:203.0.113.7", "203.0.113.7"),
        (NGINX, "6.6.6.6, <script>", NGINX),
        (NGINX, "", NGINX),
        ("198.51.100.9", "203.0.113.7", "198.51.100.9"),
        (None, "203.0.113.7", ""),
    ],
)
def test_a_forwarded_address_counts_from_a_trusted_proxy_only(
    peer: str | None, forwarded: str, address: str
) -> None:
    assert ask(("X-Forwarded-For", forwarded), peer=peer).address == address


def test_several_forwarding_lines_count_as_one_list() -> None:
    asked = ask(
        ("X-Forwarded-For", "6.6.6.6"),
        ("Host", "a"),
        ("X-Forwarded-For", "203.0.113.7"),
        ("X-Forwarded-For", "127.0.0.1"),
    )
    assert asked.address == "203.0.113.7"


def test_a_forged_first_line_does_not_hide_the_proxy_s_own() -> None:
    """A dictionary of headers would keep one line; the walk needs them all, in order."""
    asked = ask(("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-For", "::1"))
    assert asked.address == "203.0.113.7"


@pytest.mark.parametrize(
    ("scheme", "peer", "forwarded", "secure"),
    [
        ("http", NGINX, None, False),
        ("https", NGINX, None, True),
        ("http", NGINX, "https", True),
        ("http", NGINX, " HTTPS ", True),
        ("https", NGINX, "http", False),
        ("http", "198.51.100.9", "https", False),
        ("https", "198.51.100.9", "http", True),
        ("http", None, "https", False),
    ],
)
def test_a_forwarded_scheme_counts_from_a_trusted_proxy_only(
    scheme: str, peer: str | None, forwarded: str | None, *, secure: bool
) -> None:
    headers = [] if forwarded is None else [("X-Forwarded-Proto", forwarded)]
    assert ask(*headers, peer=peer, scheme=scheme).secure is secure


def test_all_cookie_lines_are_kept_in_order() -> None:
    asked = ask(("Cookie", "a=1"), ("X-Other", "x"), ("Cookie", "_scid=abc; b=2"))
    assert asked.cookies == (b"a=1", b"_scid=abc; b=2")


def test_one_cookie_line_among_other_repeated_headers_is_found() -> None:
    assert ask(("Accept", "a"), ("Accept", "b"), ("Cookie", "a=1")).cookies == (b"a=1",)


@pytest.mark.parametrize(("value", "gpc"), [("1", True), ("0", False), ("", False), ("?1", False)])
def test_global_privacy_control_is_the_one_exact_value(value: str, *, gpc: bool) -> None:
    assert ask(("Sec-GPC", value)).gpc is gpc


@pytest.mark.parametrize(
    ("name", "value", "speculative"),
    [
        ("Sec-Purpose", "prefetch", "prefetch"),
        ("Sec-Purpose", "prefetch;prerender", "prefetch"),
        ("Sec-Purpose", "prerender", "prefetch"),
        ("Purpose", "prefetch", "prefetch"),
        ("X-Purpose", "preview, prefetch", "prefetch"),
        ("X-Moz", "prefetch", "prefetch"),
        ("Sec-Purpose", "", ""),
        ("Purpose", "navigate", ""),
        ("X-Anything", "prefetch", ""),
    ],
)
def test_a_browser_that_fetches_ahead_is_recognised(
    name: str, value: str, speculative: str
) -> None:
    assert ask((name, value)).speculative == speculative


def test_a_harmless_purpose_does_not_hide_another_header_s_prefetch() -> None:
    assert ask(("Sec-Purpose", "navigate"), ("X-Moz", "prefetch")).speculative == "prefetch"


def test_a_scope_without_client_has_no_address() -> None:
    asked = read_ask({"headers": [], "scheme": "http"}, PROXIES)
    assert (asked.address, asked.secure) == ("", False)

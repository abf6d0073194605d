"""Promises of `edgeproxy.domains`: a cookie's Domain is one that browsers accept, or none."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.domains import registrable_domain


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("example.com", "example.com"),
        ("edge.example.com", "example.com"),
        ("EDGE.Example.COM", "example.com"),
        ("a.b.shop.co.uk", "shop.co.uk"),
        ("xn--mnchen-3ya.de", "xn--mnchen-3ya.de"),
        ("shop.myshopify.com", "shop.myshopify.com"),
        ("edge.foo.github.io", "foo.github.io"),
        ("edge.shop.localhost", "shop.localhost"),
        ("edge.corp.internal", "corp.internal"),
    ],
)
def test_a_host_has_its_registrable_domain(host: str, domain: str) -> None:
    assert registrable_domain(host) == domain


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "shop",
        "com",
        "co.uk",
        "github.io",
        "10.0.0.1",
        "127.0.0.1",
        "1.2.3",
        "0x7f.0x1",
        "example.0x",
        "::1",
        "[::1]",
        "2001:db8::7",
        "example.com:8080",
        "",
        ".",
        "..",
        "example..com",
        ".example.com",
        "example.com.",
        "exa mple.com",
        "example.com; Secure",
        "example.com\r\nSet-Cookie: x=1",
        "example.com\n",
        "münchen.de",
        "\ud800.com",
        "a" * 64 + ".com",
        "a." * 200 + "com",
    ],
)
def test_what_cannot_carry_a_domain_is_host_only(host: str) -> None:
    assert registrable_domain(host) is None


@given(st.text() | st.from_regex(r"[a-z0-9._-]{0,40}", fullmatch=True))
def test_the_domain_is_a_safe_end_of_the_host(host: str) -> None:
    """Whatever the Host header says, nothing but a domain can get into a Set-Cookie line."""
    domain = registrable_domain(host)
    if domain is not None:
        assert host.lower().endswith(domain)
        assert re.fullmatch(r"[a-z0-9._-]+\.[a-z0-9_-]+", domain)

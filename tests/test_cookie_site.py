"""Where cookies are set: a Domain only where the host and an origin agree on it."""

import pytest

from edgeproxy.cookie_site import cookie_site
from edgeproxy.cookies import MASTER, MASTER_HOST, MASTER_HTTP
from edgeproxy.sites import Source

SHOP = Source(id="shop", origins=("https://www.example.com",))


@pytest.mark.parametrize(
    ("host", "cookie_domain", "origins", "domain"),
    [
        # the registrable domain, shared with an origin
        ("edge.example.com", "auto", ["https://www.example.com"], "example.com"),
        ("www.example.com", "auto", ["https://www.example.com"], "example.com"),
        ("EDGE.Example.com:8443", "auto", ["https://www.example.com:8443"], "example.com"),
        ("edge.shop.co.uk", "auto", ["https://a.b", "https://shop.co.uk"], "shop.co.uk"),
        ("edge.shop.localhost:8000", "auto", ["http://www.shop.localhost:9000"], "shop.localhost"),
        # a host that no origin vouches for
        ("edge.evil.example", "auto", ["https://www.example.com"], None),
        ("edge.example.com", "auto", [], None),
        ("edge.shop.localhost", "auto", ["http://www.other.localhost"], None),
        ("edge.localhost", "auto", ["http://shop.localhost"], None),
        # public suffixes, addresses, single labels, nonsense
        ("shop.myshopify.com", "auto", ["https://other.myshopify.com"], None),
        ("co.uk", "auto", ["https://co.uk"], None),
        ("127.0.0.1:8000", "auto", ["http://127.0.0.1:8000"], None),
        ("[::1]:8000", "auto", ["http://[::1]:8000"], None),
        ("localhost:8000", "auto", ["http://localhost:8000"], None),
        ("intranet", "auto", ["https://intranet"], None),
        ("", "auto", ["https://www.example.com"], None),
        ("www.example.com.", "auto", ["https://www.example.com"], None),
        ("x;evil=1.example.com", "auto", ["https://www.example.com"], None),
        ("x" * 250 + ".example.com", "auto", ["https://www.example.com"], None),
        ("x" * 9_000 + ".example.com", "auto", ["https://www.example.com"], None),
        ("x\r\n.example.com", "auto", ["https://www.example.com"], None),
        # by configuration
        ("edge.example.com", "host", ["https://www.example.com"], None),
        ("edge.shop.example.com", "shop.example.com", [], "shop.example.com"),
        ("edge.shop.example.com", ".Example.com", [], "example.com"),
        ("shop.example.com", "shop.example.com", [], "shop.example.com"),
        ("www.example.com", "shop.example.com", [], None),
        ("notexample.com", "example.com", [], None),
        ("edge.example.com", "com", [], None),
        ("127.0.0.1", "example.com", [], None),
    ],
)
def test_the_domain_of_cookies(
    host: str, cookie_domain: str, origins: list[str], domain: str | None
) -> None:
    source = Source(id="shop", cookie_domain=cookie_domain, origins=tuple(origins))
    assert cookie_site(host, scheme="https", source=source).domain == domain


@pytest.mark.parametrize(
    ("scheme", "host", "master"),
    [
        ("https", "edge.example.com", MASTER),
        ("http", "edge.example.com", MASTER_HTTP),
        ("https", "127.0.0.1", MASTER_HOST),
        ("http", "127.0.0.1", MASTER_HTTP),
        ("", "edge.example.com", MASTER),
    ],
)
def test_the_masters_name_follows_scheme_and_domain(scheme: str, host: str, master: str) -> None:
    assert cookie_site(host, scheme=scheme, source=SHOP).master == master


def test_a_giant_host_is_not_remembered() -> None:
    giant = cookie_site("x" * 9_000 + ".example.com", scheme="https", source=SHOP)
    assert giant is cookie_site("", scheme="https", source=SHOP)


def test_deep_hosts_have_a_bounded_number_of_variants() -> None:
    site = cookie_site("a.b.c.d.e.f.g.example.com", scheme="https", source=SHOP)
    assert site.domain == "example.com"
    assert len(site.others) == 4

"""Where a request comes from."""

import pytest

from edgeproxy.addresses import TrustedProxies
from edgeproxy.admin.origin import address, demand_own_page, is_loopback, is_secure
from edgeproxy.errors import Forbidden

PROXIES = TrustedProxies(("10.0.0.1",))


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("localhost", True),
        ("LOCALHOST:8084", True),
        ("edge.localhost:8084", True),
        ("127.0.0.1", True),
        ("127.8.8.8:1", True),
        ("[::1]:8084", True),
        ("[::1]", True),
        ("", False),
        ("localhost.evil.example", False),
        ("notlocalhost", False),
        ("192.168.0.7:8084", False),
        ("0.0.0.0:8084", False),
        ("[2001:db8::1]:8084", False),
        ("127.0.0.1.evil.example", False),
    ],
)
def test_this_machine_has_few_names(host: str, here: bool) -> None:
    assert is_loopback(host) == here


def scope(peer: str | None, scheme: str = "http") -> dict[str, object]:
    return {"client": None if peer is None else (peer, 1), "scheme": scheme}


def test_a_trusted_proxy_says_who_and_how() -> None:
    headers = {b"x-forwarded-proto": b"HTTPS ", b"x-forwarded-for": b"203.0.113.7"}
    assert is_secure(scope("10.0.0.1"), headers, PROXIES)
    assert address(scope("10.0.0.1"), headers, PROXIES) == "203.0.113.7"
    assert not is_secure(scope("10.0.0.2"), headers, PROXIES)
    assert address(scope("10.0.0.2"), headers, PROXIES) == "10.0.0.2"
    assert is_secure(scope("10.0.0.2", "https"), {}, PROXIES)
    assert not is_secure(scope("10.0.0.1", "https"), {b"x-forwarded-proto": b"http"}, PROXIES)
    assert address(scope(None), headers, PROXIES) == ""


HOST = "edge.example.com"


@pytest.mark.parametrize(
    "headers",
    [
        {b"sec-fetch-site": b"same-origin"},
        {b"sec-fetch-site": b"same-origin", b"origin": b"null"},
        {b"sec-fetch-site": b"same-origin", b"origin": b"https://edge.example.com"},
        {b"origin": b"https://Edge.example.com"},
    ],
)
def test_a_page_of_ours_may_send(headers: dict[bytes, bytes]) -> None:
    demand_own_page(headers, HOST, secure=True)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"origin": b"null"},
        {b"origin": b"http://edge.example.com"},
        {b"origin": b"https://edge.example.com:8443"},
        {b"origin": b"https://edge.example.com.evil.example"},
        {b"sec-fetch-site": b"same-site", b"origin": b"https://edge.example.com"},
        {b"sec-fetch-site": b"none"},
        {b"sec-fetch-site": b""},
        {b"sec-fetch-site": b"same-origin", b"origin": b"https://evil.example"},
    ],
)
def test_no_other_page_may(headers: dict[bytes, bytes]) -> None:
    with pytest.raises(Forbidden):
        demand_own_page(headers, HOST, secure=True)

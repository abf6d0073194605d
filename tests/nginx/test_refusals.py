"""What nginx turns away itself, without a word to the proxy."""

import socket
import ssl

import pytest

from edgeproxy.public.collect import BODY_BYTES
from tests import canary
from tests.edge import HOST, ORIGIN, batch
from tests.nginx.front import Front

HEAD = f"Host: {HOST}\r\nOrigin: {ORIGIN}\r\n"
BODY = b'{"events":[{"name":"page"}]}'

MALFORMED = {
    "two Host headers": f"GET /s.js HTTP/1.1\r\nHost: {HOST}\r\nHost: evil.example\r\n\r\n",
    "no Host header": "GET /s.js HTTP/1.1\r\n\r\n",
    "length and chunks": f"POST /e HTTP/1.1\r\n{HEAD}Content-Length: 5\r\n"
    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /s.js HTTP/1.1\r\n\r\n",
    "two lengths": f"POST /e HTTP/1.1\r\n{HEAD}Content-Length: 2\r\nContent-Length: 4\r\n\r\n{{}}",
    "an endless header line": f"GET /s.js HTTP/1.1\r\n{HEAD}Cookie: {'a' * 9000}\r\n\r\n",
    "too many header lines": f"GET /s.js HTTP/1.1\r\n{HEAD}"
    + "".join(f"X-{number}: {'a' * 8000}\r\n" for number in range(5))
    + "\r\n",
}

HIDDEN = (
    *("/", "/healthz", "/readyz", "/visit", "/metrics", "/v1/admin/integrations", "/_sandbox/ids"),
    *("/E", "/e/", "/s.js/", "/s.0123.js", "/s.0123456789abcdef.js.map", "/x/s.js", "/x/v1/track"),
    *("/v1/track/../../healthz", "/e/../readyz", "/%68ealthz", "/e%00", "/healthz?/e", "/e;/e"),
    *("/.env", "/v3//events", "/v3/a/b/events", "/v1/track/x"),
)


@pytest.mark.parametrize("fault", MALFORMED)
def test_a_malformed_request_is_refused_and_goes_no_further(front: Front, fault: str) -> None:
    before = len(front.tap.heads)
    assert front.raw(MALFORMED[fault]).startswith(b"HTTP/1.1 400 ")
    assert len(front.tap.heads) == before


@pytest.mark.parametrize("path", HIDDEN)
def test_a_path_that_is_not_public_is_not_found(front: Front, path: str) -> None:
    before = len(front.tap.heads)
    said = front.raw(f"GET {path} HTTP/1.1\r\n{HEAD}Connection: close\r\n\r\n")
    assert said.partition(b" ")[2][:3] in (b"404", b"400")
    assert len(front.tap.heads) == before


def test_a_404_of_nginx_has_the_proxys_form(front: Front) -> None:
    answer = front.get("/wp-login.php")
    assert (answer.status, answer.json()["code"]) == (404, "not_found")
    assert answer.header("content-type") == "application/problem+json"
    assert answer.header("server") == "nginx"


@pytest.mark.parametrize(
    "path", ["/e", "/consent", "/v1/track", "/v2/conversion", "/v3/ab-1/events"]
)
def test_a_public_path_reaches_the_proxy(front: Front, path: str) -> None:
    front.post(b"{}", path)
    assert front.tap.heads[-1].line == f"POST {path} HTTP/1.1"


@pytest.mark.parametrize("path", ["/e", "/consent"])
def test_a_body_over_64_kib_never_reaches_the_proxy(front: Front, path: str) -> None:
    before = len(front.tap.heads)
    answer = front.post(b" " * (BODY_BYTES + 1), path)
    assert (answer.status, answer.json()["code"]) == (413, "too_large")
    assert answer.header("content-type") == "application/problem+json"
    assert len(front.tap.heads) == before


def test_a_body_of_64_kib_reaches_the_proxy_whole(front: Front) -> None:
    """The two limits are the same; in chunks too, which arrive joined."""
    whole = BODY + b" " * (BODY_BYTES - len(BODY))
    assert front.post(whole).status == 202
    length = front.tap.heads[-1].all("content-length")
    assert length == [str(BODY_BYTES)]
    parts = b"".join(
        b"%x\r\n%s\r\n" % (len(part), part) for part in (whole[:40_000], whole[40_000:])
    )
    head = f"POST /e HTTP/1.1\r\n{HEAD}User-Agent: {canary.AGENT}\r\nConnection: close\r\n"
    said = front.raw(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + parts + b"0\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 202 ")
    assert front.tap.heads[-1].all("content-length") == [str(BODY_BYTES)]


def test_a_large_body_is_refused_early(front: Front) -> None:
    """Ten megabytes that were announced, and as many that were not, are not waited for."""
    before = len(front.tap.heads)
    head = f"POST /e HTTP/1.1\r\n{HEAD}Connection: close\r\n"
    announced = front.raw(f"{head}Content-Length: 10485760\r\n\r\n")
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    dripped = front.raw(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunk * 3)
    assert [said.partition(b" ")[2][:3] for said in (announced, dripped)] == [b"413", b"413"]
    assert len(front.tap.heads) == before


def test_the_server_api_takes_a_mebibyte(front: Front) -> None:
    front.post(b" " * 2**20, "/v1/batch")
    assert front.tap.heads[-1].all("content-length") == [str(2**20)]
    assert front.post(b" " * (2**20 + 1), "/v1/batch").status == 413


def test_an_unknown_name_gets_no_tls_connection(front: Front) -> None:
    for name in ("www.example.org", None):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            front.connect(name=name)


@pytest.mark.parametrize("tls", [True, False])
@pytest.mark.parametrize("host", ["www.example.org", "127.0.0.1", "edge.example.com.evil.example"])
def test_an_unknown_host_gets_no_answer(front: Front, host: str, tls: bool) -> None:
    assert front.raw(f"GET /s.js HTTP/1.1\r\nHost: {host}\r\n\r\n", tls=tls) == b""


def test_plain_http_is_sent_to_https(front: Front) -> None:
    before = len(front.tap.heads)
    said = front.raw(f"GET /s.js?v=1 HTTP/1.0\r\nHost: {HOST}\r\n\r\n", tls=False)
    assert said.startswith(b"HTTP/1.1 301 ")
    assert f"\r\nLocation: https://{HOST}/s.js?v=1\r\n".encode() in said
    assert len(front.tap.heads) == before


def test_answers_tell_browsers_to_stay_with_https(front: Front) -> None:
    answers = [front.get(path) for path in ("/s.js", "/nothing")]
    answers += [front.post(batch({"name": "page"})), front.post(b" " * (BODY_BYTES + 1))]
    for answer in answers:
        assert answer.header("strict-transport-security") == "max-age=31536000"


def test_ipv6_is_served_like_ipv4(front: Front) -> None:
    try:
        plain = socket.create_connection(("::1", front.http), 5)
    except OSError:
        pytest.skip("there is no IPv6 on loopback here")
    with plain:
        plain.sendall(f"GET / HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode())
        assert plain.recv(4096).startswith(b"HTTP/1.1 301 ")

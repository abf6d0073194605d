"""The one HTTP client: what networks do to it, and what it lets nobody see."""

import asyncio
import gzip
import logging
import socket
import ssl
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from edgeproxy.outbound import LIMIT_BYTES, Outbound

TOKEN = "canary-eyJhbGciOi.secret"
Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def peer(
    play: Peer, *, tls: ssl.SSLContext | None = None, heard: list[bytes] | None = None
) -> AsyncIterator[int]:
    """A TCP peer on loopback that reads a request's head and then plays its part."""

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            if heard is not None:
                heard.append(head)
            await play(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(meet, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


def says(answer: bytes, *, reset: bool = False) -> Peer:
    async def play(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        if reset:
            taken = writer.get_extra_info("socket")
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return play


async def drips(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


@asynccontextmanager
async def client(
    *, ca_file: Path | None = None, deadline_s: float = 10.0
) -> AsyncIterator[Outbound]:
    outbound = Outbound(ca_file=ca_file, deadline_s=deadline_s)
    try:
        yield outbound
    finally:
        await outbound.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


async def test_an_answer_comes_back_with_status_headers_and_body() -> None:
    heard: list[bytes] = []
    answer_bytes = (
        b"HTTP/1.1 429 Slow\r\nRetry-After: 3\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n"
        b"Content-Length: 2\r\n\r\nno"
    )
    async with client() as outbound, peer(says(answer_bytes), heard=heard) as port:
        answer = await outbound.request(
            "POST",
            f"http://127.0.0.1:{port}/v2/conversion",
            headers={"Authorization": "Bearer t", "Content-Type": "application/json"},
            params={"access_token": "a b&c"},
            body=b"{}",
        )
    assert (answer.status, answer.body, answer.fault) == (429, b"no", "")
    assert answer.header("retry-after") == "3"
    assert answer.header("absent") == ""
    assert [value for name, value in answer.headers if name == "set-cookie"] == ["a=1", "b=2"]
    assert answer.latency_ms > 0
    head = heard[0].decode()
    assert head.startswith("POST /v2/conversion?access_token=a+b%26c HTTP/1.1\r\n")
    assert "accept-encoding: identity\r\n" in head.lower()
    assert "user-agent: edgeproxy/" in head.lower()
    assert "content-length: 2\r\n" in head.lower()


async def test_a_header_value_outside_ascii_goes_out_and_never_into_an_error() -> None:
    heard: list[bytes] = []
    async with client() as outbound, peer(says(_OK), heard=heard) as port:
        answer = await outbound.request(
            "GET", f"http://127.0.0.1:{port}/", headers={"Authorization": "Bearer tökén"}
        )
    assert answer.status == 200
    assert "Bearer tökén".encode() in heard[0]


async def test_a_header_value_with_a_line_break_is_not_sent() -> None:
    heard: list[bytes] = []
    async with client() as outbound, peer(says(_OK), heard=heard) as port:
        answer = await outbound.request(
            "GET", f"http://127.0.0.1:{port}/", headers={"Authorization": "a\r\nX-Evil: 1"}
        )
    assert (answer.status, answer.fault) == (None, "protocol")
    assert heard == []


_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("play", "fault"),
    [
        pytest.param(says(b""), "reset", id="closed before the answer"),
        pytest.param(says(b"", reset=True), "reset", id="reset before the answer"),
        pytest.param(
            says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), "reset", id="truncated"
        ),
        pytest.param(
            says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", reset=True),
            "reset",
            id="reset in the answer",
        ),
        pytest.param(says(b"HTTP/1.1 200 OK\r\nCont"), "reset", id="half a head"),
        pytest.param(says(b"\x00\x01 garbage\r\n\r\n"), "protocol", id="garbage"),
        pytest.param(
            says(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 300_000 + b"\r\n\r\n"),
            "protocol",
            id="endless header",
        ),
    ],
)
async def test_a_broken_answer_is_a_fault_and_no_answer(play: Peer, fault: str) -> None:
    async with client() as outbound, peer(play) as port:
        answer = await outbound.request("POST", f"http://127.0.0.1:{port}/", body=b"{}")
    assert (answer.status, answer.fault, answer.body) == (None, fault, b"")


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("http://127.0.0.1:{free}/", "refused"),
        ("http://nobody.invalid/", "dns"),
        ("http://[::1/", "protocol"),
        ("gopher://127.0.0.1/", "protocol"),
        ("http://127.0.0.1:99999/", "protocol"),
    ],
)
async def test_a_place_that_cannot_be_reached_is_a_fault(url: str, fault: str) -> None:
    async with client() as outbound:
        answer = await outbound.request("GET", url.format(free=free_port()))
    assert (answer.status, answer.fault) == (None, fault)


async def test_a_drip_ends_at_the_deadline() -> None:
    """A byte now and then defeats a read timeout, not the deadline of the attempt."""
    async with client(deadline_s=0.3) as outbound, peer(drips) as port:
        answer = await outbound.request("GET", f"http://127.0.0.1:{port}/")
    assert (answer.status, answer.fault) == (None, "timeout")


async def test_a_cancelled_caller_is_cancelled() -> None:
    async with client() as outbound, peer(drips) as port:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await outbound.request("GET", f"http://127.0.0.1:{port}/")


async def test_reading_stops_at_the_limit_and_the_status_is_kept() -> None:
    big = b"HTTP/1.1 401 No\r\nContent-Length: 5000000\r\n\r\n" + b"x" * 5_000_000
    async with client() as outbound, peer(says(big)) as port:
        answer = await outbound.request("GET", f"http://127.0.0.1:{port}/")
        small = await outbound.request("GET", f"http://127.0.0.1:{port}/", limit_bytes=10)
    assert (answer.status, answer.fault, len(answer.body)) == (401, "too_long", LIMIT_BYTES)
    assert (small.fault, small.body) == ("too_long", b"x" * 10)


async def test_an_endless_answer_is_left_at_the_limit() -> None:
    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x" * 65_536)
            await writer.drain()

    async with client(deadline_s=3.0) as outbound, peer(endless) as port:
        answer = await outbound.request("GET", f"http://127.0.0.1:{port}/")
    assert (answer.status, answer.fault) == (200, "too_long")


async def test_an_answer_of_exactly_the_limit_is_whole() -> None:
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n" + b"x" * 10
    async with client() as outbound, peer(says(whole)) as port:
        answer = await outbound.request("GET", f"http://127.0.0.1:{port}/", limit_bytes=10)
    assert (answer.fault, answer.body) == ("", b"x" * 10)


async def test_a_compressed_answer_is_not_unfolded() -> None:
    box = gzip.compress(b" " * 1_000_000)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(box)}\r\n\r\n"
    async with client() as outbound, peer(says(head.encode() + box)) as port:
        answer = await outbound.request("GET", f"http://127.0.0.1:{port}/")
    assert answer.body == box


async def test_cookies_of_an_answer_are_not_kept() -> None:
    heard: list[bytes] = []
    answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: who=first; Path=/\r\nContent-Length: 0\r\n\r\n"
    async with peer(says(answer), heard=heard) as port, client() as outbound:
        for _ in range(2):
            await outbound.request("GET", f"http://127.0.0.1:{port}/")
    assert len(heard) == 2
    assert not any(b"who=first" in head for head in heard)


async def test_a_redirect_is_an_answer_and_not_followed() -> None:
    visits: list[bytes] = []
    async with client() as outbound, peer(says(_OK), heard=visits) as elsewhere:
        there = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{elsewhere}/\r\n"
        async with peer(says(f"{there}Content-Length: 0\r\n\r\n".encode())) as port:
            answer = await outbound.request("GET", f"http://127.0.0.1:{port}/")
    assert answer.status == 302
    assert visits == []


async def test_proxy_variables_are_not_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    visits: list[bytes] = []
    async with peer(says(_OK), heard=visits) as proxy, peer(says(_OK)) as port:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy}")
        async with client() as outbound:
            answer = await outbound.request("GET", f"http://127.0.0.1:{port}/")
    assert answer.status == 200
    assert visits == []


async def test_one_connection_serves_many_requests() -> None:
    meetings: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        meetings.append(1)
        while True:
            writer.write(_OK)
            await writer.drain()
            await reader.readuntil(b"\r\n\r\n")

    async with client() as outbound, peer(serve) as port:
        for _ in range(5):
            answer = await outbound.request("GET", f"http://127.0.0.1:{port}/")
            assert answer.status == 200
    assert meetings == [1]


def _tls(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


@pytest.fixture
def authority(tmp_path: Path) -> tuple[trustme.CA, Path]:
    made = trustme.CA()
    made.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return made, tmp_path / "ca.pem"


async def test_a_certificate_of_a_trusted_authority_is_taken(
    authority: tuple[trustme.CA, Path],
) -> None:
    made, ca_file = authority
    async with (
        client(ca_file=ca_file) as outbound,
        peer(says(_OK), tls=_tls(made, "127.0.0.1")) as port,
    ):
        answer = await outbound.request("GET", f"https://127.0.0.1:{port}/")
    assert (answer.status, answer.fault) == (200, "")


async def test_an_unknown_authority_or_another_host_gets_nothing(
    authority: tuple[trustme.CA, Path],
) -> None:
    """Nothing is sent, not even the head with the token."""
    made, ca_file = authority
    heard: list[bytes] = []
    async with peer(says(_OK), tls=_tls(made, "127.0.0.1"), heard=heard) as port, client() as plain:
        unknown = await plain.request("GET", f"https://127.0.0.1:{port}/")
    async with (
        peer(says(_OK), tls=_tls(made, "elsewhere.example"), heard=heard) as port,
        client(ca_file=ca_file) as outbound,
    ):
        misnamed = await outbound.request("GET", f"https://127.0.0.1:{port}/")
    assert (unknown.fault, misnamed.fault) == ("tls", "tls")
    assert heard == []


async def test_a_peer_that_speaks_no_tls_is_a_tls_fault() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ready\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server, client() as outbound:
        port = server.sockets[0].getsockname()[1]
        answer = await outbound.request("GET", f"https://127.0.0.1:{port}/")
    assert answer.fault == "tls"


async def test_a_peer_that_says_nothing_in_the_handshake_is_a_timeout() -> None:
    async with client(deadline_s=0.3) as outbound, peer(says(_OK)) as port:
        answer = await outbound.request("GET", f"https://127.0.0.1:{port}/")
    assert answer.fault == "timeout"


async def test_an_outdated_tls_version_is_a_tls_fault(authority: tuple[trustme.CA, Path]) -> None:
    made, ca_file = authority
    old = _tls(made, "127.0.0.1")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version = ssl.TLSVersion.TLSv1
    old.set_ciphers("ALL:@SECLEVEL=0")
    async with client(ca_file=ca_file) as outbound, peer(says(_OK), tls=old) as port:
        answer = await outbound.request("GET", f"https://127.0.0.1:{port}/")
    assert answer.fault == "tls"


async def test_no_url_reaches_a_log_line_or_a_value(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with client(deadline_s=2.0) as outbound, peer(says(_OK)) as port:
        answers = [
            await outbound.request(
                "POST", url, params={"access_token": TOKEN}, headers={"Authorization": TOKEN}
            )
            for url in (
                f"http://127.0.0.1:{port}/",
                f"http://127.0.0.1:{free_port()}/",
                "http://[::1/",
            )
        ]
    assert [answer.fault for answer in answers] == ["", "refused", "protocol"]
    assert TOKEN not in caplog.text
    assert TOKEN not in repr(answers)


def test_importing_the_module_does_not_load_the_client() -> None:
    code = "import edgeproxy.outbound, sys; sys.exit('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

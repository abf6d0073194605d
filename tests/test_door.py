"""The door of a real proxy against raw sockets: floods, sizes, slow callers, odd requests."""

import contextlib
import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import canary
from tests.edge import HOST, ORIGIN, Life, Snap, StartEdge, batch, now_ms, running_snap, serving
from tests.until import until

LARGE_BYTES = 10 * 1024 * 1024
DEADLINE_S = 20.0
MINE = b"Host: edge.example.com\r\nOrigin: https://www.example.com\r\n"
EVENT = json.dumps(batch({"name": "page"})).encode()


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """One proxy for all: no caller may change how the next one is served."""
    folder = tmp_path_factory.mktemp("door")
    with running_snap() as snap, serving(folder, snap.url) as life:
        yield life


@contextlib.contextmanager
def dialled(life: Life) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", life.port), timeout=DEADLINE_S) as line:
        yield line


def rest(line: socket.socket) -> bytes:
    """Everything until the server closes; a reset ends it too."""
    parts = []
    with contextlib.suppress(ConnectionError):
        while part := line.recv(65_536):
            parts.append(part)
    return b"".join(parts)


def ask(life: Life, raw: bytes) -> bytes:
    """Everything that comes back until the server closes."""
    with dialled(life) as line, contextlib.suppress(ConnectionError):
        line.sendall(raw)
        return rest(line)
    return b""


def one_answer(raw: bytes) -> tuple[int, str]:
    """Status and code of a problem, after which nothing came."""
    head, _, body = raw.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    assert b"content-length: %d" % len(body) in head.lower()
    return int(head.split(b" ")[1]), json.loads(body)["code"]


def is_well(life: Life) -> None:
    """The proxy takes an event, and has no failed request in its log."""
    assert life.post(batch({"name": "page"})).status == 202
    assert life.told("request_failed") == []


# Sizes


def head(*lines: bytes) -> bytes:
    return b"POST /e HTTP/1.1\r\n" + MINE + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def memory_bytes(life: Life) -> int:
    """The most that the process ever had in memory."""
    status = Path(f"/proc/{life.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def test_a_body_that_is_too_large_is_refused_before_it_comes(life: Life) -> None:
    """Fault 41, with a length: the answer is there when nothing of the body is."""
    with dialled(life) as line:
        line.sendall(head(b"Content-Length: %d" % LARGE_BYTES))
        assert line.recv(100).startswith(b"HTTP/1.1 413 ")
    is_well(life)


def test_a_body_without_length_ends_where_its_header_does(life: Life) -> None:
    with dialled(life) as line:
        line.sendall(head())
        assert line.recv(100).startswith(b"HTTP/1.1 400 ")


def pour(life: Life, *, chunked: bool) -> None:
    """Send 10 MB whatever is answered."""
    piece = b"x" * 65_536
    with dialled(life) as line, contextlib.suppress(ConnectionError, TimeoutError):
        how = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % LARGE_BYTES
        line.sendall(head(how))
        for _ in range(LARGE_BYTES // len(piece)):
            line.sendall(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        line.sendall(b"0\r\n\r\n" if chunked else b"")
        assert line.recv(100).startswith(b"HTTP/1.1 413 ")


def test_endless_bodies_take_no_memory(life: Life) -> None:
    """Fault 41: 160 MB are poured in, half of it in chunks, and nothing of it is kept."""
    is_well(life)
    before = memory_bytes(life)
    pouring = [
        threading.Thread(target=pour, args=(life,), kwargs={"chunked": number % 2 == 0})
        for number in range(16)
    ]
    for one in pouring:
        one.start()
    for one in pouring:
        one.join(DEADLINE_S)
        assert not one.is_alive()
    assert memory_bytes(life) - before < 20 * 1024 * 1024
    is_well(life)


@pytest.mark.parametrize(
    "line",
    [
        b"X-Big: " + b"a" * 17_000,
        b"\r\n".join(b"X-%d: a" % number for number in range(101)),
        b"Cookie: " + b"; ".join(b"c%d=1" % number for number in range(6_000)),
        b"\r\n".join(b"Cookie: c%d=1" % number for number in range(101)),
    ],
    ids=["a value", "lines", "cookies", "lines of cookies"],
)
def test_a_header_has_its_bounds(life: Life, line: bytes) -> None:
    """Fault 43."""
    assert one_answer(ask(life, head(line, b"Content-Length: 0"))) == (431, "header_too_large")
    is_well(life)


def test_of_many_cookies_only_ours_count(life: Life) -> None:
    """Fault 43: a jar of almost 16 KB; ours stand behind a thousand others."""
    others = "; ".join(f"c{number}={number}" for number in range(1_000))
    answer = life.post(batch({"name": "page"}), cookie=f"{others}; _scid=kept-value-1")
    assert answer.status == 202
    assert set(answer.set_cookies) <= {"_scid", "_scclid", "__Secure-edge"}
    assert "c999" not in str(answer.headers)


# What one request is

HOSTS = {
    "none": b"",
    "two": MINE[:24] + b"Host: other.example.com\r\n",
    "odd": b"Host: edge.example.com/x\r\n",
    "empty": b"Host:\r\n",
}


@pytest.mark.parametrize("name", HOSTS)
def test_a_request_has_one_plain_host(life: Life, name: str) -> None:
    """Fault 44."""
    raw = b"POST /e HTTP/1.1\r\n" + HOSTS[name] + b"Content-Length: 0\r\n\r\n"
    assert one_answer(ask(life, raw)) == (400, "bad_host")


@pytest.mark.parametrize("name", ["Host", "X-Forwarded-Host", "Forwarded"])
def test_no_answer_repeats_a_foreign_host(life: Life, name: str) -> None:
    """Fault 44: no address is made of it, no cookie is for it."""
    for path in ("/e", "/consent"):
        headers = {name: "evil.example.net" if name != "Forwarded" else "host=evil.example.net"}
        answer = life.post({**batch({"name": "page"}), "ad": True}, path=path, headers=headers)
        assert answer.status in (202, 204)
        assert "evil" not in str(answer.headers) + answer.body.decode()


SMUGGLED = b"GET /s.js HTTP/1.1\r\nHost: a\r\n\r\n"
AMBIGUOUS = {
    "length and chunks": (b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    "chunks and length": (b"Transfer-Encoding: chunked", b"Content-Length: 5"),
    "two lengths": (b"Content-Length: 5", b"Content-Length: 6"),
    "a length twice": (b"Content-Length: 5", b"Content-Length: 5"),
    "a list of lengths": (b"Content-Length: 5, 5",),
    "folded": (b"X-Folded: a", b" b", b"Content-Length: 5"),
    "a folded coding": (b"Transfer-Encoding:", b" chunked"),
    "compressed chunks": (b"Transfer-Encoding: gzip, chunked",),
    "another coding": (b"Transfer-Encoding: gzip",),
    "a coding that is none": (b"Transfer-Encoding: xchunked",),
    "chunks, then more": (b"Transfer-Encoding: chunked, identity",),
    "chunks twice": (b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "a blank before the colon": (b"Content-Length : 5",),
    "a signed length": (b"Content-Length: +5",),
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_a_request_that_can_be_read_in_two_ways_is_refused(life: Life, name: str) -> None:
    """Fault 45: refused once and closed; what stands behind it is not read as a request."""
    raw = ask(life, head(*AMBIGUOUS[name]) + b"0\r\n\r\n" + SMUGGLED)
    assert one_answer(raw) == (400, "bad_request")


@pytest.mark.parametrize("end", [b"\n", b"\r"])
def test_a_line_ends_in_one_way_only(life: Life, end: bytes) -> None:
    """Fault 45."""
    raw = head(b"Content-Length: 0")[:-2].replace(b"\r\n", end) + end
    with dialled(life) as line:
        line.sendall(raw + SMUGGLED)
        found = rest(line)
    assert one_answer(found) == (400, "bad_request")


@pytest.mark.parametrize("path", ["/e", "/consent"])
@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "x-unknown", "identity, gzip"])
def test_nothing_compressed_is_inflated(life: Life, path: str, coding: str) -> None:
    """Fault 47: a bomb of 200 MB is 200 KB of nothing."""
    bomb = gzip.compress(b" " * 20_000_000)[: 60 * 1024]
    before = memory_bytes(life)
    answer = life.post(bomb, path=path, headers={"Content-Encoding": coding})
    assert (answer.status, answer.json()["code"]) == (415, "compressed")
    assert memory_bytes(life) - before < 8 * 1024 * 1024


# Slow callers


@pytest.mark.slow
def test_who_takes_too_long_is_hung_up_on_and_others_are_served(life: Life) -> None:
    """Fault 42: silence, half a header, half a second request, half a body, an answer unread."""
    whole = head(b"Content-Length: %d" % len(EVENT)) + EVENT
    said = [b"", b"POST /e HT", head(b"Content-Length: 10") + b"{", whole + b"POST /e HT"]
    with contextlib.ExitStack() as open_lines:
        lines = [open_lines.enter_context(dialled(life)) for _ in range(4 * len(said))]
        for number, line in enumerate(lines):
            line.sendall(said[number % len(said)])
        began = time.monotonic()
        gone = threading.Thread(target=lambda: [rest(line) for line in lines])
        gone.start()
        while gone.is_alive():
            assert life.post(batch({"name": "page"})).status == 202
            assert time.monotonic() - began < DEADLINE_S
        gone.join()
    is_well(life)


def limited(descriptors: int) -> list[str]:
    """The words that give a command so few descriptors."""
    return ["sh", "-c", f'ulimit -n {descriptors} && exec "$@"', "sh"]


@pytest.mark.parametrize("descriptors", [64, 150])
def test_a_crowd_that_says_nothing_keeps_nobody_out(
    edge: StartEdge, snap: Snap, descriptors: int
) -> None:
    """Faults 22 and 42: more silent connections than there may be, and all others are served."""
    edge.wrap = limited(descriptors)
    life = edge.start()
    with contextlib.ExitStack() as crowd:
        for _ in range(2 * descriptors):
            crowd.enter_context(dialled(life))
        for number in range(20):
            answer = life.post(batch({"name": "page", "id": f"event-{number}"}))
            assert answer.status == 202
        until(lambda: len(snap.sandbox.ids) == 20, "all of them reach Snap")
    assert len(life.lines) < 200


@pytest.mark.parametrize("descriptors", [64, 34])
def test_when_descriptors_are_used_up_it_recovers(
    edge: StartEdge, snap: Snap, descriptors: int
) -> None:
    """Fault 22: callers who have begun to speak, with a reserve for work and without any."""
    edge.wrap = limited(descriptors)
    life = edge.start()
    life.post(batch({"name": "page", "id": "before"}))
    with contextlib.ExitStack() as crowd:
        for _ in range(300):
            with contextlib.suppress(OSError):
                line = crowd.enter_context(dialled(life))
                line.sendall(head(b"Content-Length: %d" % len(EVENT)) + EVENT[:-1])
        if descriptors == 64:
            until(lambda: "before" in snap.sandbox.ids, "delivery goes on meanwhile")

    def served() -> bool:
        with contextlib.suppress(OSError):
            return life.post(batch({"name": "page", "id": "after"})).status == 202
        return False

    until(served, "it takes events again", within_s=60)
    until(lambda: set(snap.sandbox.ids) == {"before", "after"}, "all reaches Snap", within_s=60)
    assert len(life.lines) < 500
    assert life.told("request_failed") == []
    assert life.stop() == 0


def test_a_stranger_has_fifty_connections(edge: StartEdge) -> None:
    """Exposed directly; a proxy of ours has as many as it needs."""
    life = edge.start(EDGEPROXY_SERVER__TRUSTED_PROXIES="10.9.8.7")
    with contextlib.ExitStack() as crowd:
        lines = [crowd.enter_context(dialled(life)) for _ in range(50)]
        for line in lines:
            line.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            assert line.recv(100).startswith(b"HTTP/1.1 200 ")
        assert ask(life, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n") == b""
    until(lambda: ask(life, b"GET /healthz HTTP/1.0\r\nHost: a\r\n\r\n"), "they make room again")


# Floods


def flooded(edge: StartEdge) -> Life:
    """A proxy that lets ten requests through at once, and the next one when a test is over."""
    return edge.start(EDGEPROXY_SERVER__FLOOD_RPS="0.01", EDGEPROXY_SERVER__FLOOD_BURST="10")


def statuses(life: Life, count: int, body: object, **headers: str) -> list[int]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return [life.post(body, headers=named).status for _ in range(count)]


def test_a_flood_is_refused_before_it_is_read(edge: StartEdge) -> None:
    """Fault 52: by address; others are served, and so is our own machine."""
    life = flooded(edge)
    junk = "this is no batch"
    assert statuses(life, 15, junk) == [400] * 10 + [429] * 5
    refused = life.post(batch({"name": "page"}))
    assert (refused.status, refused.json()["code"]) == (429, "too_many_requests")
    assert 50 < int(refused.header("Retry-After") or "") <= 100
    assert refused.header("Access-Control-Allow-Origin") == ORIGIN
    assert refused.header("Access-Control-Expose-Headers") == "Retry-After"
    assert life.post({"ad": True}, path="/consent").status == 429
    assert statuses(life, 10, batch({"name": "page"}), X_Forwarded_For="203.0.113.9") == [202] * 10
    network = [f"2001:db8:1:2::{number}" for number in range(12)]
    found = [statuses(life, 1, batch({"name": "page"}), X_Forwarded_For=one) for one in network]
    assert found == [[202]] * 10 + [[429]] * 2
    assert statuses(life, 20, batch({"name": "page"}), X_Forwarded_For="127.0.0.1") == [202] * 20


def test_a_captured_request_does_not_multiply(edge: StartEdge, snap: Snap) -> None:
    """Fault 51: again with the same id, with new ids from everywhere, with an old time."""
    life = flooded(edge)
    first = life.post(batch({"name": "page", "id": "captured"}))
    again = life.post(batch({"name": "page", "id": "captured"}), cookie=first.jar)
    assert again.json()["duplicates"] == 1
    old = batch({"name": "page", "time": now_ms() - 40 * 86_400_000})
    answer = life.post(old, cookie=first.jar)
    assert (answer.status, answer.json()["rejected"][0]["code"]) == (422, "too_old")
    found = [
        life.post(
            batch({"name": "page", "id": f"new-{number}"}),
            cookie=first.jar,
            headers={"X-Forwarded-For": f"198.51.100.{number}"},
        ).status
        for number in range(20)
    ]
    assert found.count(202) == 8
    assert found.count(429) == 12
    until(lambda: len(snap.sandbox.ids) == 9, "what was accepted arrives")


def test_a_limit_of_nought_is_none(edge: StartEdge) -> None:
    life = edge.start(EDGEPROXY_SERVER__FLOOD_RPS="0", EDGEPROXY_SERVER__FLOOD_BURST="1")
    assert statuses(life, 5, batch({"name": "page"})) == [202] * 5


def test_all_is_well_after_everything(life: Life) -> None:
    is_well(life)
    assert "Traceback" not in life.log.read_text()
    assert canary.ADDRESS not in life.log.read_text()
    assert life.request("GET", "/readyz", headers={"Host": HOST}).status == 200

"""The guarded protocol under a real server: no clean request, a 4xx or a closed door."""

import asyncio
import gc
import json
import re
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from edgeproxy.web.asgi import Gone, Header, Receive, Scope, Send, answer, read_body, reply
from edgeproxy.web.door import IDLE_DIRECT_S, IDLE_S, Door
from edgeproxy.web.exchange import Exchange
from edgeproxy.web.guard import (
    BODY_S,
    HEAD_BYTES,
    HEAD_LINES,
    HEAD_S,
    GuardedProtocol,
    guarded,
    hang_up_overdue,
)
from edgeproxy.web.listener import bind, listening
from tests.raw_http import Client, Reply, connected, seen

LARGE = 8 << 20
HOST = b"Host: edge.example.com\r\n"
END = b"\r\n"
CHUNKED = b"POST /e HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"


def get(path: bytes = b"/", *lines: bytes) -> bytes:
    return b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"".join(lines) + END


def post(body: bytes, path: bytes = b"/e") -> bytes:
    return b"POST %b HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n%b" % (path, HOST, len(body), body)


class Desk:
    """A server whose application says what it understood.

    `/slow` is answered when `slow` is set, `/deaf` too, but without a look at its body; `/early` is
    answered before its body is read, `/large` at length.
    """

    def __init__(self) -> None:
        self.port = 0
        self.clear()

    def clear(self) -> None:
        """Forget what the test before did."""
        self.connections: list[GuardedProtocol] = []
        self.slow = asyncio.Event()
        self.paths: list[str] = []
        self.answered = 0
        self.received = 0
        self.short = 0

    def protocol(self, *, direct: bool = False) -> type[GuardedProtocol]:
        desk = self

        class Known(GuardedProtocol):
            def connection_made(self, transport: Any) -> None:
                super().connection_made(transport)
                desk.connections.append(self)

            def data_received(self, data: bytes) -> None:
                super().data_received(data)
                desk.received += len(data)

        if direct:
            Known.direct = {b"/e": self.at_once, b"/slow": self.in_time}
        return Known

    def at_once(self, exchange: Exchange) -> None:
        """`/e` as `app` answers it, for requests that take the short way."""
        self.paths.append("/e")
        self._say(exchange, "/e")

    def in_time(self, exchange: Exchange) -> None:
        """`/slow`, the same."""
        self.paths.append("/slow")

        async def wait() -> None:
            await self.slow.wait()
            self._say(exchange, "/slow")

        exchange.later(wait())

    def _say(self, exchange: Exchange, path: str) -> None:
        self.short += 1
        names = [name.decode("latin-1") for name in exchange.fields]
        said = json.dumps(["POST", path, len(exchange.body), names]).encode()
        exchange.answer(200, b"content-type: application/json\r\n", said)
        self.answered += 1

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        self.paths.append(path)
        if path in ("/slow", "/deaf"):
            await self.slow.wait()
        try:
            unread = path in ("/early", "/deaf")
            body = b"" if unread else await read_body(receive, 1 << 20, None)
        except Gone:
            return
        names = [name.decode("latin-1") for name, _ in scope["headers"]]
        said = json.dumps([scope["method"], path, len(body), names]).encode()
        if path == "/large":
            said += b" " * LARGE
        kind = (b"content-type", b"application/json")
        if scope["method"] == "HEAD":
            await answer(send, 200, [kind])
        else:
            await reply(scope, send, 200, [kind], said)
        self.answered += 1

    def overdue(self, seconds: float) -> int:
        """Hang up on who is overdue when that many seconds have passed; return how many."""
        return hang_up_overdue(self.connections, asyncio.get_running_loop().time() + seconds)


@pytest.fixture(scope="module", params=[True, False], ids=["uvloop", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """The loop that serves in production, and the standard one."""
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture(scope="module", params=[False, True], ids=["asgi", "direct"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    made = Desk()
    protocol = made.protocol(direct=request.param)
    async with listening(made.app, bind("127.0.0.1", 0), protocol=protocol) as listener:
        made.port = listener.port
        yield made


@pytest.fixture
async def desk(server: Desk) -> AsyncIterator[Desk]:
    server.clear()
    yield server
    server.slow.set()


async def ask(desk: Desk, *chunks: bytes) -> bytes:
    """Everything that comes back until the server closes."""
    async with connected(desk.port) as client:
        await client.write(*chunks)
        return await client.rest()


def said(reply: Reply) -> list[Any]:
    assert reply.status == 200
    found: list[Any] = json.loads(reply.body)
    return found


def answers(raw: bytes) -> Iterator[tuple[int, str]]:
    """Status and code of each answer in a stream that was closed."""
    while raw:
        head, _, rest = raw.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        assert b"application/problem+json" in head
        assert b"connection: close" in head.lower()
        yield int(head.split(b" ")[1]), json.loads(rest[:length])["code"]
        raw = rest[length:]


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
        b"\x00" * 100,
        b"hello\r\n\r\n",
        b"x" * 100_000,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/3.0\r\n" + HOST + END,
        b"get / HTTP/1.1\r\n" + HOST + END,
        b"BREW / HTTP/1.1\r\n" + HOST + END,
        b"CONNECT edge.example.com:443 HTTP/1.1\r\n" + HOST + END,
        get(b"http://edge.example.com"),
        get(b"nowhere"),
        get(b"?a=b"),
        get(b"/two words"),
        get(b"/\x01"),
        get(b"/\xc3\xa9"),
        get(b"/?q=\xff"),
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        get(b"/", b"X: a\r\n folded\r\n"),
        get(b"/", b"X: a\x00b\r\n"),
        get(b"/", b"X: a\x01b\r\n"),
        get(b"/", b"no colon\r\n"),
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: -4\r\n\r\nabcd",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: +4\r\n\r\nabcd",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 4, 4\r\n\r\nabcd",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
        CHUNKED.replace(b"Transfer", b"Content-Length: 5\r\nTransfer") + b"0\r\n\r\n",
        CHUNKED[:-2] + b"Content-Length: 5\r\n\r\n0\r\n\r\n",
        CHUNKED.replace(b"chunked", b"xchunked") + b"0\r\n\r\n",
        CHUNKED.replace(b"chunked", b"chunked, identity") + b"0\r\n\r\n",
        CHUNKED.replace(b"chunked", b"gzip, chunked") + b"0\r\n\r\n",
        CHUNKED.replace(b"chunked", b"identity, chunked") + b"0\r\n\r\n",
        CHUNKED.replace(b"1.1", b"1.0") + b"0\r\n\r\n",
        CHUNKED[:-2] + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        CHUNKED + b"zz\r\n",
        CHUNKED + b"ffffffffffffffffff\r\n",
        CHUNKED + b"1\r\nab\r\n0\r\n\r\n",
    ],
    ids=lambda raw: repr(raw.replace(HOST, b""))[2:60],
)
async def test_what_is_no_http_is_told_so_once_and_the_door_is_closed(
    desk: Desk, raw: bytes
) -> None:
    assert list(answers(await ask(desk, raw))) == [(400, "bad_request")]


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\nX-Forwarded-Host: a\r\n\r\n",
        get(b"/", HOST),
        get(b"/", b"host: other.example.com\r\n"),
        post(b"abc").replace(HOST, b""),
    ],
    ids=["none", "HTTP/1.0", "HTTP/0.9", "forwarded", "twice", "two", "with a body"],
)
async def test_a_request_has_exactly_one_host(desk: Desk, raw: bytes) -> None:
    assert list(answers(await ask(desk, raw))) == [(400, "bad_host")]
    assert desk.paths == []


@pytest.mark.parametrize(
    "host",
    [
        b"",
        b" ",
        b"two words",
        b"a,b",
        b"a/b",
        b"a@b",
        b"a?b",
        b"a#b",
        b"a%00b",
        b"a%b",
        b"<script>",
        b"a\tb",
        b"b\xc3\xbccher.example",
        b"a:80:80",
        b"a:http",
        b"[::1",
        b"[::1]x",
        b"[a.example]",
        b"::1",
        b"a" * 256,
    ],
    ids=repr,
)
async def test_a_host_is_a_plain_name_or_an_address(desk: Desk, host: bytes) -> None:
    raw = get().replace(HOST, b"Host: " + host + b"\r\n")
    assert list(answers(await ask(desk, raw))) == [(400, "bad_host")]
    assert desk.paths == []


@pytest.mark.parametrize(
    "host",
    [b"a", b"A.Example:8000", b"127.0.0.1:80", b"[::1]:8000", b"[::ffff:1.2.3.4]", b"a_b-c.d:"],
    ids=repr,
)
async def test_every_plain_host_passes(desk: Desk, host: bytes) -> None:
    async with connected(desk.port) as client:
        for _ in range(2):
            await client.write(get().replace(HOST, b"Host: " + host + b"\r\n"))
            assert said(await client.reply())[1] == "/"


async def test_a_host_is_looked_at_again_when_it_changes(desk: Desk) -> None:
    async with connected(desk.port) as client:
        await client.write(get())
        assert said(await client.reply())[1] == "/"
        await client.write(get().replace(HOST, b"Host: a/b\r\n"))
        assert list(answers(await client.rest())) == [(400, "bad_host")]


async def test_chunked_is_understood_however_it_is_written(desk: Desk) -> None:
    async with connected(desk.port) as client:
        await client.write(CHUNKED.replace(b" chunked", b"\t CHUNKED ") + b"1\r\na\r\n0\r\n\r\n")
        assert said(await client.reply())[2] == 1


BIG = b"X-Big: " + b"a" * (HEAD_BYTES + 1) + b"\r\n"
SOME = b"X-Some: " + b"a" * 990 + b"\r\n"


@pytest.mark.parametrize(
    "chunks",
    [
        [get(b"/", BIG)],
        [get(b"/" + b"a" * HEAD_BYTES)],
        [get(b"/", b"X-Big: " + b"a" * 200_000 + b"\r\n")],
        [get(b"/", SOME * 20)],
        [get(b"/")[:-2], *[SOME] * 17],
        [get(b"/")[:-2], b"X-Endless: ", *[b"a" * 1000] * 17],
        [b"GET /", *[b"a" * 1000] * 17],
        [get(b"/", *[b"X: a\r\n"] * HEAD_LINES)],
        [get(b"/", *[b"Cookie: a=b\r\n"] * 1000)],
        [post(b"abc").replace(END + END, END + BIG + END)],
        [get(b"/", b"X: " + b"a" * 9000 + b"\r\n")[:-2], b"Y: " + b"b" * 9000 + b"\r\n\r\n"],
    ],
    ids=[
        "a value",
        "the address",
        "much more",
        "in lines",
        "dripped in lines",
        "dripped in a value",
        "dripped in the address",
        "101 lines",
        "1000 lines",
        "before a body",
        "in two halves",
    ],
)
async def test_a_header_has_sixteen_kibibytes_and_a_hundred_lines(
    desk: Desk, chunks: list[bytes]
) -> None:
    assert list(answers(await ask(desk, *chunks))) == [(431, "header_too_large")]
    assert desk.paths == []


async def test_an_endless_header_is_cut_off(desk: Desk) -> None:
    """What was not read yet may turn the answer into a reset; more than one answer never comes."""
    raw = await ask(desk, get(b"/")[:-2], *[b"X: " + b"a" * 65_000 + b"\r\n"] * 64)
    assert list(answers(raw)) in ([], [(431, "header_too_large")])
    assert desk.paths == []


async def test_a_header_just_within_the_bounds_passes(desk: Desk) -> None:
    async with connected(desk.port) as client:
        await client.write(get(b"/", *[b"X: a\r\n"] * (HEAD_LINES - 1)))
        assert len(said(await client.reply())[3]) == HEAD_LINES
        await client.write(get(b"/", b"X: " + b"a" * (HEAD_BYTES - 100) + b"\r\n"))
        assert said(await client.reply())[3] == ["host", "x"]


async def test_a_large_body_in_one_piece_with_its_header_is_no_large_header(desk: Desk) -> None:
    async with connected(desk.port) as client:
        for _ in range(2):
            await client.write(post(b"x" * 60_000))
            assert said(await client.reply())[2] == 60_000


async def test_a_large_body_in_many_pieces_is_no_large_header(desk: Desk) -> None:
    async with connected(desk.port) as client:
        for head, part, end in (
            (post(b"")[:-5] + b"60000\r\n\r\n", b"x" * 1000, b""),
            (CHUNKED, b"3e8\r\n" + b"x" * 1000 + b"\r\n", b"0\r\n\r\n"),
        ):
            await client.write(head, *[part] * 60, end)
            assert said(await client.reply())[2] == 60_000


async def test_who_waits_for_a_word_before_the_body_gets_it(desk: Desk) -> None:
    head, _, body = post(b"abcd").partition(b"\r\n\r\n")
    async with connected(desk.port) as client:
        for word in (b"100-continue", b"100-CONTINUE"):
            await client.write(head + b"\r\nExpect: " + word + b"\r\n\r\n")
            assert (await client.reply()).status == 100
            await client.write(body)
            assert said(await client.reply())[2] == 4
        await client.write(post(b"ab"))  # who does not ask for it is spared it
        assert said(await client.reply())[2] == 2


@pytest.mark.parametrize(
    "second", [get(b"/", BIG), get(b"/", SOME * 40)], ids=["one value", "lines"]
)
@pytest.mark.parametrize("first", [get(b"/1"), get(b"/slow")], ids=["answered", "in work"])
async def test_a_pipelined_request_has_the_same_bounds(
    desk: Desk, first: bytes, second: bytes
) -> None:
    async with connected(desk.port) as client:
        await client.write(first + second)
        await seen(lambda: desk.paths, "the first request is in work")
        desk.slow.set()
        assert (await client.reply()).status == 200
        assert list(answers(await client.rest())) == [(431, "header_too_large")]
    assert len(desk.paths) == 1


async def test_a_pipelined_request_has_exactly_one_host_too(desk: Desk) -> None:
    async with connected(desk.port) as client:
        await client.write(get(b"/1") + get(b"/2", HOST) + get(b"/3"))
        assert said(await client.reply())[1] == "/1"
        assert list(answers(await client.rest())) == [(400, "bad_host")]
    assert len(desk.paths) == 1


async def test_pipelined_requests_are_answered_in_order(desk: Desk) -> None:
    async with connected(desk.port) as client:
        await client.write(get(b"/slow") + post(b"ab") + get(b"/3") + post(b"abcd"))
        await seen(lambda: desk.paths, "the first request is in work")
        desk.slow.set()
        replies = [said(await client.reply())[:3] for _ in range(4)]
    assert replies == [["GET", "/slow", 0], ["POST", "/e", 2], ["GET", "/3", 0], ["POST", "/e", 4]]


async def test_a_connection_serves_one_request_after_another(desk: Desk) -> None:
    async with connected(desk.port) as client:
        for count in range(5):
            await client.write(post(b"x" * count))
            assert said(await client.reply())[2] == count
        await client.write(b"GARBAGE\r\n\r\n")
        assert list(answers(await client.rest())) == [(400, "bad_request")]


async def test_a_request_in_single_bytes_is_a_request(desk: Desk) -> None:
    async with connected(desk.port) as client:
        await client.write(*(bytes([byte]) for byte in post(b"abc")))
        assert said(await client.reply())[:3] == ["POST", "/e", 3]


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (get(b"http://other.example.com/x?y=z"), "/x"),
        (get(b"//a//b"), "//a//b"),
        (get(b"/%65"), "/e"),
        (get(b"/%00%0d%0a"), "/\x00\r\n"),
        (get(b"/%ff%zz%"), "/\ufffd%zz%"),
        (get(b"/../../etc/passwd"), "/../../etc/passwd"),
        (get(b"/a#b"), "/a"),
        (b"OPTIONS * HTTP/1.1\r\n" + HOST + END, "*"),
        (b"\r\n\r\n" + get(b"/"), "/"),
        (get(b"/", b"Connection: Upgrade\r\nUpgrade: websocket\r\n"), "/"),
        (get(b"/", b"Expect: banana\r\n"), "/"),
    ],
    ids=lambda value: repr(value.replace(HOST, b""))[2:50] if isinstance(value, bytes) else "",
)
async def test_an_odd_but_lawful_request_reaches_the_application(
    desk: Desk, raw: bytes, path: str
) -> None:
    async with connected(desk.port) as client:
        await client.write(raw)
        assert said(await client.reply())[1] == path


@pytest.mark.parametrize("token", [b"h2c", b"websocket", b"anything"])
async def test_the_body_of_an_upgrade_is_no_request(desk: Desk, token: bytes) -> None:
    """Smuggling: the parser takes such a request to end at its header."""
    upgrade = b"Connection: Upgrade\r\nUpgrade: %b\r\nContent-Length" % token
    raw = post(get(b"/smuggled")).replace(b"Content-Length", upgrade)
    assert list(answers(await ask(desk, raw))) == [(400, "bad_request")]
    assert desk.paths == []


async def test_a_head_request_has_no_body(desk: Desk) -> None:
    async with connected(desk.port) as client:
        await client.write(get().replace(b"GET", b"HEAD"))
        assert (await client.reply(head_only=True)).status == 200
        await client.write(get(b"/next"))
        assert said(await client.reply())[1] == "/next"


async def test_a_chunked_body_is_read(desk: Desk) -> None:
    async with connected(desk.port) as client:
        await client.write(CHUNKED, b"3\r\nabc\r\n", b"2;extension=x\r\nde\r\n0\r\n\r\n")
        assert said(await client.reply())[2] == 5


async def test_a_trailer_is_no_header(desk: Desk) -> None:
    """Source: RFC 9110, section 6.5.1: a trailer must not be merged into the header."""
    trailer = b"Host: evil.example\r\nX-Forwarded-For: 6.6.6.6\r\nCookie: a=b\r\n"
    async with connected(desk.port) as client:
        await client.write(CHUNKED + b"1\r\na\r\n0\r\n" + trailer + END)
        assert said(await client.reply())[3] == ["host", "transfer-encoding"]


@pytest.mark.parametrize(
    "piece",
    [b"X: " + b"a" * 1000 + b"\r\n", b"a" * 1000],
    ids=["many lines", "one line"],
)
async def test_endless_trailers_are_cut_off(desk: Desk, piece: bytes) -> None:
    """What was not read yet may turn the answer into a reset."""
    raw = await ask(desk, CHUNKED + b"1\r\na\r\n0\r\nX-Trailer: ", *[piece] * 2000)
    assert list(answers(raw)) in ([], [(431, "header_too_large")])


@asynccontextmanager
async def waiting(desk: Desk, *chunks: bytes) -> AsyncIterator[Client]:
    """A connection on which this much was said and arrived."""
    async with connected(desk.port) as client:
        await client.write(*chunks)
        await seen(lambda: desk.connections, "the connection is taken")
        yield client


@pytest.mark.parametrize(
    ("chunks", "limit_s"),
    [
        ([], HEAD_S),
        ([b"GET / HTTP/1.1\r\nHos"], HEAD_S),
        ([b"G", b"E", b"T"], HEAD_S),
        ([post(b"abc")[:-1]], BODY_S),
        ([CHUNKED], BODY_S),
        ([CHUNKED, b"1\r\na\r\n0\r\n"], BODY_S),
    ],
    ids=["silent", "half a header", "single bytes", "half a body", "no chunk", "no end"],
)
async def test_who_takes_too_long_is_hung_up_on(
    desk: Desk, chunks: list[bytes], limit_s: float
) -> None:
    async with waiting(desk, *chunks) as client:
        size = sum(map(len, chunks))
        await seen(lambda: desk.received == size, "all of it has arrived")
        assert desk.overdue(limit_s - 1) == 0
        assert desk.overdue(limit_s + 1) == 1
        assert await client.rest() == b""


async def test_a_half_sent_second_request_has_the_same_deadline(desk: Desk) -> None:
    async with waiting(desk, get()) as client:
        assert said(await client.reply())[1] == "/"
        assert desk.overdue(60) == 0
        await client.write(b"GET / HT")
        await seen(lambda: desk.overdue(HEAD_S + 1), "the half header is overdue")
        assert await client.rest() == b""


async def test_a_half_header_behind_a_request_in_work_has_the_same_deadline(desk: Desk) -> None:
    async with waiting(desk, get(b"/slow") + b"GET / HT") as client:
        await seen(lambda: desk.paths, "the first request is in work")
        desk.slow.set()
        assert said(await client.reply())[1] == "/slow"
        await seen(lambda: desk.overdue(HEAD_S + 1), "the half header is overdue")
        assert await client.rest() == b""


@pytest.mark.parametrize("rest", [b"", b"GET / HT", b"\r\n"], ids=["silence", "half", "blank"])
async def test_an_early_answer_leaves_no_connection_open_for_ever(desk: Desk, rest: bytes) -> None:
    """A refusal before the body ends the keep-alive timer; something else must watch then."""
    request = post(b"0123456789", b"/early")
    async with waiting(desk, request[:-10]) as client:
        assert said(await client.reply())[1] == "/early"
        await client.write(request[-10:], rest)
        await seen(lambda: desk.received == len(request + rest), "all of it arrived")
        assert desk.overdue(3600) == 1
        assert await client.rest() == b""


async def test_the_next_request_after_an_early_answer_is_served(desk: Desk) -> None:
    async with waiting(desk, post(b"0123456789", b"/early")[:-10]) as client:
        assert said(await client.reply())[1] == "/early"
        await client.write(b"0123456789" + get(b"/next"))
        assert said(await client.reply())[1] == "/next"


async def test_a_slow_application_is_not_the_caller_s_fault(desk: Desk) -> None:
    async with waiting(desk, post(b"abc", b"/slow")) as client:
        await seen(lambda: desk.paths, "the request is in work")
        assert desk.overdue(3600) == 0
        desk.slow.set()
        assert said(await client.reply())[2] == 3


async def test_what_waits_behind_a_slow_application_is_not_late(desk: Desk) -> None:
    async with waiting(desk, get(b"/slow") + post(b"abc")[:-1]) as client:
        await seen(lambda: desk.paths, "the first request is in work")
        assert desk.overdue(3600) == 0
        desk.slow.set()
        assert said(await client.reply())[1] == "/slow"
        assert desk.overdue(BODY_S - 1) == 0
        await client.write(b"c")
        assert said(await client.reply())[2] == 3


async def test_who_does_not_read_the_answer_is_hung_up_on(desk: Desk) -> None:
    async with waiting(desk, get(b"/large")) as client:
        await seen(lambda: desk.answered, "it was answered")
        assert desk.overdue(BODY_S - 1) == 0
        assert desk.overdue(BODY_S + 1) == 1
        assert len(await client.rest()) < LARGE


async def test_who_reads_a_long_answer_in_time_gets_all_of_it(desk: Desk) -> None:
    async with waiting(desk, get(b"/large")) as client:
        assert len((await client.reply()).body) > LARGE
        await client.write(get(b"/next"))
        assert said(await client.reply())[1] == "/next"


async def test_an_answer_behind_one_that_is_not_read_yet_waits_for_it(desk: Desk) -> None:
    async with waiting(desk, get(b"/large") + get(b"/next")) as client:
        await seen(lambda: len(desk.paths) == 2, "the second request is in work")
        assert desk.answered == 1
        assert len((await client.reply()).body) > LARGE
        assert said(await client.reply())[1] == "/next"


async def test_an_answer_to_who_has_left_goes_nowhere(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(desk.port) as client:
        await client.write(get(b"/deaf"))
        await seen(lambda: desk.paths, "the request is in work")
    await seen(lambda: desk.connections[0].cycle is None, "the caller has left")
    desk.slow.set()
    await seen(lambda: desk.answered, "it was answered all the same")
    assert not caplog.records


@pytest.mark.parametrize("raw", [get(), post(b"ab"), b""], ids=["get", "post", "nothing"])
async def test_a_connection_that_is_over_keeps_no_memory(desk: Desk, raw: bytes) -> None:
    """Many come and go; the collector, which looks seldom, need not find what is left of them."""

    def cycles() -> int:
        return sum(isinstance(one, RequestResponseCycle) for one in gc.get_objects())

    gc.collect()
    before = cycles()
    gc.disable()
    try:
        async with connected(desk.port) as client:
            if raw:
                await client.write(raw)
                await client.reply()
            await seen(lambda: desk.connections, "it is connected")
        over = weakref.ref(desk.connections.pop())
        await seen(lambda: over() is None, "nothing is left of it")
        await seen(lambda: cycles() <= before, "nor of its request")
    finally:
        gc.enable()


async def test_only_who_is_late_is_hung_up_on(desk: Desk) -> None:
    async with waiting(desk, get()) as good:
        assert said(await good.reply())[1] == "/"
        async with connected(desk.port) as silent:
            await seen(lambda: len(desk.connections) == 2, "both are connected")
            assert desk.overdue(HEAD_S + 1) == 1
            assert await silent.rest() == b""
        await good.write(get(b"/still"))
        assert said(await good.reply())[1] == "/still"


@asynccontextmanager
async def answering(status: int, headers: list[Header], body: bytes) -> AsyncIterator[int]:
    """A server that gives one answer, on `/reply` with one write and elsewhere with two."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/reply":
            await reply(scope, send, status, headers, body)
        else:
            await answer(send, status, headers, body)

    async with listening(app, bind("127.0.0.1", 0)) as listener:
        yield listener.port


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"abc"), (200, b""), (202, b"{}"), (204, b""), (304, b""), (422, b"[]"), (503, b"x")],
)
async def test_an_answer_in_one_write_is_the_same_as_in_two(status: int, body: bytes) -> None:
    headers = [(b"set-cookie", b"a=b; Path=/"), (b"set-cookie", b"c=d"), (b"x-empty", b"")]
    raw = []
    async with answering(status, headers, body) as port:
        for path in (b"/answer", b"/reply"):
            async with connected(port) as client:
                await client.write(get(path, b"Connection: close\r\n"))
                raw.append(re.sub(rb"date: [^\r]+", b"date", await client.rest()))
    assert raw[0] == raw[1]
    assert raw[0].startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize("path", [b"/answer", b"/reply"])
async def test_the_last_answer_says_that_it_is_the_last(path: bytes) -> None:
    async with answering(200, [], b"abc") as port, connected(port) as client:
        await client.write(get(path).replace(b"1.1", b"1.0"))
        found = await client.reply()
        assert (found.status, found.headers["connection"], found.body) == (200, "close", b"abc")
        assert await client.rest() == b""


@pytest.mark.parametrize("value", [b"a\r\nX-Injected: 1", b"a\nX-Injected: 1", b"a\rX-Injected: 1"])
async def test_no_header_of_ours_can_become_two(value: bytes) -> None:
    async with answering(200, [(b"x-value", value)], b"abc") as port, connected(port) as client:
        await client.write(get(b"/reply"))
        assert b"injected" not in (await client.rest()).lower()


def test_other_protocols_are_let_alone() -> None:
    assert hang_up_overdue([object(), None], 1e9) == 0


@asynccontextmanager
async def behind(door: Door, desk: Desk) -> AsyncIterator[int]:
    """A server with this door; gives its port."""

    class Known(guarded(door)):  # type: ignore[misc]  # a base made at run time
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            desk.connections.append(self)

    async with listening(desk.app, bind("127.0.0.1", 0), protocol=Known) as listener:
        yield listener.port


async def served(client: Client, path: bytes) -> None:
    """The client is served on its connection."""
    await client.write(get(path))
    assert said(await client.reply())[1] == path.decode()


async def test_a_full_house_sends_the_longest_silent_away(desk: Desk) -> None:
    """Whoever spoke stays; whoever comes is heard."""
    async with behind(Door(most=3), desk) as port, connected(port) as first:
        await served(first, b"/1")
        async with connected(port) as mute, connected(port) as late:
            await seen(lambda: len(desk.connections) == 3, "all three are connected")
            async with connected(port) as fourth:
                await served(fourth, b"/4")
                assert await mute.rest() == b""
                await served(late, b"/3")
                await served(first, b"/1")


async def test_a_house_full_of_speakers_sends_the_newcomer_away(desk: Desk) -> None:
    async with behind(Door(most=2), desk) as port, connected(port) as first:
        await served(first, b"/1")
        async with connected(port) as second:
            await served(second, b"/2")
            async with connected(port) as third:
                await third.write(get(b"/3"))
                assert await third.rest() == b""
        await seen(lambda: len(desk.connections) == 3, "the third was there")
        await seen(lambda: desk.connections[1].transport.is_closing(), "the second has left")
        async with connected(port) as fourth:
            await served(fourth, b"/4")
    assert desk.paths == ["/1", "/2", "/4"]


async def test_an_address_has_so_many_connections_unless_it_is_a_proxy_of_ours(desk: Desk) -> None:
    for proxies, served_too in ((lambda _: False, False), (lambda _: True, True)):
        door = Door(proxies, most_each=1)
        async with behind(door, desk) as port, connected(port) as first:
            await served(first, b"/1")
            async with connected(port) as second:
                if served_too:
                    await served(second, b"/2")
                else:
                    await second.write(get(b"/2"))
                    assert await second.rest() == b""
            await served(first, b"/3")


async def test_a_stranger_may_be_idle_for_less_long_than_a_proxy(desk: Desk) -> None:
    for door, limit_s in ((Door(lambda _: False), IDLE_DIRECT_S), (Door(), IDLE_S)):
        desk.clear()
        async with behind(door, desk) as port, connected(port) as client:
            for path in (b"/1", b"/2"):  # the deadline is set anew by each request
                await served(client, path)
                assert desk.overdue(limit_s - 1) == 0
            assert desk.overdue(limit_s + 1) == 1
            assert await client.rest() == b""


# The short way, beside what all of the above says of both ways.


@pytest.fixture(scope="module")
async def short_server() -> AsyncIterator[Desk]:
    made = Desk()
    protocol = made.protocol(direct=True)
    async with listening(made.app, bind("127.0.0.1", 0), protocol=protocol) as listener:
        made.port = listener.port
        yield made


@pytest.fixture
async def short(short_server: Desk) -> AsyncIterator[Desk]:
    short_server.clear()
    yield short_server
    short_server.slow.set()


ODD_POSTS = {
    "a query": post(b"ab", b"/e?a=b"),
    "another method": post(b"ab").replace(b"POST", b"PUT"),
    "chunked": CHUNKED + b"2\r\nab\r\n0\r\n\r\n",
    "a field twice": post(b"ab").replace(HOST, HOST + b"X: a\r\nX: b\r\n"),
    "a long body": post(b"a" * 65_537),
    "no length": b"POST /e HTTP/1.1\r\n" + HOST + END,
    "a last request": post(b"ab").replace(HOST, HOST + b"Connection: close\r\n"),
    "HTTP/1.0": post(b"ab").replace(b"1.1", b"1.0"),
    "HTTP/1.0 that stays": post(b"ab")
    .replace(b"1.1", b"1.0")
    .replace(HOST, HOST + b"Connection: keep-alive\r\n"),
    "an upgrade": b"POST /e HTTP/1.1\r\n" + HOST + b"Upgrade: h2c\r\nConnection: upgrade\r\n\r\n",
}


@pytest.mark.parametrize("raw", ODD_POSTS.values(), ids=ODD_POSTS.keys())
async def test_what_is_odd_takes_the_long_way(short: Desk, raw: bytes) -> None:
    async with connected(short.port) as client:
        await client.write(raw)
        assert said(await client.reply())[1] == "/e"
    assert short.short == 0


@pytest.mark.parametrize(
    "pieces",
    [
        [post(b"abc")],
        [post(b"abc")[:10], post(b"abc")[10:]],
        [post(b"abc")[:-3], b"a", b"b", b"c"],
        [post(b"a" * 16_000)],
        [post(b"")],
        [post(b"abc").replace(HOST, HOST + b"Connection: keep-alive\r\n")],
    ],
    ids=["whole", "cut in the header", "cut in the body", "long", "empty", "keep-alive"],
)
async def test_what_is_not_odd_takes_the_short_way(short: Desk, pieces: list[bytes]) -> None:
    async with connected(short.port) as client:
        for turn in range(1, 3):
            await client.write(*pieces)
            assert said(await client.reply())[1] == "/e"
            assert short.short == turn


async def test_the_answers_of_both_ways_are_alike(short: Desk) -> None:
    async with connected(short.port) as client:
        await client.write(post(b"abc"), post(b"abc", b"/e?long"))
        one, other = await client.reply(), await client.reply()
    assert short.short == 1
    assert one.headers.keys() == other.headers.keys() == {"date", "content-type", "content-length"}
    assert one.body == other.body


async def test_a_request_behind_one_in_work_waits_for_it(short: Desk) -> None:
    async with connected(short.port) as client:
        await client.write(post(b"abc", b"/slow") + post(b"abcd") + post(b"abcde"))
        await seen(lambda: short.connections and short.connections[-1].pipeline, "a request waits")
        short.slow.set()
        replies = [said(await client.reply())[1:3] for _ in range(3)]
    assert replies == [["/slow", 3], ["/e", 4], ["/e", 5]]


async def test_a_caller_who_leaves_meanwhile_is_not_written_to(short: Desk) -> None:
    async with connected(short.port) as client:
        await client.write(post(b"abc", b"/slow"))
        await seen(lambda: short.connections, "the server has the connection")
    await seen(lambda: short.connections[-1].transport.is_closing(), "it has ended")
    short.slow.set()
    await seen(lambda: short.answered == 1, "the handler has answered")


async def test_a_server_that_stops_answers_what_is_in_work_and_says_that_it_was_the_last() -> None:
    desk = Desk()
    protocol = desk.protocol(direct=True)
    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(
            listening(desk.app, bind("127.0.0.1", 0), protocol=protocol)
        )
        client = await stack.enter_async_context(connected(served.port))
        await client.write(post(b"abc", b"/slow"))
        await seen(lambda: desk.connections, "the server has the connection")
        await seen(lambda: desk.paths, "it is in work")
        served.stop()
        await seen(lambda: not desk.connections[0].cycle.keep_alive, "it is the last")
        desk.slow.set()
        reply = await client.reply()
        assert (said(reply)[1], reply.headers["connection"]) == ("/slow", "close")
        assert await client.rest() == b""

"""Path mode: what the shop hands to the proxy, and what it hands back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from edgeproxy.demo.forward import VISITOR_ADDRESS, forwarder
from edgeproxy.outbound import Answer, Outbound
from edgeproxy.web.asgi import Receive, Scope, Send, answer, read_body
from edgeproxy.web.listener import bind, listening
from tests.raw_http import connected


class Proxy:
    """Stands where the proxy is, notes what comes, and answers as it is told."""

    def __init__(self) -> None:
        self.scope: Scope = {}
        self.body = b""
        self.status = 202
        self.headers: list[tuple[bytes, bytes]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.body = await read_body(receive, 1 << 20, None)
        await answer(send, self.status, self.headers, b"" if self.status == 204 else b"{}")

    @property
    def seen(self) -> dict[str, str]:
        lines: list[tuple[bytes, bytes]] = self.scope["headers"]
        assert len({name for name, _ in lines}) == len(lines), lines
        return {name.decode(): value.decode("latin-1") for name, value in lines}


class Front:
    """The shop's part of path mode, and a client in front of it."""

    def __init__(self, url: str, client: Outbound, proxy: Proxy) -> None:
        self.url, self.client, self.proxy = url, client, proxy

    async def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.request(method, self.url + path, headers=named, body=body)


@asynccontextmanager
async def forwarding(proxy: Proxy, *, alive: bool = True) -> AsyncIterator[Front]:
    client, outbound = Outbound(), Outbound()
    try:
        async with listening(proxy, bind("127.0.0.1", 0)) as behind:
            target = behind.url
            if not alive:
                with closing(bind("127.0.0.1", 0)) as unused:
                    target = f"http://127.0.0.1:{unused.getsockname()[1]}"
            endpoint = forwarder(outbound, target)
            methods = ["GET", "HEAD", "POST", "OPTIONS"]
            app = Starlette(routes=[Route("/edge/{rest:path}", endpoint, methods=methods)])
            async with listening(app, bind("127.0.0.1", 0)) as front:
                yield Front(front.url, client, proxy)
    finally:
        await client.close()
        await outbound.close()


@pytest.fixture
async def front() -> AsyncIterator[Front]:
    async with forwarding(Proxy()) as front:
        yield front


async def test_a_request_reaches_the_proxy_as_the_browser_sent_it(front: Front) -> None:
    await front.ask(
        "POST",
        "/edge/e?a=%20b",
        b'{"v":1}',
        host="localhost:8080",
        origin="http://localhost:8080",
        cookie="_scid=s-1; cart=x",
        user_agent="Mozilla/5.0 test",
        sec_gpc="1",
        sec_purpose="prefetch",
        content_type="text/plain",
    )
    seen = front.proxy.seen
    assert front.proxy.scope["raw_path"] + b"?" + front.proxy.scope["query_string"] == (
        b"/edge/e?a=%20b"
    )
    assert front.proxy.body == b'{"v":1}'
    assert seen["host"] == "localhost:8080"
    assert seen["origin"] == "http://localhost:8080"
    assert seen["cookie"] == "_scid=s-1; cart=x"
    assert seen["user-agent"] == "Mozilla/5.0 test"
    assert (seen["sec-gpc"], seen["sec-purpose"]) == ("1", "prefetch")
    assert seen["content-type"] == "text/plain"


async def test_the_visitors_address_is_ours_to_say(front: Front) -> None:
    """As nginx does: what a visitor claims is overwritten, not appended to."""
    await front.ask(
        "GET",
        "/edge/s.js",
        x_forwarded_for="198.51.100.9",
        x_forwarded_proto="https",
        x_forwarded_host="evil.example",
        forwarded="for=198.51.100.9",
    )
    seen = front.proxy.seen
    assert seen["x-forwarded-for"] == VISITOR_ADDRESS
    assert seen["x-forwarded-proto"] == "http"
    assert not {"forwarded", "x-forwarded-host"} & set(seen)


async def test_every_cookie_of_an_answer_comes_back_on_a_line_of_its_own(front: Front) -> None:
    front.proxy.headers = [
        (b"set-cookie", b"_scid=a; Path=/"),
        (b"set-cookie", b"_scclid=b; Path=/; HttpOnly"),
        (b"set-cookie", b"edge=c; Path=/; HttpOnly"),
        (b"cache-control", b"no-store"),
    ]
    back = await front.ask("POST", "/edge/e", b"{}")
    assert [value for name, value in back.headers if name == "set-cookie"] == [
        "_scid=a; Path=/",
        "_scclid=b; Path=/; HttpOnly",
        "edge=c; Path=/; HttpOnly",
    ]
    assert back.header("cache-control") == "no-store"
    assert back.body == b"{}"


async def bare(front: Front) -> None:
    """A request with no header but the one that HTTP asks for."""
    async with connected(int(front.url.rpartition(":")[2])) as client:
        await client.write(b"GET /edge/s.js HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await client.reply()


async def test_the_cookies_of_one_visitor_are_not_sent_for_another(front: Front) -> None:
    """One client stands behind all of them."""
    front.proxy.headers = [(b"set-cookie", b"_scid=first; Path=/")]
    await front.ask("POST", "/edge/e", b"{}", cookie="_scid=first")
    await bare(front)
    assert front.proxy.seen["cookie"] == ""


async def test_a_visitor_without_a_name_stays_one(front: Front) -> None:
    await bare(front)
    assert front.proxy.seen["user-agent"] == ""


@pytest.mark.parametrize("status", [200, 204, 304, 403, 422, 503])
async def test_a_status_is_passed_through(front: Front, status: int) -> None:
    front.proxy.status = status
    front.proxy.headers = [(b"retry-after", b"7")]
    back = await front.ask("POST", "/edge/e", b"{}")
    assert (back.status, back.header("retry-after")) == (status, "7")


async def test_a_head_request_keeps_the_length(front: Front) -> None:
    front.proxy.status = 200
    back = await front.ask("HEAD", "/edge/s.js")
    assert (back.status, back.header("content-length"), back.body) == (200, "2", b"")


async def test_a_proxy_that_is_gone_is_a_502() -> None:
    async with forwarding(Proxy(), alive=False) as front:
        back = await front.ask("POST", "/edge/e", b"{}")
    assert back.status == 502

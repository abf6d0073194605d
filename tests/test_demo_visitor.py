"""A visitor without a browser behaves like the tag in one: cookies, origin, memory of the page."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from edgeproxy.demo.visitor import AGENT, PAGE, Counted, Happening, Visitor
from edgeproxy.errors import Failed
from edgeproxy.outbound import Outbound
from edgeproxy.web.asgi import Receive, Scope, Send, answer, read_body
from edgeproxy.web.listener import bind, listening

ORIGIN = "http://localhost:8080"
YES = msgspec.json.encode({"accepted": 1, "duplicates": 0, "dropped": {"gpc": 1}, "rejected": []})


class Site:
    """Answers everything with what it is told, and keeps what it got."""

    def __init__(self) -> None:
        self.url = ""
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.status = 0
        self.cookies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive, 1 << 20, None)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.got.append((f"{scope['method']} {scope['path']}", headers, body))
        usual = {"/edge/e": 202, "/edge/consent": 204, "/cart": 303}.get(scope["path"], 200)
        back = [(b"set-cookie", line) for line in self.cookies] + [(b"location", b"/next")]
        text = YES if usual == 202 else b""
        await answer(send, self.status or usual, back, text)

    @property
    def last(self) -> tuple[dict[str, str], Any]:
        _, headers, body = self.got[-1]
        return headers, msgspec.json.decode(body)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    async with listening(site, bind("127.0.0.1", 0)) as listener:
        site.url = listener.url
        yield site


@pytest.fixture
async def outbound() -> AsyncIterator[Outbound]:
    outbound = Outbound()
    yield outbound
    await outbound.close()


@pytest.fixture
def visitor(site: Site, outbound: Outbound) -> Visitor:
    ids = iter(f"id-{number}" for number in range(100))
    return Visitor(
        outbound, site.url, ORIGIN, now_ms=lambda: 1_706_540_000_000, new_id=lambda: next(ids)
    )


async def test_a_batch_is_posted_as_the_tag_does_it(site: Site, visitor: Visitor) -> None:
    await visitor.open("/landing?ScCid=c-1")
    await visitor.choose(ad=True)
    visitor.identify({"email": "jane@example.com"})
    counted = await visitor.tell(PAGE, Happening(name="X", id="own"), click_id="c-1")
    headers, batch = site.last
    assert counted == Counted(accepted=1, dropped={"gpc": 1})
    assert headers["origin"] == ORIGIN
    assert headers["host"] == "localhost:8080"
    assert headers["content-type"].startswith("text/plain")
    assert headers["user-agent"] == AGENT
    assert batch == {
        "v": 1,
        "sent_at": 1_706_540_000_000,
        "page": {"url": f"{ORIGIN}/landing?ScCid=c-1", "referrer": ""},
        "consent": {"ad": True},
        "user": {"email": "jane@example.com"},
        "click_id": "c-1",
        "events": [
            {"name": "page", "id": "id-0", "call": "page", "time": 1_706_540_000_000},
            {"name": "X", "id": "own", "time": 1_706_540_000_000},
        ],
    }


async def test_a_new_page_forgets_what_the_old_one_knew(site: Site, visitor: Visitor) -> None:
    await visitor.open("/a")
    await visitor.choose(ad=True)
    visitor.identify({"email": "jane@example.com"})
    await visitor.open("/b")
    await visitor.tell(PAGE)
    _, batch = site.last
    assert batch["page"] == {"url": f"{ORIGIN}/b", "referrer": f"{ORIGIN}/a"}
    assert "consent" not in batch
    assert batch["user"] == {}


async def test_who_comes_back_later_has_no_referrer(site: Site, visitor: Visitor) -> None:
    await visitor.open("/a")
    await visitor.leave()
    await visitor.open("/b")
    await visitor.tell(PAGE)
    assert site.last[1]["page"]["referrer"] == ""


async def test_cookies_are_kept_sent_and_deleted(site: Site, visitor: Visitor) -> None:
    site.cookies = [
        b"_scid=s-1; Path=/; Max-Age=34128000; SameSite=Lax",
        b"edge=WyJ.a-b_c; Path=/; HttpOnly",
        b"gone=x; Path=/; Max-Age=0",
        b"no@name=x",
    ]
    await visitor.open("/a")
    assert visitor.cookies == {"_scid": "s-1", "edge": "WyJ.a-b_c"}
    site.cookies = [b"_scid=; Path=/; Max-Age=0"]
    await visitor.open("/b")
    assert site.got[-1][1]["cookie"] == "_scid=s-1; edge=WyJ.a-b_c"
    assert visitor.cookies == {"edge": "WyJ.a-b_c"}


async def test_two_visitors_share_no_cookie(
    site: Site, visitor: Visitor, outbound: Outbound
) -> None:
    site.cookies = [b"_scid=s-1; Path=/"]
    await visitor.open("/a")
    other = Visitor(outbound, site.url, ORIGIN, now_ms=lambda: 0, new_id=lambda: "id")
    await other.open("/a")
    assert site.got[-1][1]["cookie"] == ""


async def test_a_form_leads_on(site: Site, visitor: Visitor) -> None:
    assert await visitor.submit("/cart", {"sku": "a b"}) == "/next"
    assert site.got[-1][2] == b"sku=a+b"


async def test_what_fails_is_named(site: Site, visitor: Visitor) -> None:
    site.status = 403
    with pytest.raises(Failed, match="the page /a answers 403"):
        await visitor.open("/a")
    with pytest.raises(Failed, match="POST /edge/consent answers 403"):
        await visitor.choose(ad=True)
    with pytest.raises(Failed, match="POST /edge/e answers 403"):
        await visitor.tell(PAGE)
    with pytest.raises(Failed, match="the form /cart answers 403"):
        await visitor.submit("/cart", {})


async def test_a_site_that_is_gone_is_named(outbound: Outbound) -> None:
    visitor = Visitor(outbound, "http://127.0.0.1:1", ORIGIN, now_ms=lambda: 0, new_id=lambda: "id")
    with pytest.raises(Failed, match="the page /a answers refused"):
        await visitor.open("/a")

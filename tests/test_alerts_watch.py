"""The loop that looks and tells: one node tells, once, and nothing is lost on the way."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from edgeproxy.alerts.book import Notice
from edgeproxy.alerts.watch import ID, KIND, Lookout, look, standing, watch
from edgeproxy.alerts.webhook import TEST, TEXT_MAX_CHARS, Webhook, message
from edgeproxy.errors import StoreBusy
from edgeproxy.outbound import Outbound
from edgeproxy.settings import Thresholds
from edgeproxy.sites import Secret, Source
from edgeproxy.store.base import Gate, Store
from tests.counted import Counting, bucket
from tests.fakes import Clock, KeptLog, eventually, integration, open_store

SHOP = integration(id="shop-1")
SITE = Source(id="shop", integrations=(SHOP,))
PATH = "/services/T0/canary-9f2e"


class Channel:
    """A webhook on loopback: keeps the texts, answers as told."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.heads: list[bytes] = []
        self.status = 200
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{PATH}"

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(line.split(b":")[1])
                    for line in head.lower().split(b"\r\n")
                    if line.startswith(b"content-length")
                )
                body = json.loads(await reader.readexactly(length))
                assert list(body) == ["text"]
                self.heads.append(head)
                self.texts.append(body["text"])
                writer.write(b"HTTP/1.1 %d x\r\nContent-Length: 2\r\n\r\nok" % self.status)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


class Scene:
    """A store with one integration, a channel, and what a node is made of."""

    def __init__(self, store: Store, outbound: Outbound, channel: Channel) -> None:
        self.store, self.channel, self.clock, self.log = store, channel, Clock(), KeptLog()
        self.webhook = Webhook(Secret(channel.url), outbound)
        self.sources: tuple[Source, ...] = (SITE,)
        self.prints: Mapping[str, str] = {"shop-1": "a"}

    def node(self, **changes: Any) -> Lookout:
        plain = Lookout(
            store=self.store,
            office=self.store.office,
            journal=None,
            sources=lambda: self.sources,
            limits=Thresholds(),
            webhook=self.webhook,
            fingerprint=lambda one: self.prints[one.id],
            now_ms=self.clock,
            log=self.log,
        )
        return replace(plain, **changes)

    async def close_gate(self, reason: str = "401") -> None:
        await self.store.set_gate(Gate(integration="shop-1", state="paused_auth", reason=reason))

    async def look(self, node: Lookout | None = None, after_s: float = 60) -> None:
        self.clock.pass_s(after_s)
        await look(node or self.node())


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with made(tmp_path) as scene:
        yield scene


@asynccontextmanager
async def channel_open() -> AsyncIterator[tuple[Channel, Outbound]]:
    """A channel on a free port, and a client to reach it with."""
    channel, outbound = Channel(), Outbound(deadline_s=5)
    server = await asyncio.start_server(channel.meet, "127.0.0.1", 0)
    channel.port = server.sockets[0].getsockname()[1]
    async with server:
        try:
            yield channel, outbound
        finally:
            await outbound.close()  # first, so that the server has nobody to wait for


@asynccontextmanager
async def made(folder: Path) -> AsyncIterator[Scene]:
    async with channel_open() as (channel, outbound), open_store(folder, Clock()) as store:
        yield Scene(store, outbound, channel)


async def test_a_paused_gate_is_told_once_and_its_end_too(scene: Scene) -> None:
    await scene.look()
    assert scene.channel.texts == []

    await scene.close_gate("Snap does not accept the access token")
    for _ in range(3):
        await scene.look()
    assert scene.channel.texts == [
        "🔴 *Delivery paused* · shop-1: delivery is paused: Snap does not accept the access token"
    ]

    await scene.store.set_gate(Gate(integration="shop-1"))
    for _ in range(7):
        await scene.look()
    assert scene.channel.texts[1:] == ["🟢 *Delivery paused – over* · shop-1: delivery goes on"]
    assert [fields["rule"] for fields in scene.log.named("alert_raised")] == ["gate"]
    assert len(scene.log.named("alert_cleared")) == 1


async def test_what_the_webhook_did_not_take_is_told_later(scene: Scene) -> None:
    scene.channel.status = 500
    await scene.close_gate()
    await scene.look()
    assert len((await standing(scene.store.office))[0].unsent) == 1
    assert scene.log.named("alert_not_sent")[0]["status"] == 500

    scene.channel.status = 204
    await scene.look()
    assert len(scene.channel.texts) == 2
    assert scene.channel.texts[0] == scene.channel.texts[1]
    assert (await standing(scene.store.office))[0].unsent == ()
    await scene.look()
    assert len(scene.channel.texts) == 2


async def test_of_several_nodes_one_tells(scene: Scene) -> None:
    await scene.close_gate()
    scene.clock.pass_s(60)
    await asyncio.gather(*(look(scene.node()) for _ in range(4)))

    assert len(scene.channel.texts) == 1
    assert len(scene.log.named("alert_raised")) == 1
    scene.clock.pass_s(10)
    before = await standing(scene.store.office)
    await look(scene.node())
    assert await standing(scene.store.office) == before


async def test_a_clock_that_was_set_back_does_not_silence_the_watch(scene: Scene) -> None:
    await scene.look()
    await scene.close_gate()
    await scene.look(after_s=-7200)

    assert len(scene.channel.texts) == 1


async def test_without_a_webhook_the_log_is_told(scene: Scene) -> None:
    await scene.close_gate()
    await scene.look(scene.node(webhook=None))

    assert scene.channel.texts == []
    assert scene.log.named("alert_raised")[0]["subject"] == "shop-1"
    assert (await standing(scene.store.office))[0].unsent == ()


async def test_the_counts_of_the_journal_are_judged(scene: Scene) -> None:
    journal = Counting()
    node = scene.node(journal=journal)
    scene.clock.pass_s(60)
    journal.held = [
        bucket(
            "out", "shop-1", "dead.rejected", "PURCHASE", n=12, at_ms=scene.clock.now_ms - 60_000
        )
    ]
    await look(node)

    assert "12 events became dead letters" in scene.channel.texts[0]
    for _, since_ms, until_ms, _ in journal.asked:
        assert since_ms < scene.clock.now_ms < until_ms


async def test_a_gate_is_told_of_even_while_nothing_is_counted(scene: Scene) -> None:
    journal = Counting()
    journal.off = True
    await scene.close_gate()
    await scene.look(scene.node(journal=journal))

    assert len(scene.channel.texts) == 1


async def test_a_token_that_is_replaced_is_young_again(scene: Scene) -> None:
    node = scene.node(limits=Thresholds(token_days=10))
    await scene.look(node)
    await scene.look(node, after_s=11 * 86_400)
    assert "Access token old" in scene.channel.texts[0]

    scene.prints = {"shop-1": "b"}
    await scene.look(node)
    assert "over" in scene.channel.texts[1]


async def test_the_loop_goes_on_after_a_fault_and_ends_when_it_is_told(scene: Scene) -> None:
    calls = []

    def sources() -> tuple[Source, ...]:
        scene.clock.pass_s(60)
        calls.append(1)
        if len(calls) == 1:
            raise StoreBusy("busy", "The store is busy.")
        if len(calls) == 2:
            raise ZeroDivisionError
        return scene.sources

    stopping = asyncio.Event()
    await scene.close_gate()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(watch(scene.node(sources=sources), stopping, every_s=0.01))
        await eventually(lambda: scene.channel.texts, "an alert arrives")
        stopping.set()

    assert scene.log.named("alerts_waiting")
    assert scene.log.named("alerts_failed") == [{"error": "ZeroDivisionError"}]


async def test_a_record_that_cannot_be_read_is_begun_anew(scene: Scene) -> None:
    await scene.store.office.put(KIND, ID, b"{")
    await scene.close_gate()
    await scene.look()

    assert len(scene.channel.texts) == 1


async def test_the_url_stands_in_no_line_and_no_answer(scene: Scene) -> None:
    scene.channel.status = 404
    await scene.close_gate()
    await scene.look()
    told = await scene.webhook.tell(TEST)

    assert scene.webhook.shown == "http://127.0.0.1/••••"
    for said in (scene.log.lines, told, scene.webhook, await standing(scene.store.office)):
        assert "canary-9f2e" not in repr(said)
    assert PATH.encode() in scene.channel.heads[0]


@pytest.mark.parametrize(
    ("status", "ok", "words"),
    [
        (200, True, "took it"),
        (204, True, "took it"),
        (302, False, "redirects are not followed"),
        (400, False, "Slack-compatible"),
        (404, False, "no such webhook"),
        (418, False, "answered 418"),
    ],
)
async def test_how_telling_went_is_said_in_plain_words(
    scene: Scene, status: int, ok: bool, words: str
) -> None:
    scene.channel.status = status
    told = await scene.webhook.tell("hello")

    assert (told.ok, told.status) == (ok, status)
    assert words in told.message
    assert told.latency_ms >= 0


async def test_a_webhook_that_is_not_there_is_said_so(scene: Scene) -> None:
    outbound = Outbound(deadline_s=5)
    try:
        told = await Webhook(Secret("http://127.0.0.1:1/x"), outbound).tell("hello")
    finally:
        await outbound.close()

    assert (told.ok, told.status) == (False, None)
    assert told.message == "nobody listens at the webhook's address"


async def test_a_message_is_cut_before_it_is_too_long_for_the_channel(scene: Scene) -> None:
    await scene.webhook.tell("x" * 10_000)

    assert len(scene.channel.texts[0]) == TEXT_MAX_CHARS


def test_words_from_outside_cannot_call_the_whole_channel() -> None:
    notice = Notice(at_ms=0, kind="raised", rule="gate", subject="a&b", text="<!channel> now")

    assert message([notice]) == "🔴 *Delivery paused* · a&amp;b: &lt;!channel&gt; now"


def test_each_notice_has_its_line() -> None:
    notice = Notice(at_ms=0, kind="still", rule="gone", subject="s", text="t")

    assert message([notice, notice]) == "🟠 *gone (still)* · s: t\n🟠 *gone (still)* · s: t"

"""Snap and the network at their worst: real sockets, one fault a test, nothing lost, no id changed.

Each test is a row of the project's fault matrix; what the rows say about values alone is tested
beside the module that decides (answers, gate, limiter).
"""

import asyncio
import gzip
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import trustme
from msgspec.structs import replace

from edgeproxy.delivery.backoff import Schedule
from edgeproxy.delivery.gate import THROTTLED
from edgeproxy.outbound import DEADLINE_S, Outbound
from edgeproxy.sites import Secret
from edgeproxy.snap.transport import SnapTransport
from edgeproxy.store.base import Store
from edgeproxy.store.sqlite.store import SqliteStore
from edgeproxy.wire import WireResponse
from tests.desk import Desk
from tests.fakes import (
    YES,
    Clock,
    FakeTransport,
    event,
    eventually,
    integration,
    item,
    ledger,
    open_store,
    put,
)
from tests.office import SCALED, Office, ids, open_office

Play = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b'{"status":"SUCCESS"}'


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with open_office(tmp_path) as made:
        yield made


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    clock = Clock()
    async with open_store(tmp_path, clock) as store:
        yield Desk(store, clock)


def answer(body: bytes, head: str = "200 OK", *more: str) -> bytes:
    """An HTTP answer, byte for byte."""
    lines = [f"HTTP/1.1 {head}", f"Content-Length: {len(body)}", "Connection: close", *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class RawSnap:
    """A Snap of bare sockets: plays its parts one after the other, the last one for ever."""

    def __init__(self, *parts: Play | bytes) -> None:
        self._parts = list(parts)
        self.heard: list[bytes] = []
        self.connections = 0
        self.url = ""

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            self.heard.append(await reader.readexactly(length))
            part = self._parts.pop(0) if len(self._parts) > 1 else self._parts[0]
            if isinstance(part, bytes):
                writer.write(part)
                await writer.drain()
            else:
                await part(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    @asynccontextmanager
    async def listening(self, tls: ssl.SSLContext | None = None) -> AsyncIterator["RawSnap"]:
        server = await asyncio.start_server(self.meet, "127.0.0.1", 0, ssl=tls)
        async with server:
            scheme = "https" if tls else "http"
            self.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield self


async def hangs(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not writer.is_closing() and not reader.at_eof():
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


@asynccontextmanager
async def delivering_to(
    office: Office, url: str, *, deadline_s: float = 5.0, ca_file: Path | None = None
) -> AsyncIterator[None]:
    """Delivery to another Snap than the office's own."""
    outbound = Outbound(deadline_s=deadline_s, ca_file=ca_file)
    try:
        async with office.delivering(transport=SnapTransport(url, outbound)):
            yield
    finally:
        await outbound.close()


# 25: Snap is away for long, with a backlog behind it.


async def test_a_backlog_outlives_a_long_refusal_with_one_probe_at_a_time(office: Office) -> None:
    """Two hours, scaled: 20 000 events wait, few requests are made, then all arrive once."""
    office.integrations = [integration(linger_ms=1)]
    await put(office.store, *(item(event(n, time_ms=office.clock())) for n in range(20_000)))
    away = True
    waits = replace(SCALED, breaker_s=0.02, breaker_max_s=0.1)

    def snap(_: list[str]) -> WireResponse:
        return WireResponse(status=None, fault="refused") if away else YES

    transport = FakeTransport(snap)
    async with office.delivering(transport=transport, schedule=waits):
        await eventually(lambda: len(transport.sent) > 15, "it is probed for a while")
        tried = [len(request) for request in transport.sent]
        assert set(tried[tried.index(1) :]) == {1}
        assert tried.index(1) <= 2 * 4
        assert await ledger(office.store) in (
            {"accepted": 20_000, "pending": 20_000},
            {"accepted": 20_000, "pending": 20_000, "leased": 1},
        )
        away = False
        before = len(transport.sent)
        await office.settled(accepted=20_000, delivered=20_000)
    got = [one for request in transport.sent[before:] for one in request]
    assert sorted(got) == sorted(f"e{n}" for n in range(20_000))


# 26: it hangs, or drips.


@pytest.mark.parametrize("part", [hangs, drips], ids=["hangs", "drips"])
async def test_a_snap_that_never_finishes_costs_one_deadline(office: Office, part: Play) -> None:
    async with (
        RawSnap(part, answer(OK)).listening() as snap,
        delivering_to(office, snap.url, deadline_s=1.0),
    ):
        await office.put([1])
        await office.settled(accepted=1, delivered=1)
    assert len(snap.heard) == 2
    assert snap.heard[0] == snap.heard[1]
    assert "did not answer in time" in str(office.log.named("snap_answered")[0]["reason"])


def test_an_attempt_ends_after_fifteen_seconds() -> None:
    assert DEADLINE_S == 15


# 27: the answer breaks, or is no answer.


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + OK,
        b"\x00\xff\x13garbage\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["closed", "half a head", "truncated", "garbage", "another protocol", "bad chunk"],
)
async def test_an_answer_that_breaks_is_outlived_with_the_same_bytes(
    office: Office, broken: bytes
) -> None:
    async with (
        RawSnap(broken, broken, answer(OK)).listening() as snap,
        delivering_to(office, snap.url),
    ):
        await office.put(range(3))
        await office.settled(accepted=3, delivered=3)
    assert len(snap.heard) == 3
    assert len(set(snap.heard)) == 1


# 28: it comes and goes.


async def test_a_snap_that_fails_every_second_time_gets_everything(office: Office) -> None:
    """Half of the answers are 503: the breaker trips and opens again, no event is given up."""
    office.integrations = [integration(batch_max=3, linger_ms=1)]
    turn = count()

    def snap(_: list[str]) -> WireResponse:
        return YES if next(turn) % 2 else WireResponse(status=503)

    transport = FakeTransport(snap)
    async with office.delivering(transport=transport):
        await office.put(range(20))
        await office.settled(accepted=20, delivered=20)
    good = [one for place, ids_ in enumerate(transport.sent) if place % 2 for one in ids_]
    assert sorted(good) == sorted(ids(range(20)))


# 29: 429 in all its forms.


@pytest.mark.parametrize(
    ("retry_after", "wait_s"),
    [
        ("3", 3),
        ("0", 1),
        ("86400", 3600),
        ("Thu, 01 Jan 2099 00:00:00 GMT", 3600),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 1),
        ("-1", 5),
        ("soon", 5),
        ("3.5", 5),
        ("", 5),
    ],
)
async def test_a_429_means_the_wait_it_names_within_bounds_or_five_seconds(
    desk: Desk, retry_after: str, wait_s: float
) -> None:
    await put(desk.store, *(item(event(n)) for n in range(3)))
    await desk.deliver([WireResponse(status=429, retry_after=retry_after)], schedule=Schedule())
    gate = await desk.gate()
    assert (gate.state, gate.reason, gate.probe_in_s) == ("probing", THROTTLED, wait_s)
    assert not await desk.claim()
    assert await desk.ledger() == {"accepted": 3, "pending": 3}


# 30: the token is wrong for long.


async def test_a_wrong_token_is_asked_about_four_times_an_hour(desk: Desk) -> None:
    no = WireResponse(status=401, body=b'{"reason":"Authentication failed"}')
    desk.transport = FakeTransport(lambda _: no)
    await put(desk.store, *(item(event(n)) for n in range(50)))
    for _ in range(3600):
        if lease := await desk.claim():
            await desk.new_courier().deliver(lease, desk.integration, desk.line)
        desk.clock.pass_s(1)
    assert [len(request) for request in desk.transport.sent] == [50, 1, 1, 1]
    assert await desk.ledger() == {"accepted": 50, "pending": 50}
    assert (await desk.gate()).state == "paused_auth"


async def test_a_new_token_is_used_within_two_seconds(office: Office) -> None:
    office.snap.tokens = frozenset({"new"})
    async with office.delivering(schedule=replace(SCALED, paused_s=900.0)):
        await office.put(range(5))
        await office.gate_is("paused_auth")
        office.integrations = [replace(office.integrations[0], access_token=Secret("new"))]
        at_ms = office.clock()
        await office.settled(accepted=5, delivered=5)
    assert office.snap.requests[1].at - at_ms <= 2000


async def test_a_person_who_resumes_is_obeyed_at_once(office: Office) -> None:
    office.snap.answer_with(status=403, times=1)
    async with office.delivering(schedule=replace(SCALED, paused_s=900.0)):
        await office.put(range(5))
        gate = await office.gate_is("paused_auth")
        await office.store.set_gate(replace(gate, state="open", probe_in_s=None))
        await office.settled(accepted=5, delivered=5)


# 31: not here.


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 403, 404, 410])
async def test_an_answer_that_points_elsewhere_pauses_and_is_not_followed(
    office: Office, status: int
) -> None:
    """Nothing goes to the other place: it would get the token."""
    elsewhere = RawSnap(answer(OK))
    async with elsewhere.listening():
        location = f"Location: {elsewhere.url}/v2/conversion"
        async with (
            RawSnap(answer(b"", f"{status} Gone", location)).listening() as snap,
            delivering_to(office, snap.url),
        ):
            await office.put(range(3))
            gate = await office.gate_is("paused_auth")
    assert gate.reason
    assert elsewhere.connections == 0
    assert await ledger(office.store) == {"accepted": 3, "pending": 3}


# 32: poison. (Counting of the calls: see the trip of one lease.)


@pytest.mark.parametrize("api", ["v2", "v3"])
async def test_three_poisons_of_a_batch_die_alone_in_both_versions(
    office: Office, api: Any
) -> None:
    office.integrations = [integration(api=api, linger_ms=1)]
    poison = ["e3", "e4", "e17"]
    office.snap.answer_with(status=400, refuse_events=poison)
    await office.put(range(20))
    async with office.delivering():
        await office.settled(accepted=20, delivered=17, dead=3)
    name = "client_dedup_id" if api == "v2" else "event_id"
    came = sorted(one[name] for one in office.snap.events)
    assert came == sorted(f"e{n}" for n in range(20) if f"e{n}" not in poison)
    assert office.snap.attempts <= 1 + 3 * 2 * 5


# 33: a yes that means no.


@pytest.mark.parametrize(
    ("said", "dead"),
    [
        ({"status": "FAILED", "reason": "All records failed"}, 4),
        ({"status": "INVALID", "error_msgs": ["no"]}, 4),
        ({"status": "SUCCESS", "error_records": [{"reason": "no", "record_indexes": [1]}]}, 1),
        ({"status": "SUCCESS", "error_records": [{"reason": "no", "record_indexes": [4]}]}, 1),
    ],
    ids=["failed", "invalid", "first", "last"],
)
async def test_a_200_is_read_to_its_end(desk: Desk, said: dict[str, Any], dead: int) -> None:
    everything = [WireResponse(status=200, body=json.dumps(said).encode())] * 99
    await put(desk.store, *(item(event(n)) for n in range(4)))
    await desk.deliver(everything[:1] if dead == 1 else everything)
    expected = {"accepted": 4, "delivered": 4 - dead, "dead": dead}
    assert await desk.ledger() == {name: n for name, n in expected.items() if n}


@pytest.mark.parametrize("index", [0, 5, -1])
async def test_an_index_that_names_no_event_is_taken_apart_and_costs_nothing(
    desk: Desk, index: int
) -> None:
    said = b'{"status":"SUCCESS","error_records":[{"reason":"no","record_indexes":[%d]}]}' % index
    await put(desk.store, *(item(event(n)) for n in range(4)))
    await desk.deliver([WireResponse(status=200, body=said)])
    assert desk.transport.sent == [["e0", "e1", "e2", "e3"], ["e0", "e1"], ["e2", "e3"]]
    assert await desk.ledger() == {"accepted": 4, "delivered": 4}


async def test_a_200_that_names_a_setting_pauses(desk: Desk) -> None:
    said = b'{"status":"FAILED","reason":"Invalid pixel_id"}'
    await put(desk.store, item())
    await desk.deliver([WireResponse(status=200, body=said)])
    assert (await desk.gate()).state == "paused_auth"
    assert await desk.ledger() == {"accepted": 1, "pending": 1}


# 34: a yes that says nothing, however large.


def peak_kb() -> int:
    """The most memory held since `forget_peak`."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def forget_peak() -> int:
    Path("/proc/self/clear_refs").write_text("5")
    return peak_kb()


BOMB = gzip.compress(b'{"status":"SUCCESS","reason":"' + b"a" * 100_000_000 + b'"}', 1)


@pytest.mark.parametrize(
    "said",
    [
        answer(b""),
        answer(b"<html>Welcome</html>"),
        answer(b'{"status":"SUCCESS"' + b" " * 5_000_000 + b"}"),
        answer(BOMB, "200 OK", "Content-Encoding: gzip", "Content-Type: application/json"),
        answer(b'{"status":"SUCC\xff\xfeESS"}'),
        answer(b"[" * 50_000),
        answer(b'{"status":"MAYBE"}'),
        answer(b'["SUCCESS"]'),
    ],
    ids=["empty", "html", "5 MB", "bomb", "utf-8", "deep", "unknown", "no object"],
)
async def test_an_answer_without_a_meaning_is_tried_again_and_kept_for_a_person(
    office: Office, said: bytes
) -> None:
    before_kb = forget_peak()
    async with RawSnap(said).listening() as snap, delivering_to(office, snap.url):
        await office.put([1])
        await office.settled(accepted=1, dead=1)
    assert peak_kb() - before_kb < 20_000
    letters = await office.store.dead_letters()
    assert [one.reason for one in letters] == ["ambiguous_200"]
    assert len(snap.heard) == 4
    assert len(set(snap.heard)) == 1


# 35: the certificate is not right.


async def test_an_expired_certificate_gets_nothing_and_loses_nothing(
    office: Office, tmp_path: Path
) -> None:
    authority = trustme.CA()
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    over = datetime.now(UTC) - timedelta(days=1)  # noqa: TID251 - TLS has no other clock

    def tls(**limits: Any) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1", **limits).configure_cert(context)
        return context

    async with (
        RawSnap(answer(OK)).listening(tls(not_after=over)) as snap,
        delivering_to(office, snap.url, ca_file=ca_file),
    ):
        await office.put([1])
        await office.gate_is("probing")
    assert snap.heard == []
    assert {level for level, name, _ in office.log.lines if name == "snap_answered"} == {"error"}
    assert "certificate" in str(office.log.named("gate_moved")[0]["reason"])
    async with (
        RawSnap(answer(OK)).listening(tls()) as mended,
        delivering_to(office, mended.url, ca_file=ca_file),
    ):
        await office.settled(accepted=1, delivered=1)


# 36: no way there.


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://snap.invalid", "could not be resolved"),
        ("http://127.0.0.1:1", "no connection"),
        ("http://[::1]:1", "no connection"),
    ],
    ids=["no name", "refused", "no IPv6"],
)
async def test_a_place_that_cannot_be_reached_is_tried_again(
    office: Office, url: str, said: str
) -> None:
    async with delivering_to(office, url):
        await office.put(range(3))
        gate = await office.gate_is("probing")
    assert said in gate.reason
    assert await ledger(office.store) == {"accepted": 3, "pending": 3}


async def test_requests_beyond_the_connections_wait_and_end_at_their_deadline() -> None:
    async with RawSnap(hangs).listening() as snap:
        outbound = Outbound(deadline_s=0.6)
        try:
            async with asyncio.TaskGroup() as tasks:
                asked = [
                    tasks.create_task(outbound.request("POST", snap.url, body=b"{}"))
                    for _ in range(12)
                ]
        finally:
            await outbound.close()
    assert {one.result().fault for one in asked} == {"timeout"}
    assert snap.connections <= 8


# 37: the answer is lost after Snap took the batch.


async def test_a_batch_that_went_twice_counts_once(office: Office) -> None:
    office.snap.answer_with(disconnect="after_headers", times=1)
    async with office.delivering():
        await office.put(range(30))
        await office.settled(accepted=30, delivered=30)
    assert office.arrived() == ids(range(30))
    assert office.snap.counts.duplicates > 0
    assert office.snap.counts.unique == 30


# 38, 39: the limit, over nodes and over lives.

RATE_RPS, BURST = 100.0, 5


class Timed:
    """A store that notes between which moments each request was granted."""

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock
        self.granted: list[tuple[int, int]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def acquire(self, integration_id: str, **limits: Any) -> float:
        before_ms = self._clock()
        wait_s = await self._store.acquire(integration_id, **limits)
        if wait_s == 0:
            self.granted.append((before_ms, self._clock()))
        return wait_s


def within_the_limit(granted: Sequence[tuple[int, int]]) -> bool:
    """Whether no window holds more requests than its length and one burst allow."""
    granted = sorted(granted)
    return all(
        last - first + 1 <= RATE_RPS * (1 + granted[last][1] - granted[first][0]) / 1000 + BURST
        for first in range(len(granted))
        for last in range(first, len(granted))
    )


def test_the_check_of_the_limit_can_fail() -> None:
    assert within_the_limit([(0, 0)] * 5 + [(10 * n, 10 * n) for n in range(1, 50)])
    assert not within_the_limit([(0, 0)] * 7)
    assert not within_the_limit([(5 * n, 5 * n) for n in range(50)])


async def test_two_nodes_on_one_store_keep_one_limit(office: Office, tmp_path: Path) -> None:
    limited = integration(batch_max=1, linger_ms=0, rate_limit_rps=RATE_RPS, rate_limit_burst=BURST)
    office.integrations = [limited]
    other = await SqliteStore.open(str(tmp_path / "store.db"), now_ms=office.clock)
    second = Office(other, office.clock, office.snap, office.url)
    second.integrations = office.integrations
    nodes = [Timed(office.store, office.clock), Timed(other, office.clock)]
    transport = FakeTransport(lambda _: YES)
    common: dict[str, Any] = {"transport": transport, "alone": False, "poll_s": 0.02}
    try:
        await office.put(range(80))
        async with (
            office.delivering(store=nodes[0], **common),
            second.delivering(store=nodes[1], **common),
        ):
            await office.settled(accepted=80, delivered=80)
    finally:
        await second.outbound.close()
        await other.close()
    assert all(node.granted for node in nodes)
    assert within_the_limit([*nodes[0].granted, *nodes[1].granted])
    assert sorted(one for request in transport.sent for one in request) == sorted(ids(range(80)))


async def test_a_restart_over_and_over_is_no_way_around_the_limit(
    office: Office, tmp_path: Path
) -> None:
    limited = integration(batch_max=1, linger_ms=0, rate_limit_rps=RATE_RPS, rate_limit_burst=BURST)
    office.integrations = [limited]
    await office.put(range(60))
    transport = FakeTransport(lambda _: YES)
    granted: list[tuple[int, int]] = []
    lives = 0
    while len(transport.sent) < 60:
        store = await SqliteStore.open(str(tmp_path / "store.db"), now_ms=office.clock)
        node = Timed(store, office.clock)
        sent = len(transport.sent)
        async with office.delivering(store=node, transport=transport):
            enough = min(sent + 10, 60)
            await eventually(lambda: len(transport.sent) >= enough, "some are sent")  # noqa: B023
        granted += node.granted
        await store.close()
        lives += 1
    assert lives >= 4
    assert within_the_limit(granted)
    assert await ledger(office.store) == {"accepted": 60, "delivered": 60}


# 40: too old in the queue.


async def test_what_grew_too_old_in_a_long_outage_is_never_sent(desk: Desk) -> None:
    await put(desk.store, item(), item(event(2, channel="OFFLINE")))
    for _ in range(6):
        await desk.deliver(lambda _: WireResponse(status=503))
        await desk.store.set_gate(replace(await desk.gate(), state="open", probe_in_s=None))
        desk.line.closed = False
        desk.clock.pass_s(86_400)
    tried = len(desk.transport.sent)
    desk.clock.pass_s(86_401)
    await desk.deliver([YES])
    assert desk.transport.sent[tried:] == [["e2"]]
    assert await desk.dead() == [("expired", "it became too old for Snap")]
    stamps = {request.body for request in desk.transport.requests[:tried]}
    assert len(stamps) == 1

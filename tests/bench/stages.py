"""The rooms of the hot path and of delivery, one by one, with the real functions.

CPU microseconds of this process: what else runs on the machine disturbs them less than seconds.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import uvloop

from edgeproxy.addresses import TrustedProxies
from edgeproxy.event import decode_event
from edgeproxy.intake import tag
from edgeproxy.keys import load_keys, new_id
from edgeproxy.master import MasterSigner
from edgeproxy.public.accept import accept
from edgeproxy.public.ask import Ask, read_ask
from edgeproxy.public.contact import cookies_of, meet
from edgeproxy.public.state import State
from edgeproxy.registry import Registry, Site
from edgeproxy.seal import Sealer
from edgeproxy.sites import Integration, Secret, Source
from edgeproxy.snap import DIALECTS
from edgeproxy.store import open_store
from edgeproxy.store.base import Store
from tests.bench import server, traffic
from tests.bench.scale import append

GROUP = 256


def run() -> None:
    """Print one line for each stage."""
    print("\nstages, CPU µs each")
    with (
        tempfile.TemporaryDirectory() as name,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(_stages(Path(name)))


async def _stages(folder: Path) -> None:
    store = await open_store(f"sqlite://{folder}/bench.db", now_ms=_now_ms)
    try:
        state = _state(folder, store)
        await _front(state)
        _wire(state)
        await _store(store)
    finally:
        await store.close()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _state(folder: Path, store: Store) -> State:
    keys = load_keys(folder)
    integration = Integration(
        id="bench", source="default", access_token=Secret("t"), pixel_id=new_id()
    )
    source = Source(id="default", origins=(server.ORIGIN,), integrations=(integration,))
    return State(
        registry=Registry([source]),
        store=store,
        signer=MasterSigner(keys.signing),
        seal=Sealer(keys.sealing).seal,
        proxies=TrustedProxies(["127.0.0.1"]),
        visitor_key=keys.visitor,
        trace_key=keys.trace,
        now_ms=_now_ms,
        new_id=new_id,
        wake=lambda _: None,
        log=lambda *_, **__: None,
        stopping=lambda: False,
    )


def _scope(cookie: bytes) -> dict[str, object]:
    headers = [
        (b"host", server.HOST.encode()),
        (b"origin", server.ORIGIN.encode()),
        (b"x-forwarded-proto", b"https"),
        (b"x-forwarded-for", b"203.0.113.5"),
        (b"user-agent", traffic.AGENTS[60].encode()),
        (b"cookie", cookie),
    ]
    return {"headers": headers, "client": ("127.0.0.1", 1), "scheme": "http"}


async def _front(state: State) -> None:
    page, order = (body.encode() for body in (traffic.BODIES[0], traffic.BODIES[-1]))
    ask, site = _asked(state, b"")
    first = await accept(tag.parse(page), ask, site, state)
    jar = b"; ".join(line.partition(b";")[0] for line in first.cookies)
    ask, site = _asked(state, jar)
    contact = meet(ask, site, state, consent={"ad": True}, page_url=traffic.PAGE["url"])
    _time("read the headers", lambda: _asked(state, jar))
    _time("parse a page view", lambda: tag.parse(page))
    _time("parse a purchase", lambda: tag.parse(order))
    _time("recognise a returning visitor", lambda: meet(ask, site, state, consent={"ad": True}))
    _time("cookies of the answer", lambda: cookies_of(contact, site, state))
    _time("seal", lambda: state.seal(b"x" * 300))


def _asked(state: State, jar: bytes) -> tuple[Ask, Site]:
    ask = read_ask(_scope(jar), state.proxies)
    site = state.registry.by_origin(ask.origin)
    assert site is not None
    return ask, site


def _wire(state: State) -> None:
    integration = state.registry.integrations["bench"]
    body = (
        b'{"id":"1","name":"PURCHASE","time_ms":1706540000000,"source":"default","scid":"abcdefgh",'
        b'"goods":{"price":"129.99","currency":"USD","order_id":"1","item_ids":["A","B"],'
        b'"number_items":"3","lines":[{"id":"A","quantity":"2","price":"49.99"}]}}'
    )
    event = decode_event(body)
    _time("decode a stored event", lambda: decode_event(body))
    for name, dialect in DIALECTS.items():
        encoded = dialect.encode(event, integration, None)
        _time(f"{name}: encode", partial(dialect.encode, event, integration, None))
        batch = partial(dialect.request, [encoded] * 500, integration, "live")
        _time(f"{name}: a request of 500, each event", batch, times=20, share=500)


async def _store(store: Store) -> None:
    await _time_async(
        f"append, {GROUP} at once, each event", lambda: append(store, GROUP), 40, GROUP
    )
    leases = []

    async def claim() -> None:
        leases.append(await store.claim("bench", limit=GROUP, max_bytes=1 << 30, lease_s=60))

    async def settle() -> None:
        lease = leases.pop()
        await store.settle(lease, delivered=[row.id for row in lease.rows])

    await _time_async(f"claim {GROUP}, each event", claim, 30, GROUP)
    await _time_async(f"settle {GROUP}, each event", settle, 30, GROUP)


def _time(name: str, call: Callable[[], object], *, times: int = 5_000, share: int = 1) -> None:
    call()
    began = time.process_time()
    for _ in range(times):
        call()
    _print(name, (time.process_time() - began) / times / share)


async def _time_async(
    name: str, call: Callable[[], Awaitable[None]], times: int, share: int
) -> None:
    began = time.process_time()
    for _ in range(times):
        await call()
    _print(name, (time.process_time() - began) / times / share)


def _print(name: str, seconds: float) -> None:
    print(f"  {name:<42} {seconds * 1e6:8.1f}")

"""Stand-ins for what lies outside of delivery: Snap behind a function, a clock, a log."""

import asyncio
import base64
import inspect
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from edgeproxy.event import Event, Goods, Person, Sealed, encode_event
from edgeproxy.routing import bound_to, row_key
from edgeproxy.seal import Sealer
from edgeproxy.sites import Integration, Secret
from edgeproxy.store.base import Entry, Fate, Item, Store
from edgeproxy.store.sqlite.store import SqliteStore
from edgeproxy.wire import WireRequest, WireResponse

START_MS = 1_706_540_000_000
PIXEL = "0d0ee28b-8f1a-4f3d-9f43-1de4b6b2ae11"
TOKEN = "eyJ-canary-token"
YES = WireResponse(status=200, body=b'{"status":"SUCCESS"}')


class Clock:
    """A wall clock that stands still until it is moved."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms

    def pass_s(self, seconds: float) -> None:
        """Move it on."""
        self.now_ms += round(seconds * 1000)


class KeptLog:
    """Keeps the lines that are written."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, object]]] = []

    def __call__(self, level: str, event: str, **fields: object) -> None:
        self.lines.append((level, event, fields))

    def named(self, event: str) -> list[dict[str, object]]:
        """The fields of the lines of one name."""
        return [fields for _, name, fields in self.lines if name == event]


Play = Callable[[list[str]], WireResponse | Awaitable[WireResponse]]


class FakeTransport:
    """Answers as `play` says, given the ids of a request's events (v2 or v3)."""

    def __init__(self, play: Play | Sequence[WireResponse] = ()) -> None:
        answers = list(play) if not callable(play) else []
        self.play: Play = play if callable(play) else lambda _: answers.pop(0) if answers else YES
        self.requests: list[WireRequest] = []
        self.tokens: list[str] = []

    async def send(self, request: WireRequest, integration: Integration) -> WireResponse:
        """Keep the request and answer it."""
        self.requests.append(request)
        self.tokens.append(integration.access_token.reveal())
        answer = self.play(ids_of(request))
        return await answer if inspect.isawaitable(answer) else answer

    @property
    def sent(self) -> list[list[str]]:
        """The ids of each request, in order."""
        return [ids_of(request) for request in self.requests]


def ids_of(request: WireRequest) -> list[str]:
    """The dedup ids in a request, in order."""
    return [event.get("client_dedup_id") or event["event_id"] for event in events_of(request)]


def events_of(request: WireRequest) -> list[dict[str, Any]]:
    """The objects in a request, in order."""
    body = msgspec.json.decode(request.body)
    events: list[dict[str, Any]] = body if isinstance(body, list) else body.get("data", [body])
    return events


def integration(**changes: Any) -> Integration:
    """An integration without a limit that a test could meet by accident."""
    plain = Integration(
        id="shop/pixel",
        source="shop",
        access_token=Secret(TOKEN),
        pixel_id=PIXEL,
        rate_limit_rps=10_000.0,
        rate_limit_burst=10_000,
        linger_ms=1,
    )
    return msgspec.structs.replace(plain, **changes)


def event(number: int | str = 1, **changes: Any) -> Event:
    """A page view of a visitor with an e-mail address."""
    plain = Event(
        id=f"e{number}",
        name="PAGE_VIEW",
        time_ms=START_MS,
        source="shop",
        page_url="https://shop.example/",
        scid="11111111-2222-4333-8444-555555555555",
        who=Person(email_sha256="ab" * 32),
        goods=Goods(),
    )
    return msgspec.structs.replace(plain, **changes)


def item(
    made: Event | None = None,
    *,
    to: str = "shop/pixel",
    visitor: bytes = b"v" * 16,
    body: bytes | None = None,
    sealed: bytes = b"",
    expires_ms: int | None = None,
) -> Item:
    """An item of one row for the store."""
    made = made or event()
    entry = Entry(
        integration=to,
        key=row_key(to, made.name, made.id),
        visitor=visitor,
        name=made.name,
        body=encode_event(made) if body is None else body,
        sealed=sealed,
        event_time_ms=made.time_ms,
        expires_ms=expires_ms or made.time_ms + 37 * 86_400_000,
    )
    return Item(entries=(entry,))


SEALER = Sealer([base64.urlsafe_b64encode(os.urandom(32))])


def sealed(*, to: str = "shop/pixel", visitor: bytes = b"v" * 16, **extras: str) -> bytes:
    """A box as the way in makes it."""
    box = Sealed(bound_to=bound_to(to, visitor, b""), **extras)
    return SEALER.seal(msgspec.json.encode(box))


@asynccontextmanager
async def open_store(folder: Path, clock: Callable[[], int]) -> AsyncIterator[Store]:
    """The real store in a folder."""
    store = await SqliteStore.open(str(folder / "store.db"), now_ms=clock)
    try:
        yield store
    finally:
        await store.close()


async def put(store: Store, *items: Item) -> None:
    """Append items, all of which must be new."""
    fates = await store.append(items)
    assert all(fate is Fate.ACCEPTED for row in fates for fate in row)


async def ledger(store: Store, integration_id: str = "shop/pixel") -> dict[str, int]:
    """What became of the rows of an integration; the equations of the ledger must hold."""
    for counts in await store.stats():
        assert counts.balanced, counts
        if counts.integration == integration_id:
            names = ("accepted", "delivered", "dead", "pending", "leased")
            return {name: getattr(counts, name) for name in names if getattr(counts, name)}
    return {}


async def eventually(look: Callable[[], Any], sentence: str, within_s: float = 30) -> Any:
    """Look again and again until something true is seen; fail with the sentence."""
    try:
        async with asyncio.timeout(within_s):
            while True:
                seen = look()
                found = await seen if inspect.isawaitable(seen) else seen
                if found:
                    return found
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"it was not seen that {sentence}") from None


class LiveClock:
    """A wall clock that goes on; callable from any thread."""

    def __init__(self) -> None:
        self._offset_s = 0.0

    def __call__(self) -> int:
        return START_MS + round((time.monotonic() + self._offset_s) * 1000)

    def pass_s(self, seconds: float) -> None:
        """Jump ahead."""
        self._offset_s += seconds

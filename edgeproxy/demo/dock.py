"""The dock beside the shop: a line for each event, kept fresh by a stream, and its JSON twin.

The whole way of an event is on its page of the dashboard, to which the line leads.

GET  /dock.json      all that is known; `?since=` a change's number gives what changed after it
GET  /dock/stream    changed lines as they change (Server-Sent Events)
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

import anyio
import msgspec
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edgeproxy.demo import pages, words
from edgeproxy.demo.journey import Card, Journey
from edgeproxy.demo.parts import Stage

SHOWN = 12

_RETRY_MS = 1000


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A card as a template shows it. `href` leads to the dashboard, "" when it has no page."""

    card: Card
    word: words.Word
    matches: list[str]
    where: str
    instant: str
    time: str
    href: str


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A card as data: all that is known, and in plain words what became of it."""

    card: Card
    says: str
    matches: list[str]


def totals(journey: Journey) -> dict[str, int]:
    """The running totals."""
    count = journey.totals
    return {
        "delivered": count["delivered"],
        "waiting": sum(count[fate] for fate in ("stored", "sent", "again", "paused")),
        "dropped": count["dropped"],
        "duplicate": count["duplicate"],
        "refused": count["refused"] + count["rejected"],
    }


def dock(stage: Stage) -> dict[str, object]:
    """What a page needs to show the newest events beside its own content."""
    journey = stage.journey
    return {
        "views": [_view(card) for card in journey.cards[:SHOWN]],
        "totals": totals(journey),
        "rev": journey.rev,
        "life": stage.life,
    }


def routes(stage: Stage) -> list[Route]:
    """Both of them."""

    def given(work: Callable[[Stage, Request], Awaitable[Response]]) -> Any:
        async def handle(request: Request) -> Response:
            return await work(stage, request)

        return handle

    return [
        Route("/dock.json", given(_twin)),
        Route("/dock/stream", given(_stream)),
    ]


async def _twin(stage: Stage, request: Request) -> Response:
    since = _number(request.query_params.get("since", ""))
    answer = {
        "life": stage.life,
        "next": stage.journey.rev,
        "totals": totals(stage.journey),
        "events": [_told(card) for card in stage.journey.cards if card.rev > since],
    }
    return Response(msgspec.json.encode(answer), headers=pages.SAFE, media_type="application/json")


async def _stream(stage: Stage, request: Request) -> Response:
    """What changed since, and from then on each change; `reset` for a page of an earlier run."""
    known = request.query_params.get("life", stage.life) == stage.life
    last = request.headers.get("last-event-id") or request.query_params.get("since", "")
    changes = _changes(stage.journey, _number(last)) if known else _reset()
    return EventSourceResponse(changes, headers={"X-Accel-Buffering": "no"})


async def _changes(journey: Journey, rev: int) -> AsyncIterator[ServerSentEvent]:
    changed = _Flag()
    with journey.told(changed.wave):
        # The server sends the headers with the first bytes, and the page waits for them.
        yield ServerSentEvent(comment="from here on")
        while not journey.closed:
            for card in journey.since(rev):
                rev = card.rev
                yield _event(journey, card)
            await changed.seen()


async def _reset() -> AsyncIterator[ServerSentEvent]:
    yield ServerSentEvent(event="reset", data="")


class _Flag:
    """Waved when something has changed; whoever waits looks again."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def wave(self, _: Card | None) -> None:
        self._event.set()

    async def seen(self) -> None:
        await self._event.wait()
        self._event = anyio.Event()


def _event(journey: Journey, card: Card) -> ServerSentEvent:
    data = {
        "n": card.n,
        "html": pages.text("_card.html", {"view": _view(card)}),
        "totals": totals(journey),
        "news": f"{card.name or card.called}: {words.word_of(card).short}",
    }
    return ServerSentEvent(
        event="card", id=str(card.rev), data=msgspec.json.encode(data).decode(), retry=_RETRY_MS
    )


def _told(card: Card) -> Told:
    return Told(card=card, says=words.word_of(card).sentence, matches=words.matches(card.sent))


def _view(card: Card) -> View:
    at = datetime.fromtimestamp(card.at_ms / 1000, UTC)
    return View(
        card=card,
        word=words.word_of(card),
        matches=words.matches(card.sent),
        where=urlsplit(str(card.taken.get("page_url", ""))).path,
        instant=at.isoformat(timespec="milliseconds"),
        time=at.strftime("%H:%M:%S"),
        href=f"/dashboard/events/{quote(card.id, safe='')}" if card.id else "",
    )


def _number(text: str) -> int:
    return int(text[:15]) if text.isascii() and text.isdigit() else 0

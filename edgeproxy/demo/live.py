"""The live page: every event with its three sides, kept fresh by a stream, and its JSON twin.

GET  /live           the page, complete without JavaScript
GET  /live.json      the same as data; `?since=` a change's number gives what changed after it
GET  /live/stream    changed cards as they change (Server-Sent Events)
POST /live/what-if   plays one of the small experiments
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import anyio
import msgspec
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from edgeproxy.demo import pages, words
from edgeproxy.demo.forward import VISITOR_ADDRESS
from edgeproxy.demo.journey import Card, Journey
from edgeproxy.demo.parts import Stage
from edgeproxy.demo.tint import Lines, tinted
from edgeproxy.demo.whatif import EXPERIMENTS, play
from edgeproxy.errors import Failed

SHOWN = 100
DOCKED = 12

_FORM_BYTES = 1024
_RETRY_MS = 1000


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A card as a template shows it."""

    card: Card
    word: words.Word
    matches: list[str]
    where: str
    instant: str
    time: str
    taken: Lines
    sent: Lines


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A card as data: all that is known, and in plain words what became of it."""

    card: Card
    says: str
    matches: list[str]


def totals(journey: Journey) -> dict[str, int]:
    """The running totals of the page."""
    count = journey.totals
    return {
        "delivered": count["delivered"],
        "waiting": sum(count[fate] for fate in ("stored", "sent", "again", "paused")),
        "dropped": count["dropped"],
        "duplicate": count["duplicate"],
        "refused": count["refused"] + count["rejected"],
    }


def dock(stage: Stage, shown: int = DOCKED) -> dict[str, object]:
    """What a page needs to show the newest events beside its own content."""
    journey = stage.journey
    return {
        "views": [_view(card) for card in journey.cards[:shown]],
        "totals": totals(journey),
        "rev": journey.rev,
        "life": stage.life,
    }


def routes(stage: Stage) -> list[Route]:
    """The four of them."""

    def given(work: Callable[[Stage, Request], Awaitable[Response]]) -> Any:
        async def handle(request: Request) -> Response:
            return await work(stage, request)

        return handle

    return [
        Route("/live", given(_page)),
        Route("/live.json", given(_twin)),
        Route("/live/stream", given(_stream)),
        Route("/live/what-if", given(_what_if), methods=["POST"], max_body_size=_FORM_BYTES),
    ]


async def _page(stage: Stage, request: Request) -> Response:
    values = {
        "address": VISITOR_ADDRESS,
        "sandbox_url": stage.sandbox_url,
        "experiments": EXPERIMENTS,
        **dock(stage, SHOWN),
    }
    return pages.html("live.html", values)


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
        "html": pages.text("_card.html", {"view": _view(card), "open": False}),
        "totals": totals(journey),
        "news": f"{card.name or card.called}: {words.word_of(card).short}",
    }
    return ServerSentEvent(
        event="card", id=str(card.rev), data=msgspec.json.encode(data).decode(), retry=_RETRY_MS
    )


async def _what_if(stage: Stage, request: Request) -> Response:
    """Play an experiment; the page shows what became of it."""
    if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return Response("Only the demo's own page may ask for this.\n", 403)
    name = (await request.body()).decode("utf-8", "replace").partition("=")[2]
    try:
        await play(name, stage)
    except KeyError:
        return Response("There is no such experiment.\n", 404)
    except Failed as failed:
        return Response(f"{failed}\n", 502)
    return RedirectResponse("/live", 303)


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
        taken=tinted(card.taken),
        sent=tinted(card.sent),
    )


def _number(text: str) -> int:
    return int(text[:15]) if text.isascii() and text.isdigit() else 0

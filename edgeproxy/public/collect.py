"""`POST /e`: the tag's batches. The hot path: nothing here is done that need not be.

Nearly all requests are complete when they are seen and go through a `Collector`, many at once; what
is odd about its framing comes through ASGI, as `collect`.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import lru_cache, partial

import msgspec

from edgeproxy.errors import BadBatch, Forbidden
from edgeproxy.intake import tag
from edgeproxy.intake.raw import RawBatch
from edgeproxy.intake.tag import MAX_EVENTS
from edgeproxy.public.accept import Accepted, Answer, Intake, accept
from edgeproxy.public.ask import Ask, ask_of, read_ask
from edgeproxy.public.contact import withdraw
from edgeproxy.public.refusal import refusal
from edgeproxy.public.state import State
from edgeproxy.registry import Site
from edgeproxy.store.base import Fate, Item
from edgeproxy.web.asgi import Fixed, Receive, Scope, Send, read_body, reply
from edgeproxy.web.exchange import Exchange

BODY_BYTES = 64 * 1024

_SIDE_BY_SIDE = 64
"""Requests that go through a step together: more would not fit into a cache."""

_JSON = msgspec.json.Encoder()
_PLAIN_ANSWERS = {
    count: _JSON.encode(Answer(accepted=count, duplicates=0, dropped={}, rejected=()))
    for count in range(MAX_EVENTS + 1)
}
"""The bodies of nearly all answers: everything was accepted."""


async def collect(scope: Scope, receive: Receive, send: Send, state: State) -> None:
    """Store a batch, and answer only when it is durable.

    202  what became of each event; cookies are refreshed
    400  no batch    403  foreign origin    413  too large    415  compressed
    422  no event was usable    429  too many requests of one caller
    503  durability cannot be promised now; the tag keeps the batch and comes back
    """
    ask = read_ask(scope, state.proxies)
    site = admitted(ask, state)
    batch = tag.parse(await read_body(receive, BODY_BYTES, ask.content_length))
    accepted = await accept(batch, ask, site, state)
    cookies = [(b"set-cookie", line) for line in accepted.cookies]
    await reply(scope, send, accepted.status, cookies, _body(accepted), fixed=_fixed(site))


class _Post:
    """A request on its way through the steps; each step adds what the next ones need."""

    __slots__ = (
        "accepted",
        "ask",
        "batch",
        "error",
        "exchange",
        "fates",
        "intake",
        "items",
        "site",
    )

    accepted: Accepted
    ask: Ask
    batch: RawBatch
    error: BaseException | None
    exchange: Exchange
    fates: Sequence[Sequence[Fate]]
    intake: Intake
    items: list[Item]
    site: Site

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange


class Collector:
    """`collect` for requests that are complete: no task each, and step by step for many.

    What one turn of the event loop brings goes through each step side by side. The steps of one
    request after another would each find the processor's caches full of the other steps' code;
    measured, that costs a twelfth of all time.

    Args:
        state: What it works with.
        loop: Where it is called.
    """

    def __init__(self, state: State, loop: asyncio.AbstractEventLoop) -> None:
        self._state = state
        self._loop = loop
        self._come: list[_Post] = []
        self._stored: list[_Post] = []
        self._steps = (self._prepare, self._build, self._seal, self._list, self._store)

    def take(self, exchange: Exchange) -> None:
        """See `Direct`."""
        if not self._come:
            self._loop.call_soon(self._begin)
        self._come.append(_Post(exchange))

    def _begin(self) -> None:
        come, self._come = self._come, []
        for start in range(0, len(come), _SIDE_BY_SIDE):
            posts = come[start : start + _SIDE_BY_SIDE]
            for step in (self._ask, self._read, self._meet, *self._steps):
                posts = self._through(step, posts)

    def _through(self, step: Callable[[_Post], bool], posts: list[_Post]) -> list[_Post]:
        """The posts that the step lets go on; what it raises is answered."""
        on = []
        for post in posts:
            try:
                if step(post):
                    on.append(post)
            except Exception as error:
                self._refuse(post, error)
        return on

    def _ask(self, post: _Post) -> bool:
        exchange, state = post.exchange, self._state
        fields = exchange.fields
        cookie = fields.get(b"cookie")
        post.ask = ask_of(
            fields,
            () if cookie is None else (cookie,),
            fields.get(b"x-forwarded-for", b""),
            peer=exchange.peer,
            encrypted=False,
            proxies=state.proxies,
        )
        post.site = admitted(post.ask, state)
        return True

    def _read(self, post: _Post) -> bool:
        post.batch = tag.parse(post.exchange.body)
        return True

    def _meet(self, post: _Post) -> bool:
        post.intake = Intake(post.batch, post.ask, post.site, self._state)
        if post.intake.contact.decision.withdraw:
            post.exchange.later(self._withdraw(post))
            return False
        return True

    async def _withdraw(self, post: _Post) -> None:
        try:
            await withdraw(post.intake.contact, post.site, self._state)
        except Exception as error:
            self._refuse(post, error)
        else:
            posts = [post]
            for step in self._steps:
                posts = self._through(step, posts)

    def _prepare(self, post: _Post) -> bool:
        post.intake.prepare()
        return True

    def _build(self, post: _Post) -> bool:
        post.intake.build()
        return True

    def _seal(self, post: _Post) -> bool:
        post.intake.seal()
        return True

    def _list(self, post: _Post) -> bool:
        post.items = post.intake.items()
        return True

    def _store(self, post: _Post) -> bool:
        if post.items:
            self._state.store.submit(post.items, partial(self._told, post))
        else:
            self._told(post, (), None)
        return True

    def _told(
        self, post: _Post, fates: Sequence[Sequence[Fate]], error: BaseException | None
    ) -> None:
        post.fates, post.error = fates, error
        if not self._stored:
            self._loop.call_soon(self._end)
        self._stored.append(post)

    def _end(self) -> None:
        stored, self._stored = self._stored, []
        for step in (self._count, self._answer):
            stored = self._through(step, stored)

    def _count(self, post: _Post) -> bool:
        if post.error is not None:
            raise post.error
        post.accepted = post.intake.taken(post.fates)
        return True

    def _answer(self, post: _Post) -> bool:
        accepted = post.accepted
        cookies = b"".join([b"set-cookie: %b\r\n" % line for line in accepted.cookies])
        lines = cookies + _fixed(post.site).lines
        post.exchange.answer(accepted.status, lines, _body(accepted))
        return True

    def _refuse(self, post: _Post, error: Exception) -> None:
        state = self._state
        origin = post.exchange.fields.get(b"origin")
        post.exchange.refuse(*refusal(error, origin, state.registry, path="/e", log=state.log))


def _body(accepted: Accepted) -> bytes:
    answer = accepted.answer
    if answer.duplicates or answer.dropped or answer.rejected:
        return _JSON.encode(answer)
    return _PLAIN_ANSWERS[answer.accepted]


@lru_cache(1024)
def _fixed(site: Site) -> Fixed:
    """The headers of every answer to a batch from this origin."""
    return Fixed(
        [
            (b"content-type", b"application/json"),
            (b"cache-control", b"no-store"),
            *site.cors,
        ]
    )


def admitted(ask: Ask, state: State) -> Site:
    """The site that may post, before anything is read or created.

    Raises:
        BadBatch: 415, browsers do not compress; nothing is inflated.
        Forbidden: The origin is missing, `null` or of no source.
        Refused: 429, too many requests of this caller.
    """
    if state.flood is not None:
        state.flood.check(ask.address, ask.cookies)
    site = site_of(ask.origin, state)
    if ask.content_encoding not in (b"", b"identity"):
        raise BadBatch("compressed", "send the batch without Content-Encoding", status=415)
    return site


def site_of(origin: bytes | None, state: State) -> Site:
    """The site of an `Origin` header; raises Forbidden when it is missing, `null` or foreign."""
    site = state.registry.by_origin(origin)
    if site is None:
        raise Forbidden("foreign_origin", "the Origin is not one of a configured source")
    return site

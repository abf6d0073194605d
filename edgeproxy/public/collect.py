"""`POST /e`: the tag's batches. The hot path: nothing here is done that need not be.

It comes in two ways. Nearly all requests are complete when they are seen and are answered through
an `Exchange`, without a task; what is odd about its framing comes through ASGI.
"""

from collections.abc import Sequence
from functools import lru_cache, partial

import msgspec

from edgeproxy.errors import BadBatch, Forbidden
from edgeproxy.intake import tag
from edgeproxy.intake.tag import MAX_EVENTS
from edgeproxy.public.accept import Accepted, Answer, Intake, accept
from edgeproxy.public.ask import Ask, ask_of, read_ask
from edgeproxy.public.contact import withdraw
from edgeproxy.public.refusal import refusal
from edgeproxy.public.state import State
from edgeproxy.registry import Site
from edgeproxy.store.base import Fate
from edgeproxy.web.asgi import Fixed, Receive, Scope, Send, read_body, reply
from edgeproxy.web.exchange import Exchange

BODY_BYTES = 64 * 1024

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


def collect_now(exchange: Exchange, state: State) -> None:
    """`collect` for a request that is complete: no task, and one call to write the answer."""
    fields = exchange.fields
    try:
        cookie = fields.get(b"cookie")
        ask = ask_of(
            fields,
            () if cookie is None else (cookie,),
            fields.get(b"x-forwarded-for", b""),
            peer=exchange.peer,
            encrypted=False,
            proxies=state.proxies,
        )
        site = admitted(ask, state)
        intake = Intake(tag.parse(exchange.body), ask, site, state)
        if intake.contact.decision.withdraw:
            exchange.later(_withdraw(exchange, intake, state))
        else:
            _store(exchange, intake, state)
    except Exception as error:
        _refuse(exchange, error, state)


async def _withdraw(exchange: Exchange, intake: Intake, state: State) -> None:
    try:
        await withdraw(intake.contact, intake.site, state)
        _store(exchange, intake, state)
    except Exception as error:
        _refuse(exchange, error, state)


def _store(exchange: Exchange, intake: Intake, state: State) -> None:
    items = intake.items()
    if items:
        state.store.submit(items, partial(_stored, exchange, intake, state))
    else:
        _answer(exchange, intake, ())


def _stored(
    exchange: Exchange,
    intake: Intake,
    state: State,
    fates: Sequence[Sequence[Fate]],
    error: BaseException | None,
) -> None:
    try:
        if error is not None:
            raise error
        _answer(exchange, intake, fates)
    except Exception as fault:
        _refuse(exchange, fault, state)


def _answer(exchange: Exchange, intake: Intake, fates: Sequence[Sequence[Fate]]) -> None:
    accepted = intake.taken(fates)
    cookies = b"".join([b"set-cookie: %b\r\n" % line for line in accepted.cookies])
    exchange.answer(accepted.status, cookies + _fixed(intake.site).lines, _body(accepted))


def _refuse(exchange: Exchange, error: Exception, state: State) -> None:
    origin = exchange.fields.get(b"origin")
    exchange.refuse(*refusal(error, origin, state.registry, path="/e", log=state.log))


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

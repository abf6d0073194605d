"""`POST /e`: the tag's batches. The hot path: nothing here is done that need not be."""

from functools import lru_cache

import msgspec

from edgeproxy.errors import BadBatch, Forbidden
from edgeproxy.intake import tag
from edgeproxy.intake.tag import MAX_EVENTS
from edgeproxy.public.accept import Answer, accept
from edgeproxy.public.ask import Ask, read_ask
from edgeproxy.public.state import State
from edgeproxy.registry import Site
from edgeproxy.web.asgi import Fixed, Receive, Scope, Send, read_body, reply

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
    answer = accepted.answer
    if answer.duplicates or answer.dropped or answer.rejected:
        body = _JSON.encode(answer)
    else:
        body = _PLAIN_ANSWERS[answer.accepted]
    cookies = [(b"set-cookie", line) for line in accepted.cookies]
    await reply(scope, send, accepted.status, cookies, body, fixed=_fixed(site))


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

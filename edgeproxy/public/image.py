"""`GET /i`: one event of a page without JavaScript, asked for by an `<img>` in `<noscript>`."""

import re
from urllib.parse import parse_qsl

import msgspec

from edgeproxy.errors import BadBatch, Forbidden
from edgeproxy.intake import tag
from edgeproxy.public.accept import accept
from edgeproxy.public.ask import Ask, read_ask
from edgeproxy.public.state import State
from edgeproxy.registry import Site
from edgeproxy.web.asgi import Header, Receive, Scope, Send, reply

GIF = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00"  # 1 × 1, two colours
    b"!\xf9\x04\x01\x00\x00\x00\x00"  # the first of them transparent
    b",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)
"""A transparent dot. Source: GIF89a specification."""

_HEADERS: tuple[Header, ...] = (
    (b"content-type", b"image/gif"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"cross-origin"),
)
_ORIGIN = re.compile(rb"https?://[^/?#]+", re.IGNORECASE)
_PARAMETERS_MAX = 64


async def image(scope: Scope, receive: Receive, send: Send, state: State) -> None:
    """Store the event that the query names, and answer with a dot when it is durable.

    200  done, or dropped for want of consent, as a robot's, or because nobody saw it as an image
    400  too many parameters    403  no page of a source shows it    422  the event was not usable
    429  too many requests of one caller    503  durability cannot be promised now

    `name` is the event's (a page view without one), `id` its id; all other parameters are its
    properties. The page's address is the `Referer`.
    """
    given = dict(scope["headers"])
    if given.get(b"sec-fetch-dest", b"image") != b"image":
        await reply(scope, send, 200, _HEADERS, GIF)
        return
    ask = read_ask(scope, state.proxies)
    if state.flood is not None:
        state.flood.check(ask.address, ask.cookies)
    site, near = _shown_on(ask, given, state)
    batch = tag.parse(_batch(scope["query_string"], given.get(b"referer", b"")))
    accepted = await accept(batch, ask, site, state)
    cookies = [(b"set-cookie", line) for line in accepted.cookies] if near else []
    status = 200 if accepted.status == 202 else accepted.status
    await reply(scope, send, status, [*_HEADERS, *cookies], GIF)


def _shown_on(ask: Ask, given: dict[bytes, bytes], state: State) -> tuple[Site, bool]:
    """The site whose page shows the image, and whether that is certain enough for cookies.

    Browsers send no `Origin` with images: the `Referer` names the page. Without one it is the page
    of our own host, unless the browser says that another site asks.

    Raises:
        Forbidden: No page of a source.
    """
    named = ask.origin
    if named is None and (found := _ORIGIN.match(given.get(b"referer", b""))):
        named = found[0]
    relation = given.get(b"sec-fetch-site", b"")
    if named is not None:
        site = state.registry.by_origin(named)
    else:
        site = None if relation == b"cross-site" else state.registry.by_host(ask.host)
    if site is None:
        raise Forbidden("foreign_page", "the image is on no page of a configured source")
    return site, named is not None or relation in (b"same-origin", b"same-site")


def _batch(query: bytes, page_url: bytes) -> bytes:
    """The same as the tag would post, so that the same rules read it."""
    try:
        pairs = parse_qsl(query.decode("latin-1"), max_num_fields=_PARAMETERS_MAX)
    except ValueError:
        raise BadBatch(
            "too_many_parameters", f"the query has more than {_PARAMETERS_MAX} parameters"
        ) from None
    values = dict(pairs)
    name, event_id = values.pop("name", ""), values.pop("id", None)
    event = {"name": name or "page", "id": event_id, "properties": values}
    if not name:
        event["call"] = "page"
    page = {"url": page_url.decode("latin-1")}
    return msgspec.json.encode({"events": [event], "page": page})

"""What a source's pages paste, for each kind of site."""

from collections.abc import Mapping, Sequence
from typing import Literal
from urllib.parse import urlencode, urlsplit

import msgspec

from edgeproxy import snippets
from edgeproxy.admin.api.sources import KnownSource
from edgeproxy.admin.state import AdminState
from edgeproxy.admin.views.parts import place
from edgeproxy.domains import registrable_domain
from edgeproxy.urls import host_of

Platform = Literal["html", "snaptr", "gtm", "shopify", "woocommerce", "segment"]

PLATFORMS: Mapping[Platform, str] = {
    "html": "Any site",
    "snaptr": "In place of Snap's pixel",
    "gtm": "Tag Manager",
    "shopify": "Shopify",
    "woocommerce": "WooCommerce",
    "segment": "In place of Segment",
}
"""Platform → what its tab says."""

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


class SourceQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which snippet to show, and where browsers reach the proxy."""

    platform: Platform = "html"
    endpoint: str = ""


class Paste(msgspec.Struct, frozen=True, kw_only=True):
    """What to paste, and how its place is chosen.

    Attributes:
        tabs: (path, words, lit) of the platforms.
        platform: The one that is lit.
        endpoint: Where browsers reach the proxy.
        fault: What is wrong with that, "" for nothing.
        guessed: Whether nobody has said it yet.
        snippet: None when the address is at fault.
    """

    tabs: tuple[tuple[str, str, bool], ...]
    platform: str
    endpoint: str
    fault: str
    guessed: bool
    snippet: snippets.Snippet | None


def paste_of(state: AdminState, known: KnownSource, query: SourceQuery) -> Paste:
    """What to paste for a source."""
    endpoint = query.endpoint.strip() or guess(state, known.origins)
    ids = (state.registry.integrations[id] for id in known.integrations)
    pixels = [one.pixel_id for one in ids if one.pixel_id]
    tag = snippets.Tag(
        endpoint=endpoint,
        consent="implied" if known.consent == "implied" else "required",
        pixel=pixels[0] if query.platform == "snaptr" and len(pixels) == 1 else "",
    )
    made, fault = None, ""
    try:
        made = snippets.snippet(tag, platform=query.platform)
    except snippets.Fault as wrong:
        fault = f"{'the pixel id' if wrong.field == 'pixel' else 'the address'} {wrong}"
    return Paste(
        tabs=tuple(
            (_tab(known.id, code, query.endpoint), text, code == query.platform)
            for code, text in PLATFORMS.items()
        ),
        platform=query.platform,
        endpoint=endpoint,
        fault=fault,
        guessed=not query.endpoint.strip(),
        snippet=made,
    )


def _tab(id: str, platform: str, endpoint: str) -> str:
    query = {"platform": platform} | ({"endpoint": endpoint} if endpoint else {})
    return f"{place('sources', id)}?{urlencode(query)}#paste"


def guess(state: AdminState, origins: Sequence[str]) -> str:
    """Where browsers probably reach the proxy: a subdomain of the site, or this machine."""
    settings = state.settings
    host = host_of(origins[0]) if origins else ""
    if host in _LOOPBACK:
        return f"http://{urlsplit(origins[0]).hostname}:{settings.port}{settings.prefix}"
    domain = registrable_domain(host)
    return f"https://edge.{domain}{settings.prefix}" if domain else snippets.PLACEHOLDER

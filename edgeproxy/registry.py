"""The current sources and integrations, ready for the hot path.

Built once from the configuration's values. Lookups by origin are one dictionary hit: a CORS answer
is prepared for every allowed origin.
"""

from collections.abc import Sequence

import msgspec

from edgeproxy.routing import Target, target
from edgeproxy.sites import Integration, Source
from edgeproxy.urls import host_of

Header = tuple[bytes, bytes]


class Site(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """One source seen from one of its origins.

    `cors` are the headers of every answer to that origin, errors included.
    """

    source: Source
    origin: str
    targets: tuple[Target, ...]
    cors: tuple[Header, ...]
    https: bool  # whether the page was delivered encrypted


class Registry:
    """Sources by origin and id, integrations by id."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = {source.id: source for source in sources}
        self._sites = {
            origin.encode(): _site(source, origin)
            for source in sources
            for origin in source.origins
        }
        self._hosts: dict[str, Site] = {}
        for origin in sorted(self._sites, key=_by_likeness):
            self._hosts.setdefault(host_of(origin.decode()), self._sites[origin])
        self.integrations: dict[str, Integration] = {
            integration.id: integration for source in sources for integration in source.integrations
        }

    def by_origin(self, origin: bytes | None) -> Site | None:
        """The site of an `Origin` header as sent (the host may be in any letter case)."""
        if origin is None:
            return None
        return self._sites.get(origin) or self._sites.get(origin.lower())

    def by_host(self, host: str) -> Site | None:
        """The site of a page's host, in lower case without its port."""
        return self._hosts.get(host)

    def configured(self) -> Sequence[Integration]:
        """All integrations, those that are switched off too."""
        return tuple(self.integrations.values())


def _by_likeness(origin: bytes) -> tuple[bool, bool]:
    """Of several origins of one host the https one comes first, then the one without a port."""
    scheme, _, rest = origin.partition(b"://")
    return scheme != b"https", b":" in rest


def _site(source: Source, origin: str) -> Site:
    return Site(
        source=source,
        origin=origin,
        https=origin.startswith("https:"),
        targets=tuple(target(integration) for integration in source.integrations),
        cors=(
            (b"access-control-allow-origin", origin.encode()),
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-expose-headers", b"Retry-After"),
            (b"vary", b"Origin"),
        ),
    )

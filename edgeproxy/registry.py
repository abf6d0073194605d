"""The current sources and integrations, ready for the hot path.

Lookups by origin are one dictionary hit: a CORS answer is prepared for every allowed origin. What
people change at run time takes the place of all that was before, at once.
"""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Literal

import msgspec

from edgeproxy.routing import Target, target
from edgeproxy.sites import Integration, Source
from edgeproxy.urls import host_of

Header = tuple[bytes, bytes]
Made = Literal["file", "api"]


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
    """Sources by origin and id, integrations by id.

    Args:
        sources: Those of the configuration file, which stay what they are.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self._file_sources = frozenset(source.id for source in sources)
        self._file_integrations = frozenset(
            each.id for source in sources for each in source.integrations
        )
        self.replace(sources)

    def replace(self, sources: Sequence[Source]) -> None:
        """Put all sources in the place of those that were there. Not for threads."""
        sites = {
            origin.encode(): _site(source, origin)
            for source in sources
            for origin in source.origins
        }
        hosts: dict[str, Site] = {}
        for origin in sorted(sites, key=_by_likeness):
            hosts.setdefault(host_of(origin.decode()), sites[origin])
        self.sources = {source.id: source for source in sources}
        self.integrations: dict[str, Integration] = {
            integration.id: integration for source in sources for integration in source.integrations
        }
        self._sites, self._hosts = sites, hosts
        self._keys = _by_key(sources)

    def origin_of(self, id: str) -> Made:
        """Where an integration was defined."""
        return "file" if id in self._file_integrations else "api"

    def source_origin_of(self, id: str) -> Made:
        """Where a source was defined."""
        return "file" if id in self._file_sources else "api"

    def by_origin(self, origin: bytes | None) -> Site | None:
        """The site of an `Origin` header as sent (the host may be in any letter case)."""
        if origin is None:
            return None
        return self._sites.get(origin) or self._sites.get(origin.lower())

    def by_host(self, host: str) -> Site | None:
        """The site of a page's host, in lower case without its port."""
        return self._hosts.get(host)

    def by_write_key(self, key: str) -> Site | None:
        """The site of a write key as its caller sent it.

        Keys are found and compared by their digests, so that the time it takes says nothing of a
        key.
        """
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        found = None
        for known, site in self._keys.get(digest[:_KEY_PREFIX], ()):
            if hmac.compare_digest(known, digest):
                found = site
        return found

    def configured(self) -> Sequence[Integration]:
        """All integrations, those that are switched off too."""
        return tuple(self.integrations.values())


_KEY_PREFIX = 8
_DIGEST_MARK = "sha256:"
"""What a write key begins with in a configuration that holds only its digest."""


def _by_key(sources: Sequence[Source]) -> dict[str, list[tuple[str, Site]]]:
    """Digest and site of each write key, by the beginning of the digest."""
    found: dict[str, list[tuple[str, Site]]] = {}
    for source in sources:
        site = _site(source, source.origins[0] if source.origins else "")
        for digest in _key_digests(source):
            found.setdefault(digest[:_KEY_PREFIX], []).append((digest, site))
    return found


def _key_digests(source: Source) -> set[str]:
    """SHA-256 in hex of each write key of a source."""
    digests = {digest.lower() for digest in source.write_key_digests}
    for key in source.write_keys:
        text = key.reveal()
        if text.startswith(_DIGEST_MARK):
            digests.add(text.removeprefix(_DIGEST_MARK).lower())
        else:
            digests.add(hashlib.sha256(text.encode()).hexdigest())
    return digests


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

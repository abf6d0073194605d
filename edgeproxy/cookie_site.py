"""Where the cookies of a request's host are set: which Domain, which prefix."""

import functools
from collections.abc import Iterator

from edgeproxy.cookies import CookieSite
from edgeproxy.domains import registrable_domain
from edgeproxy.sites import Source

_HOST_CHARACTERS = 260  # a name and a port
_OTHERS = 4


def cookie_site(host: str, *, scheme: str, source: Source) -> CookieSite:
    """Where the cookies of a request's host are set.

    "auto" gives the registrable domain of the host, but only when it is that of one of the source's
    origins too: a Domain never comes from the request alone. A given domain is used where the host
    lies under it. Host-only otherwise, and for addresses, single labels and public suffixes.

    Args:
        host: The visitor's `Host`, a port allowed, in any letter case.
        scheme: The visitor's; on "http" (demonstrations on loopback) `Secure` is dropped.
        source: Whose `cookie_domain` and `origins` decide.
    """
    host = host if len(host) <= _HOST_CHARACTERS else ""  # no giants in the cache
    return _cookie_site(host, scheme != "http", source.cookie_domain, source.origins)


@functools.lru_cache(1_024)
def _cookie_site(
    host: str, secure: bool, cookie_domain: str, origins: tuple[str, ...]
) -> CookieSite:
    name = _without_port(host.lower())
    widest = registrable_domain(name)
    if widest is None:
        return CookieSite(secure=secure)
    domain = _cookie_domain(name, widest, cookie_domain, origins)
    places = (None, *_domains_between(name, widest))
    others = tuple(place for place in places if place != domain)[:_OTHERS]
    return CookieSite(domain=domain, secure=secure, others=others)


def _cookie_domain(
    host: str, widest: str, cookie_domain: str, origins: tuple[str, ...]
) -> str | None:
    if cookie_domain == "host":
        return None
    if cookie_domain != "auto":
        given = cookie_domain.lower().lstrip(".")
        return given if given in _domains_between(host, widest) else None
    pages = (_without_port(origin.partition("://")[2]) for origin in origins)
    return widest if widest in map(registrable_domain, pages) else None


def _domains_between(host: str, widest: str) -> Iterator[str]:
    """The domains that a host may set cookies for, widest last."""
    while host != widest:
        yield host
        host = host.partition(".")[2]
    yield widest


def _without_port(host: str) -> str:
    return host.partition(":")[0]  # an IPv6 address is spoilt by it, and host-only either way

"""The registrable domain of a host, by the Public Suffix List: what a cookie may span."""

import re
from functools import cache, lru_cache
from typing import Any

_MAX_HOST_CHARS = 253

# What may stand in a cookie's Domain attribute; a trailing dot may not.
_HOST = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})+")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


def registrable_domain(host: str) -> str | None:
    """The widest domain that a cookie of this host may have.

    Args:
        host: A host name without a port, in any letter case; names outside ASCII as `xn--…`.

    Returns:
        The domain in lower case, private suffixes counted as browsers do ("a.github.io" is a site
        of its own). None where only a host-only cookie is possible: an address, a single label
        such as `localhost`, a public suffix itself, or a text that is no host.

    Source: publicsuffix.org; WHATWG URL for hosts that end in a number.
    """
    return _registrable(host.lower()) if len(host) <= _MAX_HOST_CHARS else None


@lru_cache(maxsize=4096)
def _registrable(host: str) -> str | None:
    if _HOST.fullmatch(host) is None or _is_address(host):
        return None
    domain = _suffixes().privatesuffix(host)
    return domain if isinstance(domain, str) else None


def _is_address(host: str) -> bool:
    # The list answers "0.1" for 10.0.0.1. A browser reads any host that ends in a number as IPv4.
    return _NUMBER.fullmatch(host.rpartition(".")[2]) is not None


@cache
def _suffixes() -> Any:
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList()

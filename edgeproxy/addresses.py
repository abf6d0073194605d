"""Client addresses: one spelling, who can be a visitor, and the hop behind trusted proxies."""

import ipaddress
import re
from collections.abc import Iterable
from functools import lru_cache

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAX_ADDRESS_CHARS = 128
_MAX_FORWARDED_CHARS = 1024
"""Hops are read from the right; what lies further left was written by nobody we trust."""

_WITH_PORT = re.compile(r"([0-9.]+):[0-9]{1,5}")
_BRACKETED = re.compile(r"\[([^\[\]]*)\](?::[0-9]{1,5})?")

_NO_VISITOR_V4 = tuple(
    ipaddress.IPv4Network(cidr)
    for cidr in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
"""Source: RFC 6890. The documentation ranges of RFC 5737 are left out: examples use them."""

_UNICAST_V6 = ipaddress.IPv6Network("2000::/3")
_PROTOCOLS_V6 = ipaddress.IPv6Network("2001::/23")
"""Source: RFC 4291 and RFC 2928. Loopback, local, multicast and the rest lie outside the first."""


def canonical(text: str) -> str:
    """One spelling for each address: "" when the text is none.

    Blanks, brackets, port and zone go; `::ffff:203.0.113.7` is `203.0.113.7`; IPv6 is compressed
    and in lower case.

    >>> canonical(" [2001:DB8:0:0:0:0:0:7]:443 ")
    '2001:db8::7'
    """
    return _canonical(text) if len(text) <= _MAX_ADDRESS_CHARS else ""


def is_visitor(address: str) -> bool:
    """Whether the address can be a visitor's: public, or of a documentation range.

    False for private, shared, loopback, link-local, multicast, unspecified and reserved
    addresses, and for what is no address.
    """
    return _is_visitor(address) if len(address) <= _MAX_ADDRESS_CHARS else False


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """What one subscriber has: an IPv4 address itself, of an IPv6 address its first 64 bits.

    Args:
        address: In canonical text; what is no IPv6 address comes back as it is.

    >>> network_of("2001:db8:1:2:3:4:5:6")
    '2001:db8:1:2::/64'
    """
    if ":" not in address:
        return address
    return str(ipaddress.IPv6Network((int(ipaddress.IPv6Address(address)) >> 64 << 64, 64)))


class TrustedProxies:
    """Whose `X-Forwarded-For` counts, and which hop of it is the client.

    Args:
        cidrs: Addresses and networks ("127.0.0.1", "10.0.0.0/8").

    Raises:
        ValueError: With a sentence, for what is neither; "*" is refused, because then the
            left-most hop would count and that one anybody can write.
    """

    def __init__(self, cidrs: Iterable[str]) -> None:
        self._networks = tuple(_network(cidr) for cidr in cidrs)
        self._cached_client = lru_cache(maxsize=4096)(self._client)
        self._cached_trust = lru_cache(maxsize=4096)(self._is_trusted)
        self._cached_peer = lru_cache(maxsize=4096)(self._is_trusted_peer)

    def trusts(self, peer: str | None) -> bool:
        """Whether the peer is one of the proxies; a peer without an address is not."""
        return self._cached_peer(peer) if peer else False

    def client(self, peer: str | None, forwarded: str) -> str:
        """The client's address in canonical text, or "" when there is none.

        The right-most hop that is not a trusted proxy, if the peer is one. A hop that cannot be
        read ends the walk: whoever wrote it also wrote what is left of it. Without a usable hop it
        is the peer. The result may be private; see `is_visitor`.

        Args:
            peer: The connection's other end.
            forwarded: All `X-Forwarded-For` lines in order, joined by commas.
        """
        if not peer:
            return ""
        if len(forwarded) > _MAX_FORWARDED_CHARS:
            # The left-most of what remains may be half a hop.
            forwarded = forwarded[-_MAX_FORWARDED_CHARS:].partition(",")[2]
        return self._cached_client(peer, forwarded)

    def _client(self, peer: str, forwarded: str) -> str:
        nearest = canonical(peer)
        if not forwarded or not self._cached_trust(nearest):
            return nearest
        for hop in reversed(forwarded.split(",")):
            if not hop.strip():
                continue
            address = canonical(hop)
            if not address:
                break
            if not self._cached_trust(address):
                return address
        return nearest

    def _is_trusted_peer(self, peer: str) -> bool:
        return self._is_trusted(canonical(peer))

    def _is_trusted(self, address: str) -> bool:
        parsed = _parse(address)
        return parsed is not None and any(parsed in network for network in self._networks)


@lru_cache(maxsize=4096)
def _canonical(text: str) -> str:
    text = text.strip()
    if found := _BRACKETED.fullmatch(text) or _WITH_PORT.fullmatch(text):
        text = found[1]
    if "%" in text and ":" in text:
        text = text.partition("%")[0]
    parsed = _parse(text)
    return str(parsed) if parsed is not None else ""


def _parse(text: str) -> _Address | None:
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return mapped if mapped is not None else parsed


@lru_cache(maxsize=4096)
def _is_visitor(address: str) -> bool:
    parsed = _parse(address)
    if parsed is None:
        return False
    if isinstance(parsed, ipaddress.IPv4Address):
        return not any(parsed in network for network in _NO_VISITOR_V4)
    return parsed in _UNICAST_V6 and parsed not in _PROTOCOLS_V6


def _network(cidr: str) -> _Network:
    text = cidr.strip()
    if text == "*":
        raise ValueError("must name the proxies; trusting everybody lets anybody forge an address")
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        pass
    try:
        meant = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError("must be an address or a network, such as 10.0.0.0/8") from None
    raise ValueError(f"has bits behind the mask; did you mean {meant}?")

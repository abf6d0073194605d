"""What a user agent says, and the digests of what may not be kept; both remembered for a while."""

import hashlib
from functools import lru_cache

import msgspec

from edgeproxy import pii
from edgeproxy.event import Device
from edgeproxy.useragent import read_agent

_CACHED_CHARS = 512
"""What is longer is worked out each time, so that a hostile caller cannot fill a cache."""


class Told(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a user agent says, and its digest for traces. `bot`: no person is behind it."""

    bot: bool
    device: Device
    hmac: str


def told(key: bytes, user_agent: str) -> Told:
    """Read a user agent.

    Args:
        key: Of the digest.
        user_agent: As sent.
    """
    short = len(user_agent) <= _CACHED_CHARS
    return _told_cached(key, user_agent) if short else _told_by(key, user_agent)


def _told_by(key: bytes, user_agent: str) -> Told:
    agent = read_agent(user_agent)
    return Told(
        bot=agent.bot,
        device=Device(
            model=agent.model, os_version=agent.os_version, os=agent.os, browser=agent.browser
        ),
        hmac=_digest(key, user_agent),
    )


_told_cached = lru_cache(4096)(_told_by)


def _digest(key: bytes, text: str) -> str:
    if not text:
        return ""
    data = text.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, key=key, digest_size=12).hexdigest()


address_hmac = lru_cache(4096)(_digest)
"""(key, address) → a short name for it that cannot be reversed by trying all of them."""


def sha256(text: str) -> str:
    """The SHA-256 of a text in hex."""
    return _sha256_cached(text) if len(text) <= _CACHED_CHARS else pii.sha256_hex(text)


_sha256_cached = lru_cache(4096)(pii.sha256_hex)

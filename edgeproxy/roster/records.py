"""What stands in the store for a source and an integration; access tokens only sealed.

A sealed token is bound to its integration and to the pixel it is for: a box that was moved to
another record, or whose record was given another pixel, does not open.
"""

import base64
import binascii
from collections.abc import Callable
from typing import Any

import msgspec

from edgeproxy.sites import Secret
from edgeproxy.store.office import Record

SOURCE, INTEGRATION = "source", "integration"

KEYS_MAX = 2
"""Live write keys of a source: the one in use, and the next one while callers change over."""

Seal = Callable[[bytes], bytes]
Open = Callable[[bytes], bytes | None]


class WriteKey(msgspec.Struct, frozen=True, kw_only=True):
    """One write key of a source. `id` names it to people; the key itself is not kept."""

    id: str
    sha256: str
    made_ms: int


class KeptSource(msgspec.Struct, frozen=True, kw_only=True):
    """A source's record: its document without the id, and its write keys, oldest first."""

    document: dict[str, Any] = {}
    keys: tuple[WriteKey, ...] = ()
    made_ms: int = 0


class KeptIntegration(msgspec.Struct, frozen=True, kw_only=True):
    """An integration's record: its document without id and token, and the sealed token."""

    document: dict[str, Any] = {}
    box: str = ""
    made_ms: int = 0


class _Sealed(msgspec.Struct, frozen=True, kw_only=True):
    bound_to: str
    token: str


_SOURCE = msgspec.json.Decoder(KeptSource)
_INTEGRATION = msgspec.json.Decoder(KeptIntegration)
_BOX = msgspec.json.Decoder(_Sealed)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def kept_source(record: Record) -> KeptSource:
    """What a source's record holds; raises ValueError when it cannot be read."""
    try:
        return _SOURCE.decode(record.body)
    except _UNREADABLE:
        raise ValueError("its record cannot be read; give it anew, or delete it") from None


def kept_integration(record: Record) -> KeptIntegration:
    """What an integration's record holds; raises ValueError when it cannot be read."""
    try:
        return _INTEGRATION.decode(record.body)
    except _UNREADABLE:
        raise ValueError("its record cannot be read; give it anew, or delete it") from None


def sealed_token(token: Secret, id: str, document: dict[str, Any], seal: Seal) -> str:
    """The token in a box, as text."""
    inside = _Sealed(bound_to=_bound_to(id, document), token=token.reveal())
    return base64.b64encode(seal(msgspec.json.encode(inside))).decode()


def opened_token(kept: KeptIntegration, id: str, open: Open) -> Secret | None:
    """The token of a record; None when no key of ours opens its box, or it is another one's."""
    try:
        plain = open(base64.b64decode(kept.box, validate=True))
        found = None if plain is None else _BOX.decode(plain)
    except (binascii.Error, ValueError, *_UNREADABLE):
        return None
    if found is None or found.bound_to != _bound_to(id, kept.document):
        return None
    return Secret(found.token)


def _bound_to(id: str, document: dict[str, Any]) -> str:
    config = document.get("config")
    ids = config if isinstance(config, dict) else {}
    return "\0".join([id, *(str(ids.get(name) or "") for name in ("pixel_id", "snap_app_id"))])

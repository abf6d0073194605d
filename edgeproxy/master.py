"""The master cookie: a signed copy of the visitor's ids and choice, which restores them."""

import functools
import hashlib
import re
from collections.abc import Sequence

import msgspec
from itsdangerous import BadData, Signer
from itsdangerous.encoding import base64_decode, base64_encode
from itsdangerous.signer import HMACAlgorithm

from edgeproxy.cookies import DAY_S, DURABLE_S

_MASTER_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_MASTER_CHARACTERS = 1_024
_VERIFIED = 4_096


class Master(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What the signed cookie says; signed is not secret, so nothing personal is in it.

    `click_at_s` is the Unix time at which the click id was first seen, 0 without one. `consent` is
    None when the visitor has not said anything.
    """

    scid: str
    source: str
    click_id: str = ""
    click_at_s: int = 0
    consent: bool | None = None


class Signed(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A master as it arrived, verified. `newest`: signed with today's key."""

    master: Master
    text: str
    signed_at_s: int
    newest: bool


class _Payload(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A master on the wire: an array, because names would double its length."""

    scid: str
    source: str
    click_id: str
    click_at_s: int
    consent: bool | None
    signed_at_s: int


_PAYLOAD = msgspec.json.Decoder(_Payload)
_ENCODE = msgspec.json.Encoder().encode


class MasterSigner:
    """Signs masters with the newest key and verifies with all.

    itsdangerous, with the stamp inside the payload, because `TimestampSigner` and the serializers
    read the clock themselves and cost several times as much. Its `Signer` derives the key anew at
    each call; here that is done once per key and the library's HMAC is asked directly, which gives
    the same texts. Verified texts are remembered, since a visitor sends the same one for a day;
    age and source are looked at each time.

    Args:
        keys: At least 32 bytes each, oldest to newest; at least one.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        # The salt keeps a text that was signed for another purpose from being a master.
        self._newest_first = tuple(
            Signer(
                key, salt="edgeproxy.master", key_derivation="hmac", digest_method=hashlib.sha256
            ).derive_key()
            for key in reversed(keys)
        )
        self._algorithm = HMACAlgorithm(hashlib.sha256)
        self._verified = functools.lru_cache(_VERIFIED)(self._verify)

    def sign(self, master: Master, now_s: int) -> str:
        """The cookie's value: URL-safe base64, a dot, the signature; about 200 characters."""
        payload = _Payload(
            master.scid, master.source, master.click_id, master.click_at_s, master.consent, now_s
        )
        body = base64_encode(_ENCODE(payload))
        signature = self._algorithm.get_signature(self._newest_first[0], body)
        return f"{body.decode()}.{base64_encode(signature).decode()}"

    def read(self, text: str, source: str, now_s: int) -> Signed | None:
        """The master in a cookie's value, or None.

        None for what is forged, cut, oversized, expired, of a key that is gone, or of another
        source: with one process for several sites, a cookie of one must not work on the next.
        """
        if len(text) > _MASTER_CHARACTERS:
            return None
        signed = self._verified(text)
        if signed is None or signed.master.source != source:
            return None
        return signed if now_s - signed.signed_at_s <= DURABLE_S else None

    def renew(self, master: Master, held: Signed | None, now_s: int) -> str:
        """The value to set now: the one that arrived, unless it is outdated.

        It is outdated when its content changed, its stamp is a day off in either direction (a clock
        may have been wrong), or a newer key is there. Signing costs more than all else here.
        """
        if (
            held is not None
            and held.newest
            and held.master == master
            and -DAY_S < now_s - held.signed_at_s < DAY_S
        ):
            return held.text
        return self.sign(master, now_s)

    def _verify(self, text: str) -> Signed | None:
        # The library's base64 passes over foreign characters, and a valid text is sent out again.
        if not _MASTER_SHAPE.fullmatch(text):
            return None
        body, _, signature = text.encode().partition(b".")
        try:
            age = self._age_of_key(body, base64_decode(signature))
            payload = _PAYLOAD.decode(base64_decode(body)) if age is not None else None
        except (BadData, msgspec.DecodeError, UnicodeError):
            return None
        if payload is None:
            return None
        master = Master(
            scid=payload.scid,
            source=payload.source,
            click_id=payload.click_id,
            click_at_s=payload.click_at_s,
            consent=payload.consent,
        )
        return Signed(master=master, text=text, signed_at_s=payload.signed_at_s, newest=age == 0)

    def _age_of_key(self, body: bytes, signature: bytes) -> int | None:
        """0 when the newest key signed it, 1 for the one before; None when none of ours did."""
        for age, key in enumerate(self._newest_first):
            if self._algorithm.verify_signature(key, body, signature):
                return age
        return None

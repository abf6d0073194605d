"""Sealed boxes: bytes that only a holder of the sealing keys can read again.

What a box is bound to (its row, its pixel) belongs inside the sealed bytes, and whoever opens the
box compares it there: a box says nothing about the place where it was found.
"""

import base64
import binascii
import os
from collections.abc import Sequence

_NONCE_BYTES = 12
_NONCES = 128
_KEY_BYTES = 32
_LABEL = b"edgeproxy box 1"
"""Authenticated with every box; another layout would get another label."""


class Sealer:
    """Seals with the newest key, opens with any.

    AES-256-GCM-SIV with random nonces: it forgives a nonce that was drawn twice, so one key may
    seal billions of boxes, and it costs a tenth of Fernet, which the request handler would notice.
    Source: RFC 8452.

    Args:
        keys: Oldest to newest, each 32 bytes in URL-safe base64; at least one. Keep an old key for
            as long as boxes made with it lie around.

    Raises:
        ValueError: There is no key, or one is of another form.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        # Imported late: the library takes longer to load than `edgeproxy --help` may take.
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

        self._unreadable = InvalidTag
        self._newest_first = [AESGCMSIV(_decoded(key)) for key in reversed(keys)]
        if not self._newest_first:
            raise ValueError("there is no sealing key")
        self._nonces: list[bytes] = []

    def seal(self, plain: bytes) -> bytes:
        """The box, 28 bytes longer; another one at each call, even for the same bytes."""
        nonce = self._nonce()
        return nonce + self._newest_first[0].encrypt(nonce, plain, _LABEL)

    def _nonce(self) -> bytes:
        """Random bytes, drawn for many boxes at once, since a call into the system is dear.

        Two processes that were forked from one that had sealed would draw the same, which only
        tells who has the database that two equal texts are equal.
        """
        if not self._nonces:
            drawn = os.urandom(_NONCE_BYTES * _NONCES)
            self._nonces = [
                drawn[at : at + _NONCE_BYTES] for at in range(0, len(drawn), _NONCE_BYTES)
            ]
        return self._nonces.pop()

    def open(self, box: bytes) -> bytes | None:
        """What was sealed, or None when the box is spoilt, foreign or of a key that is gone."""
        nonce, sealed = box[:_NONCE_BYTES], box[_NONCE_BYTES:]
        for cipher in self._newest_first:
            try:
                return cipher.decrypt(nonce, sealed, _LABEL)
            except (self._unreadable, ValueError):  # ValueError: too short to be a box
                continue
        return None


def _decoded(key: bytes) -> bytes:
    try:
        decoded = base64.b64decode(key, altchars=b"-_", validate=True)
    except binascii.Error:
        decoded = b""
    if len(decoded) != _KEY_BYTES:
        raise ValueError("a sealing key is not 32 bytes in URL-safe base64")
    return decoded

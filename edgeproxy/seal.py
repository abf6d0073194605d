"""Sealed boxes: bytes that only a holder of the sealing keys can read again.

What a box is bound to (its row, its pixel) belongs inside the sealed bytes, and whoever opens the
box compares it there: a box says nothing about the place where it was found.
"""

from collections.abc import Sequence


class Sealer:
    """Seals with the newest key, opens with any.

    Args:
        keys: Fernet keys, oldest to newest; at least one. Keep an old key for as long as boxes
            made with it lie around.

    Raises:
        ValueError: There is no key, or one is not 32 bytes in URL-safe base64.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        # Imported late: the library takes longer to load than `edgeproxy --help` may take.
        from cryptography.fernet import Fernet, InvalidToken, MultiFernet

        # MultiFernet encrypts with its first key, the opposite of our order.
        self._boxes = MultiFernet([Fernet(key) for key in reversed(keys)])
        self._unreadable = InvalidToken

    def seal(self, plain: bytes) -> bytes:
        """The box, in URL-safe base64; another one at each call, even for the same bytes."""
        return self._boxes.encrypt(plain)

    def open(self, box: bytes) -> bytes | None:
        """What was sealed, or None when the box is spoilt, foreign or of a key that is gone."""
        try:
            return self._boxes.decrypt(box)
        except self._unreadable:
            return None

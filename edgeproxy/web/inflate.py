"""Bodies that a caller compressed, opened step by step and no further than a limit."""

import zlib

from edgeproxy.errors import BadBatch

_STEP_BYTES = 64 * 1024
_GZIP = 16 + zlib.MAX_WBITS
"""Only gzip's own header. Source: zlib manual, inflateInit2."""

_NAMES = (b"gzip", b"x-gzip")
"""Source: RFC 9110, section 8.4.1.3."""


def plain_body(body: bytes, encoding: bytes, limit: int) -> bytes:
    """The body without its `Content-Encoding`, which is gzip or none.

    Args:
        body: As it came.
        encoding: The header's value.
        limit: Bytes of the opened body; memory stays below twice that whatever the body claims.

    Raises:
        BadBatch: 413 beyond the limit, 415 another coding, 400 when the body is not gzip.
    """
    name = encoding.strip().lower()
    if name in (b"", b"identity"):
        return body
    if name not in _NAMES:
        raise BadBatch("compressed", "send the body plain or with gzip", status=415)
    return _inflated(body, limit)


def _inflated(body: bytes, limit: int) -> bytes:
    """The one member of a gzip file.

    A file may have more of them, which no SDK writes; thousands of empty ones would cost minutes.
    Source: RFC 1952, section 2.2.
    """
    member = zlib.decompressobj(_GZIP)
    parts: list[bytes] = []
    size, rest = 0, body
    while not member.eof:
        try:
            part = member.decompress(rest, _STEP_BYTES)
        except zlib.error:
            raise _damaged() from None
        rest = member.unconsumed_tail
        if not (part or rest or member.eof):
            raise _damaged()
        size += len(part)
        if size > limit:
            raise BadBatch("too_large", f"the body inflates to more than {limit} bytes", status=413)
        parts.append(part)
    if member.unused_data:
        raise _damaged()
    return b"".join(parts)


def _damaged() -> BadBatch:
    return BadBatch("bad_gzip", "the body is not one complete gzip member")

"""Opening compressed bodies: whole, within the limit, and never more memory than that."""

import gzip
import tracemalloc
import zlib

import pytest

from edgeproxy.errors import BadBatch
from edgeproxy.web.inflate import plain_body

LIMIT = 4 * 1024 * 1024
TEXT = b'{"batch":[]}' * 1000


@pytest.mark.parametrize("name", [b"gzip", b"GZIP", b"x-gzip", b" gzip "])
def test_gzip_is_opened(name: bytes) -> None:
    assert plain_body(gzip.compress(TEXT), name, LIMIT) == TEXT


@pytest.mark.parametrize("name", [b"", b"identity", b"Identity"])
def test_a_plain_body_stays_as_it_is(name: bytes) -> None:
    assert plain_body(TEXT, name, 1) is TEXT


def test_a_body_of_exactly_the_limit_is_taken() -> None:
    assert len(plain_body(gzip.compress(bytes(LIMIT)), b"gzip", LIMIT)) == LIMIT
    assert plain_body(gzip.compress(b""), b"gzip", LIMIT) == b""


@pytest.mark.parametrize("name", [b"br", b"deflate", b"zstd", b"gzip, gzip", b"gzip, br", b"\xff"])
def test_other_codings_are_refused(name: bytes) -> None:
    with pytest.raises(BadBatch) as caught:
        plain_body(gzip.compress(TEXT), name, LIMIT)
    assert (caught.value.status, caught.value.code) == (415, "compressed")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x1f\x8b",
        b"hello",
        TEXT,
        gzip.compress(TEXT)[:-1],
        gzip.compress(TEXT)[:-8],
        gzip.compress(TEXT)[:20],
        gzip.compress(TEXT)[:-8] + bytes(8),
        gzip.compress(TEXT) + b"x",
        gzip.compress(TEXT) + gzip.compress(TEXT),
        zlib.compress(TEXT),
        b"\x1f\x8b" + b"0" * 1000,
    ],
    ids=range(12),
)
def test_what_is_not_one_whole_gzip_member_is_refused(body: bytes) -> None:
    with pytest.raises(BadBatch) as caught:
        plain_body(body, b"gzip", LIMIT)
    assert (caught.value.status, caught.value.code) == (400, "bad_gzip")


def test_a_bomb_ends_at_the_limit() -> None:
    """1 MB that would become 1 GB: refused after 4 MB, and never more than that in memory."""
    press = zlib.compressobj(9, wbits=31)
    megabyte = bytes(1024 * 1024)
    bomb = b"".join(press.compress(megabyte) for _ in range(1000)) + press.flush()
    tracemalloc.start()
    try:
        with pytest.raises(BadBatch) as caught:
            plain_body(bomb, b"gzip", LIMIT)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (caught.value.status, caught.value.code) == (413, "too_large")
    assert peak < 2 * LIMIT + 2 * len(bomb)

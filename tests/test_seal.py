"""Sealed boxes: who can open which."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.seal import Sealer

OLD, NEW = (base64.urlsafe_b64encode(byte * 32) for byte in (b"\x01", b"\xfe"))


@given(st.binary(max_size=500))
def test_what_was_sealed_can_be_opened(plain: bytes) -> None:
    sealer = Sealer([OLD, NEW])
    assert sealer.open(sealer.seal(plain)) == plain


def test_a_box_does_not_show_what_is_in_it_nor_that_two_hold_the_same() -> None:
    sealer = Sealer([OLD])
    boxes = {sealer.seal(b"Mozilla/5.0") for _ in range(3)}
    assert len(boxes) == 3
    assert not any(b"Mozilla" in box for box in boxes)


def test_the_newest_key_seals() -> None:
    box = Sealer([OLD, NEW]).seal(b"x")
    assert Sealer([NEW]).open(box) == b"x"
    assert Sealer([OLD]).open(box) is None


def test_an_old_key_opens_until_it_is_removed() -> None:
    box = Sealer([OLD]).seal(b"x")
    assert Sealer([OLD, NEW]).open(box) == b"x"
    assert Sealer([NEW]).open(box) is None


@pytest.mark.parametrize("place", [0, 1, 20, 60, -1])
def test_a_spoilt_box_is_unreadable(place: int) -> None:
    box = bytearray(Sealer([NEW]).seal(b"x" * 40))
    box[place] ^= 0x05
    assert Sealer([NEW]).open(bytes(box)) is None


@given(st.binary(max_size=300))
def test_foreign_bytes_are_unreadable_and_never_an_exception(box: bytes) -> None:
    assert Sealer([NEW]).open(box) is None


@pytest.mark.parametrize("keys", [[], [b"short"], [NEW, b"\xff" * 44]])
def test_unusable_keys_are_refused_at_once(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Sealer(keys)

"""JSON in pieces: nothing is lost, and each kind is told apart."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.admin.tint import tinted

SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=20,
)


@given(VALUES)
def test_the_pieces_are_the_whole_text(value: object) -> None:
    text = "".join(piece for _, piece in tinted(value))
    assert msgspec.json.decode(text) == value


@pytest.mark.parametrize(
    ("value", "kinds"),
    [
        ({"a": "b"}, {"key": '"a"', "text": '"b"'}),
        ({'say "x":': 'a": 1'}, {"key": '"say \\"x\\":"', "text": '"a\\": 1"'}),
        ({"n": -2.5}, {"key": '"n"', "number": "-2.5"}),
        ({"h": "ab" * 32}, {"key": '"h"', "digest": f'"{"ab" * 32}"'}),
        ([True], {"number": "true"}),
    ],
)
def test_each_kind_is_told_apart(value: object, kinds: dict[str, str]) -> None:
    assert {kind: text for kind, text in tinted(value) if kind} == kinds

"""Reading JSON of strangers: half characters are mended, faults are named without an echo."""

import msgspec
import pytest

from edgeproxy.intake.decoding import UNREADABLE, an_object, decoded, why

ANY = msgspec.json.Decoder()
NUMBERS = msgspec.json.Decoder(list[int])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'"\\ud800"', "\ufffd"),
        (b'"a\\udc00b"', "a\ufffdb"),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'"\\\\ud800"', "\\ud800"),
        (b'{"x":"\\uD800\\uD800"}', {"x": "\ufffd\ufffd"}),
    ],
)
def test_half_characters_are_replaced(text: bytes, value: object) -> None:
    assert decoded(ANY, text) == value


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"canary", "it is not valid JSON"),
        (b'["\\ud800', "it is not valid JSON"),
        (b'"\xff"', "it is not UTF-8"),
        (b"[" * 100_000, "it is nested too deeply"),
    ],
)
def test_a_fault_is_named(text: bytes, sentence: str) -> None:
    with pytest.raises(UNREADABLE) as caught:
        decoded(ANY, text)
    assert why(caught.value) == sentence


def test_a_wrong_type_is_named_with_its_place() -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        decoded(NUMBERS, b'[1,"canary"]')
    assert why(caught.value) == "Expected `int`, got `str` - at `$[1]`"


@pytest.mark.parametrize("value", [None, 1, "x", [], [{}], True])
def test_what_is_no_object_is_an_empty_one(value: object) -> None:
    assert an_object(value) == {}
    assert an_object({"a": 1}) == {"a": 1}

"""The bounds of one event, and that the cheap look never lets through what the walk refuses."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.intake.limits import check_properties, check_text
from edgeproxy.intake.raw import Unacceptable


def code(properties: dict[str, Any], *, ascii_only: bool = False) -> str:
    """What an event with these properties is refused for; "" when it passes."""
    text = json.dumps({"name": "a", "properties": properties}, ensure_ascii=ascii_only)
    try:
        check_properties(text.encode(), properties)
    except Unacceptable as no:
        return no.code if no.reason else "no reason"
    return ""


def nested(levels: int, *, of: str) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value] if of == "list" else {"k": value}
    return value


@pytest.mark.parametrize("of", ["list", "object"])
@pytest.mark.parametrize("padding", ["", "x" * 2048])
def test_six_levels_inside_the_properties_are_deep_enough(of: str, padding: str) -> None:
    """The event is level 1, its properties level 2; 8 are allowed."""
    assert code({"k": nested(6, of=of), "p": padding}) == ""
    assert code({"k": nested(7, of=of), "p": padding}) == "too_deep"


def test_many_flat_objects_are_not_deep() -> None:
    assert code({"products": [{"id": str(n)} for n in range(200)]}) == ""


def test_a_bracket_in_a_text_is_not_a_level() -> None:
    assert code({"k": "[" * 100}) == ""


@pytest.mark.parametrize("name", ["products", "anything"])
def test_a_list_has_at_most_two_hundred_entries(name: str) -> None:
    assert code({name: [1] * 200}) == ""
    assert code({name: [1] * 201}) == "too_many_products"
    assert code({"k": {name: [1] * 201}}) == "too_many_products"


def test_many_keys_are_not_many_products() -> None:
    assert code({f"k{n}": 1 for n in range(300)}) == ""


def test_a_text_has_at_most_2048_characters() -> None:
    assert code({"k": "ü" * 2048}) == ""
    assert code({"k": "ü" * 2049}) == "too_long"
    assert code({"k": [{"k": "ü" * 2048}]}) == ""
    assert code({"k": [{"k": "ü" * 2049}]}) == "too_long"


def test_a_key_is_a_text_as_well() -> None:
    assert code({"k" * 2049: 1}) == "too_long"
    assert code({"a": {"k\x00": 1}}) == "control_character"


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize(
    "character", ["\x00", "\x01", "\x08", "\x0b", "\x1b", "\x1f", "\x7f", "\x80", "\x85", "\x9f"]
)
def test_control_characters_are_refused_escaped_or_not(character: str, *, ascii_only: bool) -> None:
    assert code({"k": f"a{character}b"}, ascii_only=ascii_only) == "control_character"


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("text", ["a\tb\r\nc", "no\u00a0break", "\u200d", "é", "😀", "\u2028", "²"])
def test_white_space_and_every_script_are_not_control_characters(
    text: str, *, ascii_only: bool
) -> None:
    assert code({"k": text}, ascii_only=ascii_only) == ""


def test_a_single_text_is_checked_by_the_same_rule() -> None:
    check_text("a\tb")
    for text in ("a\x00", "x" * 2049):
        with pytest.raises(Unacceptable):
            check_text(text)


@pytest.mark.parametrize("value", [None, True, 1, 1.5, "a", [], {}])
def test_a_value_of_any_type_passes(value: object) -> None:
    assert code({"k": value, "p": "\\" * 2048}) == ""


texts = st.text(st.characters(codec="utf-8"), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(texts, inside, max_size=3),
    max_leaves=15,
)


@given(st.dictionaries(texts, values, max_size=4), st.booleans())
def test_the_cheap_look_and_the_walk_agree(properties: dict[str, Any], ascii_only: bool) -> None:
    """A backslash behind the event makes the walk happen; it must find nothing new."""
    text = json.dumps({"name": "a", "properties": properties}, ensure_ascii=ascii_only).encode()
    passed: list[bytes] = []
    for raw in (text, text + b"\\"):
        with suppress(Unacceptable):
            check_properties(raw, properties)
            passed.append(raw)
    assert len(passed) != 1

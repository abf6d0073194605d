"""The bounds of one event: what the JSON decoder lets through and no store or wire may see."""

from collections.abc import Mapping
from typing import Any

from edgeproxy.intake.raw import Unacceptable

EVENT_BYTES = 16 * 1024
DEPTH = 8
STRING_CHARS = 2048
PRODUCTS = 200


def check_properties(raw: bytes, properties: Mapping[str, Any]) -> None:
    """Refuse an event whose properties are too deep, too long, or hold control characters.

    Args:
        raw: The event's JSON text.
        properties: The same, decoded.

    Raises:
        Unacceptable: `too_deep`, `too_long`, `control_character`, `too_many_products`.
    """
    if not harmless(raw, depth=DEPTH):
        _walk(properties, 2)


def harmless(raw: bytes, *, depth: int) -> bool:
    """Whether a cheap look at a JSON text proves that it keeps the bounds; most do.

    One without a backslash has no escaped control character, one with few brackets is not deep, a
    short one has no long text or list.
    """
    return (
        len(raw) <= STRING_CHARS
        and b"\\" not in raw
        and b"\x7f" not in raw
        and b"\xc2" not in raw
        and raw.count(b"{") + raw.count(b"[") <= depth
        and raw.count(b",") <= PRODUCTS
    )


def _walk(value: object, depth: int) -> None:
    if isinstance(value, str):
        check_text(value)
    elif isinstance(value, (dict, list)):
        _walk_inside(value, depth)


def _walk_inside(value: dict[str, Any] | list[Any], depth: int) -> None:
    if depth > DEPTH:
        raise Unacceptable("too_deep", f"the event is nested deeper than {DEPTH} levels")
    if isinstance(value, dict):
        for key in value:
            check_text(key)
        inside = list(value.values())
    else:
        if len(value) > PRODUCTS:
            raise Unacceptable("too_many_products", f"a list has more than {PRODUCTS} entries")
        inside = value
    for one in inside:
        _walk(one, depth + 1)


def check_text(text: str) -> None:
    """Refuse a text that is too long or holds control characters other than white space."""
    if len(text) > STRING_CHARS:
        raise Unacceptable("too_long", f"a text is longer than {STRING_CHARS} characters")
    if not text.isprintable() and any(_is_control(character) for character in text):
        raise Unacceptable("control_character", "a text holds a control character")


def _is_control(character: str) -> bool:
    return (character < " " and character not in "\t\n\r") or "\x7f" <= character <= "\x9f"

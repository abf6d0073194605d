"""Reading a JSON object field by field: every fault at once, each with what would do."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from edgeproxy.site_rules import closest

Fault = tuple[str, str]
"""(field, sentence that continues its name)."""

Read = Callable[[Any], Any]
"""Gives the normal form, or raises ValueError with a sentence that continues the field's name."""

_KEY_MAX_CHARS = 60
_TEXT_MAX_CHARS = 4096


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """What one field takes.

    `default` is what a missing one means; `required` ones have none. `schema` is its JSON Schema.
    """

    read: Read
    default: Any = None
    required: bool = False
    about: str = ""
    schema: dict[str, Any] = {}


Fields = Mapping[str, Field]


class Filled(msgspec.Struct, frozen=True):
    """The values of all fields that could be read, defaults included, and the faults."""

    values: dict[str, Any]
    faults: list[Fault]


def filled(
    given: Mapping[str, Any],
    fields: Fields,
    place: str = "",
    other: Sequence[str] = (),
    also: Sequence[str] = (),
) -> Filled:
    """Read what was given.

    Args:
        given: A JSON object; null means not given.
        fields: What is known here.
        place: Put before each name in a fault ("config.").
        other: Whole names of fields that stand elsewhere, for suggestions.
        also: Names that may stand here and are read by somebody else.
    """
    names = (*fields, *also)
    values: dict[str, Any] = {}
    faults: list[Fault] = []
    for name in given:
        if name not in fields:
            faults.append((place + _printable(name), _unknown(name, names, place, other)))
    for name, field in fields.items():
        value = given.get(name)
        if value is None:
            if field.required:
                faults.append((place + name, "is not set"))
            values[name] = field.default
            continue
        try:
            values[name] = field.read(value)
        except ValueError as error:
            faults.append((place + name, str(error)))
    return Filled(values, faults)


def schema(fields: Fields) -> dict[str, Any]:
    """The JSON Schema of an object with these fields; null stands for the default of one."""
    properties = {
        name: {
            **(field.schema if field.required else {"anyOf": [field.schema, {"type": "null"}]}),
            **({"description": field.about} if field.about else {}),
        }
        for name, field in fields.items()
    }
    required = [name for name, field in fields.items() if field.required]
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        **({"required": required} if required else {}),
    }


def text(rule: Callable[[str], Any] = str, *, blank: bool = True) -> Read:
    """A text, trimmed, under a rule."""

    def read(value: Any) -> Any:
        if not isinstance(value, str):
            raise ValueError("must be a text")
        if len(value) > _TEXT_MAX_CHARS:
            raise ValueError(f"is longer than {_TEXT_MAX_CHARS} characters")
        if not (trimmed := value.strip()).isprintable():
            raise ValueError("must be printable")
        if not blank and not trimmed:
            raise ValueError("is empty")
        return rule(trimmed)

    return read


def flag(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def one_of(*words: str) -> Read:
    """One of some words, in any letter case."""

    def rule(value: str) -> str:
        if value.lower() not in words:
            raise ValueError(
                f"must be one of {', '.join(words)}" if words[1:] else f"is {words[0]}"
            )
        return value.lower()

    return text(rule)


def whole(low: int, high: int) -> Read:
    """A whole number within bounds."""

    def read(value: Any) -> int:
        whole_float = isinstance(value, float) and value.is_integer()
        if isinstance(value, bool) or not (isinstance(value, int) or whole_float):
            raise ValueError(f"must be a whole number from {low} to {high}")
        if not low <= value <= high:
            raise ValueError(f"must be from {low} to {high}")
        return int(value)

    return read


def real(above: float, high: float) -> Read:
    """A number more than one bound and at most the other."""

    def read(value: Any) -> float:
        number = not isinstance(value, bool) and isinstance(value, int | float)
        if not number or not above < value <= high:
            raise ValueError(f"must be a number, more than {above:g} and at most {high:g}")
        return float(value)

    return read


def texts(rule: Callable[[str], Any] = str, *, least: int = 0, most: int = 200) -> Read:
    """A list of texts under a rule, each once."""
    one = text(rule, blank=False)

    def read(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise ValueError("must be a list of texts")
        if not least <= len(value) <= most:
            raise ValueError(f"must have {least} to {most} members")
        return tuple(dict.fromkeys(_member(one, number, each) for number, each in enumerate(value)))

    return read


def table(name: Callable[[str], Any], members: Read, *, most: int = 200) -> Read:
    """An object of texts: each name has one text or a list of them."""
    own = text(name, blank=False)

    def read(value: Any) -> dict[Any, Any]:
        if not isinstance(value, Mapping):
            raise ValueError("must be an object")
        if len(value) > most:
            raise ValueError(f"must have at most {most} names")
        found = {}
        for key, one in value.items():
            try:
                found[own(key)] = members([one] if isinstance(one, str) else one)
            except ValueError as error:
                raise ValueError(f"[{_printable(key)}] {error}") from None
        return found

    return read


def _member(read: Read, number: int, value: Any) -> Any:
    try:
        return read(value)
    except ValueError as error:
        raise ValueError(f"[{number}] {error}") from None


def _printable(key: str) -> str:
    return (key if key.isprintable() else ascii(key))[:_KEY_MAX_CHARS]


def _unknown(name: str, here: Sequence[str], place: str, other: Sequence[str]) -> str:
    if meant := closest(name[:_KEY_MAX_CHARS], here):
        return f"is not known; did you mean {place}{meant}?"
    elsewhere = [one for one in other if one.rpartition(".")[2] == name]
    if elsewhere:
        return f"is not known here; did you mean {elsewhere[0]}?"
    return f"is not known; known here: {', '.join(here)}"

"""Reading an object field by field: every fault at once, and what was probably meant."""

from typing import Any

import pytest

from edgeproxy.roster import fields
from edgeproxy.roster.fields import Field, Fields, filled, schema

KNOWN: Fields = {
    "id": Field(read=fields.text(), required=True, about="Its name."),
    "count": Field(read=fields.whole(1, 10), default=5, schema={"type": "integer"}),
    "on": Field(read=fields.flag, default=True),
}


def test_what_is_missing_or_null_is_the_default() -> None:
    found = filled({"id": " a ", "count": None}, KNOWN)
    assert found.values == {"id": "a", "count": 5, "on": True}
    assert found.faults == []


def test_every_fault_is_told_at_once_with_its_place() -> None:
    found = filled(
        {"cuont": 3, "on": 1, "pixel": "x", "\x00" * 99: 1}, KNOWN, "config.", ("pixel",)
    )
    assert dict(found.faults) == {
        "config.cuont": "is not known; did you mean config.count?",
        "config.on": "must be true or false",
        "config.pixel": "is not known here; did you mean pixel?",
        f"config.{ascii(chr(0) * 99)[:60]}": "is not known; known here: id, count, on",
        "config.id": "is not set",
    }
    assert found.values == {"id": None, "count": 5}


@pytest.mark.parametrize(
    ("read", "value", "normal"),
    [
        (fields.text(), " é ", "é"),
        (fields.one_of("v2", "v3"), "V3", "v3"),
        (fields.whole(0, 5), 5, 5),
        (fields.whole(0, 5), 5.0, 5),
        (fields.real(0, 2), 2, 2.0),
        (fields.real(0, 2), 0.5, 0.5),
        (fields.texts(), ["b", "a", "b"], ("b", "a")),
        (fields.texts(str.upper), [" a "], ("A",)),
        (
            fields.table(str, fields.texts()),
            {"Quiz": "a", "Tour": ["b"]},
            {"Quiz": ("a",), "Tour": ("b",)},
        ),
    ],
)
def test_the_normal_form(read: fields.Read, value: Any, normal: Any) -> None:
    assert read(value) == normal


@pytest.mark.parametrize(
    ("read", "value", "said"),
    [
        (fields.text(), 3, "must be a text"),
        (fields.text(), "a\x00b", "printable"),
        (fields.text(), "\ud800", "printable"),
        (fields.text(), "x" * 4097, "longer than 4096"),
        (fields.text(blank=False), "  ", "is empty"),
        (fields.one_of("v2", "v3"), "v4", "one of v2, v3"),
        (fields.one_of("snapchat"), "meta", "is snapchat"),
        (fields.flag, "yes", "true or false"),
        (fields.whole(0, 5), 6, "from 0 to 5"),
        (fields.whole(0, 5), 1.5, "whole number"),
        (fields.whole(0, 5), True, "whole number"),
        (fields.whole(0, 5), 10**400, "from 0 to 5"),
        (fields.whole(0, 5), 1e308 * 10, "whole number"),
        (fields.real(0, 2), 0, "more than 0"),
        (fields.real(0, 2), True, "must be a number"),
        (fields.real(0, 2), "1", "must be a number"),
        (fields.real(0, 2), 10**400, "at most 2"),
        (fields.texts(), "a", "list of texts"),
        (fields.texts(least=1), [], "1 to 200"),
        (fields.texts(most=2), ["a", "b", "c"], "0 to 2"),
        (fields.texts(), ["a", 1], r"\[1\] must be a text"),
        (fields.table(str, fields.texts()), [], "an object"),
        (fields.table(str, fields.texts()), {"a": 1}, r"\[a\] must be a list"),
        (fields.table(str, fields.texts(), most=1), {"a": "x", "b": "x"}, "at most 1"),
        (fields.table(str, fields.texts()), {" ": "x"}, "is empty"),
    ],
)
def test_what_is_wrong_is_a_sentence(read: fields.Read, value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read(value)


def test_the_schema_says_the_same() -> None:
    assert schema(KNOWN) == {
        "type": "object",
        "properties": {
            "id": {"description": "Its name."},
            "count": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "on": {"anyOf": [{}, {"type": "null"}]},
        },
        "additionalProperties": False,
        "required": ["id"],
    }
    assert "required" not in schema({"on": KNOWN["on"]})

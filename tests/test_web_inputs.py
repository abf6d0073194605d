"""Queries, forms and bodies: what is read, and how a fault is named without an echo."""

from typing import Annotated, Any, Literal

import msgspec
import pytest

from edgeproxy.errors import Refused
from edgeproxy.web import inputs

CANARY = "zebra-canary"


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A query of the tests."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=500)] = 100
    text: str = ""
    kind: Literal["a", "b"] | None = None
    ids: tuple[int, ...] = ()
    on: bool = False


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a body."""

    size: int


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A body of the tests."""

    name: str
    parts: list[Part] = []


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """A form of the tests."""

    name: str = "default"
    count: int | None = None
    on: bool = False


def refused(work: Any, *given: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        work(*given)
    assert CANARY not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        (b"", Query()),
        (b"limit=7&text=caf%C3%A9+x", Query(limit=7, text="café x")),
        (b"limit=&kind=", Query()),
        (b"ids=1&ids=2&kind=b&on=true", Query(ids=(1, 2), kind="b", on=True)),
        (b"limit=1&limit=2", Query(limit=2)),
    ],
)
def test_a_query_is_read(raw: bytes, read: Query) -> None:
    assert inputs.query(raw, Query) == read


def test_a_route_without_a_query_reads_none() -> None:
    assert inputs.query(b"anything=1", None) is None


@pytest.mark.parametrize(
    ("raw", "status", "sentence"),
    [
        (f"limit={CANARY}".encode(), 422, "limit: expected `int`, got `str`"),
        (b"limit=0", 422, "limit: expected `int` >= 1"),
        (f"kind={CANARY}".encode(), 422, "kind has a value that is not allowed"),
        (f"{CANARY}=1".encode(), 422, "the query has a field that is not known; known are limit"),
        (f"text={CANARY}%00".encode(), 422, "a character that no text of ours has"),
        (b"text=%ff", 400, "cannot be read"),
        (b"text=\xff", 400, "cannot be read"),
        (b"&".join(b"ids=1" for _ in range(2100)), 414, "too long"),
        (b"text=" + b"x" * 9000, 414, "too long"),
    ],
)
def test_a_query_s_fault_is_named(raw: bytes, status: int, sentence: str) -> None:
    error = refused(inputs.query, raw, Query)
    assert error.status == status
    assert sentence in error.message


def test_a_form_keeps_texts_that_were_emptied_and_no_other_blanks() -> None:
    read = inputs.form(b"name=&count=&csrf=x&stranger=1", Form)
    assert read == Form(name="", count=None)
    assert inputs.form(b"count=7&on=true", Form) == Form(count=7, on=True)


def test_a_form_s_fault_is_named() -> None:
    error = refused(inputs.form, f"count={CANARY}".encode(), Form)
    assert (error.status, error.code) == (422, "bad_form")
    assert "count" in error.message
    assert refused(inputs.form, b"a=1&" * 2500, Form).status == 400


def test_of_a_form_secrets_are_not_shown_again() -> None:
    raw = b"name=x&access_token=a&csrf=b&client_secret=c&write_key=d&email=e&Phone=1&phone=2"
    assert inputs.harmless(raw) == {"name": "x", "Phone": "1"}
    assert inputs.field(raw, "csrf") == "b"
    assert inputs.field(raw, "missing") == ""


@pytest.mark.parametrize(
    "kind",
    [
        b"",
        b"application/json",
        b"Application/JSON; charset=utf-8",
        b"application/merge-patch+json",
    ],
)
def test_a_body_is_read(kind: bytes) -> None:
    read = inputs.json(b'{"name": "x", "parts": [{"size": 1}]}', Body, kind)
    assert read == Body(name="x", parts=[Part(size=1)])


@pytest.mark.parametrize(
    ("raw", "status", "sentence"),
    [
        (b"", 400, "no JSON"),
        (b"{", 400, "no JSON"),
        (b"\xff", 400, "no JSON"),
        (b"[" * 5000, 422, "expected `object`"),
        (b'{"name": "' + b"\xed\xa0\x80" + b'"}', 400, "no JSON"),
        (b"[]", 422, "the body: expected `object`, got `array`"),
        (b"{}", 422, "the body: object missing required field `name`"),
        (f'{{"name": "x", "{CANARY}": 1}}'.encode(), 422, "known are name, parts"),
        (b'{"name": 1}', 422, "name: expected `str`, got `int`"),
        (f'{{"name": "x", "parts": [{{"size": "{CANARY}"}}]}}'.encode(), 422, "parts[0].size: "),
    ],
)
def test_a_body_s_fault_is_named(raw: bytes, status: int, sentence: str) -> None:
    error = refused(inputs.json, raw, Body, b"application/json")
    assert error.status == status
    assert sentence in error.message


def test_a_deep_body_of_any_shape_is_refused() -> None:
    assert refused(inputs.json, b"[" * 100_000, list[Any], b"").status == 400


def test_a_list_of_things_names_no_fields() -> None:
    error = refused(inputs.json, f'[{{"{CANARY}": 1}}]'.encode(), list[Body], b"")
    assert error.status == 422


@pytest.mark.parametrize("kind", [b"text/plain", b"application/x-www-form-urlencoded", b"x"])
def test_what_says_that_it_is_no_json_is_not_read(kind: bytes) -> None:
    error = refused(inputs.json, b"{}", Body, kind)
    assert (error.status, error.code) == (415, "not_json")

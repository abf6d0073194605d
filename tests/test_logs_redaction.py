"""Redaction: what may never stand in a line, however it got there."""

import uuid
from decimal import Decimal
from pathlib import Path

import pytest

from edgeproxy.logs.failure import tell_failure
from edgeproxy.logs.redaction import FIELD_MAX_BYTES, HIDDEN_FIELDS, MASK, mask, redact
from edgeproxy.sites import Secret

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl"


def clean(**fields: object) -> dict[str, object]:
    return dict(redact(None, "info", dict(fields)))


@pytest.mark.parametrize("name", sorted(HIDDEN_FIELDS))
@pytest.mark.parametrize("spell", [str.lower, str.upper, lambda name: "_" + name.replace("_", "-")])
def test_a_field_with_a_sensitive_name_is_never_written(name: str, spell: object) -> None:
    assert callable(spell)
    assert clean(**{spell(name): "plain-canary"}) == {spell(name): MASK}
    assert clean(data={"in": [{spell(name): "plain-canary"}]}) == {
        "data": {"in": [{spell(name): MASK}]}
    }


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (f"token was {TOKEN}, sorry", f"token was {MASK}, sorry"),
        (f"cut {TOKEN[:24]}", f"cut {MASK}"),
        ("Authorization: Bearer plain-canary", f"Authorization: Bearer {MASK}"),
        ("authorization=plain-canary", f"authorization={MASK}"),
        (
            "POST /v3/1/events?access_token=plain-canary&x=1",
            f"POST /v3/1/events?access_token={MASK}&x=1",
        ),
        ('{"access_token": "plain-canary"}', f'{{"access_token": {MASK}"}}'),
        ("basic cGxhaW46Y2FuYXJ5", f"basic {MASK}"),
        (
            "https://tr.snapchat.com/v3/1/events?access_token=x",
            f"https://tr.snapchat.com/v3/1/events?{MASK}",
        ),
        ("see https://www.example.com/thanks#jane", f"see https://www.example.com/thanks?{MASK}"),
        ("from Jane <jane@example.com>", f"from Jane <{MASK}>"),
        ("jane%40example.com bought", f"{MASK} bought"),
        ("postgresql://edge:plain-canary@db/edge", f"postgresql://edge:{MASK}/edge"),
        ("call +1 (555) 123-4567 now", f"call {MASK} now"),
        ("peer 203.0.113.9:4711 left", f"peer {MASK}:4711 left"),
        ("raddr=('2001:db8::17', 443)", f"raddr=('{MASK}', 443)"),
        ("ScCid=plain-canary", f"ScCid={MASK}"),
        ("cookie _scid=plain-canary; x", f"cookie _scid={MASK}; x"),
    ],
)
def test_what_looks_like_a_secret_or_a_person_is_masked(text: str, written: str) -> None:
    assert mask(text) == written
    assert clean(message=text)["message"] == written


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:8000/readyz",
        "0.0.0.0:8000",
        "10.1.2.3 192.168.0.1 172.16.9.9 169.254.1.1",
        "ORD-001 of 2026-11-21T19:46:00Z took 12.5 ms",
        "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9",
        "8f5e0c3e-6f0d-4c8e-9c56-0c8d5a6f7e11",
        "prix 12 €, größer",
    ],
)
def test_ordinary_texts_stay_as_they_are(text: str) -> None:
    assert mask(text) == text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a\nlevel=info forged\r\n", "a\\nlevel=info forged\\r\\n"),
        ("\x1b[31mred\x00\x7f\x9b", "\\x1b[31mred\\x00\\x7f\\x9b"),
        ("left\u202eright\u2028next", "left\\u202eright\\u2028next"),
        ("half \ud800 pair", "half \\ud800 pair"),
    ],
)
def test_control_characters_are_escaped(text: str, written: str) -> None:
    assert mask(text) == written


@pytest.mark.parametrize("letter", ["x", "é", "€", "😀", "\n", "\x00"])
def test_a_megabyte_becomes_two_kilobytes(letter: str) -> None:
    written = mask(letter * 1_000_000)
    assert FIELD_MAX_BYTES - 8 <= len(written.encode()) <= FIELD_MAX_BYTES
    assert written.endswith("…")


def test_a_large_collection_is_cut_like_a_text() -> None:
    written = clean(rows=[{"n": index, "text": "x" * 200} for index in range(40)])["rows"]
    assert isinstance(written, str)
    assert len(written.encode()) <= FIELD_MAX_BYTES
    assert clean(rows=list(range(1000)))["rows"] == list(range(50))
    assert clean(rows={str(n): n for n in range(1000)})["rows"] == {str(n): n for n in range(50)}


def test_a_deep_value_is_cut() -> None:
    assert clean(deep=[[[[[["x"]]]]]]) == {"deep": [[[["…"]]]]}


def test_secrets_hide_in_the_names_of_members_too() -> None:
    assert clean(data={"jane@example.com": 1}) == {"data": {MASK: 1}}


def test_values_of_every_kind_become_plain() -> None:
    identifier = uuid.UUID(int=7)
    assert clean(
        none=None,
        yes=True,
        count=3,
        huge=10**5000,
        least=-(2**63),
        ratio=0.5,
        raw=b"plain-canary",
        money=Decimal("12.50"),
        place=Path("/x"),
        ident=identifier,
        hidden=Secret("plain-canary"),
        names={"one"},
        pair=(1, "b"),
        failure=ValueError("Bearer plain-canary"),
    ) == {
        "none": None,
        "yes": True,
        "count": 3,
        "huge": "an integer of more than 64 bits",
        "least": -(2**63),
        "ratio": 0.5,
        "raw": "12 bytes",
        "money": "12.50",
        "place": "/x",
        "ident": str(identifier),
        "hidden": "Secret(••••)",
        "names": ["one"],
        "pair": [1, "b"],
        "failure": f"Bearer {MASK}",
    }


def failing() -> None:
    local_canary = "plain-canary"
    try:
        raise KeyError("inner")
    except KeyError as error:
        raise ValueError(f"outer {len(local_canary)}") from error


def told(failure: BaseException | bool) -> dict[str, object]:
    return dict(tell_failure(None, "error", {"event": "x", "exc_info": failure}))


def test_a_failure_is_told_with_places_and_without_values() -> None:
    with pytest.raises(ValueError, match="outer") as caught:
        failing()
    fields = told(caught.value)
    assert fields["error"] == "ValueError: outer 12"
    trace = fields["trace"]
    assert isinstance(trace, list)
    assert len(trace) == 2
    assert trace[0].startswith("ValueError: outer 12 at tests/test_logs_redaction.py:")
    assert " failing < tests/test_logs_redaction.py:" in trace[0]
    assert trace[1].startswith("KeyError: 'inner' at tests/test_logs_redaction.py:")
    assert "canary" not in str(fields)


def test_a_group_tells_each_of_its_failures_once() -> None:
    shared = ValueError("shared")
    group = ExceptionGroup(
        "two tasks", [shared, ExceptionGroup("inner", [OSError(28, "full"), shared])]
    )
    assert told(group)["trace"] == [
        "ExceptionGroup: two tasks (2 sub-exceptions) at no known place",
        "ValueError: shared at no known place",
        "ExceptionGroup: inner (2 sub-exceptions) at no known place",
        "OSError: [Errno 28] full at no known place",
    ]


def test_a_suppressed_context_is_not_told() -> None:
    failure = ValueError("seen")
    failure.__context__ = KeyError("hidden")
    failure.__suppress_context__ = True
    assert told(failure)["trace"] == ["ValueError: seen at no known place"]


def test_a_long_chain_of_causes_is_cut() -> None:
    failure: Exception = ValueError("0")
    for number in range(1, 40):
        failure, failure.__context__ = ValueError(str(number)), failure
    lines = told(failure)["trace"]
    assert isinstance(lines, list)
    assert len(lines) <= 12


def test_no_current_failure_is_no_field() -> None:
    assert told(True) == {"event": "x"}

"""JSON for people: nothing is lost but the middle of a digest."""

from edgeproxy.demo.tint import tinted

DIGEST = "8c87b489ce35cf2e2f39f80e282cb2e804932a56a213983eeeb428407d43b52d"


def text_of(value: dict[str, object]) -> str:
    return "\n".join("".join(piece.characters for piece in line) for line in tinted(value))


def test_lines_and_kinds() -> None:
    lines = tinted({"a": 'x" : 1', "n": -1.5, "yes": True, "none": None})
    kinds = [[(piece.kind, piece.characters) for piece in line if piece.kind] for line in lines]
    assert kinds == [
        [],
        [("key", '"a"'), ("text", '"x\\" : 1"')],
        [("key", '"n"'), ("number", "-1.5")],
        [("key", '"yes"'), ("number", "true")],
        [("key", '"none"'), ("number", "null")],
        [],
    ]


def test_what_is_shown_is_the_json() -> None:
    assert text_of({"a": ["x", 1], "ü": {}}) == '{\n  "a": [\n    "x",\n    1\n  ],\n  "ü": {}\n}'


def test_a_digest_is_shortened_and_kept_whole_beside_it() -> None:
    [digest] = [piece for piece in tinted({"hashed_email": DIGEST})[1] if piece.whole]
    assert digest.characters == '"8c87b489…b52d"'
    assert digest.whole == DIGEST


def test_a_mask_is_marked() -> None:
    assert [piece.kind for piece in tinted({"user_agent": "••••"})[1] if piece.kind] == [
        "key",
        "mask",
    ]


def test_nothing_has_no_lines() -> None:
    assert tinted({}) == []

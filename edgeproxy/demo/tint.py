"""JSON for people: lines of coloured pieces, digests shortened in their middle."""

import re
from collections.abc import Iterator, Mapping

import msgspec

_DIGEST = re.compile(r'"([0-9a-f]{64})"')
_PIECE = re.compile(r'("(?:\\.|[^"\\])*")(\s*:)?|(-?\d[\d.eE+-]*|true|false|null)|([^"\d\w-]+|.)')


class Piece(msgspec.Struct, frozen=True):
    """Some characters of one kind: "key", "text", "number", "digest", "mask" or "".

    `whole` is the digest that the characters stand for, else "".
    """

    kind: str
    characters: str
    whole: str = ""


Lines = list[list[Piece]]


def tinted(value: Mapping[str, object]) -> Lines:
    """A JSON object line by line; [] for an empty one."""
    if not value:
        return []
    pretty = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    return [list(_pieces(line)) for line in pretty.splitlines()]


def _pieces(line: str) -> Iterator[Piece]:
    for match in _PIECE.finditer(line):
        quoted, colon, plain, _ = match.groups()
        if quoted and colon:
            yield Piece("key", quoted)
            yield Piece("", colon)
        elif quoted:
            yield _text(quoted)
        else:
            yield Piece("number" if plain else "", match.group())


def _text(quoted: str) -> Piece:
    digest = _DIGEST.fullmatch(quoted)
    if digest is None:
        return Piece("mask" if quoted == '"••••"' else "text", quoted)
    whole = digest[1]
    return Piece("digest", f'"{whole[:8]}…{whole[-4:]}"', whole)

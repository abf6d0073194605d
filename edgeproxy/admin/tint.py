"""JSON as people read it: indented, and cut into pieces that a page may colour. Pure."""

import re
from typing import Any

import msgspec

Pieces = tuple[tuple[str, str], ...]
"""(kind, text) in order; kind is "key", "digest", "text", "number", or "" for what is between."""

_PIECE = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*"(?=:))|(?P<digest>"[0-9a-f]{64}")|'
    r'(?P<text>"(?:[^"\\]|\\.)*")|(?P<number>[-\w.+]+)|[^"\w-]+'
)


def tinted(value: Any) -> Pieces:
    """A value as indented JSON, in pieces; joined they are the whole text."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    return tuple((found.lastgroup or "", found.group()) for found in _PIECE.finditer(text))

"""JSON objects from strangers: read, or refused with a sentence that repeats nothing of them."""

import re
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Everything that decoding can raise."""

_HALVES = re.compile(rb"\\\\|\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u[dD][89a-fA-F]..")


def decoded(decoder: "msgspec.json.Decoder[T]", text: bytes) -> T:
    """The value; half characters, written for a text cut inside of one, are replaced.

    Source: ECMAScript, well-formed JSON.stringify, and Python's json: a lone surrogate becomes its
    escape, which stands for no text.

    Raises:
        msgspec.DecodeError, UnicodeDecodeError, RecursionError: `UNREADABLE`.
    """
    try:
        return decoder.decode(text)
    except msgspec.DecodeError:
        mended = _HALVES.sub(_mend, text)
        if mended == text:
            raise
        return decoder.decode(mended)


def _mend(found: re.Match[bytes]) -> bytes:
    return b"\\ufffd" if len(found.group()) == 6 else found.group()


def why(error: Exception) -> str:
    """What is wrong with a text, without repeating it."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    if isinstance(error, msgspec.ValidationError):
        return str(error)
    return "it is not valid JSON"


def an_object(value: object) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}

"""Looking for a text in all that a store holds, a slice at a time; the same in each engine."""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from edgeproxy.store.base import VISITORS_MAX

TABLES = ("identity", "outbox", "dead")
"""Where visitors have something."""

SLICE_ROWS = 20_000
"""So many rows are looked at in one go: a reader that lasts is in the way of others."""

_PLAIN = re.compile(r"[A-Za-z0-9._~-]{1,256}")

Slice = tuple[Sequence[bytes], Any]
"""The visitors found in a slice, and where the next one begins: None after the last."""

Look = Callable[[str, Any, bytes], Awaitable[Slice]]
"""Looks through a slice: the table, what the slice before ended with (None at first), the text."""


async def visitors_with(look: Look, trait: str, value: str) -> list[bytes]:
    """See `Store.visitors_with`; `look` is the engine's."""
    text = needle(trait, value)
    found: dict[bytes, None] = {}
    for table in TABLES:
        after: Any = None
        while len(found) < VISITORS_MAX:
            visitors, after = await look(table, after, text)
            found |= dict.fromkeys(bytes(one) for one in visitors if one)
            if after is None:
                break
    return list(found)[:VISITORS_MAX]


def needle(trait: str, value: str) -> bytes:
    """A member of a JSON object as it was stored: without blanks, in one way only.

    Inside of a JSON text the quotes would be escaped, so it is found as a member or not at all.

    Raises:
        ValueError: It is no plain text.
    """
    if not (_PLAIN.fullmatch(trait) and _PLAIN.fullmatch(value)):
        raise ValueError("only plain texts can be looked for")
    return f'"{trait}":"{value}"'.encode()

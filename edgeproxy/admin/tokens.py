"""Tokens that are made at run time: their text, their record, their making.

The text carries the id of its record in front, so that one read finds it; the rest are 32 random
bytes, which nobody guesses. The record has the text's digest only.
"""

import re
from typing import Literal

import msgspec

from edgeproxy.keys import token_digest
from edgeproxy.store.office import Change, Office

KIND = "token"
PREFIX = "edp"

Power = Literal["viewer", "admin"]

_SHAPE = re.compile(rf"{PREFIX}_([0-9a-z]{{8}})_[A-Za-z0-9_-]{{43}}")


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token's record. `name` says what it is for."""

    name: str
    role: Power
    digest: str
    made_ms: int
    made_by: str = ""


def id_in(text: str) -> str | None:
    """The id of the record that a text names, or None when it is no token of ours."""
    shape = _SHAPE.fullmatch(text)
    return None if shape is None else shape[1]


async def mint(
    office: Office, *, name: str, role: Power, by: str, new_id: str, secret: str, now_ms: int
) -> tuple[str, str]:
    """Make a token durable; its id, and its text, which is known nowhere else.

    Args:
        office: Where its record goes.
        name: What it is for.
        role: What it may do.
        by: Who makes it.
        new_id: A UUID to take the id from.
        secret: 32 random bytes as 43 URL-safe characters.
        now_ms: The wall clock.
    """
    id = new_id.replace("-", "")[:8]
    text = f"{PREFIX}_{id}_{secret}"
    token = Token(name=name, role=role, digest=token_digest(text), made_ms=now_ms, made_by=by)
    detail = f"role {role}, for {name}"
    change = Change(who=by, action="create", kind=KIND, id=id, detail=detail)
    await office.put(KIND, id, msgspec.json.encode(token), expect=0, change=change)
    return id, text


async def read_token(office: Office, id: str) -> Token | None:
    """A token's record, or None."""
    record = await office.record(KIND, id)
    return None if record is None else msgspec.json.decode(record.body, type=Token)

"""A request and its answer, as the sandbox knows them: without HTTP."""

import hashlib
from typing import Literal

import msgspec

from edgeproxy.sandbox.script import Answer


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a request that matter; `asset` is the one of the path or query, "" for none.

    `token` is the bearer (v2) or `access_token` (v3), `stray` a token where it does not belong.
    """

    method: str
    path: str
    dialect: Literal["v2", "v3"]
    endpoint: Literal["live", "validate", "logs", "stats", "none"]
    asset: str = ""
    token: str = ""
    stray: bool = False
    body: bytes = b""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What to answer, and the script's entry that says how, if any."""

    status: int
    body: bytes
    by: Answer | None = None


def fingerprint(token: str) -> str:
    """A token's name in the records; "" for none. Twelve hex digits tell nothing of the token."""
    return hashlib.sha256(token.encode()).hexdigest()[:12] if token else ""

"""What people make at run time, durable in the store: sources, integrations, tokens, sessions.

A record is opaque bytes under a kind and an id. Each change of one can carry a line of the audit
log, written in the same transaction, so that nothing changes without its line.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from edgeproxy.errors import Conflict

WATCHED = ("source", "integration")
"""The kinds whose changes every process wants to hear of: see `Office.edition`."""

AUDIT_LINES = 100_000
"""So many lines are kept, the newest."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One record. `version` counts its changes from 1; `changed_ms` is Unix ms."""

    kind: str
    id: str
    body: bytes
    version: int
    changed_ms: int


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the audit log.

    Attributes:
        who: Who did it, as people know them.
        action: What was done, one word such as "create".
        kind: Of the record that it was done to.
        id: Of that record.
        detail: A sentence for people, without secrets.
        at_ms: When, by the store's clock; the store sets it.
        number: Its place in the log; the store sets it.
    """

    who: str
    action: str
    kind: str
    id: str
    detail: str = ""
    at_ms: int = 0
    number: int = 0


class Office(Protocol):
    """Records and the audit log. All methods raise `StoreBusy` when the engine cannot answer."""

    async def records(self, kind: str) -> Sequence[Record]:
        """All records of a kind, by id."""
        ...

    async def record(self, kind: str, id: str) -> Record | None:
        """One record, or None."""
        ...

    async def put(
        self,
        kind: str,
        id: str,
        body: bytes | None,
        *,
        expect: int | None = None,
        change: Change | None = None,
    ) -> int:
        """Write or delete a record; durable, with its audit line, when this returns.

        Args:
            kind: Of the record.
            id: Of the record.
            body: What it shall hold; None deletes it.
            expect: The version that it must have now, 0 when it must not exist; None for any.
            change: The audit line.

        Returns:
            The new version; 0 when it was deleted, or was not there to be deleted.

        Raises:
            Conflict: It has another version than expected; nothing was written.
        """
        ...

    async def note(self, change: Change) -> None:
        """Write an audit line about something that is no record."""
        ...

    async def edition(self) -> int:
        """A number that grows with every change of the kinds in `WATCHED`. Cheap to ask for."""
        ...

    async def changes(self, *, before: int | None = None, limit: int = 100) -> Sequence[Change]:
        """The newest lines of the audit log first; `before` a number, for the next page."""
        ...


def conflict() -> Conflict:
    """The record was changed, made or deleted by somebody else in between."""
    return Conflict("conflict", "it was changed in between; look at it again, then repeat")

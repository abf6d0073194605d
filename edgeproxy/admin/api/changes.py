"""The audit log: who changed what, and when."""

from typing import Annotated

import msgspec

from edgeproxy.store.office import Change
from edgeproxy.web.endpoint import Call, Endpoint


class ChangesQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which lines. `before` is a line's number; older ones follow."""

    before: Annotated[int, msgspec.Meta(ge=1, le=2**53)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=500)] = 100


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """Lines of the audit log, newest first. `next` is `before` of what follows, or None."""

    changes: list[Change]
    next: int | None


async def list_changes(call: Call) -> Changes:
    """The newest lines first."""
    query: ChangesQuery = call.query
    found = await call.state.office.changes(before=query.before, limit=query.limit)
    more = len(found) == query.limit
    return Changes(changes=list(found), next=found[-1].number if more else None)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/admin/changes",
        handle=list_changes,
        summary="List who changed what",
        role="viewer",
        query=ChangesQuery,
        answer=Changes,
        tag="access",
    ),
)

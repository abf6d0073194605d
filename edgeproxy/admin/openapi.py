"""The description of both listeners' APIs, served where the rows are."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec

from edgeproxy import __version__
from edgeproxy.web.endpoint import Call, Endpoint, Reply
from edgeproxy.web.openapi import document

PATH = "/openapi.json"

_ABOUT = (
    "The first-party edge for Snapchat conversions. The paths of the tag `public` are served by "
    "the public listener, all others by the admin listener with `Authorization: Bearer` and an "
    "admin token; a role `viewer` may only look. Errors are RFC 9457 problems with a `code`."
)


def openapi_endpoint(rows: Sequence[Endpoint]) -> Endpoint:
    """The row that serves the document of all rows, itself included."""

    @cache
    def encoded() -> bytes:
        described = document([*rows, own], title="edgeproxy", version=__version__, about=_ABOUT)
        return msgspec.json.encode(described)

    async def describe(call: Call) -> Reply:
        """This document."""
        return Reply(body=encoded())

    own = Endpoint(
        method="GET",
        path=PATH,
        handle=describe,
        summary="This document",
        role="viewer",
        answer=dict[str, Any],
        tag="access",
    )
    return own

"""The public listener's routes as rows, for the description of the API; they are served elsewhere.

`edgeproxy.public.app` has a table of its own, which costs the hot path one dictionary look-up.
"""

from typing import Annotated, Any

import msgspec

from edgeproxy.intake.raw import Rejected
from edgeproxy.intake.segment import MAX_MESSAGES
from edgeproxy.intake.snap import MAX_EVENTS as MAX_EVENTS_SNAP
from edgeproxy.intake.tag import MAX_EVENTS, Envelope, TagEvent
from edgeproxy.public.accept import Answer
from edgeproxy.web.endpoint import Call, Endpoint

_TAG = "public"


class TagBatch(Envelope, frozen=True, gc=False, kw_only=True):
    """What the tag posts. Times in Unix ms."""

    events: Annotated[list[TagEvent], msgspec.Meta(min_length=1, max_length=MAX_EVENTS)]


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """A visitor's choice: `ad`, or `categories` by name."""

    ad: bool | None = None
    categories: dict[str, bool] | None = None


class ImageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The event of a page without JavaScript; all other names are its properties."""

    name: str


class Liveness(msgspec.Struct, frozen=True, kw_only=True):
    """How the process is. `checks` are by name, "ok" or what is wrong."""

    status: str
    checks: dict[str, str] | None = None


class SegmentMessage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A call as Segment specifies it; what is not named here is taken too.

    `write_key` stands here or is the Basic user name. `context` holds the visitor's ip, userAgent,
    page, traits and consent.
    """

    write_key: str | None = None
    type: str | None = None
    event: str | None = None
    message_id: str | None = None
    anonymous_id: str | None = None
    user_id: str | None = None
    timestamp: str | None = None
    properties: dict[str, Any] | None = None
    traits: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    integrations: dict[str, Any] | None = None


class SegmentBatch(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Messages with their types, and what they have in common."""

    batch: Annotated[list[SegmentMessage], msgspec.Meta(min_length=1, max_length=MAX_MESSAGES)]
    write_key: str | None = None
    sent_at: str | None = None
    context: dict[str, Any] | None = None


class SegmentAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`dropped` and `rejected` are there when something was."""

    success: bool
    dropped: dict[str, int] | None = None
    rejected: list[Rejected] | None = None


class SnapV3(msgspec.Struct, frozen=True, kw_only=True):
    """Events in Snap's v3 form."""

    data: Annotated[list[dict[str, Any]], msgspec.Meta(min_length=1, max_length=MAX_EVENTS_SNAP)]


class SnapAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Snap's answer: SUCCESS or FAILED from v2, VALID or INVALID from v3, and the bad events."""

    status: str
    reason: str


class AccessToken(msgspec.Struct, frozen=True, kw_only=True):
    """The write key, where Snap's v3 has its token."""

    access_token: str | None = None


async def elsewhere(call: Call) -> None:
    """Served by the public listener."""


def _row(method: str, path: str, summary: str, **more: Any) -> Endpoint:
    return Endpoint(
        method=method,
        path=path,
        handle=elsewhere,
        summary=summary,
        role="public",
        tag=_TAG,
        **more,
    )


def _segment(path: str, summary: str, body: Any = SegmentMessage) -> Endpoint:
    refusals = (401, 413, 415, 422, 429, 503)
    return _row("POST", path, summary, body=body, answer=SegmentAnswer, refusals=refusals)


def _snap(path: str, summary: str, body: Any, query: Any = None) -> Endpoint:
    refusals = (401, 413, 415, 429, 503)
    more = {"body": body, "query": query, "answer": SnapAnswer, "refusals": refusals}
    return _row("POST", path, summary, **more)


DESCRIBED = (
    _row("GET", "/s.js", "The tag", media="text/javascript"),
    _row("GET", "/cmp.js", "The consent adapters of the tag", media="text/javascript"),
    _row(
        "POST",
        "/e",
        "Take a batch of the tag, and answer when it is durable",
        body=TagBatch,
        answer=Answer,
        status=202,
        refusals=(403,),
    ),
    _row(
        "POST",
        "/consent",
        "Record a visitor's choice",
        body=Choice,
        status=204,
        refusals=(403,),
    ),
    _row("GET", "/visit", "Cookies of a page's visitor, for nginx's auth_request", status=204),
    _row(
        "GET",
        "/i",
        "Take one event of a page without JavaScript",
        query=ImageQuery,
        media="image/gif",
        refusals=(403,),
    ),
    _segment("/v1/track", "Take an event of a server or an app, in Segment's form"),
    _segment("/v1/page", "Take a page view, in Segment's form"),
    _segment("/v1/identify", "Take what is known of a visitor, in Segment's form"),
    _segment("/v1/batch", "Take many calls of Segment's at once", SegmentBatch),
    _snap("/v2/conversion", "Take an event in Snap's v2 form", dict[str, Any]),
    _snap("/v2/conversion/validate", "The same for Snap's validation", dict[str, Any]),
    _snap("/v3/{id}/events", "Take events in Snap's v3 form", SnapV3, AccessToken),
    _snap("/v3/{id}/events/validate", "The same for Snap's validation", SnapV3, AccessToken),
    _row("GET", "/healthz", "Whether the process lives", answer=Liveness),
    _row("GET", "/readyz", "Whether an event can be made durable now", answer=Liveness),
)
"""The rows of the routes that visitors, their browsers and load balancers use."""

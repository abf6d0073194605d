"""The debugger's API: which events came, the whole way of one, and a stream of what happens now."""

import re
from datetime import datetime
from typing import Annotated
from urllib.parse import quote

import msgspec

from edgeproxy.admin.state import AdminState
from edgeproxy.admin.story import Story, story
from edgeproxy.admin.stream import EventStream
from edgeproxy.errors import Refused, StoreBusy
from edgeproxy.journal.base import Filter, Journal, Trace
from edgeproxy.reasons import Reason, reason_of
from edgeproxy.web.endpoint import Call, Endpoint, Reply
from edgeproxy.web.problem import not_found

LIMIT = 50
"""Events of a page."""

Word = Annotated[str, msgspec.Meta(max_length=200)]
Number = Annotated[int, msgspec.Meta(ge=0, le=2**53)]

_AGO = re.compile(r"([1-9][0-9]{0,5})([smhd])")
_UNIT_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_UNIX_MS = re.compile(r"[0-9]{12,14}")


class EventsFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events.

    Attributes:
        source: Of this source.
        integration: To this integration.
        name: With this name, the caller's or Snap's.
        outcome: "delivered", "waiting", "retry", "duplicate", "dropped", "rejected" or "dead"; the
            last three may be narrowed: "dropped:no_consent".
        visitor: Of this visitor, as the debugger names them (32 hex digits).
        text: With this in a name, an outcome, a rule, an id's beginning, or in what was recorded.
        since: Received then or later: ISO 8601 with a zone, Unix ms, or "15m", "2h", "3d" ago.
        until: Received before; of the same forms.
    """

    source: Word = ""
    integration: Word = ""
    name: Word = ""
    outcome: Word = ""
    visitor: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")] = ""
    text: Word = ""
    since: Annotated[str, msgspec.Meta(max_length=40)] = ""
    until: Annotated[str, msgspec.Meta(max_length=40)] = ""


class EventsQuery(EventsFilter, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events, and which page of them. `before` is `next` of the page before."""

    before: Number | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = LIMIT


class StreamQuery(EventsFilter, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events. `after` is `cursor` of a list: what changed since comes first."""

    after: Number | None = None


class EventRow(msgspec.Struct, frozen=True, kw_only=True):
    """One event on its way to one integration; one that goes nowhere has a single row.

    Attributes:
        number: Names the row; newer ones are greater.
        url: The page of its whole way.
        event_id: As received; of an event without one, ours.
        name: Snap's name; the caller's when it goes nowhere.
        said: The caller's name.
        rule: What mapped it.
        visitor: Names the visitor, "" when not known.
        at_ms: When it came in, Unix ms.
        outcome: As `EventsFilter.outcome`, with its reason.
        reason: The outcome in plain words, and what to do.
        test: Whether it counts nowhere.
    """

    number: int
    url: str
    event_id: str
    source: str
    integration: str
    name: str
    said: str
    rule: str
    visitor: str
    at_ms: int
    outcome: str
    reason: Reason
    test: bool


class Events(msgspec.Struct, frozen=True, kw_only=True):
    """Events, newest first. `next` is `before` of the next page; `cursor` is `after` of a stream.

    `now_ms` is when this was read.
    """

    events: list[EventRow]
    next: int | None
    cursor: int
    now_ms: int


class EventDetail(EventRow, frozen=True, kw_only=True):
    """The whole way of one event; with several integrations its row is that of the worst end."""

    story: Story
    now_ms: int


async def list_events(call: Call) -> Events:
    """The newest first."""
    query: EventsQuery = call.query
    state: AdminState = call.state
    wanted = filter_of(query, state.now_ms())
    found = await journal_of(state).traces(wanted, before=query.before, limit=query.limit)
    return Events(
        events=[row_of(trace) for trace in found],
        next=found[-1].number if len(found) == query.limit else None,
        cursor=max((trace.changed for trace in found), default=0),
        now_ms=state.now_ms(),
    )


async def show_event(call: Call) -> EventDetail:
    """Everything that is known of one event.

    Raises:
        Refused: 404, there is no trace of it (any more).
    """
    state: AdminState = call.state
    journal, event_id = journal_of(state), call.path["event_id"]
    trace = await journal.trace(event_id)
    if trace is None:  # it may have come a moment ago: a person followed a link at once
        await state.catch_up()
        trace = await journal.trace(event_id)
    if trace is None:
        raise not_found()
    return EventDetail(
        **msgspec.structs.asdict(row_of(trace)),
        story=story(trace, upstream=state.settings.upstream),
        now_ms=state.now_ms(),
    )


async def stream_events(call: Call) -> Reply:
    """Rows as they come and change, as Server-Sent Events."""
    query: StreamQuery = call.query
    state: AdminState = call.state
    last = call.headers.get(b"last-event-id", b"").decode("latin-1")
    stream = EventStream(
        state=state,
        who=call.who,
        journal=journal_of(state),
        wanted=filter_of(query, state.now_ms()),
        after=int(last) if re.fullmatch(r"[0-9]{1,15}", last) else query.after,
        written=lambda trace: msgspec.json.encode(row_of(trace)).decode(),
    )
    return Reply(app=stream)


def journal_of(state: AdminState) -> Journal:
    """The journal.

    Raises:
        StoreBusy: There is none.
    """
    if state.journal is None:
        raise StoreBusy("journal_off", "events leave no trace here")
    journal: Journal = state.journal
    return journal


def filter_of(query: EventsFilter, now_ms: int) -> Filter:
    """The query as the journal takes it.

    Raises:
        Refused: 422, a time cannot be read.
    """
    return Filter(
        source=query.source,
        integration=query.integration,
        name=query.name,
        outcome=query.outcome,
        visitor=query.visitor,
        text=query.text,
        since_ms=_instant("since", query.since, now_ms),
        until_ms=_instant("until", query.until, now_ms),
    )


def row_of(trace: Trace) -> EventRow:
    """A trace as callers get it."""
    return EventRow(
        number=trace.number,
        url=f"/events/{quote(trace.wire_id or trace.event_id, safe='')}",
        event_id=trace.event_id,
        source=trace.source,
        integration=trace.integration,
        name=trace.name,
        said=trace.said,
        rule=trace.rule,
        visitor=trace.visitor,
        at_ms=trace.at_ms,
        outcome=trace.outcome,
        reason=reason_of(trace.outcome),
        test=trace.test,
    )


def _instant(field: str, text: str, now_ms: int) -> int | None:
    if not text:
        return None
    if ago := _AGO.fullmatch(text):
        return max(now_ms - int(ago[1]) * _UNIT_MS[ago[2]], 0)
    if _UNIX_MS.fullmatch(text):
        return int(text)
    at = _iso(text)
    if at is None:
        advice = "is no time; use ISO 8601 with a zone, Unix ms, or 15m, 2h, 3d for so long ago"
        raise Refused("bad_query", f"{field} {advice}", status=422)
    return max(round(at.timestamp() * 1000), 0)


def _iso(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else None


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/admin/events",
        handle=list_events,
        summary="List events, newest first",
        role="viewer",
        query=EventsQuery,
        answer=Events,
        refusals=(503,),
        tag="events",
    ),
    Endpoint(
        method="GET",
        path="/v1/admin/events/stream",
        handle=stream_events,
        summary="Follow events as Server-Sent Events; each has an event row as JSON",
        role="viewer",
        query=StreamQuery,
        media="text/event-stream",
        refusals=(429, 503),
        tag="events",
    ),
    Endpoint(
        method="GET",
        path="/v1/admin/events/{event_id}",
        handle=show_event,
        summary="Show the whole way of one event",
        role="viewer",
        answer=EventDetail,
        refusals=(404, 503),
        tag="events",
    ),
)

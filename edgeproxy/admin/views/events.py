"""The debugger's pages: the list, which goes on by itself, and the whole way of one event."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from edgeproxy.admin.api.events import (
    EventDetail,
    Events,
    EventsQuery,
    journal_of,
    list_events,
    show_event,
)
from edgeproxy.admin.pages import Action, Go, Page
from edgeproxy.admin.state import AdminState
from edgeproxy.admin.tint import Pieces, tinted
from edgeproxy.cookies import SCID, parse, valid_scid
from edgeproxy.errors import StoreBusy, Unfit
from edgeproxy.journal.base import Filter, Trace
from edgeproxy.keys import visitor_name
from edgeproxy.reasons import DEAD, DROPS, REJECTS, STATES
from edgeproxy.web.endpoint import Call

TWIN = "/v1/admin/events"

SINCE = (
    ("", "Any time"),
    ("15m", "Last 15 min"),
    ("1h", "Last hour"),
    ("24h", "Last 24 hours"),
    ("7d", "Last 7 days"),
)
"""What the filter offers; the query takes any time."""

OUTCOMES = (
    ("On its way", tuple((code, reason.label) for code, reason in STATES.items())),
    (
        "Dropped",
        (
            ("dropped", "All dropped"),
            *((f"dropped:{code}", one.label) for code, one in DROPS.items()),
        ),
    ),
    (
        "Dead letter",
        (
            ("dead", "All dead letters"),
            *((f"dead:{code}", one.label) for code, one in DEAD.items()),
        ),
    ),
    (
        "Rejected",
        (
            ("rejected", "All rejected"),
            *((f"rejected:{code}", one.label) for code, one in REJECTS.items()),
        ),
    ),
)
"""Heading and (code, words) of the outcomes to choose from."""


class MineForm(msgspec.Struct, frozen=True, kw_only=True):
    """Whose events to show, and the filters that the list has besides.

    `browser` is the value of `_scid`, or all of `document.cookie`.
    """

    browser: str = ""
    source: str = ""
    integration: str = ""
    name: str = ""
    outcome: str = ""
    text: str = ""
    since: str = ""
    until: str = ""


class EventsView(msgspec.Struct, frozen=True, kw_only=True):
    """What the list shows.

    Attributes:
        found: Its twin's answer; None when the journal cannot be read now.
        off: Why it cannot, or why there is nothing; "" otherwise.
        sources: Ids to choose from.
        integrations: Ids to choose from.
        outcomes: Those of `OUTCOMES`.
        since: Those of `SINCE`, and what the query has.
        live: The path of the stream; "" on older pages, which do not go on.
        older: The path of the next page, "" for none.
        everybody: The path of the same list without the visitor.
        filters: Those that are set, by name.
        per_second: How many events a second leave a trace, at most.
    """

    found: Events | None
    off: str
    sources: tuple[str, ...]
    integrations: tuple[str, ...]
    outcomes: Any
    since: tuple[tuple[str, str], ...]
    live: str
    older: str
    everybody: str
    filters: dict[str, Any]
    per_second: float


async def show_list(call: Call) -> EventsView:
    """What the list shows."""
    state: AdminState = call.state
    query: EventsQuery = call.query
    debugger = state.settings.debugger
    off = "" if debugger.enabled else "The debugger is switched off: events leave no trace."
    found = None
    try:
        found = await list_events(call)
    except StoreBusy:
        off = off or "Traces cannot be read now; the events themselves are not touched by that."
    filters = _filters(query)
    goes_on = found is not None and query.before is None
    older = {**filters, "before": found.next} if found and found.next else None
    return EventsView(
        found=found,
        off=off,
        sources=_with(tuple(state.registry.sources), query.source),
        integrations=_with(tuple(state.registry.integrations), query.integration),
        outcomes=OUTCOMES,
        since=SINCE if query.since in dict(SINCE) else (*SINCE, (query.since, query.since)),
        live=_path(f"{TWIN}/stream", {**filters, "after": found.cursor})
        if found and goes_on
        else "",
        older=_path("/events", older) if older else "",
        everybody=_path("/events", {**filters, "visitor": ""}),
        filters=filters,
        per_second=debugger.events_per_second,
    )


async def choose_mine(call: Call) -> Go:
    """Narrow the list to one browser. What names it is hashed here, and goes into no address.

    Raises:
        Unfit: It is no `_scid`.
    """
    form: MineForm = call.body
    state: AdminState = call.state
    scid = _scid(form.browser)
    if not scid:
        raise Unfit([("browser", "is no _scid; copy what the console of your shop's page says")])
    filters = {name: value for name, value in _given(form).items() if name != "browser"}
    names = [visitor_name(state.keys.visitor, one, scid).hex() for one in _sources(state, filters)]
    if not names:
        raise Unfit([("browser", "belongs to no source yet; add one first")])
    visitor, known = await _latest(state, names)
    say = "Only this browser's events are shown." if known else _NOTHING_YET
    return Go(to=_path("/events", {**filters, "visitor": visitor}), say=say)


_NOTHING_YET = "Nothing came from this browser yet: open a page of your shop, and it shows up here."


def _sources(state: AdminState, filters: Mapping[str, Any]) -> list[str]:
    """The sources that the browser may have visited."""
    if filters.get("source"):
        return [filters["source"]]
    return list(state.registry.sources)


async def _latest(state: AdminState, names: list[str]) -> tuple[str, bool]:
    """Of a browser's names, one for each source, that with the latest event; else the first."""
    journal = journal_of(state)
    found: list[Trace] = []
    for name in names:
        found += await journal.traces(Filter(visitor=name), limit=1)
    if not found:
        return names[0], False
    return max(found, key=lambda trace: trace.number).visitor, True


def _scid(text: str) -> str:
    """The `_scid` in what was typed: its value, `_scid=…`, or a whole list of cookies."""
    text = text.strip().strip("'\"")
    if "=" in text:
        text = next(iter(parse([text.encode("utf-8", "replace")]).get(SCID, ())), "")
    return text if valid_scid(text) else ""


def _filters(query: EventsQuery) -> dict[str, Any]:
    """What of the query is a filter, without what is not given."""
    pages = ("before", "limit")
    return {name: value for name, value in _given(query).items() if name not in pages}


def _given(fields: msgspec.Struct) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(fields).items() if value}


def _with(known: tuple[str, ...], chosen: str) -> tuple[str, ...]:
    return known if chosen in ("", *known) else (*known, chosen)


def _path(path: str, fields: Mapping[str, Any]) -> str:
    text = urlencode([(name, value) for name, value in fields.items() if value != ""])
    return f"{path}?{text}" if text else path


class EventView(msgspec.Struct, frozen=True, kw_only=True):
    """What the page of one event shows.

    Attributes:
        event: Its twin's answer.
        came: What came in, in (name, value) pairs.
        came_json: The same as coloured JSON; () when nothing was kept.
        sent: For each branch of the story the last request as coloured JSON.
        others: The path of the visitor's other events, "" when nobody is known.
        many: Whether it went more than one way.
    """

    event: EventDetail
    came: tuple[tuple[str, str], ...]
    came_json: Pieces
    sent: tuple[Pieces, ...]
    others: str
    many: bool


async def show_one(call: Call) -> EventView:
    """What the page of one event shows."""
    event = await show_event(call)
    told = event.story
    return EventView(
        event=event,
        came=came_in(told.arrival.event if told.arrival else {}),
        came_json=tinted(told.arrival.event) if told.arrival else (),
        sent=tuple(
            tinted(branch.sendings[-1].fields) if branch.sendings else ()
            for branch in told.branches
        ),
        others=_path("/events", {"visitor": event.visitor}) if event.visitor else "",
        many=len(told.branches) > 1,
    )


def came_in(event: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What people look for in an event first, as (name, value) pairs."""
    goods, device = _part(event, "goods"), _part(event, "device")
    value = f"{_amount(goods.get('price', ''))} {goods.get('currency', '')}".strip()
    what = " ".join(str(part) for part in (device.get("browser"), device.get("os")) if part)
    pairs = (
        ("Page", event.get("page_url")),
        ("Value", value),
        ("Order", goods.get("order_id")),
        ("Items", ", ".join(str(one) for one in goods.get("item_ids", ()))),
        ("Search", goods.get("search_string")),
        ("Channel", event.get("channel")),
        ("Device", what),
        ("Privacy", event.get("privacy")),
    )
    return tuple((name, str(text)) for name, text in pairs if text)


def _amount(price: object) -> str:
    """As it was sent, with both digits of its cents."""
    text = str(price)
    _, point, cents = text.partition(".")
    return f"{text}0" if point and len(cents) == 1 else text


def _part(event: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = event.get(name)
    return part if isinstance(part, Mapping) else {}


PAGES = (
    Page(
        path="/events",
        title="Events",
        template="events.html",
        load=show_list,
        query=EventsQuery,
        menu="Events",
        twin=TWIN,
    ),
    Page(
        path="/events/{event_id}",
        title="Event",
        template="events_one.html",
        load=show_one,
        menu="Events",
        twin=f"{TWIN}/{{event_id}}",
    ),
)
ACTIONS = (
    Action(path="/events", form=MineForm, handle=choose_mine, role="viewer", back="/events"),
)

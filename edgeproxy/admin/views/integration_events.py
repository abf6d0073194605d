"""An integration's own event names: the table, names that came without one, and what Snap noted."""

from collections import Counter
from collections.abc import Mapping

import msgspec

from edgeproxy.admin.api import connection, integrations
from edgeproxy.admin.api.health import tally
from edgeproxy.admin.pages import Action, Go, Page
from edgeproxy.admin.state import AdminState
from edgeproxy.admin.views.integration_forms import EventForm, UnknownForm, key_of
from edgeproxy.admin.views.integration_rows import Row, known_of, row_of
from edgeproxy.admin.views.integrations import MENU
from edgeproxy.admin.views.parts import asked, for_people, place
from edgeproxy.catalog import EVENTS, SNAP_NAMES, SnapEvent
from edgeproxy.errors import Refused, StoreBusy, Unfit
from edgeproxy.health.look import span
from edgeproxy.journal.base import Filter
from edgeproxy.noted import Line, Noted
from edgeproxy.web.endpoint import Call

SEEN = 200
"""In so many of the newest traces, names without a mapping are looked for."""

SUGGESTED = 8
"""So many of them are shown."""

_SECONDS, _MS = 10, 13
"""Digits of Unix time until 2286."""


class EventsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The own name to begin with."""

    own: str = ""


class Unmapped(msgspec.Struct, frozen=True, kw_only=True):
    """A name that came and went nowhere, and how often of late."""

    name: str
    times: int


class EventsView(msgspec.Struct, frozen=True, kw_only=True):
    """What the page of event names shows."""

    row: Row
    own: str
    snap_names: tuple[str, ...]
    catalog: tuple[SnapEvent, ...]
    unmapped: tuple[Unmapped, ...]


class Ours(msgspec.Struct, frozen=True, kw_only=True):
    """What we counted in the past hour."""

    live: int = 0
    test: int = 0


class SnapView(msgspec.Struct, frozen=True, kw_only=True):
    """What Snap noted, and our own counts beside it; None when they cannot be read.

    `lines` are those of Snap's log, each with its time in Unix ms where that is a number.
    """

    row: Row
    noted: Noted
    lines: tuple[tuple[Line, int | None], ...]
    ours: Ours | None


async def show_events(call: Call) -> EventsView:
    """The table of event names."""
    found = await row_of(call)
    return EventsView(
        row=found,
        own=call.query.own,
        snap_names=tuple(sorted(SNAP_NAMES)),
        catalog=EVENTS,
        unmapped=await _unmapped(call.state, found.known.source_id),
    )


async def show_snap(call: Call) -> SnapView:
    """What Snap noted."""
    found = await row_of(call)
    noted = await connection.show_snaps_view(call)
    return SnapView(
        row=found,
        noted=noted,
        lines=tuple((line, instant(line.at)) for line in noted.lines),
        ours=await _ours(call.state, found.known.id),
    )


def instant(text: str) -> int | None:
    """Unix ms of a time that Snap wrote in seconds or ms; None when it is something else."""
    if not (text.isascii() and text.isdigit()):
        return None
    return {_SECONDS: int(text) * 1000, _MS: int(text)}.get(len(text))


async def add(call: Call) -> Go:
    """Map an own name to one more of Snap's."""
    form: EventForm = call.body
    known = await known_of(call)
    if not form.own.strip():
        raise Unfit([("own", "is empty; it is the name that your site sends")])
    own = key_of(known, form.own.strip())
    names = [*known.events.get(own, ()), form.snap]
    return await _put(call, form.version, {"events": {own: names}}, f"{own} goes as {form.snap}.")


async def remove(call: Call) -> Go:
    """Take one of Snap's names from an own name."""
    form: EventForm = call.body
    known = await known_of(call)
    left = [name for name in known.events.get(form.own, ()) if name != form.snap]
    body = {"events": {form.own: left or None}}
    return await _put(call, form.version, body, f"{form.own} does not go as {form.snap} any more.")


async def unknown(call: Call) -> Go:
    """Say what happens to names without a mapping."""
    form: UnknownForm = call.body
    return await _put(call, form.version, {"unknown_events": form.unknown_events}, "Saved.")


async def _put(call: Call, version: int, patch: Mapping[str, object], say: str) -> Go:
    try:
        await integrations.change_integration(asked(call, patch, version))
    except Refused as refused:
        raise for_people(refused) from None
    return Go(to=place("integrations", call.path["id"], "/events"), say=say)


async def _unmapped(state: AdminState, source: str) -> tuple[Unmapped, ...]:
    """Names that came of late and went nowhere, the most frequent first."""
    if state.journal is None:
        return ()
    try:
        wanted = Filter(source=source, outcome="dropped:unmapped")
        traces = await state.journal.traces(wanted, limit=SEEN)
    except StoreBusy:
        return ()
    times = Counter(trace.said or trace.name for trace in traces)
    return tuple(Unmapped(name=name, times=n) for name, n in times.most_common(SUGGESTED))


async def _ours(state: AdminState, id: str) -> Ours | None:
    counts = await tally(state, ("out",), *span("1h", state.now_ms()))
    if counts is None:
        return None
    sums: Counter[str] = Counter()
    for one in counts.of("out", id):
        sums[one.label[2]] += one.n
    return Ours(live=sums["delivered"], test=sums["test"])


_HREF = "/integrations/{id}/events"

PAGES = (
    Page(
        path=_HREF,
        title="Event names",
        template="integration_events.html",
        load=show_events,
        query=EventsQuery,
        menu=MENU,
        twin="/v1/admin/integrations/{id}",
    ),
    Page(
        path="/integrations/{id}/snap",
        title="What Snap noted",
        template="integration_snap.html",
        load=show_snap,
        menu=MENU,
        role="admin",
        twin="/v1/admin/integrations/{id}/snap",
    ),
)
ACTIONS = (
    Action(path=_HREF, form=EventForm, handle=add, back=_HREF),
    Action(path=f"{_HREF}/remove", form=EventForm, handle=remove, back=_HREF),
    Action(path=f"{_HREF}/unknown", form=UnknownForm, handle=unknown, back=_HREF),
)

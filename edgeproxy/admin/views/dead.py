"""The pages of dead letters: by reason with its cure, the list, one of them, and what goes on."""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec

from edgeproxy.admin.api import dead
from edgeproxy.admin.api.dead import DeadFilter, DeadPage, DeadQuery, Id, LetterDetail
from edgeproxy.admin.jobs import Job
from edgeproxy.admin.letters import Act, Wanted
from edgeproxy.admin.pages import Action, Go, Page
from edgeproxy.admin.state import AdminState
from edgeproxy.admin.tint import Pieces, tinted
from edgeproxy.admin.views.login import Empty
from edgeproxy.errors import Unfit
from edgeproxy.reasons import DEAD
from edgeproxy.web.endpoint import Call

MENU = "Dead letters"
SHOWN_MS = 10 * 60_000
"""A job that has ended is shown so long."""

_DONE = {"replay": "queued again", "discard": "deleted"}


class DeadForm(DeadFilter, frozen=True, kw_only=True):
    """Which to act on: those that are ticked, or all of the filter; the filter leads back."""

    id: Annotated[tuple[Id, ...], msgspec.Meta(max_length=dead.IDS_MAX)] = ()
    all: bool = False


class DeadView(msgspec.Struct, frozen=True, kw_only=True):
    """What the list shows.

    Attributes:
        found: Its twin's answer.
        jobs: Those that go on or have just ended.
        everything: How many dead letters there are without the filter.
        filtered: Whether there is a filter.
        integrations: Ids to choose from.
        reasons: (code, words) to choose from.
        names: Event names to choose from.
        query: The filter as a query string, to go with links.
        older: The path of the next page, "" for none.
        exports: (words, path) of the files.
    """

    found: DeadPage
    jobs: list[Job]
    everything: int
    filtered: bool
    integrations: tuple[str, ...]
    reasons: tuple[tuple[str, str], ...]
    names: tuple[str, ...]
    query: str
    older: str
    exports: tuple[tuple[str, str], ...]


class LetterView(msgspec.Struct, frozen=True, kw_only=True):
    """One dead letter, its event as coloured JSON, and the page of its whole way."""

    letter: LetterDetail
    event: Pieces
    way: str
    now_ms: int


async def show_list(call: Call) -> DeadView:
    """What the list shows."""
    state: AdminState = call.state
    query: DeadQuery = call.query
    found = await dead.list_dead(call)
    given = _filter(query)
    older = urlencode({**given, "before": found.next}) if found.next else ""
    file = f"/v1/admin/dead/export?{urlencode(given)}{'&' if given else ''}format="
    groups = found.groups
    return DeadView(
        found=found,
        jobs=_lately(state),
        everything=sum(group.n for group in groups),
        filtered=bool(given),
        integrations=_choices({group.integration for group in groups}, query.integration),
        reasons=tuple(
            (code, _label(code))
            for code in _choices({group.reason for group in groups}, query.reason)
        ),
        names=_choices({name for group in groups for name in group.names}, query.name),
        query=urlencode(given),
        older=f"/dead?{older}" if older else "",
        exports=(("CSV", f"{file}csv"), ("JSON lines", f"{file}jsonl")),
    )


async def show_one(call: Call) -> LetterView:
    """One dead letter."""
    letter = await dead.show_dead(call)
    return LetterView(
        letter=letter,
        event=tinted(msgspec.json.decode(letter.event)),
        way=f"/events/{letter.event_id}" if letter.event_id else "",
        now_ms=call.state.now_ms(),
    )


async def replay(call: Call) -> Go:
    """Queue what is chosen again."""
    return await _act(call, "replay")


async def discard(call: Call) -> Go:
    """Delete what is chosen."""
    return await _act(call, "discard")


async def replay_one(call: Call) -> Go:
    """Queue one again."""
    return await _act_on_one(call, "replay")


async def discard_one(call: Call) -> Go:
    """Delete one."""
    return await _act_on_one(call, "discard")


async def stop(call: Call) -> Go:
    """Stop a job."""
    job = await dead.stop_job(call)
    return Go(to="/dead", say=f"Stopped: {job.changed} were {_DONE[job.action]}, and stay so.")


async def _act(call: Call, act: Act) -> Go:
    form: DeadForm = call.body
    given = _filter(form)
    if form.all:
        wanted = dead.wanted_by(form)
    elif form.id:
        wanted = Wanted(ids=tuple(dict.fromkeys(form.id)))
    else:
        raise Unfit([("", "tick at least one dead letter")])
    job = await dead.act_on(call, act, wanted)
    back = urlencode(given) if form.id else ""
    return Go(to=f"/dead?{back}" if back else "/dead", say=_said(job))


async def _act_on_one(call: Call, act: Act) -> Go:
    letter = await dead.show_dead(call)
    job = await dead.act_on(call, act, Wanted(ids=(letter.id,)))
    return Go(to="/dead", say=_said(job))


def _said(job: Job) -> str:
    """What became of it, for people."""
    if job.running:
        return "It goes on in the background; this page may be closed."
    if job.state == "failed":
        return f"It failed after {job.seen} of {job.total}: {job.message}"
    said = f"{job.changed} {'dead letter is' if job.changed == 1 else 'dead letters are'} "
    said += _DONE[job.action]
    if job.superseded:
        said += f"; {job.superseded} gave way to a later copy of the same event"
    if job.missing:
        said += f"; {job.missing} were not there any more"
    return f"{said}."


def _lately(state: AdminState) -> list[Job]:
    since_ms = state.now_ms() - SHOWN_MS
    long = [one for one in state.jobs.all() if one.total > dead.LIMIT or one.state != "done"]
    return [one for one in long if one.ended_ms is None or one.ended_ms > since_ms][:5]


def _filter(given: DeadFilter) -> Mapping[str, Any]:
    """What of it is set."""
    named = {"integration": given.integration, "reason": given.reason, "name": given.name}
    return {name: value for name, value in named.items() if value}


def _choices(there: set[str], chosen: str) -> tuple[str, ...]:
    return tuple(sorted({*there, chosen} - {""}))


def _label(code: str) -> str:
    return DEAD[code].label if code in DEAD else code


PAGES = (
    Page(
        path="/dead",
        title="Dead letters",
        template="dead.html",
        load=show_list,
        query=DeadQuery,
        menu=MENU,
        twin="/v1/admin/dead",
    ),
    Page(
        path="/dead/{id}",
        title="Dead letter",
        template="dead_one.html",
        load=show_one,
        menu=MENU,
        twin="/v1/admin/dead/{id}",
    ),
)
ACTIONS = (
    Action(path="/dead/replay", form=DeadForm, handle=replay, back="/dead"),
    Action(path="/dead/discard", form=DeadForm, handle=discard, back="/dead"),
    Action(path="/dead/{id}/replay", form=Empty, handle=replay_one),
    Action(path="/dead/{id}/discard", form=Empty, handle=discard_one),
    Action(path="/dead/jobs/{id}/stop", form=Empty, handle=stop),
)

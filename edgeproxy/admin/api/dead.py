"""Dead letters: counted by reason, listed, inspected, replayed, discarded, exported."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any

import msgspec

from edgeproxy.admin import exports, letters
from edgeproxy.admin.jobs import Job
from edgeproxy.admin.letters import Act, Wanted
from edgeproxy.admin.state import AdminState
from edgeproxy.errors import Refused, Unfit
from edgeproxy.event import readable_event
from edgeproxy.reasons import Reason, reason_of
from edgeproxy.store.base import DeadCount, DeadLetter
from edgeproxy.web.endpoint import Call, Endpoint, Reply

IDS_MAX = 1000
LIMIT = 50
ANSWER_S = 0.5
"""A job that ends so soon is answered as done."""

IDS_ANSWER_S = 20.0
"""The same for chosen ids, of which there are few."""

_TOP = 2**53

Id = Annotated[int, msgspec.Meta(ge=1, le=_TOP)]
Word = Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^\x00]*\Z")]


class DeadFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which dead letters.

    Attributes:
        integration: Of this integration.
        reason: That died for this reason, such as "rejected".
        name: With this Snap event name.
    """

    integration: Word = ""
    reason: Word = ""
    name: Word = ""


class DeadQuery(DeadFilter, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which dead letters, and which page of them. `before` is `next` of the page before."""

    before: Id | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=500)] = LIMIT


class ExportQuery(DeadFilter, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which dead letters, and as what: "jsonl" (a JSON object a line) or "csv"."""

    format: exports.Format = "jsonl"


class AllFilter(DeadFilter, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which dead letters; a filter that lets all pass has to say so by `all`."""

    all: bool = False


class DeadChoice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which dead letters to act on: ids, up to 1,000, or else a filter."""

    ids: Annotated[list[Id], msgspec.Meta(min_length=1, max_length=IDS_MAX)] | None = None
    filter: AllFilter | None = None


class DeadGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Dead letters of one integration that died for one reason. `names` counts them by event."""

    integration: str
    reason: str
    words: Reason
    n: int
    names: dict[str, int]
    oldest_ms: int
    newest_ms: int
    mapping: str


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One dead letter.

    Attributes:
        id: Names it.
        url: Its page.
        integration: Where it should have gone.
        name: Snap's name of the event.
        event_id: Its dedup id.
        source: Where it came in.
        visitor: Names the visitor, 32 hex digits.
        time_ms: When it happened, Unix ms.
        died_ms: When it was given up.
        attempts: How often it was sent.
        reason: Why it was given up.
        words: The same in plain words, and the cure.
        detail: What Snap said, or what was wrong with it.
    """

    id: int
    url: str
    integration: str
    name: str
    event_id: str
    source: str
    visitor: str
    time_ms: int
    died_ms: int
    attempts: int
    reason: str
    words: Reason
    detail: str


class LetterDetail(Letter, frozen=True, kw_only=True):
    """One dead letter with the event as it is stored, hashed; `mapping` is where to change it."""

    event: msgspec.Raw
    mapping: str


class DeadPage(msgspec.Struct, frozen=True, kw_only=True):
    """Dead letters. `total` counts those of the filter, `groups` all; `next` is `before`."""

    total: int
    groups: list[DeadGroup]
    letters: list[Letter]
    next: int | None
    now_ms: int


async def list_dead(call: Call) -> DeadPage:
    """The newest of a filter, and all by reason."""
    state: AdminState = call.state
    query: DeadQuery = call.query
    wanted = wanted_by(query)
    found = await state.store.dead_letters(
        integration=wanted.integration,
        reason=wanted.reason,
        name=wanted.name,
        before=query.before,
        limit=query.limit,
    )
    counts = await state.store.dead_counts()
    return DeadPage(
        total=sum(one.n for one in counts if wanted.takes(one)),
        groups=_groups(state, counts),
        letters=[Letter(**_fields(one)) for one in found],
        next=found[-1].id if len(found) == query.limit else None,
        now_ms=state.now_ms(),
    )


async def show_dead(call: Call) -> LetterDetail:
    """One dead letter, with its event."""
    state: AdminState = call.state
    id = call.path["id"]
    wanted = int(id) if id.isascii() and id.isdecimal() and len(id) < len(str(_TOP)) else 0
    found = await state.store.dead_letters(ids=[wanted], limit=1)
    if not found:
        raise Refused("not_found", "there is no such dead letter (any more)", status=404)
    letter = found[0]
    return LetterDetail(
        **_fields(letter),
        event=msgspec.Raw(letter.body) if readable_event(letter.body) else msgspec.Raw(b"null"),
        mapping=_mapping(state, letter.integration),
    )


async def replay_dead(call: Call) -> Reply:
    """Queue dead letters again; they go out without IP address and user agent."""
    return await _act(call, "replay")


async def discard_dead(call: Call) -> Reply:
    """Delete dead letters for good; the ledger and the audit log record it."""
    return await _act(call, "discard")


async def list_jobs(call: Call) -> list[Job]:
    """The jobs of this process, newest first."""
    state: AdminState = call.state
    return state.jobs.all()


async def show_job(call: Call) -> Job:
    """How far a job is."""
    state: AdminState = call.state
    return state.jobs.find(call.path["id"]).job


async def stop_job(call: Call) -> Job:
    """Have a job end after the slice it is at; what was done stays done."""
    state: AdminState = call.state
    progress = state.jobs.find(call.path["id"])
    progress.stop()
    await _ended(progress.ended, ANSWER_S)
    return progress.job


async def export_dead(call: Call) -> Reply:
    """All of a filter, a page at a time, hashed as they are stored."""
    state: AdminState = call.state
    query: ExportQuery = call.query
    return exports.reply(state.store, wanted_by(query), query.format, state.now_ms())


async def act_on(call: Call, act: Act, wanted: Wanted) -> Job:
    """Begin to replay or discard; the job as it is when it ended, or after a moment."""
    state: AdminState = call.state
    progress = await letters.begin(state, act, wanted, call.by)
    await _ended(progress.ended, ANSWER_S if wanted.ids is None else IDS_ANSWER_S)
    return progress.job


def wanted_by(given: DeadFilter) -> Wanted:
    """A filter as the store takes it."""
    return Wanted(
        integration=given.integration or None,
        reason=given.reason or None,
        name=given.name or None,
    )


async def _act(call: Call, act: Act) -> Reply:
    choice: DeadChoice = call.body
    if (choice.ids is None) == (choice.filter is None):
        raise Unfit([("", "give either ids or a filter")])
    if choice.ids is not None:
        wanted = Wanted(ids=tuple(dict.fromkeys(choice.ids)))
    else:
        assert choice.filter is not None  # noqa: S101 - for the type checker
        wanted = wanted_by(choice.filter)
        if wanted == Wanted() and not choice.filter.all:
            raise Unfit(
                [("filter", 'lets all dead letters pass; say "all": true if that is meant')]
            )
    job = await act_on(call, act, wanted)
    if not job.running:
        return Reply(body=job)
    place = f"/v1/admin/dead/jobs/{job.id}".encode()
    return Reply(body=job, headers=((b"location", place),))


async def _ended(ended: asyncio.Event, within_s: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            await ended.wait()


def _groups(state: AdminState, counts: Sequence[DeadCount]) -> list[DeadGroup]:
    together: dict[tuple[str, str], list[DeadCount]] = {}
    for one in counts:
        together.setdefault((one.integration, one.reason), []).append(one)
    groups = [
        DeadGroup(
            integration=integration,
            reason=reason,
            words=reason_of(f"dead:{reason}"),
            n=sum(one.n for one in found),
            names={one.name: one.n for one in found},
            oldest_ms=min(one.oldest_ms for one in found),
            newest_ms=max(one.newest_ms for one in found),
            mapping=_mapping(state, integration),
        )
        for (integration, reason), found in together.items()
    ]
    return sorted(groups, key=lambda one: (-one.n, one.integration, one.reason))


def _fields(letter: DeadLetter) -> dict[str, Any]:
    event = readable_event(letter.body)
    return {
        "id": letter.id,
        "url": f"/dead/{letter.id}",
        "integration": letter.integration,
        "name": letter.name,
        "event_id": event.id if event else "",
        "source": event.source if event else "",
        "visitor": letter.visitor.hex(),
        "time_ms": letter.event_time_ms,
        "died_ms": letter.died_ms,
        "attempts": letter.attempt,
        "reason": letter.reason,
        "words": reason_of(f"dead:{letter.reason}"),
        "detail": letter.detail,
    }


def _mapping(state: AdminState, integration: str) -> str:
    """The page where an integration's event names are changed; "" for one that is gone."""
    return (
        f"/integrations/{integration}/events" if integration in state.registry.integrations else ""
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/admin/dead",
        handle=list_dead,
        summary="List dead letters, and count all by reason",
        role="viewer",
        query=DeadQuery,
        answer=DeadPage,
        tag="dead letters",
    ),
    Endpoint(
        method="GET",
        path="/v1/admin/dead/export",
        handle=export_dead,
        summary="Export dead letters as JSON lines or CSV, hashed as they are stored",
        role="viewer",
        query=ExportQuery,
        media="application/x-ndjson, text/csv",
        tag="dead letters",
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/dead/replay",
        handle=replay_dead,
        summary="Queue dead letters again, by ids or a filter; a long one goes on as a job",
        body=DeadChoice,
        answer=Job,
        refusals=(409,),
        tag="dead letters",
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/dead/discard",
        handle=discard_dead,
        summary="Delete dead letters for good, by ids or a filter; a long one goes on as a job",
        body=DeadChoice,
        answer=Job,
        refusals=(409,),
        tag="dead letters",
    ),
    Endpoint(
        method="GET",
        path="/v1/admin/dead/jobs",
        handle=list_jobs,
        summary="List long replays and discards of this process",
        role="viewer",
        answer=list[Job],
        tag="dead letters",
    ),
    Endpoint(
        method="GET",
        path="/v1/admin/dead/jobs/{id}",
        handle=show_job,
        summary="Show how far a replay or discard is",
        role="viewer",
        answer=Job,
        refusals=(404,),
        tag="dead letters",
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/dead/jobs/{id}/stop",
        handle=stop_job,
        summary="Stop a replay or discard; what was done stays done",
        answer=Job,
        refusals=(404,),
        tag="dead letters",
    ),
    Endpoint(
        method="GET",
        path="/v1/admin/dead/{id}",
        handle=show_dead,
        summary="Show a dead letter with its event",
        role="viewer",
        answer=LetterDetail,
        refusals=(404,),
        tag="dead letters",
    ),
)

"""Integrations: the pixels and apps that events go to; their access tokens are write-only."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from edgeproxy.admin import writing
from edgeproxy.admin.api import sources
from edgeproxy.admin.api.connection import forget_test
from edgeproxy.admin.api.integration_views import (
    MASK,
    KnownIntegration,
    broken,
    in_use,
    known,
    note,
)
from edgeproxy.admin.state import AdminState
from edgeproxy.admin.writing import Done, Wish
from edgeproxy.errors import Unfit
from edgeproxy.roster import documents, fields, records
from edgeproxy.roster.documents import TOKEN, Document
from edgeproxy.roster.fields import Fault
from edgeproxy.roster.records import INTEGRATION, SOURCE, KeptIntegration
from edgeproxy.site_rules import closest, integration_id
from edgeproxy.site_rules import name as name_rule
from edgeproxy.site_rules import token as token_rule
from edgeproxy.sites import Integration, Secret
from edgeproxy.store.base import Gate
from edgeproxy.store.office import Record
from edgeproxy.web.endpoint import Call, Endpoint, Reply

INTEGRATIONS_MAX = 500

_TOKEN_SCHEMA = {
    "type": "string",
    "writeOnly": True,
    "description": "Conversions API token. It is encrypted at rest and never shown again.",
}
_CONFIG_SCHEMA = fields.schema(documents.CONFIG)
_CONFIG_SCHEMA["properties"] = {**_CONFIG_SCHEMA["properties"], TOKEN: _TOKEN_SCHEMA}
_SCHEMA = fields.schema(documents.INTEGRATION)
_SCHEMA["properties"] = {**_SCHEMA["properties"], "config": _CONFIG_SCHEMA}
_SCHEMA["required"] = ["source_id", "config"]

NewIntegration = Annotated[
    dict[str, Any], msgspec.Meta(title="NewIntegration", extra_json_schema=_SCHEMA)
]
IntegrationPatch = Annotated[
    dict[str, Any],
    msgspec.Meta(
        title="IntegrationPatch",
        description="A JSON merge patch: what is left out stays, null goes back to the default.",
        extra_json_schema={"type": "object"},
    ),
]


class DeletedIntegration(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an integration that was deleted, and of the events that waited for it."""

    id: str
    waiting: int
    message: str


async def list_integrations(call: Call) -> list[KnownIntegration]:
    """All integrations: those of the file, then those made here."""
    state: AdminState = call.state
    kept = {record.id: record for record in await state.office.records(INTEGRATION)}
    found = []
    for one in state.registry.configured():
        file = state.registry.origin_of(one.id) == "file"
        found.append(await known(state, one, None if file else kept.pop(one.id, None)))
    shown = {one.id for one in found if one.managed_by == "api"}
    return found + [broken(state, record) for id, record in kept.items() if id not in shown]


async def get_integration(call: Call) -> Reply:
    """One integration."""
    state: AdminState = call.state
    id = call.path["id"]
    integration = state.registry.integrations.get(id)
    if integration is not None and state.registry.origin_of(id) == "file":
        return Reply(body=await known(state, integration, None))
    record = await state.office.record(INTEGRATION, id)
    if record is None:
        raise writing.unknown(INTEGRATION)
    if integration is None:
        return Reply(body=broken(state, record), headers=writing.headers(record))
    body = await known(state, integration, record)
    return Reply(body=body, headers=writing.headers(record))


async def make_integration(call: Call) -> Reply:
    """Make an integration, and its source too when it is the first to name it."""
    state: AdminState = call.state
    document, token = _without_token(call.body)
    given_id = document.pop("id", None)
    wanted_id = _new_id(document) if given_id is None else given_id
    _check(document, wanted_id, token, explicit=given_id is not None)
    id = str(wanted_id).strip()
    if id in state.registry.integrations:
        raise writing.exists(INTEGRATION, id)
    kept = await state.office.records(INTEGRATION)
    writing.too_many(kept, INTEGRATIONS_MAX, "integrations")
    await _see_to_source(call, str(document["source_id"]).strip())
    box = records.sealed_token(token or Secret(""), id, document, state.sealer.seal)
    made = KeptIntegration(document=document, box=box, made_ms=state.now_ms())
    detail = f"for source {document['source_id']}"[:200]
    done = await writing.make(
        call, INTEGRATION, id, Wish(kept=made, action="create", detail=detail)
    )
    place = f"/v1/admin/integrations/{id}".encode()
    shown = await _shown(call, done)
    return msgspec.structs.replace(shown, headers=(*shown.headers, (b"location", place)))


async def change_integration(call: Call) -> Reply:
    """Change an integration by a JSON merge patch; without a token the one it has stays."""
    state: AdminState = call.state
    id = call.path["id"]
    patch, token = _without_token(call.body)
    sources.refuse_other_id(patch, id)

    async def wished(record: Record) -> Wish:
        kept = _kept(record)
        mine = token or records.opened_token(kept, id, state.sealer.open)
        document = documents.merged(kept.document, patch)
        _check(document, id, mine, explicit=True)
        box = records.sealed_token(mine or Secret(""), id, document, state.sealer.seal)
        wish = msgspec.structs.replace(kept, document=document, box=box)
        return Wish(kept=wish, detail=_what(patch, token))

    return await _shown(call, await writing.change(call, INTEGRATION, id, wished))


async def delete_integration(call: Call) -> DeletedIntegration:
    """Delete an integration; events that wait for it stay for a day, then become dead letters."""
    state: AdminState = call.state
    id = call.path["id"]
    await writing.remove(call, INTEGRATION, id, "its token is gone")
    await forget_test(state, id)
    waiting = 0
    for counts in await state.store.stats():
        if counts.integration == id:
            waiting = counts.pending
    message = "nothing waited for it"
    if waiting:
        message = (
            f"{waiting} event(s) still wait for it: they stay for a day, in case it is made again"
            " under this id, and then become dead letters (integration_removed), which can be"
            " replayed for 30 days"
        )
    return DeletedIntegration(id=id, waiting=waiting, message=message)


async def pause_integration(call: Call) -> KnownIntegration:
    """Send nothing to it until it is resumed; its events are taken and wait."""
    state: AdminState = call.state
    integration = in_use(call)
    reason = f"paused by {call.by}"
    await state.store.set_gate(
        Gate(integration=integration.id, state="paused_manual", reason=reason)
    )
    await note(call, "pause", "its events wait")
    return await _now(call, integration)


async def resume_integration(call: Call) -> KnownIntegration:
    """Open the gate, whatever closed it; what waits is sent at once."""
    state: AdminState = call.state
    integration = in_use(call)
    before = await state.store.gate(integration.id)
    await state.store.set_gate(Gate(integration=integration.id))
    state.wake(integration.id)
    await note(call, "resume", f"its gate was {before.state}")
    return await _now(call, integration)


async def _now(call: Call, integration: Integration) -> KnownIntegration:
    state: AdminState = call.state
    file = state.registry.origin_of(integration.id) == "file"
    record = None if file else await state.office.record(INTEGRATION, integration.id)
    return await known(state, integration, record)


def _without_token(body: Mapping[str, Any]) -> tuple[Document, Secret | None]:
    """The document, and the token that was given with it; the mask means the one that it has.

    Raises:
        Unfit: The token is none.
    """
    document = dict(body)
    config = document.get("config")
    if not isinstance(config, Mapping) or TOKEN not in config:
        return document, None
    given = config[TOKEN]
    document["config"] = {name: value for name, value in config.items() if name != TOKEN}
    if given == MASK:
        return document, None
    try:
        if not isinstance(given, str):
            raise ValueError("must be a text; it can be replaced, not removed")
        return document, Secret(token_rule(given))
    except ValueError as error:
        raise Unfit(
            [*_faults(document, "x", Secret("x")), (f"config.{TOKEN}", str(error))]
        ) from None


def _check(document: Document, id: Any, token: Secret | None, *, explicit: bool) -> None:
    """Raise Unfit with every fault; one of an id that was made is told only when it is alone."""
    faults = _faults(document, id, token)
    if not explicit:
        faults = [one for one in faults if one[0] != "id"] or faults
    if faults:
        raise Unfit(faults)


def _faults(document: Document, id: Any, token: Secret | None) -> list[Fault]:
    faults: list[Fault] = []
    try:
        documents.integration({**document, "id": id}, token or Secret(""))
    except Unfit as unfit:
        faults += unfit.faults
    if token is None:
        faults.append((f"config.{TOKEN}", "is not set; make one in Snap's Business Manager"))
    return faults


def _new_id(document: Document) -> str:
    config = document.get("config")
    ids = config if isinstance(config, Mapping) else {}
    target = ids.get("pixel_id") or ids.get("snap_app_id") or ""
    return integration_id(str(document.get("source_id") or "").strip(), str(target).strip())


async def _see_to_source(call: Call, id: str) -> None:
    """Make the source of a first integration; refuse a name that looks like a slip.

    Raises:
        Unfit: A known source has nearly this name.
    """
    state: AdminState = call.state
    known_ids = state.registry.sources
    if id in known_ids or await state.office.record(SOURCE, id) is not None:
        return
    if meant := closest(id, known_ids):
        there = ", ".join(known_ids)
        raise Unfit([("source_id", f"names no source; did you mean {meant}? There are: {there}")])
    await sources.make_named(call, name_rule(id))


def _kept(record: Record) -> KeptIntegration:
    """What its record holds; nothing when that cannot be read, so that it can be given anew."""
    try:
        return records.kept_integration(record)
    except ValueError:
        return KeptIntegration()


def _what(patch: Document, token: Secret | None) -> str:
    """Which fields a patch names, for the audit log."""
    config = patch.get("config")
    inner = [f"config.{name}" for name in config] if isinstance(config, Mapping) else []
    names = [name for name in patch if name != "config"] + inner
    names += [f"config.{TOKEN}"] if token is not None else []
    return f"changed {', '.join(sorted(names))}"[:300] if names else "changed nothing"


async def _shown(call: Call, done: Done) -> Reply:
    [integration] = [
        one
        for source in done.roster.sources
        for one in source.integrations
        if one.id == done.record.id
    ]
    body = await known(call.state, integration, done.record)
    return Reply(body=body, headers=writing.headers(done.record))


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/admin/integrations",
        handle=list_integrations,
        summary="List the integrations",
        role="viewer",
        answer=list[KnownIntegration],
        tag="integrations",
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/integrations",
        handle=make_integration,
        summary="Make an integration; a source that it is the first to name is made too",
        body=NewIntegration,
        answer=KnownIntegration,
        status=201,
        refusals=(409,),
        tag="integrations",
    ),
    Endpoint(
        method="GET",
        path="/v1/admin/integrations/{id}",
        handle=get_integration,
        summary="Show an integration",
        role="viewer",
        answer=KnownIntegration,
        refusals=(404,),
        tag="integrations",
    ),
    Endpoint(
        method="PATCH",
        path="/v1/admin/integrations/{id}",
        handle=change_integration,
        summary="Change an integration by a JSON merge patch; If-Match: its version",
        body=IntegrationPatch,
        answer=KnownIntegration,
        refusals=(404, 409, 412),
        tag="integrations",
    ),
    Endpoint(
        method="DELETE",
        path="/v1/admin/integrations/{id}",
        handle=delete_integration,
        summary="Delete an integration",
        answer=DeletedIntegration,
        refusals=(404, 409, 412),
        tag="integrations",
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/integrations/{id}/pause",
        handle=pause_integration,
        summary="Send nothing until it is resumed; events wait",
        answer=KnownIntegration,
        refusals=(404,),
        tag="integrations",
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/integrations/{id}/resume",
        handle=resume_integration,
        summary="Open the gate; what waits is sent",
        answer=KnownIntegration,
        refusals=(404,),
        tag="integrations",
    ),
)

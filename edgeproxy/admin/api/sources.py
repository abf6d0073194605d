"""Sources: the sites whose events come in, and their write keys."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from edgeproxy.admin import writing
from edgeproxy.admin.state import AdminState
from edgeproxy.admin.writing import Wish
from edgeproxy.errors import Conflict, Refused, Unfit
from edgeproxy.keys import fingerprint, token_digest
from edgeproxy.roster import documents, fields, records
from edgeproxy.roster.records import KEYS_MAX, SOURCE, KeptSource, WriteKey
from edgeproxy.sites import Source
from edgeproxy.store.office import Record
from edgeproxy.web.endpoint import Call, Endpoint, Reply
from edgeproxy.web.problem import FieldFault

SOURCES_MAX = 500

NewSource = Annotated[
    dict[str, Any],
    msgspec.Meta(title="NewSource", extra_json_schema=fields.schema(documents.SOURCE)),
]
SourcePatch = Annotated[
    dict[str, Any],
    msgspec.Meta(
        title="SourcePatch",
        description="A JSON merge patch: what is left out stays, null goes back to the default.",
        extra_json_schema={"type": "object"},
    ),
]


class KnownKey(msgspec.Struct, frozen=True, kw_only=True):
    """A write key, without itself. `made_ms` is None for one of the configuration file."""

    id: str
    made_ms: int | None = None


class MadeKey(msgspec.Struct, frozen=True, kw_only=True):
    """A new write key; it is shown this once."""

    id: str
    key: str
    made_ms: int


class KnownSource(msgspec.Struct, frozen=True, kw_only=True):
    """A source as it stands.

    `managed_by` says whether it can be changed here. `integrations` are ids. `faults` are there
    when a part of it is not in use; `version` is for `If-Match`, 0 for one of the file.
    """

    id: str
    origins: tuple[str, ...] = ()
    cookie_domain: str = "auto"
    consent: str = "required"
    default_country: str = ""
    click_id_days: int = 90
    click_id_readable: bool = False
    write_keys: tuple[KnownKey, ...] = ()
    integrations: tuple[str, ...] = ()
    managed_by: Literal["file", "api"] = "api"
    version: int = 0
    changed_ms: int | None = None
    faults: tuple[FieldFault, ...] = ()


class DeletedSource(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a source that was deleted."""

    id: str
    message: str


async def list_sources(call: Call) -> list[KnownSource]:
    """All sources: those of the file, then those made here."""
    state: AdminState = call.state
    kept = {record.id: record for record in await state.office.records(SOURCE)}
    registry = state.registry
    found = [
        known(state, one, None if registry.source_origin_of(one.id) == "file" else kept.get(one.id))
        for one in registry.sources.values()
    ]
    shown = {one.id for one in found if one.managed_by == "api"}
    return found + [broken(state, record) for id, record in kept.items() if id not in shown]


async def get_source(call: Call) -> Reply:
    """One source."""
    state: AdminState = call.state
    id = call.path["id"]
    source = state.registry.sources.get(id)
    if source is not None and state.registry.source_origin_of(id) == "file":
        return Reply(body=known(state, source, None))
    record = await state.office.record(SOURCE, id)
    if record is None:
        raise writing.unknown(SOURCE)
    body = known(state, source, record) if source is not None else broken(state, record)
    return Reply(body=body, headers=writing.headers(record))


async def make_source(call: Call) -> Reply:
    """Make a source."""
    state: AdminState = call.state
    document = dict(call.body)
    documents.source(document)  # its id too, before it names a record
    id = str(document.pop("id")).strip()
    if id in state.registry.sources:
        raise writing.exists(SOURCE, id)
    writing.too_many(await state.office.records(SOURCE), SOURCES_MAX, "sources")
    return _made(call, await _put_new(call, id, document, "made without integrations"))


async def _put_new(call: Call, id: str, document: Mapping[str, Any], detail: str) -> writing.Done:
    kept = KeptSource(document=dict(document), made_ms=call.state.now_ms())
    return await writing.make(call, SOURCE, id, Wish(kept=kept, action="create", detail=detail))


async def make_named(call: Call, id: str) -> None:
    """Make a source that has nothing but a name, for an integration that came first."""
    await _put_new(call, id, {}, "made for its first integration; it has no origins yet")


async def change_source(call: Call) -> Reply:
    """Change a source by a JSON merge patch."""
    id, patch = call.path["id"], dict(call.body)
    refuse_other_id(patch, id)

    async def wished(record: Record) -> Wish:
        kept = _kept(record)
        document = documents.merged(kept.document, patch)
        detail = f"changed {', '.join(sorted(patch))[:200]}" if patch else "changed nothing"
        return Wish(kept=msgspec.structs.replace(kept, document=document), detail=detail)

    done = await writing.change(call, SOURCE, id, wished)
    return _shown(call, done)


async def delete_source(call: Call) -> DeletedSource:
    """Delete a source that no integration hangs on."""
    state: AdminState = call.state
    id = call.path["id"]
    source = state.registry.sources.get(id)
    writing.refuse_file(state, SOURCE, id)
    if source is not None and source.integrations:
        names = ", ".join(one.id for one in source.integrations)
        raise Conflict("in_use", f"it still has integrations ({names}); delete them first")
    await writing.remove(call, SOURCE, id, "its pages and write keys are refused from now on")
    return DeletedSource(
        id=id, message="its pages are refused with 403 and its write keys with 401 from now on"
    )


async def make_key(call: Call) -> MadeKey:
    """Make a write key; the answer is the only place where it ever stands."""
    state: AdminState = call.state
    text = state.new_secret()
    made = WriteKey(
        id=_key_id(state, digest := token_digest(text)), sha256=digest, made_ms=state.now_ms()
    )

    async def wished(record: Record) -> Wish:
        kept = _kept(record)
        if len(kept.keys) >= KEYS_MAX:
            sentence = f"it has {KEYS_MAX} live write keys; revoke the one that nobody uses first"
            raise Conflict("too_many", sentence)
        wish = msgspec.structs.replace(kept, keys=(*kept.keys, made))
        return Wish(kept=wish, action="create key", detail=f"write key {made.id}")

    await writing.change(call, SOURCE, call.path["id"], wished)
    return MadeKey(id=made.id, key=text, made_ms=made.made_ms)


async def revoke_key(call: Call) -> Reply:
    """Revoke a write key."""
    key_id = call.path["key"]

    async def wished(record: Record) -> Wish:
        kept = _kept(record)
        left = tuple(one for one in kept.keys if one.id != key_id)
        if len(left) == len(kept.keys):
            raise Refused("not_found", "there is no such write key", status=404)
        wish = msgspec.structs.replace(kept, keys=left)
        return Wish(kept=wish, action="revoke key", detail=f"write key {key_id}")

    await writing.change(call, SOURCE, call.path["id"], wished)
    return Reply(status=204)


def known(state: AdminState, source: Source, record: Record | None) -> KnownSource:
    """A source that is in use, as people see it."""
    digests = source.write_key_digests
    keys = tuple(KnownKey(id=_key_id(state, digest)) for digest in digests)
    if record is not None:
        made = _kept(record).keys
        keys = tuple(KnownKey(id=one.id, made_ms=one.made_ms) for one in made)
    return KnownSource(
        id=source.id,
        origins=source.origins,
        cookie_domain=source.cookie_domain,
        consent=source.consent,
        default_country=source.default_country,
        click_id_days=source.click_id_days,
        click_id_readable=source.click_id_readable,
        write_keys=keys,
        integrations=tuple(one.id for one in source.integrations),
        managed_by="file" if record is None else "api",
        version=0 if record is None else record.version,
        changed_ms=None if record is None else record.changed_ms,
        faults=() if record is None else faults_of(state, record),
    )


def broken(state: AdminState, record: Record) -> KnownSource:
    """A source whose record is not in use."""
    return KnownSource(
        id=record.id,
        version=record.version,
        changed_ms=record.changed_ms,
        faults=faults_of(state, record),
    )


def faults_of(state: AdminState, record: Record) -> tuple[FieldFault, ...]:
    """What is wrong with a record, by field."""
    for one in state.live.faulty:
        if (one.kind, one.id) == (record.kind, record.id):
            return tuple(FieldFault(field=name, message=text) for name, text in one.faults)
    return ()


def refuse_other_id(patch: Mapping[str, Any], id: str) -> None:
    """Refuse a patch that would give another id."""
    if patch.get("id", id) != id:
        raise Unfit([("id", "cannot be changed: what is stored goes by it")])


def _kept(record: Record) -> KeptSource:
    """What its record holds; nothing when that cannot be read, so that it can be given anew."""
    try:
        return records.kept_source(record)
    except ValueError:
        return KeptSource()


def _key_id(state: AdminState, digest: str) -> str:
    return fingerprint(f"write key {digest}", state.keys.trace)


def _shown(call: Call, done: writing.Done) -> Reply:
    [source] = [one for one in done.roster.sources if one.id == done.record.id]
    body = known(call.state, source, done.record)
    return Reply(body=body, headers=writing.headers(done.record))


def _made(call: Call, done: writing.Done) -> Reply:
    shown = _shown(call, done)
    place = f"/v1/admin/sources/{done.record.id}".encode()
    return msgspec.structs.replace(shown, headers=(*shown.headers, (b"location", place)))


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/admin/sources",
        handle=list_sources,
        summary="List the sources",
        role="viewer",
        answer=list[KnownSource],
        tag="sources",
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/sources",
        handle=make_source,
        summary="Make a source",
        body=NewSource,
        answer=KnownSource,
        status=201,
        refusals=(409,),
        tag="sources",
    ),
    Endpoint(
        method="GET",
        path="/v1/admin/sources/{id}",
        handle=get_source,
        summary="Show a source",
        role="viewer",
        answer=KnownSource,
        refusals=(404,),
        tag="sources",
    ),
    Endpoint(
        method="PATCH",
        path="/v1/admin/sources/{id}",
        handle=change_source,
        summary="Change a source by a JSON merge patch; If-Match: its version",
        body=SourcePatch,
        answer=KnownSource,
        refusals=(404, 409, 412),
        tag="sources",
    ),
    Endpoint(
        method="DELETE",
        path="/v1/admin/sources/{id}",
        handle=delete_source,
        summary="Delete a source that has no integrations",
        answer=DeletedSource,
        refusals=(404, 409, 412),
        tag="sources",
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/sources/{id}/keys",
        handle=make_key,
        summary="Make a write key, which is shown this once; a source has two at most",
        answer=MadeKey,
        status=201,
        refusals=(404, 409, 412),
        tag="sources",
    ),
    Endpoint(
        method="DELETE",
        path="/v1/admin/sources/{id}/keys/{key}",
        handle=revoke_key,
        summary="Revoke a write key",
        status=204,
        refusals=(404, 409, 412),
        tag="sources",
    ),
)

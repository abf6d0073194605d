"""Whether Snap takes what we send: the connection test, the last one's result, Snap's own notes."""

from collections.abc import Mapping

import msgspec

from edgeproxy.admin.api.integration_views import config_of, in_use, line
from edgeproxy.admin.state import AdminState
from edgeproxy.noted import Noted
from edgeproxy.site_rules import looks_like_pixel_id
from edgeproxy.sites import Integration
from edgeproxy.store.office import Record
from edgeproxy.web.endpoint import Call, Endpoint

NOTE = "note"
_PLACE = "test:"

ODD_PIXEL = (
    "the pixel id is not in the form that Snap gives (8-4-4-4-12 hex digits): copy it from Events"
    " Manager"
)


class Tested(msgspec.Struct, frozen=True, kw_only=True):
    """How a connection test went. `status` is None when there was no HTTP answer."""

    ok: bool
    latency_ms: int
    status: int | None
    message: str


class LastTest(msgspec.Struct, frozen=True, kw_only=True):
    """The last connection test of an integration, who made it, and what it was made with."""

    tested: Tested
    at_ms: int
    by: str
    made_with: tuple[str, ...]


_LAST = msgspec.json.Decoder(LastTest)


async def test_integration(call: Call) -> Tested:
    """Send a test PAGE_VIEW to Snap's validate endpoint; it counts nowhere."""
    state: AdminState = call.state
    integration = in_use(call)
    result = await state.probe(integration)
    odd = integration.pixel_id and not looks_like_pixel_id(integration.pixel_id)
    message = f"{result.message}; {ODD_PIXEL}" if odd and not result.ok else result.message
    tested = Tested(
        ok=result.ok, latency_ms=result.latency_ms, status=result.status, message=message
    )
    word = "passed" if result.ok else f"failed: {message}"
    kept = LastTest(
        tested=tested, at_ms=state.now_ms(), by=call.by, made_with=made_with(state, integration)
    )
    await state.office.put(
        NOTE,
        _PLACE + integration.id,
        msgspec.json.encode(kept),
        change=line(call, "test", f"the connection test {word}"[:300]),
    )
    return tested


def made_with(state: AdminState, integration: Integration) -> tuple[str, ...]:
    """What a connection test tells about: another token, pixel or version needs another test."""
    config = config_of(state, integration)
    asset = config.pixel_id or config.snap_app_id
    return (config.access_token_fingerprint, asset, config.api)


async def last_tests(state: AdminState) -> Mapping[str, LastTest]:
    """The last connection test of each integration that was ever tested."""
    found = {}
    for record in await state.office.records(NOTE):
        test = _read(record) if record.id.startswith(_PLACE) else None
        if test is not None:
            found[record.id.removeprefix(_PLACE)] = test
    return found


async def last_test(state: AdminState, id: str) -> LastTest | None:
    """The last connection test of an integration."""
    record = await state.office.record(NOTE, _PLACE + id)
    return None if record is None else _read(record)


async def forget_test(state: AdminState, id: str) -> None:
    """Delete the result of an integration that is gone."""
    await state.office.put(NOTE, _PLACE + id, None)


def _read(record: Record) -> LastTest | None:
    """What a record holds; None when another version of ours wrote it."""
    try:
        return _LAST.decode(record.body)
    except msgspec.DecodeError:
        return None


async def show_snaps_view(call: Call) -> Noted:
    """What Snap itself noted: the log of test events, and the counts of the past hour."""
    state: AdminState = call.state
    integration = in_use(call)
    if state.snap_logs is None:
        return Noted(message="Snap's log is not asked for here")
    noted: Noted = await state.snap_logs(integration)
    return noted


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/v1/admin/integrations/{id}/test",
        handle=test_integration,
        summary="Send a test PAGE_VIEW to Snap's validate endpoint",
        answer=Tested,
        refusals=(404,),
        tag="integrations",
    ),
    Endpoint(
        method="GET",
        path="/v1/admin/integrations/{id}/snap",
        handle=show_snaps_view,
        summary="Show what Snap itself noted: test events and counts",
        answer=Noted,
        refusals=(404,),
        tag="integrations",
    ),
)

"""An integration as people see it: everything but its access token."""

from typing import Literal

import msgspec

from edgeproxy.admin import writing
from edgeproxy.admin.api.sources import faults_of
from edgeproxy.admin.state import AdminState
from edgeproxy.keys import fingerprint
from edgeproxy.outcome import GateState
from edgeproxy.roster import documents, records
from edgeproxy.roster.assembly import UNOPENED
from edgeproxy.roster.records import INTEGRATION
from edgeproxy.sites import Integration
from edgeproxy.store.office import Change, Record
from edgeproxy.web.endpoint import Call
from edgeproxy.web.problem import FieldFault

MASK = "••••"


class KnownConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What belongs to the vendor. The token is a mask, and its fingerprint tells tokens apart."""

    pixel_id: str = ""
    snap_app_id: str = ""
    app_id: str = ""
    access_token: str = ""
    access_token_fingerprint: str = ""
    api: str = "v2"
    privacy: str = "match"
    limited_data_use: bool = False
    rate_limit_rps: float = 50.0
    rate_limit_burst: int = 100
    rate_limit_per_minute: int | None = None
    batch_max: int = 500
    linger_ms: int = 250


class KnownGate(msgspec.Struct, frozen=True, kw_only=True):
    """Whether its events are sent now, since when and why not."""

    state: GateState = "open"
    reason: str = ""
    since_ms: int = 0


class KnownIntegration(msgspec.Struct, frozen=True, kw_only=True):
    """An integration as it stands.

    `managed_by` says whether it can be changed here. `faults` are there when a part of it is not
    in use; `version` is for `If-Match`, 0 for one of the file.
    """

    id: str
    source_id: str = ""
    vendor: str = "snapchat"
    name: str = ""
    enabled: bool = False
    config: KnownConfig = KnownConfig()
    consent_categories: tuple[str, ...] = ("advertising",)
    events: dict[str, tuple[str, ...]] = {}
    unknown_events: str = "drop"
    gate: KnownGate = KnownGate()
    managed_by: Literal["file", "api"] = "api"
    version: int = 0
    changed_ms: int | None = None
    faults: tuple[FieldFault, ...] = ()


def in_use(call: Call) -> Integration:
    """The integration in use that the path names; raises Refused."""
    state: AdminState = call.state
    integration = state.registry.integrations.get(call.path["id"])
    if integration is None:
        raise writing.unknown(INTEGRATION)
    return integration


async def note(call: Call, action: str, detail: str) -> None:
    """Write an audit line about the integration that the path names."""
    await call.state.office.note(line(call, action, detail))


def line(call: Call, action: str, detail: str) -> Change:
    """An audit line about the integration that the path names."""
    return Change(who=call.by, action=action, kind=INTEGRATION, id=call.path["id"], detail=detail)


async def known(
    state: AdminState, integration: Integration, record: Record | None
) -> KnownIntegration:
    """An integration that is in use; `record` is None for one of the configuration file."""
    gate = await state.store.gate(integration.id)
    return KnownIntegration(
        id=integration.id,
        source_id=integration.source,
        vendor=integration.vendor,
        name=integration.name,
        enabled=integration.enabled,
        config=config_of(state, integration),
        consent_categories=integration.consent_categories,
        events=integration.events,
        unknown_events=integration.unknown_events,
        gate=KnownGate(state=gate.state, reason=gate.reason, since_ms=gate.since_ms),
        managed_by="file" if record is None else "api",
        version=0 if record is None else record.version,
        changed_ms=None if record is None else record.changed_ms,
        faults=() if record is None else faults_of(state, record),
    )


def broken(state: AdminState, record: Record) -> KnownIntegration:
    """An integration whose record is not in use."""
    try:
        document = records.kept_integration(record).document
    except ValueError:
        document = {}
    source, name = (document.get(key) for key in ("source_id", "name"))
    return KnownIntegration(
        id=record.id,
        source_id=source if isinstance(source, str) else "",
        name=name if isinstance(name, str) else "",
        version=record.version,
        changed_ms=record.changed_ms,
        faults=faults_of(state, record),
    )


def config_of(state: AdminState, integration: Integration) -> KnownConfig:
    """What belongs to the vendor, as people see it."""
    token = integration.access_token
    known_token = bool(token) and token is not UNOPENED
    return KnownConfig(
        **{name: getattr(integration, name) for name in documents.CONFIG},
        access_token=MASK if token else "",
        access_token_fingerprint=fingerprint(token.reveal(), state.keys.trace)
        if known_token
        else "",
    )

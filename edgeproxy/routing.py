"""Which integrations want an event, under which of Snap's names, and the rows that come of it."""

import hashlib
from collections.abc import Callable, Mapping, Sequence

import msgspec

from edgeproxy import catalog
from edgeproxy.event import Event, Sealed, encode_event
from edgeproxy.sites import Integration
from edgeproxy.store.base import Entry


class Target(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An integration ready for routing: `own` is its event table with folded names."""

    integration: Integration
    own: Mapping[str, tuple[str, ...]]


class Choice(msgspec.Struct, frozen=True, gc=False):
    """One row to be: this integration, this Snap name, the n-th of its name (from 1), and why."""

    target: Target
    name: str
    nth: int
    rule: str


class Plan(msgspec.Struct, frozen=True, gc=False):
    """Where one event goes; `reason` says why nowhere: unmapped, internal or no_consent.

    `sign_up`: one of the rows is a SIGN_UP.
    """

    choices: tuple[Choice, ...]
    reason: str = ""
    sign_up: bool = False


class Extras(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The raw values that a wire may want, for sealing. Lives for one request."""

    user_agent: str = ""
    address: str = ""
    mobile_ad_id: str = ""
    idfv: str = ""


def target(integration: Integration) -> Target:
    """The integration with its event table folded."""
    own = {catalog.fold(name): names for name, names in integration.events.items()}
    return Target(integration=integration, own=own)


def plan(
    name: str,
    call: str,
    targets: Sequence[Target],
    *,
    pixels: Sequence[str] | None,
    granted: Callable[[Sequence[str]], bool],
) -> Plan:
    """Choose integrations and names for one event.

    Args:
        name: As the caller wrote it.
        call: "track" or "page".
        targets: Of the event's source.
        pixels: Narrows to these pixel (or Snap app) ids; None means all.
        granted: Whether the visitor allows all of the given consent categories.
    """
    if call != "page" and catalog.fold(name) in catalog.INTERNAL:
        return Plan((), "internal")
    choices: list[Choice] = []
    reason = "unmapped"
    for each in targets:
        integration = each.integration
        if not integration.enabled or not _wanted(integration, pixels):
            continue
        mapped = catalog.lookup(name, call=call, own=each.own, unknown=integration.unknown_events)
        if mapped.names and not granted(integration.consent_categories):
            reason = "no_consent"
            continue
        choices += [
            Choice(each, snap_name, nth, mapped.rule)
            for nth, snap_name in enumerate(mapped.names, 1)
        ]
    sign_up = any(choice.name == "SIGN_UP" for choice in choices)
    return Plan(tuple(choices), "" if choices else reason, sign_up)


def _wanted(integration: Integration, pixels: Sequence[str] | None) -> bool:
    if pixels is None:
        return True
    return any(own and own in pixels for own in (integration.pixel_id, integration.snap_app_id))


def entry(
    event: Event,
    choice: Choice,
    *,
    visitor: bytes,
    expires_ms: int,
    sealed: bytes,
    fill: bytes = b"",
) -> Entry:
    """One row: the event under the name, id and privacy profile of one choice."""
    integration = choice.target.integration
    event_id = wire_id(event.id, choice)
    if event.name == choice.name and event.privacy == integration.privacy and choice.nth == 1:
        frozen = event
    else:
        frozen = msgspec.structs.replace(
            event, id=event_id, name=choice.name, privacy=integration.privacy
        )
    order_id = event.goods.order_id if choice.name == "PURCHASE" else ""
    return Entry(
        integration=integration.id,
        key=row_key(integration.id, choice.name, event_id, test=event.test),
        order_key=row_key(integration.id, "order", order_id, test=event.test) if order_id else b"",
        visitor=visitor,
        name=choice.name,
        body=encode_event(frozen),
        sealed=sealed,
        event_time_ms=event.time_ms,
        expires_ms=expires_ms,
        fill=fill,
    )


def wire_id(event_id: str, choice: Choice) -> str:
    """The id on the wire.

    The first name that a caller's name maps to keeps the id, the n-th gets `<id>-<n>`, so that
    neither we nor Snap collapse them.
    """
    return event_id if choice.nth == 1 else f"{event_id}-{choice.nth}"


def row_key(integration: str, name: str, event_id: str, *, test: bool = False) -> bytes:
    """16 bytes that name a row for deduplication; of fixed size and without personal data.

    A test event never collapses with a live one.
    """
    text = f"{integration}\0{name}\0{event_id}"
    if test:
        text += "\0test"
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def extras_for(
    integration: Integration, extras: Extras, *, bound_to: str, sha256: Callable[[str], str]
) -> Sealed | None:
    """What must be sealed for this integration, and nothing beyond; None for nothing.

    Under `strict` neither the raw address nor the raw user agent leaves the handler, not even
    sealed. v2 has a hashed address field, v3 takes the raw one only.
    """
    v2 = integration.api == "v2"
    raw = integration.privacy == "match"
    user_agent = extras.user_agent if raw else ""
    user_agent_sha256 = sha256(extras.user_agent) if v2 and not raw else ""
    address = extras.address if raw and not v2 else ""
    address_sha256 = sha256(extras.address) if v2 else ""
    mobile_ad_id = "" if v2 else extras.mobile_ad_id
    idfv = "" if v2 else extras.idfv
    if not (user_agent or user_agent_sha256 or address or address_sha256 or mobile_ad_id or idfv):
        return None
    return Sealed(
        bound_to=bound_to,
        user_agent=user_agent,
        user_agent_sha256=user_agent_sha256,
        address=address,
        address_sha256=address_sha256,
        mobile_ad_id=mobile_ad_id,
        idfv=idfv,
    )


def bound_to(integration: str, visitor: bytes, key: bytes) -> str:
    """What a sealed box is bound to, so that it opens for its own rows only."""
    return f"{integration}:{(visitor or key).hex()}"

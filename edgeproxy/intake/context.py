"""What Segment's `context` and `integrations` say beside the event: visitor, device, consent.

Nothing here fails: what is not in the form that Segment documents says nothing.
Source: Segment, Spec: Common Fields.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from edgeproxy.event import Channel, Device
from edgeproxy.intake.decoding import an_object
from edgeproxy.intake.spelling import fold
from edgeproxy.intake.values import plain, word

TEXT_CHARS = 2048

_CHANNEL_NAMES = frozenset(("eventconversiontype", "actionsource"))
_CHANNELS: dict[str, Channel] = {
    "web": "WEB",
    "website": "WEB",
    "browser": "WEB",
    "client": "WEB",
    "mobileapp": "MOBILE_APP",
    "mobile": "MOBILE_APP",
    "app": "MOBILE_APP",
    "offline": "OFFLINE",
    "physicalstore": "OFFLINE",
    "phonecall": "OFFLINE",
    "chat": "OFFLINE",
    "email": "OFFLINE",
    "systemgenerated": "OFFLINE",
    "other": "OFFLINE",
}
"""Folded values of Snap's fields and of Segment's `channel`. Source: Snap, offline events page."""

_MOBILE_LIBRARIES = ("ios", "android", "swift", "kotlin", "react-native", "flutter", "xamarin")
_SYSTEMS = {"ios": "iOS", "ipados": "iOS", "android": "Android"}


def text(value: object) -> str:
    """A text or whole number of sensible length as trimmed text; "" for anything else."""
    found = plain(value)
    return found if len(found) <= TEXT_CHARS and found.isprintable() else ""


def conversion_type(value: object) -> Channel | None:
    """The channel that a value of `event_conversion_type` or `action_source` names."""
    return _CHANNELS.get(fold(value)) if isinstance(value, str) else None


def said_channel(places: Iterable[Mapping[str, Any]], channels: Iterable[object]) -> Channel | None:
    """Where the caller says that an event happened; None when it does not.

    Args:
        places: Objects with an `event_conversion_type` or `action_source`, in any spelling.
        channels: Values of Segment's `channel`; "server" says nothing about the visitor.
    """
    snap = (
        value for place in places for key, value in place.items() if fold(key) in _CHANNEL_NAMES
    )
    return next((found for value in (*snap, *channels) if (found := conversion_type(value))), None)


def channel_of(context: Mapping[str, Any], *, page: bool) -> Channel:
    """Where an event happened, as the context looks.

    A mobile library or an advertising id means an app; a page or a user agent means a browser; what
    is left happened on no screen: a sale in a shop, the renewal of a contract.

    Args:
        context: Segment's.
        page: Whether a page's address or a call for a page is there.
    """
    library = text(an_object(context.get("library")).get("name")).lower()
    device = an_object(context.get("device"))
    if text(device.get("advertisingId")) or any(name in library for name in _MOBILE_LIBRARIES):
        return "MOBILE_APP"
    if page or text(context.get("userAgent")) or "analytics.js" in library:
        return "WEB"
    return "OFFLINE"


def device_of(context: Mapping[str, Any]) -> Device | None:
    """The device as an app's library describes it; None when it says nothing."""
    system = an_object(context.get("os"))
    model = word(an_object(context.get("device")).get("model"))
    name = _SYSTEMS.get(fold(text(system.get("name"))), "")
    version = word(system.get("version"))
    if not (model or name):
        return None
    return Device(model=model[:64], os=name, os_version=version[:32])


def device_ids(context: Mapping[str, Any]) -> dict[str, Any]:
    """The advertising id and Apple's vendor id, under the names that a person's fields have."""
    device = an_object(context.get("device"))
    found = {"mobile_ad_id": text(device.get("advertisingId"))}
    if fold(text(device.get("type"))) in ("ios", "ipados"):
        found["idfv"] = text(device.get("id"))
    return {name: value for name, value in found.items() if value}


def tracking_denied(context: Mapping[str, Any]) -> bool:
    """Whether the person told the device not to let apps track."""
    return an_object(context.get("device")).get("adTrackingEnabled") is False


def consent_of(places: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """What `consent` objects say, in the form of the tag's batch; None when they say nothing.

    Read are `{"ad": bool}`, `{"categories": {…}}` and Segment's `{"categoryPreferences": {…}}`.
    Advertising may be written in any letter case. Of several answers the no counts, and so does
    anything that is not a plain yes.

    Source: Segment, Consent Management, `context.consent.categoryPreferences`.
    """
    answers: dict[str, Any] = {}
    for place in places:
        given = an_object(place.get("consent"))
        said = [("advertising", given["ad"])] if given.get("ad") is not None else []
        for name in ("categories", "categoryPreferences"):
            said += an_object(given.get(name)).items()
        for category, answer in said:
            key = "advertising" if fold(category) == "advertising" else category
            if answers.get(key, True) is True:
                answers[key] = answer
    return {"categories": answers} if answers else None


def snap_options(integrations: Mapping[str, Any]) -> tuple[bool, dict[str, Any]]:
    """Whether the caller wants the event to go to Snap, and its options for that.

    Any name that begins with "Snap" means us. Source: Segment, Spec: Common Fields, integrations.
    """
    for name, value in integrations.items():
        if fold(name).startswith("snap"):
            return value is not False, an_object(value)
    return all(integrations.get(name) is not False for name in ("All", "all")), {}

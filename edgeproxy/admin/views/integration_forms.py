"""The forms of an integration, and what each asks the API to change."""

from collections.abc import Mapping
from typing import Any

import msgspec

from edgeproxy.admin.api.integration_views import KnownIntegration
from edgeproxy.admin.views.parts import Versioned, difference, number
from edgeproxy.catalog import fold
from edgeproxy.roster.documents import TOKEN

Typed = str | msgspec.UnsetType
"""What was typed; unset when the page did not have the field."""

_CONFIG = (
    "pixel_id",
    "snap_app_id",
    "app_id",
    "api",
    "privacy",
    "limited_data_use",
    "rate_limit_rps",
    "rate_limit_burst",
    "rate_limit_per_minute",
    "batch_max",
    "linger_ms",
)
_NUMBERS = _CONFIG[6:]
_RENAMED = {name: f"config.{name}" for name in (*_CONFIG, TOKEN)}

LABELS: Mapping[str, str] = {
    "name": "Name",
    "source_id": "Source",
    "consent_categories": "Consent categories",
    "config.pixel_id": "Snap Pixel ID",
    "config.snap_app_id": "Snap App ID",
    "config.app_id": "App ID",
    "config.api": "Snap's API",
    "config.privacy": "Privacy",
    "config.limited_data_use": "Limited data use",
    "config.rate_limit_rps": "Requests a second",
    "config.rate_limit_burst": "Requests at once",
    "config.rate_limit_per_minute": "Requests a minute",
    "config.batch_max": "Events in one request",
    "config.linger_ms": "Wait for a batch, ms",
}
"""Field → what people call it."""


class NewForm(msgspec.Struct, frozen=True, kw_only=True, rename=_RENAMED):
    """The guided form of a new integration."""

    source_id: str = ""
    name: str = ""
    pixel_id: str = ""
    snap_app_id: str = ""
    app_id: str = ""
    access_token: str = ""
    api: str = ""
    privacy: str = ""

    def document(self) -> dict[str, Any]:
        """The body for the API: switched off until its connection was tested."""
        config = {
            name: text
            for name in ("pixel_id", "snap_app_id", "app_id", "api", "privacy", TOKEN)
            if (text := getattr(self, name).strip())
        }
        document: dict[str, Any] = {"enabled": False, "config": config}
        if self.name.strip():
            document["name"] = self.name.strip()
        return document | {"source_id": self.source_id.strip()}


class SettingsForm(Versioned, frozen=True, kw_only=True, rename=_RENAMED):
    """The settings of an integration; a field that is not there stays what it is."""

    source_id: Typed = msgspec.UNSET
    name: Typed = msgspec.UNSET
    consent_categories: Typed = msgspec.UNSET
    pixel_id: Typed = msgspec.UNSET
    snap_app_id: Typed = msgspec.UNSET
    app_id: Typed = msgspec.UNSET
    access_token: Typed = msgspec.UNSET
    api: Typed = msgspec.UNSET
    privacy: Typed = msgspec.UNSET
    limited_data_use: Typed = msgspec.UNSET
    rate_limit_rps: Typed = msgspec.UNSET
    rate_limit_burst: Typed = msgspec.UNSET
    rate_limit_per_minute: Typed = msgspec.UNSET
    batch_max: Typed = msgspec.UNSET
    linger_ms: Typed = msgspec.UNSET

    @property
    def token(self) -> str:
        """A new token, "" to keep the one there is."""
        return "" if self.access_token is msgspec.UNSET else self.access_token.strip()

    def wanted(self) -> dict[str, Any]:
        """Field → what shall stand there; the token is apart."""
        typed = {
            name: getattr(self, name).strip()
            for name in ("source_id", "name", "consent_categories", *_CONFIG)
            if getattr(self, name) is not msgspec.UNSET
        }
        return {_RENAMED.get(name, name): _value(name, text) for name, text in typed.items()}

    def patch(self, known: KnownIntegration) -> dict[str, Any]:
        """The merge patch for the API, empty when nothing is asked."""
        flat = difference(self.wanted(), standing(known))
        patch = {name: value for name, value in flat.items() if "." not in name}
        config = {
            name.removeprefix("config."): value for name, value in flat.items() if "." in name
        }
        config |= {TOKEN: self.token} if self.token else {}
        return {**patch, "config": config} if config else patch


class TestForm(msgspec.Struct, frozen=True, kw_only=True):
    """The button of the connection test; `back` is the page that it stands on."""

    __test__ = False

    back: str = ""


class LiveForm(Versioned, frozen=True, kw_only=True):
    """The Live switch."""

    enabled: bool = False


class EventForm(Versioned, frozen=True, kw_only=True):
    """One own event name and one of Snap's."""

    own: str = ""
    snap: str = ""


class UnknownForm(Versioned, frozen=True, kw_only=True):
    """What happens to names without a mapping."""

    unknown_events: str = ""


def standing(known: KnownIntegration) -> dict[str, Any]:
    """Field → what stands there now."""
    found: dict[str, Any] = {
        "name": known.name,
        "source_id": known.source_id,
        "consent_categories": list(known.consent_categories),
    }
    return found | {_RENAMED[name]: getattr(known.config, name) for name in _CONFIG}


def key_of(known: KnownIntegration, own: str) -> str:
    """The key that an own name has in the table already; case, blanks, _ and - do not count."""
    return next((key for key in known.events if fold(key) == fold(own)), own)


def _value(name: str, text: str) -> Any:
    if name in _NUMBERS:
        return number(text) if text else None
    if name == "consent_categories":
        return [one.strip() for one in text.split(",") if one.strip()]
    return text == "true" if name == "limited_data_use" else text

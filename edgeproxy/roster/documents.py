"""Sources and integrations as JSON documents: what the admin API takes and the store keeps.

A document holds what was given and nothing else, so that a default stays a default. The same rules
as in the configuration file hold. An access token is never in a document.
"""

from collections.abc import Mapping
from typing import Any

from edgeproxy import site_rules
from edgeproxy.errors import Unfit
from edgeproxy.roster import fields
from edgeproxy.roster.fields import Fault, Field, Fields
from edgeproxy.sites import Integration, Secret, Source
from edgeproxy.urls import origin_of

Document = dict[str, Any]

_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_FLAG = {"type": "boolean"}


def _word(*words: str, default: str, about: str) -> Field:
    schema = {"type": "string", "enum": [*words], "default": default}
    return Field(read=fields.one_of(*words), default=default, about=about, schema=schema)


def _whole(low: int, high: int, default: int | None, about: str) -> Field:
    schema: Document = {"type": "integer", "minimum": low, "maximum": high}
    schema |= {} if default is None else {"default": default}
    return Field(read=fields.whole(low, high), default=default, about=about, schema=schema)


_ID = Field(
    read=fields.text(site_rules.name),
    required=True,
    about="1 to 64 letters, digits, - or _.",
    schema={**_TEXT, "pattern": "^[A-Za-z0-9_-]{1,64}$"},
)

SOURCE: Fields = {
    "id": _ID,
    "origins": Field(
        read=fields.texts(origin_of),
        default=(),
        about="Where its pages are, such as https://www.example.com.",
        schema=_TEXTS,
    ),
    "cookie_domain": Field(
        read=fields.text(),
        default="auto",
        about="auto (the registrable domain), host, or a domain of all origins.",
        schema={**_TEXT, "default": "auto"},
    ),
    "consent": _word(
        "required",
        "implied",
        default="required",
        about="required: nothing before a yes; implied: until a no.",
    ),
    "default_country": Field(
        read=fields.text(site_rules.country),
        default="",
        about="For phone numbers without a country code, such as US.",
        schema=_TEXT,
    ),
    "click_id_days": _whole(1, 395, 90, "How many days the click id's cookie lasts."),
    "click_id_readable": Field(
        read=fields.flag, default=False, about="Whether scripts can read that cookie.", schema=_FLAG
    ),
}
"""What a source's document may have."""

TOKEN = "access_token"  # noqa: S105 - a name

CONFIG: Fields = {
    "pixel_id": Field(read=fields.text(), default="", about="Snap Pixel ID.", schema=_TEXT),
    "snap_app_id": Field(
        read=fields.text(),
        default="",
        about="Snap App ID, for apps, together with app_id.",
        schema=_TEXT,
    ),
    "app_id": Field(
        read=fields.text(),
        default="",
        about="The app's own id (bundle id or store id).",
        schema=_TEXT,
    ),
    "api": _word(
        "v2", "v3", default="v2", about="Version of Snap's API; v3 takes the raw IP address."
    ),
    "privacy": _word(
        "match",
        "strict",
        default="match",
        about="match, or strict: raw address and user agent never leave the handler.",
    ),
    "limited_data_use": Field(
        read=fields.flag,
        default=False,
        about="Ask Snap to limit the use of the data.",
        schema=_FLAG,
    ),
    "rate_limit_rps": Field(
        read=fields.real(0, 10_000),
        default=50.0,
        about="Requests to Snap a second.",
        schema={"type": "number", "exclusiveMinimum": 0, "maximum": 10_000, "default": 50},
    ),
    "rate_limit_burst": _whole(1, 100_000, 100, "Requests at once after a pause."),
    "rate_limit_per_minute": _whole(
        1, 1_000_000, None, "Requests to Snap a minute, when that is limited too."
    ),
    "batch_max": _whole(1, 2000, 500, "Events in one request."),
    "linger_ms": _whole(0, 60_000, 250, "How many ms a batch waits for more events."),
}
"""What the `config` of an integration's document may have, beside the access token."""

INTEGRATION: Fields = {
    "id": _ID,
    "source_id": Field(
        read=fields.text(site_rules.name),
        required=True,
        about="The source whose events it gets.",
        schema=_TEXT,
    ),
    "vendor": _word("snapchat", default="snapchat", about="Whose API it is."),
    "name": Field(read=fields.text(), default="", about="A name for people.", schema=_TEXT),
    "enabled": Field(
        read=fields.flag,
        default=True,
        about="The Live switch. Off: it takes no new events, and what waits for it is not sent"
        " until it is on again.",
        schema={**_FLAG, "default": True},
    ),
    "consent_categories": Field(
        read=fields.texts(least=1),
        default=("advertising",),
        about="What a visitor must have agreed to.",
        schema={**_TEXTS, "minItems": 1, "default": ["advertising"]},
    ),
    "events": Field(
        read=fields.table(str, fields.texts(site_rules.snap_name, least=1)),
        default={},
        about="Own event names to Snap's: one, or a list of them.",
        schema={"type": "object", "additionalProperties": {"oneOf": [_TEXT, _TEXTS]}},
    ),
    "unknown_events": Field(
        read=fields.text(site_rules.unknown_events),
        default="drop",
        about="drop, uppercase, or a Snap name for names without a mapping.",
        schema={**_TEXT, "default": "drop"},
    ),
    "config": Field(read=lambda value: value, default={}, schema={"type": "object"}),
}
"""What an integration's document may have."""

_ELSEWHERE = (*(f"config.{name}" for name in CONFIG), f"config.{TOKEN}", *INTEGRATION)


def source(document: Mapping[str, Any], *, digests: tuple[str, ...] = ()) -> Source:
    """The source that a document describes.

    Args:
        document: With its id.
        digests: SHA-256 hex of each write key.

    Raises:
        Unfit: With every fault.
    """
    found = fields.filled(document, SOURCE)
    values, faults = found.values, found.faults
    if "origins" in values and "cookie_domain" in values:
        _ruled(
            "cookie_domain",
            faults,
            values,
            lambda: site_rules.cookie_domain(values["cookie_domain"], values["origins"]),
        )
    if faults:
        raise Unfit(faults)
    return Source(**values, write_key_digests=digests)


def integration(document: Mapping[str, Any], token: Secret) -> Integration:
    """The integration that a document describes.

    Raises:
        Unfit: With every fault.
    """
    found = fields.filled(document, INTEGRATION, other=_ELSEWHERE)
    values, faults = dict(found.values), list(found.faults)
    given = values.pop("config", {})
    if not isinstance(given, Mapping):
        faults.append(("config", "must be an object"))
        given = {}
    inner = fields.filled(given, CONFIG, "config.", other=_ELSEWHERE, also=(TOKEN,))
    faults += inner.faults
    config = dict(inner.values)
    _ruled("config.pixel_id", faults, config, lambda: _asset(config))
    if "events" in values:
        _ruled("events", faults, values, lambda: site_rules.events(values["events"]))
    if faults:
        raise Unfit(faults)
    return Integration(
        **{name: value for name, value in values.items() if name != "source_id"},
        **config,
        source=values["source_id"],
        access_token=token,
    )


def merged(document: Mapping[str, Any], patch: Mapping[str, Any]) -> Document:
    """The document with a patch applied: objects are merged, null removes.

    Source: RFC 7396, JSON Merge Patch.
    """
    result = dict(document)
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, Mapping):
            before = result.get(name)
            result[name] = merged(before if isinstance(before, Mapping) else {}, value)
        else:
            result[name] = value
    return result


def _asset(config: Mapping[str, Any]) -> str:
    """The pixel id, when all three ids could be read."""
    ids = [config.get(name) for name in ("pixel_id", "snap_app_id", "app_id")]
    if None in ids:
        return ""  # the fault is told already
    return site_rules.pixel_id(str(ids[0]), ids[1], ids[2])


def _ruled(name: str, faults: list[Fault], values: Document, rule: Any) -> None:
    """Put the normal form under a field's own name, or note its fault."""
    try:
        values[name.rpartition(".")[2]] = rule()
    except ValueError as error:
        faults.append((name, str(error)))

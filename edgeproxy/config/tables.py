"""The shape of `edgeproxy.toml`: its tables, with types, defaults, ranges and a line for each.

The JSON Schema, the names of the environment variables and the settings table of the README are
made from these models. A model never shows what it was given (`hide_input_in_errors`).
"""

from pathlib import Path
from typing import Literal

from pydantic import (
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from edgeproxy import site_rules
from edgeproxy.config import kinds, rules
from edgeproxy.config.debugger import DebuggerTable
from edgeproxy.config.judging import AlertsTable, QualityTable
from edgeproxy.config.table import Table
from edgeproxy.sites import Api, ConsentRule, Privacy
from edgeproxy.store.space import RESERVE_LEAST_BYTES

SQLITE_URL = "sqlite:///var/lib/edgeproxy/edgeproxy.db"


class ServerTable(Table):
    """[server]: the listeners."""

    host: kinds.ListenHost = Field(
        default="127.0.0.1", description="Address of the public listener; 0.0.0.0 listens on all."
    )
    port: kinds.Whole = Field(
        default=8000,
        ge=0,
        le=65_535,
        description="Port of the public listener; 0 takes a free one.",
    )
    admin_port: kinds.Whole = Field(
        default=8084,
        ge=0,
        le=65_535,
        description="Port of the admin listener; 0 takes a free one.",
    )
    admin_host: kinds.ListenHost = Field(
        default="127.0.0.1", description="Address of the admin listener: dashboard and admin API."
    )
    prefix: kinds.Prefix = Field(
        default="", description="Path under which everything sits, such as /edge."
    )
    trusted_proxies: kinds.Networks = Field(
        default=("127.0.0.1", "::1"), description="Proxies whose X-Forwarded-* headers count."
    )
    workers: kinds.Whole = Field(
        default=1, ge=1, le=1024, description="Processes that serve; one is enough for most."
    )
    role: kinds.Role = Field(
        default="all",
        description="all; ingest: take events and leave sending to others; deliver: only send.",
    )
    flood_rps: kinds.Real = Field(
        default=500.0,
        ge=0,
        le=1_000_000,
        description="What one client address, and one visitor, may ask; 0 is no limit.",
        json_schema_extra={"unit": "requests a second"},
    )
    flood_burst: kinds.Whole = Field(
        default=20_000,
        ge=1,
        le=1_000_000,
        description="What each of them may ask at once.",
        json_schema_extra={"unit": "requests"},
    )


class StoreTable(Table):
    """[store]: where events are kept until Snap has them."""

    url: kinds.StoreUrl = Field(
        default=SQLITE_URL,
        description="sqlite:/// and the absolute path of the database, or PostgreSQL's URL.",
    )
    url_file: kinds.StoreUrlFile | None = Field(
        default=None, description="File that holds the URL, when there is a password in it."
    )
    durability: kinds.Durability = Field(
        default="checked",
        description="checked: warn when PostgreSQL has no synchronous standby; managed: the"
        " storage below it is replicated.",
    )
    keys_dir: Path | None = Field(
        default=None,
        description="Folder of the key files; by default the SQLite database's.",
        validate_default=True,
    )
    max_bytes: kinds.Whole | None = Field(
        default=None,
        ge=4 * 1024 * 1024,
        description="How large a SQLite database may grow; by default half of what is free, 4 GiB"
        " at most.",
        json_schema_extra={"unit": "bytes"},
    )
    reserve_bytes: kinds.Whole | None = Field(
        default=None,
        ge=RESERVE_LEAST_BYTES,
        description="How much of its volume stays free; by default a tenth, 64 to 256 MiB.",
        json_schema_extra={"unit": "bytes"},
    )

    @field_validator("url_file")
    @classmethod
    def _url_once(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("url", SQLITE_URL) != SQLITE_URL:
            raise ValueError("and store.url are both set; keep one")
        return value

    @field_validator("keys_dir")
    @classmethod
    def _given_to_nodes(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        url = info.data.get("url_file") or info.data.get("url") or SQLITE_URL
        if value is None and not url.startswith("sqlite:"):
            raise ValueError(
                "is not set; with PostgreSQL all nodes have the same keys: make a folder of them"
                " once (edgeproxy keys new), and give each node a copy"
            )
        return value


class LogTable(Table):
    """[log]: what the process says on standard output."""

    format: kinds.LogFormat = Field(
        default="auto", description="json, console, or auto: console on a terminal."
    )
    level: kinds.LogLevel = Field(default="info", description="The least severity that is written.")


class IntegrationTable(Table):
    """[[sources.integrations]]: one Snap pixel or Snap app."""

    vendor: Literal["snapchat"] = Field(default="snapchat", description="Whose API it is.")
    id: kinds.Id | None = Field(
        default=None, description="Name in logs; by default the source and the pixel id's first 8."
    )
    name: kinds.Text = Field(default="", description="A name for people.")
    enabled: bool = Field(default=True, description="Whether events are delivered.")
    snap_app_id: kinds.Text = Field(
        default="", description="Snap App ID, for apps, together with app_id."
    )
    app_id: kinds.Text = Field(default="", description="The app's own id (bundle id or store id).")
    pixel_id: kinds.Text = Field(default="", description="Snap Pixel ID.", validate_default=True)
    api: Api = Field(
        default="v2", description="Version of Snap's API; v3 takes the raw IP address."
    )
    privacy: Privacy = Field(
        default="match",
        description="match, or strict: raw address and user agent never leave the handler.",
    )
    consent_categories: kinds.Texts = Field(
        default=("advertising",), min_length=1, description="What a visitor must have agreed to."
    )
    events: dict[kinds.Text, kinds.SnapNames] = Field(
        default={}, description="Own names to Snap's: one, or a list of them."
    )
    unknown_events: kinds.UnknownEvents = Field(
        default="drop", description="drop, uppercase, or a Snap name for names without a mapping."
    )
    limited_data_use: bool = Field(
        default=False, description="Ask Snap to limit the use of the data."
    )
    rate_limit_rps: kinds.Real = Field(
        default=50.0,
        gt=0,
        le=10_000,
        description="Requests to Snap.",
        json_schema_extra={"unit": "requests a second"},
    )
    rate_limit_burst: kinds.Whole = Field(
        default=100,
        ge=1,
        le=100_000,
        description="Requests at once after a pause.",
        json_schema_extra={"unit": "requests"},
    )
    rate_limit_per_minute: kinds.Whole | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Requests to Snap, when a minute is limited too.",
        json_schema_extra={"unit": "requests a minute"},
    )
    batch_max: kinds.Whole = Field(
        default=500,
        ge=1,
        le=2000,
        description="Events in one request.",
        json_schema_extra={"unit": "events"},
    )
    linger_ms: kinds.Whole = Field(
        default=250,
        ge=0,
        le=60_000,
        description="How long a batch waits for more events.",
        json_schema_extra={"unit": "ms"},
    )
    access_token_file: kinds.TokenFile | None = Field(
        default=None, description="File that holds the Conversions API token."
    )
    access_token: kinds.Token | None = Field(
        default=None, description="Conversions API token; a file is better.", validate_default=True
    )

    @field_validator("pixel_id")
    @classmethod
    def _pixel_or_app(cls, value: str, info: ValidationInfo) -> str:
        return site_rules.pixel_id(value, info.data.get("snap_app_id"), info.data.get("app_id"))

    @field_validator("events")
    @classmethod
    def _each_name_once(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        return site_rules.events(value)

    @field_validator("access_token")
    @classmethod
    def _token_once(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        from_file = info.data.get("access_token_file")
        if value is not None and from_file is not None:
            raise ValueError("and access_token_file are both set; keep one")
        if value is None and from_file is None and "access_token_file" in info.data:
            raise ValueError(
                "is not set; give access_token_file, or for a single site EDGEPROXY_ACCESS_TOKEN"
            )
        return value or from_file


class SourceTable(Table):
    """[[sources]]: one site whose events come in."""

    id: kinds.Id = Field(description="Name of the site.")
    write_keys_file: kinds.WriteKeysFile = Field(
        default=(), description="File with a key a line, for events from servers."
    )
    write_keys: tuple[kinds.WriteKey, ...] = Field(
        default=(),
        description="Keys of those who send from servers, or sha256: and their SHA-256.",
    )
    origins: kinds.Origins = Field(
        default=(),
        description="Where its pages are, such as https://www.example.com.",
        validate_default=True,
    )
    cookie_domain: str = Field(
        default="auto",
        description="auto (the registrable domain), host, or a domain of all origins.",
    )
    consent: ConsentRule = Field(
        default="required", description="required: nothing before a yes; implied: until a no."
    )
    default_country: kinds.Country = Field(
        default="", description="For phone numbers without a country code, such as US."
    )
    click_id_days: kinds.Whole = Field(
        default=90,
        ge=1,
        le=395,
        description="How long the click id's cookie lasts.",
        json_schema_extra={"unit": "days"},
    )
    click_id_readable: bool = Field(
        default=False, description="Whether scripts can read that cookie."
    )
    integrations: tuple[IntegrationTable, ...] = Field(
        default=(), description="Where its events go."
    )

    @field_validator("origins")
    @classmethod
    def _some_way_in(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        keys = [info.data.get(name, ("unreadable",)) for name in ("write_keys", "write_keys_file")]
        if not value and not any(keys):
            raise ValueError("are not set; give the pages' origin, or write keys for a back end")
        return tuple(dict.fromkeys(value))

    @field_validator("cookie_domain")
    @classmethod
    def _of_all_origins(cls, value: str, info: ValidationInfo) -> str:
        return site_rules.cookie_domain(value, info.data.get("origins", ()))


class Tables(BaseSettings):
    """The whole file."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        case_sensitive=True,
        env_prefix="EDGEPROXY_",
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
        title="edgeproxy.toml",
    )

    upstream: kinds.Upstream = Field(
        default=rules.SNAP_HOSTS[0],
        description="Snap's host, its staging host, or a loopback address.",
    )
    admin_token_file: kinds.TokenFile | None = Field(
        default=None, description="File that holds the admin token."
    )
    admin_token: kinds.Token | None = Field(
        default=None,
        description="Token of the admin listener; by default one is made in the keys' folder.",
    )
    server: ServerTable = Field(default_factory=ServerTable)
    store: StoreTable = Field(default_factory=StoreTable)
    log: LogTable = Field(default_factory=LogTable)
    debugger: DebuggerTable = Field(default_factory=DebuggerTable)
    alerts: AlertsTable = Field(default_factory=AlertsTable)
    quality: QualityTable = Field(default_factory=QualityTable)
    sources: tuple[SourceTable, ...] = Field(default=(), description="The sites.")

    @field_validator("admin_token")
    @classmethod
    def _admin_token_once(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is not None and info.data.get("admin_token_file") is not None:
            raise ValueError("and admin_token_file are both set; keep one")
        return value

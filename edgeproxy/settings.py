"""The resolved settings: plain values, made once, handed down.

Apart from the package that reads them, so that whoever uses them does not carry the reader along.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from edgeproxy.sites import Secret, Source

LogFormat = Literal["auto", "json", "console"]
Durability = Literal["checked", "managed"]
LogLevel = Literal["debug", "info", "warning", "error"]
Role = Literal["all", "ingest", "deliver"]


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """When people are told; 0 switches a rule off.

    Attributes:
        success_percent: Of the events of half an hour, so many must go out at once.
        backlog_minutes: The oldest event that waits may be so old.
        dead_per_hour: So many dead letters within an hour are told.
        zero_expected: Hours without a conversion are told when so many were usual.
        consent_drop_percent: The share of events with consent may fall by so much.
        token_days: An access token may be in use for so long.
        repeat_hours: After how long an alert that goes on is told again; 0 is never.
    """

    success_percent: float = 95.0
    backlog_minutes: float = 15.0
    dead_per_hour: int = 10
    zero_expected: float = 7.0
    consent_drop_percent: float = 30.0
    token_days: int = 365
    repeat_hours: float = 24.0


@dataclass(frozen=True, kw_only=True)
class Weights:
    """What each identifier is worth for a match, in percent; see `edgeproxy.quality`."""

    click_id: float = 80.0
    email: float = 60.0
    phone: float = 45.0
    mobile_ad_id: float = 45.0
    scid: float = 40.0
    ip_and_agent: float = 25.0
    name_and_address: float = 10.0
    external_id: float = 5.0
    value: float = 10.0
    item_ids: float = 5.0


@dataclass(frozen=True, kw_only=True)
class Debugger:
    """What is kept to look at.

    Attributes:
        enabled: Whether events leave a trace.
        events_per_second: How many of them, at most, in each process.
        keep_days: How long a trace is kept.
        max_bytes: How much all of them may take.
    """

    enabled: bool = True
    events_per_second: float = 200.0
    keep_days: int = 7
    max_bytes: int = 512 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to run.

    Attributes:
        host: Address of the public listener.
        port: Its port; 0 takes a free one.
        admin_port: Port of the admin listener; 0 takes a free one.
        admin_host: Its address.
        admin_token: What opens it; empty when it was not given.
        prefix: "" or "/edge"; no slash at the end.
        trusted_proxies: Addresses and networks whose X-Forwarded-* headers count.
        store_url: "sqlite:///absolute/path.db" or "postgresql://…", perhaps with a password.
        store_durability: "checked" warns when PostgreSQL has no synchronous standby; "managed"
            trusts the storage below it.
        keys_dir: Folder of the key files.
        store_max_bytes: How large a SQLite database may grow; by the volume when None.
        store_reserve_bytes: How much of its volume stays free; by the volume when None.
        accept_loss: Begin with an empty store where one was lost.
        upstream: Where Snap is, without a slash at the end.
        sources: The sites, each with its integrations.
        workers: Processes that serve; with more than one another one watches over them.
        role: "all"; "ingest" takes events in and leaves sending to others; "deliver" only sends.
        flood_rps: Requests a second that one client address, and one visitor, may make; 0 is no
            limit.
        flood_burst: Requests that each may make at once.
        log_format: auto, json or console.
        log_level: debug, info, warning or error.
        debugger: What is kept to look at.
        alert_webhook: Where alerts are sent; None writes them to the log alone.
        alerts: When they are sent.
        weights: What each identifier is worth for a match.
        warnings: Sentences for the operator; nothing that stops a start.
        where: Setting → the flag, variable or file that gave it; a default has no entry.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    admin_port: int = 8084
    admin_host: str = "127.0.0.1"
    admin_token: Secret = field(default_factory=lambda: Secret(""))
    prefix: str = ""
    trusted_proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    store_url: str = field(default="sqlite:///var/lib/edgeproxy/edgeproxy.db", repr=False)
    store_durability: Durability = "checked"
    keys_dir: Path = Path("/var/lib/edgeproxy")
    store_max_bytes: int | None = None
    store_reserve_bytes: int | None = None
    accept_loss: bool = False
    upstream: str = "https://tr.snapchat.com"
    sources: tuple[Source, ...] = ()
    workers: int = 1
    role: Role = "all"
    flood_rps: float = 500.0
    flood_burst: int = 20_000
    log_format: LogFormat = "auto"
    log_level: LogLevel = "info"
    debugger: Debugger = Debugger()
    alert_webhook: Secret | None = None
    alerts: Thresholds = Thresholds()
    weights: Weights = Weights()
    warnings: tuple[str, ...] = ()
    where: dict[str, str] = field(default_factory=dict)

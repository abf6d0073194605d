"""The resolved settings: plain values, made once, handed down.

Apart from the package that reads them, so that whoever uses them does not carry the reader along.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from edgeproxy.sites import Source

LogFormat = Literal["auto", "json", "console"]
Durability = Literal["checked", "managed"]
LogLevel = Literal["debug", "info", "warning", "error"]
Role = Literal["all", "ingest", "deliver"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to run.

    Attributes:
        host: Address of the public listener.
        port: Its port; 0 takes a free one.
        admin_port: Port of the admin listener.
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
        warnings: Sentences for the operator; nothing that stops a start.
        where: Setting → the flag, variable or file that gave it; a default has no entry.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    admin_port: int = 8084
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
    warnings: tuple[str, ...] = ()
    where: dict[str, str] = field(default_factory=dict)

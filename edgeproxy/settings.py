"""The resolved settings: plain values, made once, handed down.

Apart from the package that reads them, so that whoever uses them does not carry the reader along.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from edgeproxy.sites import Source

LogFormat = Literal["auto", "json", "console"]
LogLevel = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to run.

    Attributes:
        host: Address of the public listener.
        port: Its port; 0 takes a free one.
        admin_port: Port of the admin listener.
        prefix: "" or "/edge"; no slash at the end.
        trusted_proxies: Addresses and networks whose X-Forwarded-* headers count.
        store_url: "sqlite:///absolute/path.db".
        keys_dir: Folder of the key files.
        upstream: Where Snap is, without a slash at the end.
        sources: The sites, each with its integrations.
        workers: Processes; always 1 in this version.
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
    store_url: str = "sqlite:///var/lib/edgeproxy/edgeproxy.db"
    keys_dir: Path = Path("/var/lib/edgeproxy")
    upstream: str = "https://tr.snapchat.com"
    sources: tuple[Source, ...] = ()
    workers: int = 1
    log_format: LogFormat = "auto"
    log_level: LogLevel = "info"
    warnings: tuple[str, ...] = ()
    where: dict[str, str] = field(default_factory=dict)

"""The settings for people: every value, where it came from, secrets masked."""

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from edgeproxy.settings import Settings
from edgeproxy.sites import Integration, Secret, Source

MASK = "••••"

_USER_PASSWORD = re.compile(r"(//[^/?@:]*):.*@")  # greedy: a password may hold any of these
_PASSWORD = re.compile(r"([?&](?:ssl)?password=)[^&]*", re.IGNORECASE)

NAMES = {
    "upstream": "upstream",
    "host": "server.host",
    "port": "server.port",
    "admin_port": "server.admin_port",
    "admin_host": "server.admin_host",
    "admin_token": "admin_token",
    "prefix": "server.prefix",
    "trusted_proxies": "server.trusted_proxies",
    "workers": "server.workers",
    "role": "server.role",
    "flood_rps": "server.flood_rps",
    "flood_burst": "server.flood_burst",
    "store_url": "store.url",
    "store_durability": "store.durability",
    "keys_dir": "store.keys_dir",
    "store_max_bytes": "store.max_bytes",
    "store_reserve_bytes": "store.reserve_bytes",
    "log_format": "log.format",
    "log_level": "log.level",
    "alert_webhook": "alerts.webhook_url",
}
"""Field of `Settings` → setting, in the order in which they are shown."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One setting. `value` is ready for JSON; `origin` is "default", a flag, variable or file."""

    setting: str
    value: object
    origin: str


def rows(settings: Settings) -> list[Row]:
    """Every setting in effect."""
    found = [(setting, getattr(settings, name)) for name, setting in NAMES.items()]
    found = [
        (setting, masked(value) if setting == "store.url" else value) for setting, value in found
    ]
    found += [(f"debugger.{name}", value) for name, value in asdict(settings.debugger).items()]
    found += [(f"alerts.{name}", value) for name, value in asdict(settings.alerts).items()]
    found += [
        (f"quality.weights.{name}", value) for name, value in asdict(settings.weights).items()
    ]
    for index, source in enumerate(settings.sources):
        found += _of_source(source, f"sources[{index}]")
    return [
        Row(setting=setting, value=_plain(value), origin=_origin(setting, settings.where))
        for setting, value in found
    ]


def masked(url: str) -> str:
    """A URL without the passwords in it."""
    return _PASSWORD.sub(rf"\1{MASK}", _USER_PASSWORD.sub(rf"\1:{MASK}@", url))


def _of_source(source: Source, place: str) -> Iterator[tuple[str, object]]:
    for name in Source.__struct_fields__:
        if name not in ("integrations", "write_key_digests"):
            yield f"{place}.{name}", getattr(source, name)
    for index, integration in enumerate(source.integrations):
        for name in Integration.__struct_fields__:
            if name != "source":
                yield f"{place}.integrations[{index}].{name}", getattr(integration, name)


def _plain(value: object) -> object:
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return str(value) if isinstance(value, Path) else value


def _origin(setting: str, where: dict[str, str]) -> str:
    if setting in where:
        return where[setting]
    if f"{setting}_file" in where:
        return f"{where[f'{setting}_file']}: {setting.rpartition('.')[2]}_file"
    inner = (origin for name, origin in where.items() if name.startswith(f"{setting}."))
    return next(inner, "default")

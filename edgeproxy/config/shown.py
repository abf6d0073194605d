"""The settings for people: every value, where it came from, secrets masked."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgeproxy.settings import Settings
from edgeproxy.sites import Integration, Secret, Source

MASK = "••••"

NAMES = {
    "upstream": "upstream",
    "host": "server.host",
    "port": "server.port",
    "admin_port": "server.admin_port",
    "prefix": "server.prefix",
    "trusted_proxies": "server.trusted_proxies",
    "workers": "server.workers",
    "store_url": "store.url",
    "keys_dir": "store.keys_dir",
    "log_format": "log.format",
    "log_level": "log.level",
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
    for index, source in enumerate(settings.sources):
        found += _of_source(source, f"sources[{index}]")
    return [
        Row(setting=setting, value=_plain(value), origin=_origin(setting, settings.where))
        for setting, value in found
    ]


def _of_source(source: Source, place: str) -> Iterator[tuple[str, object]]:
    for name in Source.__struct_fields__:
        if name != "integrations":
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

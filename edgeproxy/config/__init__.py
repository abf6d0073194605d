"""The configuration: a TOML file, the environment and flags become one `Settings` of plain values.

Read once, at start; nothing below imports this package. Every fault is told at once, and no secret
is ever shown.
"""

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from edgeproxy.config import faults, layers, several
from edgeproxy.config.settings import build
from edgeproxy.config.shown import Row, rows
from edgeproxy.config.tables import Tables
from edgeproxy.errors import ConfigError
from edgeproxy.settings import Settings

__all__ = ["Row", "Settings", "load", "rows", "schema"]


def load(
    config_path: Path | None, environ: Mapping[str, str], flags: Mapping[str, object]
) -> Settings:
    """Read, check and resolve all settings.

    Args:
        config_path: The file; when None, EDGEPROXY_CONFIG, ./edgeproxy.toml or
            /etc/edgeproxy/edgeproxy.toml, the first that exists.
        environ: The environment.
        flags: Setting → value, such as {"server.port": 8001}; None is not given.

    Raises:
        ConfigError: With every fault that was found.
    """
    reading = layers.read(config_path, environ, flags)
    found: list[tuple[str, str]] = []
    tables: Tables | None = None
    try:
        tables = Tables(_build_sources=(tuple(reading.layers), {}))  # type: ignore[call-arg]
    except ValidationError as error:
        found += faults.of(error, Tables)
    found += several.faults(reading.sites)
    found = [(reading.name_of(setting), sentence) for setting, sentence in found] + reading.faults
    if not reading.sites and not reading.unread and not reading.siteless:
        found.append(("sources", f"are not configured; {layers.HOW}"))
    if found or tables is None:
        raise ConfigError(_distinct(found), reading.title)
    return build(tables, where=reading.where, warnings=reading.warnings)


def schema() -> dict[str, object]:
    """The JSON Schema of the file."""
    return Tables.model_json_schema()


def _distinct(found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """One sentence for each name: the last, because the rules of the environment come last."""
    return list(dict(found).items())

"""Where settings come from: flags over the environment over the file over the defaults.

Pydantic-settings reads and merges; this module names the variables, refuses those that mean
nothing, and remembers what gave each setting.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic_settings import EnvSettingsSource, InitSettingsSource, PydanticBaseSettingsSource

from edgeproxy.config import secret_files
from edgeproxy.config.faults import label, settings_of, unknown_variable
from edgeproxy.config.file import File
from edgeproxy.config.tables import Tables

PREFIX = "EDGEPROXY_"

PLACES = (Path("edgeproxy.toml"), Path("/etc/edgeproxy/edgeproxy.toml"))
"""Where the file is looked for when none is named."""

CONFIG = "EDGEPROXY_CONFIG"

PLATFORM = {"PORT": "server.port", "WEB_CONCURRENCY": "server.workers"}
"""Variables that hosting platforms set; our own names come first."""

ONE_SITE = {
    "EDGEPROXY_ORIGIN": "sources[0].origins",
    "EDGEPROXY_CONSENT": "sources[0].consent",
    "EDGEPROXY_DEFAULT_COUNTRY": "sources[0].default_country",
    "EDGEPROXY_PIXEL_ID": "sources[0].integrations[0].pixel_id",
    "EDGEPROXY_API": "sources[0].integrations[0].api",
    "EDGEPROXY_PRIVACY": "sources[0].integrations[0].privacy",
    "EDGEPROXY_ACCESS_TOKEN_FILE": "sources[0].integrations[0].access_token_file",
    "EDGEPROXY_ACCESS_TOKEN": "sources[0].integrations[0].access_token",
}
"""The short names: one site without a file. They make the source `default`."""

_THREE = "EDGEPROXY_ORIGIN, EDGEPROXY_PIXEL_ID and EDGEPROXY_ACCESS_TOKEN (or its _FILE)"

HOW = (
    f"for one site set {_THREE}, or write [[sources]] in edgeproxy.toml; or set"
    " EDGEPROXY_ADMIN_TOKEN, and make them in the dashboard or by the admin API"
)

_SHORT_NAMES = "the environment"

# A Kubernetes service of the name "edgeproxy" puts these into every container beside it.
_SERVICE_LINK = re.compile(r"EDGEPROXY_(SERVICE_(HOST|PORT)(_\w+)?|PORT(_\d+_(TCP|UDP)(_\w+)?)?)")


@dataclass(kw_only=True)
class Reading:
    """What was read, before it is checked.

    Attributes:
        layers: Highest first, for pydantic-settings to merge.
        where: Setting → the flag, variable or file that gave it.
        sites: The sources as written, for rules over several of them; None when there are none.
        file: The file that was read.
        unread: Whether there is a file that could not be read.
        one_site: Whether the short names are in use.
        used: What was read, for the title.
    """

    layers: list[PydanticBaseSettingsSource] = field(default_factory=list)
    where: dict[str, str] = field(default_factory=dict)
    faults: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    sites: object = None
    file: Path | None = None
    unread: bool = False
    one_site: bool = False
    used: list[str] = field(default_factory=list)

    @property
    def siteless(self) -> bool:
        """Whether somebody who has no sites here can make them at run time."""
        given = any(name in self.where for name in ("admin_token", "admin_token_file"))
        return given or self.sites == []

    @property
    def title(self) -> str:
        """What to call it all: "shop.toml and the environment"."""
        *most, last = self.used or ["the configuration"]
        return f"{', '.join(most)} and {last}" if most else last

    def name_of(self, setting: str) -> str:
        """What an operator wrote or could write to set this: a variable, a flag or the setting."""
        plain = re.sub(r"\[\d+\]$", "", setting)
        given = self.where.get(setting) or self.where.get(plain, "")
        if given and given not in (str(self.file), _SHORT_NAMES):
            return given
        if self.one_site:
            return next((name for name, its in ONE_SITE.items() if its == setting), setting)
        return setting

    def add(self, layer: PydanticBaseSettingsSource, name: Callable[[str], str]) -> None:
        """Put a layer below those that are there."""
        self.layers.append(layer)
        for setting in _leaves(layer()):
            self.where.setdefault(setting, name(setting))


def variables() -> dict[str, str]:
    """Environment variable → setting, for every setting but those of a site."""
    return {
        PREFIX + setting.upper().replace(".", "__"): setting
        for setting, _ in settings_of(Tables)
        if "[" not in setting
    }


def read(
    config_path: Path | None,
    environ: Mapping[str, str],
    flags: Mapping[str, object],
    places: Sequence[Path] = PLACES,
) -> Reading:
    """Collect the layers, and the faults of names and of the file."""
    reading = Reading()
    given = {name: text for name, text in environ.items() if text.strip()}
    reading.file = _find_file(config_path, given, reading, places)
    file = _open_file(reading)
    _add_flags(reading, flags)
    _add_environment(reading, environ, given)
    _add_one_site(reading, given, file() if file else {})
    if file is not None:
        reading.add(file, lambda _: str(reading.file))
        if not reading.one_site:
            reading.sites = file().get("sources")
        _warn_of_open_secrets(reading)
    return reading


class _Environment(EnvSettingsSource):
    """Variables that are known to mean something, from a mapping instead of the process."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = {name.lower(): text for name, text in given.items()}
        super().__init__(Tables, case_sensitive=False)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._given


def _find_file(
    config_path: Path | None, given: Mapping[str, str], reading: Reading, places: Sequence[Path]
) -> Path | None:
    named = config_path or (Path(given[CONFIG]) if CONFIG in given else None)
    if named is None:
        return next((place for place in places if os.path.isfile(place)), None)
    if os.path.isfile(named):
        return named
    reading.unread = True
    what = "is not a file" if os.path.exists(named) else "does not exist"
    reading.faults.append(("--config" if config_path else CONFIG, f"{named} {what}"))
    reading.used.append("the command" if config_path else "the environment")
    return None


def _open_file(reading: Reading) -> File | None:
    if reading.file is None:
        return None
    reading.used.append(str(reading.file))
    try:
        return File(reading.file)
    except ValueError as error:
        reading.unread = True
        reading.faults.append((str(reading.file), str(error)))
        return None


def _add_flags(reading: Reading, flags: Mapping[str, object]) -> None:
    given = {name: value for name, value in flags.items() if value is not None}
    if given:
        reading.used.append("the flags")
    layer = InitSettingsSource(Tables, _nested(given))
    reading.add(layer, _flag)


def _flag(setting: str) -> str:
    return "--" + setting.removeprefix("server.").replace(".", "-").replace("_", "-")


def _add_environment(
    reading: Reading, environ: Mapping[str, str], given: Mapping[str, str]
) -> None:
    ours = variables()
    known = [*ours, *ONE_SITE, CONFIG]
    for name in environ:
        if not name.upper().startswith(PREFIX) or name in known or _is_service_link(name, environ):
            continue
        sentence = unknown_variable(name, [*ours, *ONE_SITE, CONFIG], PREFIX)
        reading.faults.append((name, sentence))
    if any(name.upper().startswith(PREFIX) or name in PLATFORM for name in environ):
        reading.used.append("the environment")
    names = {setting: name for name, setting in ours.items()}
    own = {name: text for name, text in given.items() if name in ours}
    reading.add(_Environment(own), lambda setting: names[setting])
    names = {setting: name for name, setting in PLATFORM.items()}
    platform = {setting: given[name] for name, setting in PLATFORM.items() if name in given}
    reading.add(InitSettingsSource(Tables, _nested(platform)), lambda setting: names[setting])


def _is_service_link(name: str, environ: Mapping[str, str]) -> bool:
    return f"{PREFIX}SERVICE_HOST" in environ and _SERVICE_LINK.fullmatch(name) is not None


def _add_one_site(
    reading: Reading, given: Mapping[str, str], written: Mapping[str, object]
) -> None:
    short = {name: given[name] for name in ONE_SITE if name in given}
    if short and written.get("sources"):
        reading.faults.append(
            (next(iter(short)), f"makes a site, and {reading.file} has [[sources]]; keep one")
        )
    elif short:
        reading.one_site = True
        reading.faults += _missing(short)
        site = _one_site(short)
        reading.sites = [site]
        names = {setting: name for name, setting in ONE_SITE.items()}
        layer = InitSettingsSource(Tables, {"sources": [site]})
        reading.add(layer, lambda setting: names.get(setting, _SHORT_NAMES))


def _missing(short: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in ("EDGEPROXY_ORIGIN", "EDGEPROXY_PIXEL_ID", "EDGEPROXY_ACCESS_TOKEN"):
        if name not in short and f"{name}_FILE" not in short:
            yield name, f"is not set; a single site takes {_THREE}"


def _one_site(short: Mapping[str, str]) -> dict[str, object]:
    site: dict[str, object] = {"id": "default"}
    integration: dict[str, object] = {}
    for name, text in short.items():
        target = integration if "integrations" in ONE_SITE[name] else site
        target[ONE_SITE[name].rpartition(".")[2]] = text
    return {**site, "integrations": [integration]}


def _nested(flat: Mapping[str, object]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for setting, value in flat.items():
        table, _, name = setting.partition(".")
        nested.setdefault(table, {})[name] = value
    return nested


def _leaves(value: object, place: tuple[int | str, ...] = ()) -> Iterator[str]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _leaves(part, (*place, name))
    elif isinstance(value, list) and any(isinstance(part, dict) for part in value):
        for index, part in enumerate(value):
            yield from _leaves(part, (*place, index))
    else:
        yield label(place)


def _warn_of_open_secrets(reading: Reading) -> None:
    secret = [
        name for name in reading.where if name.endswith(("_token", "write_keys", "webhook_url"))
    ]
    inline = any(reading.where[name] == str(reading.file) for name in secret)
    if reading.file is not None and inline and secret_files.others_may_read(reading.file):
        reading.warnings.append(
            f"{reading.file} holds secrets and others can read it; chmod 600 {reading.file}"
        )

"""Rules over all sources at once: no site, origin or integration stands twice.

They look at what was written, not at checked tables, so that they speak even when another setting
is at fault.
"""

import contextlib
from collections.abc import Iterator, Mapping

from edgeproxy.config.rules import split
from edgeproxy.site_rules import integration_id
from edgeproxy.urls import origin_of

_SITE = "is the name of another site; see"
_ORIGIN = "belongs to another site; see"
_OWN_ID = "is the name of another integration; see"
_MADE_ID = "would get the name of another integration; give it an id, or one to"


def faults(sites: object) -> list[tuple[str, str]]:
    """(setting, sentence) for each name that an earlier setting has already."""
    seen: dict[tuple[str, str], str] = {}
    found: list[tuple[str, str]] = []
    for kind, name, setting, sentence in _names(sites):
        first = seen.setdefault((kind, name), setting)
        if first != setting:
            found.append((setting, f"{sentence} {first}"))
    return found


def _names(sites: object) -> Iterator[tuple[str, str, str, str]]:
    for place, site in _tables(sites, "sources"):
        source = _text(site, "id")
        if source:
            yield "site", source, f"{place}.id", _SITE
        for origin in _origins(site.get("origins")):
            yield "origin", origin, f"{place}.origins", _ORIGIN
        for inner, integration in _tables(site.get("integrations"), f"{place}.integrations"):
            own = _text(integration, "id")
            target = _text(integration, "pixel_id") or _text(integration, "snap_app_id")
            if own:
                yield "integration", own, f"{inner}.id", _OWN_ID
            elif source and target:
                yield "integration", integration_id(source, target), f"{inner}.id", _MADE_ID


def _tables(value: object, place: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    if isinstance(value, list | tuple):
        for index, table in enumerate(value):
            if isinstance(table, Mapping):
                yield f"{place}[{index}]", table


def _text(table: Mapping[str, object], name: str) -> str:
    value = table.get(name)
    return value.strip() if isinstance(value, str) else ""


def _origins(value: object) -> Iterator[str]:
    listed = split(value)
    for text in listed if isinstance(listed, list | tuple) else ():
        with contextlib.suppress(ValueError):  # told by the setting's own rule
            yield origin_of(str(text))

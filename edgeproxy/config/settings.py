"""From checked tables to the resolved settings."""

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from pydantic import SecretStr

from edgeproxy.config.rules import is_loopback
from edgeproxy.config.several import integration_id
from edgeproxy.config.tables import IntegrationTable, SourceTable, Tables
from edgeproxy.settings import Settings
from edgeproxy.sites import Integration, Secret, Source

_PIXEL_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_WRITE_KEY_CHARS = 16


def build(tables: Tables, *, where: dict[str, str], warnings: Sequence[str]) -> Settings:
    """Plain values of checked tables."""
    sources = tuple(_source(table) for table in tables.sources)
    return Settings(
        host=tables.server.host,
        port=tables.server.port,
        admin_port=tables.server.admin_port,
        prefix=tables.server.prefix,
        trusted_proxies=tables.server.trusted_proxies,
        workers=tables.server.workers,
        role=tables.server.role,
        flood_rps=tables.server.flood_rps,
        flood_burst=tables.server.flood_burst,
        store_url=tables.store.url_file or tables.store.url,
        store_durability=tables.store.durability,
        keys_dir=_keys_dir(tables),
        store_max_bytes=tables.store.max_bytes,
        store_reserve_bytes=tables.store.reserve_bytes,
        upstream=tables.upstream,
        sources=sources,
        log_format=tables.log.format,
        log_level=tables.log.level,
        warnings=(*warnings, *_warnings(tables)),
        where=where,
    )


def _keys_dir(tables: Tables) -> Path:
    if tables.store.keys_dir is not None:
        return tables.store.keys_dir.absolute()
    return Path(tables.store.url.removeprefix("sqlite://")).parent


def _source(table: SourceTable) -> Source:
    keys = dict.fromkeys([*table.write_keys, *table.write_keys_file])
    return Source(
        id=table.id,
        origins=table.origins,
        cookie_domain=table.cookie_domain,
        consent=table.consent,
        default_country=table.default_country,
        click_id_days=table.click_id_days,
        click_id_readable=table.click_id_readable,
        write_keys=tuple(_revealed(key) for key in keys),
        integrations=tuple(_integration(table.id, one) for one in table.integrations),
    )


def _integration(source: str, table: IntegrationTable) -> Integration:
    plain = table.model_dump(exclude={"id", "access_token", "access_token_file"})
    return Integration(
        id=table.id or integration_id(source, table.pixel_id or table.snap_app_id),
        source=source,
        access_token=_revealed(table.access_token or SecretStr("")),
        **plain,
    )


def _revealed(secret: SecretStr) -> Secret:
    return Secret(secret.get_secret_value())


def _warnings(tables: Tables) -> list[str]:
    found = []
    if "snapchat.com" not in tables.upstream:
        found.append(f"upstream is {tables.upstream}: no event reaches Snap")
    if _can_be_read(tables.store.url_file or tables.store.url):
        found.append(
            "store.url has no sslmode=verify-full: whoever is between can read and change events"
        )
    for index, source in enumerate(tables.sources):
        found += _warnings_of(source, f"sources[{index}]")
    return found


def _can_be_read(url: str) -> bool:
    """Whether a database on another machine is spoken to without proof of who it is."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    host = parts.hostname or query.get("host", "")
    near = not host or host.startswith("/") or is_loopback(host)
    return not (url.startswith("sqlite:") or near or query.get("sslmode") == "verify-full")


def _warnings_of(source: SourceTable, place: str) -> list[str]:
    found = []
    if not source.integrations:
        found.append(f"{place} ({source.id}) has no integration: its events go nowhere")
    keys = [key.get_secret_value() for key in (*source.write_keys, *source.write_keys_file)]
    if any(len(key) < _WRITE_KEY_CHARS for key in keys):
        found.append(f"{place} has a write key that is easy to guess; edgeproxy token new")
    found += [
        f"{place}.integrations[{index}].pixel_id does not look like a Snap Pixel ID "
        "(8-4-4-4-12 hexadecimal digits)"
        for index, one in enumerate(source.integrations)
        if one.pixel_id and _PIXEL_ID.fullmatch(one.pixel_id) is None
    ]
    return found

"""From checked tables to the resolved settings."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from pydantic import SecretStr

from edgeproxy.config.judging import AlertsTable
from edgeproxy.config.rules import is_loopback
from edgeproxy.config.tables import IntegrationTable, SourceTable, Tables
from edgeproxy.keys import kept_digest
from edgeproxy.settings import Debugger, Settings, Thresholds, Weights
from edgeproxy.site_rules import integration_id, looks_like_pixel_id
from edgeproxy.sites import Integration, Secret, Source

_WRITE_KEY_CHARS = 16
_WEBHOOK = {"webhook_url", "webhook_url_file"}


def build(tables: Tables, *, where: dict[str, str], warnings: Sequence[str]) -> Settings:
    """Plain values of checked tables."""
    sources = tuple(_source(table) for table in tables.sources)
    return Settings(
        host=tables.server.host,
        port=tables.server.port,
        admin_port=tables.server.admin_port,
        admin_host=tables.server.admin_host,
        admin_token=_revealed(tables.admin_token or tables.admin_token_file or SecretStr("")),
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
        debugger=Debugger(**tables.debugger.model_dump()),
        alert_webhook=_webhook(tables.alerts),
        alerts=Thresholds(**tables.alerts.model_dump(exclude=_WEBHOOK)),
        weights=Weights(**tables.quality.weights.model_dump()),
        warnings=(*warnings, *_warnings(tables)),
        where=where,
    )


def _webhook(table: AlertsTable) -> Secret | None:
    url = table.webhook_url or table.webhook_url_file
    return None if url is None else _revealed(url)


def _keys_dir(tables: Tables) -> Path:
    if tables.store.keys_dir is not None:
        return tables.store.keys_dir.absolute()
    return Path(tables.store.url.removeprefix("sqlite://")).parent


def _source(table: SourceTable) -> Source:
    keys = [_revealed(key) for key in dict.fromkeys([*table.write_keys, *table.write_keys_file])]
    return Source(
        id=table.id,
        origins=table.origins,
        cookie_domain=table.cookie_domain,
        consent=table.consent,
        default_country=table.default_country,
        click_id_days=table.click_id_days,
        click_id_readable=table.click_id_readable,
        write_keys=tuple(keys),
        write_key_digests=tuple(dict.fromkeys(kept_digest(key.reveal()) for key in keys)),
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
    token = tables.admin_token or tables.admin_token_file
    if token is not None and len(token.get_secret_value()) < _WRITE_KEY_CHARS:
        found.append("the admin token is easy to guess; edgeproxy token new makes a better one")
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
        if one.pixel_id and not looks_like_pixel_id(one.pixel_id)
    ]
    return found

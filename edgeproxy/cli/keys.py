"""Commands that make secrets: keys new, keys rotate, token new."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeproxy.cli.options import CONFIG, JSON
from edgeproxy.cli.table import show_json

if TYPE_CHECKING:
    from edgeproxy.store.base import Store

_NAME_CHARS = 64

FOLDER = click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the key files; by default store.keys_dir.",
)


@click.group(epilog="Example: edgeproxy keys new --dir /var/lib/edgeproxy")
def keys() -> None:
    """Make or rotate the local keys.

    They sign the cookie that restores a visitor's ids and encrypt what waits in the store. Back
    them up with the database, but not in the same place.
    """


@keys.command(epilog="Example: edgeproxy keys new --dir /var/lib/edgeproxy")
@CONFIG
@FOLDER
def new(config_path: Path | None, folder: Path | None) -> None:
    """Make the key files that are missing; those that exist stay.

    The first start does the same.
    """
    from edgeproxy.keys import PURPOSES, load_keys

    place = folder or _configured(config_path)
    missing = [name for name in PURPOSES if not (place / name).exists()]
    load_keys(place)
    for name in missing:
        click.echo(f"made {place / name}: {PURPOSES[name]}")
    if not missing:
        click.echo(f"all keys are in {place} already")


@keys.command(epilog="Example: edgeproxy keys rotate")
@CONFIG
@FOLDER
def rotate(config_path: Path | None, folder: Path | None) -> None:
    """Add a newest signing and sealing key; the old ones stay good.

    A running proxy takes the new keys at its next start.
    """
    from edgeproxy.keys import rotate_keys

    place = folder or _configured(config_path)
    found = rotate_keys(place)
    click.echo(f"{place}: {len(found.signing)} signing and {len(found.sealing)} sealing keys now")
    click.echo("restart edgeproxy to use the new ones")


@click.group(epilog="Example: edgeproxy token new")
def token() -> None:
    """Make tokens."""


@token.command("new", epilog="Example: edgeproxy token new --role viewer --name grafana")
@CONFIG
@click.option(
    "--role",
    type=click.Choice(["viewer", "admin"]),
    help="Put it into the store, as a token of the admin listener: look, or change.",
)
@click.option("--name", metavar="NAME", help="What it is for; with --role.")
@JSON
def new_token(config_path: Path | None, role: str | None, name: str | None, as_json: bool) -> None:
    """Print a new token, once: 32 random bytes.

    With --role it opens the admin listener at once, beside a running server or without one. Without
    it nothing is stored: as a write key it goes into a source's write_keys, as the admin token into
    EDGEPROXY_ADMIN_TOKEN or the file that EDGEPROXY_ADMIN_TOKEN_FILE names.

    The token goes to standard output. The SHA-256 of one that is not stored goes to standard
    error; in write_keys it may stand in place of the token, as sha256:…
    """
    from edgeproxy import keys as local

    if role is not None:
        _store_token(config_path, role, name or "command line", as_json=as_json)
        return
    if name is not None:
        raise click.UsageError("--name goes with --role")
    made = local.new_token()
    digest = local.token_digest(made)
    if as_json:
        show_json({"token": made, "sha256": digest})
    else:
        click.echo(made)
        click.echo(f"sha256:{digest}", err=True)


def _store_token(config_path: Path | None, role: str, name: str, *, as_json: bool) -> None:
    """Make a token of the admin listener and show it."""
    from edgeproxy import keys as local
    from edgeproxy.admin.tokens import mint
    from edgeproxy.cli.lookup import changing
    from edgeproxy.config import load
    from edgeproxy.runtime import now_ms

    if not name.isprintable() or len(name) > _NAME_CHARS:
        raise click.BadParameter(f"takes up to {_NAME_CHARS} characters of one line")

    async def work(store: "Store") -> tuple[str, str]:
        return await mint(
            store.office,
            name=name,
            role="admin" if role == "admin" else "viewer",
            by="command line",
            new_id=local.new_id(),
            secret=local.new_token(),
            now_ms=now_ms(),
        )

    settings = load(config_path, os.environ, {})
    id, text = changing(settings, work)
    if as_json:
        show_json({"token": text, "id": id, "role": role, "name": name})
        return
    click.echo(text)
    where = f"http://{settings.admin_host}:{settings.admin_port}"
    click.echo(f"{role} token {id} for {name}, good at {where}; shown this once", err=True)


def _configured(config_path: Path | None) -> Path:
    from edgeproxy.config import load

    return load(config_path, os.environ, {}).keys_dir

"""Commands that make secrets: keys new, keys rotate, token new."""

import os
from pathlib import Path

import click

from edgeproxy.cli.options import CONFIG, JSON
from edgeproxy.cli.table import show_json

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


@token.command("new", epilog="Example: edgeproxy token new > shop.key")
@JSON
def new_token(as_json: bool) -> None:
    """Print a new token, once: 32 random bytes, for a source's write_keys.

    The token goes to standard output. Its SHA-256 goes to standard error; it may stand in the
    configuration in place of the token, as sha256:…
    """
    from edgeproxy import keys as local

    made = local.new_token()
    digest = local.token_digest(made)
    if as_json:
        show_json({"token": made, "sha256": digest})
    else:
        click.echo(made)
        click.echo(f"sha256:{digest}", err=True)


def _configured(config_path: Path | None) -> Path:
    from edgeproxy.config import load

    return load(config_path, os.environ, {}).keys_dir

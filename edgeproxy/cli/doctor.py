"""The command doctor: what is wrong with the deployment, and what would cure it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from edgeproxy.cli.options import JSON, with_settings
from edgeproxy.cli.table import show, show_json

if TYPE_CHECKING:
    from edgeproxy.settings import Settings
    from edgeproxy.store.checkup import Finding


@click.command(epilog="Example: edgeproxy doctor --config /etc/edgeproxy/edgeproxy.toml")
@click.option(
    "--salvage",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="OLD.db",
    help="Bring back what can be read of a damaged SQLite database, into the store.",
)
@JSON
@with_settings()
def doctor(settings: "Settings", salvage: Path | None, as_json: bool) -> int:
    """Check the store: its file, its room on the disk, its ledger.

    Each line is ok, warn or fail, with the cure; the exit status is 1 when one is fail. With
    --salvage nothing is checked: what can still be read of a database that was set aside is copied
    into the store, and the damaged file stays as it is.
    """
    if salvage is not None:
        _salvage(settings, salvage.absolute(), as_json=as_json)
        return 0
    found = _look(settings)
    if as_json:
        show_json([msgspec.to_builtins(one) for one in found])
    else:
        show(
            [(one.state, one.name, one.text, one.cure) for one in found],
            columns=("state", "check", "found", "cure"),
        )
    return 1 if any(one.state == "fail" for one in found) else 0


def _look(settings: "Settings") -> "Sequence[Finding]":
    from edgeproxy.runtime import now_ms, room_wishes
    from edgeproxy.store.checkup import checkup

    return asyncio.run(checkup(settings.store_url, room_wishes(settings), now_ms=now_ms))


def _salvage(settings: "Settings", old: Path, *, as_json: bool) -> None:
    from edgeproxy.errors import ConfigError
    from edgeproxy.runtime import now_ms
    from edgeproxy.store.sqlite.salvage import salvage

    if not settings.store_url.startswith("sqlite:"):
        raise ConfigError([("store.url", "must be a SQLite store, to bring one back into it")])
    done = salvage(old, Path(settings.store_url.removeprefix("sqlite://")), now_ms=now_ms)
    if as_json:
        show_json(msgspec.to_builtins(done))
        return
    click.echo(
        f"brought back: {done.pending} events that wait for delivery, {done.dead} dead letters,"
        f" {done.keys} more dedup keys"
    )
    click.echo(f"already there: {done.known}; could not be read: {done.unreadable}")

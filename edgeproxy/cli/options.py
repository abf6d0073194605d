"""Options that several commands have, and the settings that they lead to."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeproxy.cli.apart import apart

if TYPE_CHECKING:
    from edgeproxy.settings import Settings

Command = Callable[..., Any]

CONFIG = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The configuration; by default ./edgeproxy.toml or /etc/edgeproxy/edgeproxy.toml.",
)

JSON = click.option("--json", "as_json", is_flag=True, help="JSON, for machines.")

FLAGS: dict[str, Callable[[Command], Command]] = {
    "server.host": click.option(
        "--host", "server_host", metavar="ADDRESS", help="Where it listens."
    ),
    "server.port": click.option(
        "--port",
        "server_port",
        type=click.IntRange(0, 65_535),
        metavar="PORT",
        help="Its port; 0 takes a free one.",
    ),
    "server.prefix": click.option(
        "--prefix", "server_prefix", metavar="PATH", help="Path under which everything sits."
    ),
    "server.workers": click.option(
        "--workers",
        "server_workers",
        type=click.IntRange(1, 1024),
        metavar="N",
        help="Processes that serve.",
    ),
    "server.role": click.option(
        "--role",
        "server_role",
        type=click.Choice(["all", "ingest", "deliver"]),
        help="ingest leaves sending to others; deliver only sends.",
    ),
    "log.format": click.option(
        "--log-format",
        "log_format",
        type=click.Choice(["auto", "json", "console"]),
        help="auto: console on a terminal.",
    ),
    "log.level": click.option(
        "--log-level",
        "log_level",
        type=click.Choice(["debug", "info", "warning", "error"]),
        help="The least that is written.",
    ),
}
"""Setting → the flag that sets it."""


def with_settings(
    *flags: str, quiet: bool = False, stays: bool = False
) -> Callable[[Command], Command]:
    """Give a command `--config`, these flags, and as first argument the settings they lead to.

    Args:
        flags: Names of `FLAGS`.
        quiet: Leave the settings' warnings to the command.
        stays: It runs for long, so what reads the settings should not stay in memory with it.
    """

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def run(config_path: Path | None, **given: Any) -> Any:
            values = {setting: given.pop(setting.replace(".", "_")) for setting in flags}
            read = functools.partial(_load, config_path, values)
            settings = apart(read) if stays else read()
            for warning in () if quiet else settings.warnings:
                click.echo(f"edgeproxy: warning: {warning}", err=True)
            return command(settings, **given)

        decorated: Command = CONFIG(run)
        for setting in reversed(flags):
            decorated = FLAGS[setting](decorated)
        return decorated

    return decorate


def _load(config_path: Path | None, flags: dict[str, object]) -> "Settings":
    from edgeproxy.config import load

    return load(config_path, os.environ, flags)

"""Commands that show: config show, config schema."""

import json
from typing import TYPE_CHECKING

import click

from edgeproxy.cli.options import JSON, with_settings
from edgeproxy.cli.table import show as show_table
from edgeproxy.cli.table import show_json

if TYPE_CHECKING:
    from edgeproxy.settings import Settings


@click.group(epilog="Example: edgeproxy config show")
def config() -> None:
    """Show the settings in effect, or the schema of the file."""


@config.command(epilog="Example: edgeproxy config show --config shop.toml --json")
@JSON
@with_settings()
def show(settings: "Settings", as_json: bool) -> None:
    """Show every setting and where it came from; secrets are masked."""
    from edgeproxy.config import rows

    found = rows(settings)
    if as_json:
        show_json({row.setting: {"value": row.value, "from": row.origin} for row in found})
    else:
        show_table(
            [(row.setting, _text(row.value), row.origin) for row in found],
            columns=("setting", "value", "from"),
        )


@config.command(epilog="Example: edgeproxy config schema > edgeproxy.schema.json")
def schema() -> None:
    """Print the JSON Schema of edgeproxy.toml, for editors."""
    from edgeproxy.config import schema as file_schema

    show_json(file_schema())


def _text(value: object) -> str:
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)

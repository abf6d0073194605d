"""Rows for people on a terminal, plain columns in a pipe, JSON for machines."""

import json
import os
import sys
from collections.abc import Sequence

import click


def show(rows: Sequence[Sequence[str]], columns: Sequence[str]) -> None:
    """Print rows of texts under their columns."""
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        _on_terminal(rows, columns)
    else:
        _in_columns(rows, columns)


def show_json(value: object) -> None:
    """Print one JSON value."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _on_terminal(rows: Sequence[Sequence[str]], columns: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def _in_columns(rows: Sequence[Sequence[str]], columns: Sequence[str]) -> None:
    lines = [columns, *rows]
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        click.echo("  ".join(cells).rstrip())

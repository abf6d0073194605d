"""Rows for people on a terminal, plain columns in a pipe, JSON for machines."""

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

import click

_GAP = "  "
_NARROW = 8
"""A column is folded to so many characters at least, on however small a terminal."""


def show(rows: Sequence[Sequence[str]], columns: Sequence[str]) -> None:
    """Print rows of texts under their columns; a terminal's width is kept, by folding texts."""
    lines = [columns, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    if not sys.stdout.isatty():
        for line in lines:
            click.echo(_joined(line, widths))
        return
    widths = fitted(widths, shutil.get_terminal_size().columns)
    for line in lines:
        bold = line is columns and not os.environ.get("NO_COLOR")
        for part in _folded(line, widths):
            click.echo(click.style(part, bold=True) if bold else part)


def fitted(widths: Sequence[int], room: int) -> list[int]:
    """The widths of columns that together fit into `room` characters: the widest give way."""
    fit = list(widths)
    room -= len(_GAP) * (len(fit) - 1)
    while sum(fit) > room and max(fit) > _NARROW:
        fit[fit.index(max(fit))] -= 1
    return fit


def _folded(cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    wrapped = [
        textwrap.wrap(_printable(cell), width, break_on_hyphens=False)
        for cell, width in zip(cells, widths, strict=True)
    ]
    for parts in zip_longest(*wrapped, fillvalue=""):
        yield _joined(parts, widths)


def _printable(text: str) -> str:
    """The text without what steers a terminal: callers and Snap choose names and reasons."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _joined(cells: Iterable[str], widths: Sequence[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
    return _GAP.join(padded).rstrip()


def show_json(value: object) -> None:
    """Print one JSON value."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))

"""The README's tables, rendered from the code's own: `python -m tests.readme` writes them anew.

A test compares what stands there with what is rendered here, so that no table can drift.
"""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from edgeproxy.catalog import EVENTS, SNAP_NAMES
from edgeproxy.cli import COMMANDS
from edgeproxy.config.tables import Tables
from edgeproxy.cookies import COOKIES

README = Path(__file__).parent.parent / "README.md"
DAY_S = 86_400


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cookies() -> str:
    """One row for each cookie."""
    rows = (
        (f"`{one.name}`", f"`{one.attributes}`", f"{one.max_age_s // DAY_S} days", one.why)
        for one in COOKIES
    )
    return table(("cookie", "attributes", "life", "why"), rows)


def events() -> str:
    """One row for each of Snap's names that has others; the rest in a sentence."""
    named = [one for one in EVENTS if one.accepted]
    rows = ((f"`{one.name}`", ", ".join(one.accepted)) for one in named)
    others = sorted(SNAP_NAMES - {one.name for one in named})
    rest = ", ".join(f"`{name}`" for name in others)
    return f"{table(('Snap', 'names accepted'), rows)}\n\nBy their own names only: {rest}."


def commands() -> str:
    """One row for each command."""
    rows = ((f"`edgeproxy {name}`", line) for name, (_, line) in COMMANDS.items())
    return table(("command", "what it does"), rows)


def settings() -> str:
    """One row for each setting of the file."""
    schema = Tables.model_json_schema()
    rows = (
        (f"`{name}`", _default(field), _meaning(field)) for name, field in _fields(schema, schema)
    )
    return table(("setting", "default", "meaning"), rows)


def _fields(
    schema: dict[str, Any], part: dict[str, Any], prefix: str = ""
) -> Iterator[tuple[str, dict[str, Any]]]:
    tables = []
    for name, field in part["properties"].items():
        inner = _inner(schema, field)
        if inner is None:
            yield prefix + name, field
        else:
            mark = "[]" if field.get("type") == "array" else ""
            tables.append((f"{prefix}{name}{mark}.", inner))
    for name, inner in tables:
        yield from _fields(schema, inner, name)


def _inner(schema: dict[str, Any], field: dict[str, Any]) -> dict[str, Any] | None:
    """The table that a field is, or is a list of."""
    pointer = field.get("$ref") or field.get("items", {}).get("$ref")
    return schema["$defs"][pointer.rpartition("/")[2]] if pointer else None


def _default(field: dict[str, Any]) -> str:
    value = field.get("default")
    if value in (None, "", [], {}):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, list):
        return ", ".join(f"`{one}`" for one in value)
    return f"`{value}`"


def _meaning(field: dict[str, Any]) -> str:
    meaning = str(field.get("description", "")).replace("|", "\\|")
    return f"{meaning} In {field['unit']}." if "unit" in field else meaning


PARTS: dict[str, Callable[[], str]] = {
    "cookies": cookies,
    "events": events,
    "commands": commands,
    "settings": settings,
}


def written(text: str) -> str:
    """The README's text with every table rendered anew."""
    for name, render in PARTS.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
        fresh = f"{begin}\n\n{render()}\n\n{end}"
        text, count = pattern.subn(lambda _, fresh=fresh: fresh, text)  # type: ignore[misc]
        if count != 1:
            raise ValueError(f"README.md needs the marks {begin} and {end} once; found {count}")
    return text


if __name__ == "__main__":
    README.write_text(written(README.read_text()))
    sys.exit(0)

"""The sandbox's page: counters and the last events, by the server; the script only keeps it fresh.

Templates and assets are read once, at import. Texts of callers reach HTML by autoescape alone, and
the policy forbids every script and style that is not ours.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import jinja2
import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from edgeproxy.sandbox.records import Counts, Seen
from edgeproxy.sandbox.state import Sandbox

SHOWN = 50
_SHOWN_CHARACTERS = 20_000

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
_FOLDER = Path(__file__).parent
_TYPES = {"sandbox.css": "text/css; charset=utf-8", "sandbox.js": "text/javascript; charset=utf-8"}
_ASSETS = {name: (_FOLDER / "static" / name).read_bytes() for name in _TYPES}

_TILES = (
    ("received", "Received", "live events, whatever became of them"),
    ("unique", "Counted", "accepted, each once"),
    ("duplicates", "Duplicates", "accepted, but counted before"),
    ("refused", "Refused", "against Snap's rules"),
)
_SMALL = (
    ("requests", "requests"),
    ("not_taken", "not judged"),
    ("tested", "test events"),
    ("seen_again", "counted again after 1 s"),
)
_TOKEN = re.compile(r'("(?:\\.|[^"\\])*")(\s*:)?|(-?\d[\d.eE+-]*|true|false|null)|([^"\d\w-]+|.)')

_environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_FOLDER / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.globals.update(tiles=_TILES, small=_SMALL)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One event as the page shows it."""

    seen: Seen
    chip: str
    word: str
    time: str
    instant: str
    json: list[tuple[str, str]]


async def index(sandbox: Sandbox, request: Request) -> Response:
    """The page, complete without JavaScript."""
    text = _environment.get_template("index.html").render(
        rows=_rows(sandbox, 0),
        counts=_figures(sandbox.counts),
        next=sandbox.last_n,
        script=len(sandbox.script),
        base=f"{request.url.scheme}://{request.url.netloc}",
        token="any-token" if sandbox.tokens is None else "YOUR_TOKEN",
        strict=sandbox.refuse_low_match,
    )
    return Response(text, headers=_HEADERS, media_type="text/html")


async def live(sandbox: Sandbox, request: Request) -> Response:
    """What changed since event number `since`: counters, and rows as HTML, newest first.

    `first` is the oldest event still kept: rows before it are to go.
    """
    since = request.query_params.get("since", "")
    rows = _rows(sandbox, int(since[:15]) if since.isdecimal() else 0)
    template = _environment.get_template("event.html")
    kept = sandbox.last(SHOWN)
    answer = {
        "first": kept[0].n if kept else sandbox.last_n + 1,
        "next": sandbox.last_n,
        "script": len(sandbox.script),
        "counts": _figures(sandbox.counts),
        "rows": [template.render(row=row) for row in rows],
    }
    return Response(msgspec.json.encode(answer), headers=_HEADERS, media_type="application/json")


async def asset(_: Sandbox, request: Request) -> Response:
    """The style sheet or the script, from memory."""
    name = request.path_params["name"]
    if name not in _ASSETS:
        raise HTTPException(404)
    return Response(_ASSETS[name], headers={**_HEADERS, "content-type": _TYPES[name]})


def _rows(sandbox: Sandbox, since: int) -> list[Row]:
    return [_row(seen) for seen in reversed(sandbox.last(SHOWN)) if seen.n > since]


def _row(seen: Seen) -> Row:
    at = datetime.fromtimestamp(seen.at / 1000, UTC)
    chip, word = _verdict(seen)
    pretty = msgspec.json.format(bytes(seen.event), indent=2).decode("utf-8", "replace")
    return Row(
        seen=seen,
        chip=chip,
        word=word,
        time=at.strftime("%H:%M:%S"),
        instant=at.isoformat(timespec="milliseconds"),
        json=list(_tokens(pretty[:_SHOWN_CHARACTERS])),
    )


def _verdict(seen: Seen) -> tuple[str, str]:
    """The chip's colour and word."""
    if seen.verdict == "not_taken":
        return "passed", "Not judged"
    if seen.endpoint == "validate":
        return ("refused", "Test failed") if seen.faults else ("test", "Test passed")
    if seen.verdict == "refused":
        return "refused", "Refused"
    return ("twice", "Duplicate") if seen.duplicate else ("accepted", "Accepted")


def _figures(counts: Counts) -> dict[str, str]:
    return {name: f"{value:,}" for name, value in msgspec.to_builtins(counts).items()}


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """JSON in pieces for colouring: ("key" | "text" | "number" | "", characters)."""
    for match in _TOKEN.finditer(text):
        quoted, colon, plain, _ = match.groups()
        if quoted and colon:
            yield "key", quoted
            yield "", colon
        elif quoted:
            yield "text", quoted
        else:
            yield ("number" if plain else ""), match.group()

"""HTML, style sheets, scripts and pictures of the demo: templates, headers, files from memory.

Texts reach HTML by autoescape alone; the policy lets nothing run that is not a file of ours.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import jinja2
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from edgeproxy.demo import goods, words

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SAFE = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}
_FOLDER = Path(__file__).parent
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_FILES = {
    path.relative_to(_FOLDER / "static").as_posix(): path.read_bytes()
    for path in sorted((_FOLDER / "static").rglob("*"))
    if path.suffix in _TYPES
}

_environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_FOLDER / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)


def file_bytes(name: str) -> bytes:
    """The content of a file; raises KeyError for one that does not exist."""
    return _FILES[name]


def address(name: str) -> str:
    """The address of a file; it changes with the content, so that it can be kept for ever."""
    return f"/assets/{name}?v={hashlib.sha256(file_bytes(name)).hexdigest()[:10]}"


_environment.globals.update(file=address, shop_name=goods.SHOP)
_environment.filters.update(
    money=goods.money,
    json=goods.as_json,
    latency=words.latency,
)


def text(template: str, values: Mapping[str, object]) -> str:
    """A template as text."""
    return _environment.get_template(template).render(values)


def html(template: str, values: Mapping[str, object], *, status: int = 200) -> Response:
    """A page."""
    return Response(text(template, values), status, SAFE, media_type="text/html")


async def asset(request: Request) -> Response:
    """A style sheet, a script or a picture."""
    name = request.path_params["name"]
    if name not in _FILES:
        raise HTTPException(404)
    headers = {
        "content-type": _TYPES[Path(name).suffix],
        "cache-control": "public, max-age=31536000, immutable",
        "x-content-type-options": "nosniff",
        # A picture opened by itself is a document; it may run nothing either.
        "content-security-policy": "default-src 'none'; style-src 'self'",
    }
    return Response(_FILES[name], headers=headers)

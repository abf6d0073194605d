"""Files served from memory: read once, with their hash, their compressed twins and their headers.

Nothing is looked up by a path from outside: the caller asks for a name that it knows.
"""

import base64
import gzip
import hashlib
from pathlib import Path

import msgspec

import edgeproxy

Header = tuple[bytes, bytes]

_TYPES = {".js": b"text/javascript; charset=utf-8", ".css": b"text/css; charset=utf-8"}


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """One file with its encodings.

    `etag` is weak, one for all encodings; `integrity` is for the attribute of that name.
    """

    body: bytes
    etag: bytes
    hash: str
    integrity: str
    content_type: bytes
    twins: dict[bytes, bytes]

    def choose(self, accept_encoding: bytes) -> tuple[bytes, bytes]:
        """The content coding ("" for none) and body for an `Accept-Encoding` header."""
        if accept_encoding:
            taken = _taken(accept_encoding)
            for coding, body in self.twins.items():
                if coding in taken:
                    return coding, body
        return b"", self.body


def _taken(accept_encoding: bytes) -> set[bytes]:
    """The codings that a header names, without those of quality 0. Source: RFC 9110, 12.5.3."""
    parts = [part.partition(b";") for part in accept_encoding.lower().split(b",")]
    return {
        name.strip() for name, _, quality in parts if quality.strip().strip(b"q=0. ") or not quality
    }


def static_folder() -> Path:
    """Where the static files are: inside the installed package, else beside it in a checkout."""
    package = Path(edgeproxy.__file__).parent
    inside = package / "static"
    return inside if inside.is_dir() else package.parent / "static"


def load(name: str) -> Asset:
    """Read one static file and its `.br` and `.gz` twins (gzip is made when it has none)."""
    path = static_folder() / name
    body = path.read_bytes()
    digest = hashlib.sha384(body).digest()
    twins = {}
    brotli = path.with_name(path.name + ".br")
    if brotli.exists():
        twins[b"br"] = brotli.read_bytes()
    zipped = path.with_name(path.name + ".gz")
    twins[b"gzip"] = zipped.read_bytes() if zipped.exists() else gzip.compress(body, mtime=0)
    short = hashlib.sha256(body).hexdigest()[:16]
    return Asset(
        body=body,
        etag=f'W/"{short}"'.encode(),
        hash=short,
        integrity=f"sha384-{base64.b64encode(digest).decode()}",
        content_type=_TYPES[path.suffix],
        twins=twins,
    )

"""Local keys, tokens and ids: the only module that draws secrets.

The key files lie in one folder, beside the database unless configured otherwise. What is missing is
made at first start; what exists is never replaced. Each file has one key a line, oldest first, as
URL-safe base64 of 32 random bytes; `#` begins a comment.
"""

import base64
import binascii
import fcntl
import hashlib
import hmac
import os
import secrets
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from edgeproxy.errors import ConfigError

SIGNING = "signing.keys"
SEALING = "sealing.keys"
VISITOR = "visitor.key"
TRACE = "trace.key"

PURPOSES = {
    SIGNING: "signs the cookie that restores a visitor's ids; the last one signs, all are accepted",
    SEALING: "encrypts addresses and user agents until an event is settled; the last line encrypts",
    VISITOR: "names visitors in the store; never rotate it, or their records cannot be found again",
    TRACE: "hides addresses and user agents in traces and logs",
}
"""Key file → what it is for."""

ROTATED = (SIGNING, SEALING)

_KEY_BYTES = 32
_FILE_MAX_BYTES = 65_536
_DISTINCT_BYTES = 8  # of 32 random bytes fewer are distinct about never


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """What the key files hold.

    `signing` and `sealing` are oldest → newest; `sealing` are base64 texts, the
    others are the decoded bytes, at least 32 each.
    """

    signing: tuple[bytes, ...]
    sealing: tuple[bytes, ...]
    visitor: bytes
    trace: bytes

    def __repr__(self) -> str:
        return f"Keys({len(self.signing)} signing, {len(self.sealing)} sealing, ••••)"


def load_keys(folder: Path, *, make: bool = True) -> Keys:
    """The keys of a folder; makes the folder (0700) and the files (0600) that are missing.

    With `make=False` nothing is made: keys of several nodes must be given, not drawn on each.

    Processes that start at the same moment agree: a file appears complete, and only once.

    Raises:
        ConfigError: A file can be read by others, cannot be read, or holds no good key; every
            fault at once.
    """
    if make:
        _make_folder(folder)
    faults: list[tuple[str, str]] = []
    found: dict[str, list[bytes]] = {}
    for name in PURPOSES:
        path = folder / name
        try:
            if make and not path.exists():
                _create(path, _content(name, _new_key()))
            found[name] = _read(path)
        except FileNotFoundError:
            faults.append((str(path), "is missing; every node has a copy of the same key files"))
        except OSError as error:
            faults.append((str(path), f"cannot be used: {error.strerror}"))
        except ValueError as error:
            faults.append((str(path), str(error)))
    if faults:
        raise ConfigError(faults, where="the key folder")
    return Keys(
        signing=tuple(_decoded(line) for line in found[SIGNING]),
        sealing=tuple(found[SEALING]),
        visitor=_decoded(found[VISITOR][-1]),
        trace=_decoded(found[TRACE][-1]),
    )


def rotate_keys(folder: Path) -> Keys:
    """Add a newest signing and a newest sealing key; the old ones stay good for what they made.

    A running process goes on with the keys that it has read.

    Raises:
        ConfigError: As `load_keys`.
    """
    load_keys(folder)
    with _locked(folder):
        for name in ROTATED:
            path = folder / name
            _replace(path, path.read_bytes().rstrip(b"\n") + b"\n" + _new_key() + b"\n")
    return load_keys(folder)


def new_token() -> str:
    """A token of 32 random bytes, URL-safe; show it once, keep its digest."""
    return secrets.token_urlsafe(_KEY_BYTES)


def kept_token(path: Path) -> tuple[str, bool]:
    """The token in a file, and whether the file was made now, with a new one (0600).

    Raises:
        ConfigError: The file can be read by others, or holds no token.
        OSError: It can be neither made nor read.
    """
    made = not path.exists()
    if made:
        _create(path, new_token().encode() + b"\n")
    try:
        text = _lines(path)[0].decode("ascii")
    except UnicodeDecodeError:
        raise ConfigError([(str(path), "is no token; move it away for a new one")]) from None
    except ValueError as error:
        raise ConfigError([(str(path), str(error))]) from None
    return text, made


def token_digest(token: str) -> str:
    """SHA-256 hex of a token. 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def kept_digest(kept: str) -> str:
    """The digest to compare a caller's token with, of a key as it stands in the configuration.

    Args:
        kept: The key itself, or "sha256:" and its digest. Only what is configured may be given
            here, never what a caller sent: whoever reads a digest must not get in with it.
    """
    prefix, colon, digest = kept.partition(":")
    return digest.lower() if colon and prefix == "sha256" else token_digest(kept)


def fingerprint(secret: str, key: bytes) -> str:
    """Twelve hex digits that tell secrets apart and cannot be searched for without the key."""
    return hmac.new(key, secret.encode(), hashlib.sha256).hexdigest()[:12]


def marks(keys: Keys) -> dict[str, tuple[str, ...]]:
    """Key file → a fingerprint of each of its keys, to see whether nodes have the same."""
    held = {
        SIGNING: keys.signing,
        SEALING: keys.sealing,
        VISITOR: (keys.visitor,),
        TRACE: (keys.trace,),
    }
    return {name: tuple(fingerprint(name, key) for key in found) for name, found in held.items()}


def visitor_name(key: bytes, source: str, scid: str) -> bytes:
    """16 bytes that name a visitor of a source in the store, under the key for that.

    Keyed BLAKE2b is a MAC like HMAC-SHA-256, but does not let go of the interpreter's lock, which
    another thread would take for longer than the digest takes.
    """
    text = f"{source}\0{scid}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, key=key, digest_size=16).digest()


def new_id() -> str:
    """A random event id (UUIDv4)."""
    return str(uuid.uuid4())


def new_scid() -> str:
    """A random visitor id (UUIDv4), the shape that Snap's pixel gives its own."""
    return str(uuid.uuid4())


def _new_key() -> bytes:
    return base64.urlsafe_b64encode(os.urandom(_KEY_BYTES))


def _content(name: str, key: bytes) -> bytes:
    return f"# edgeproxy {name}: {PURPOSES[name]}\n".encode() + key + b"\n"


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            [
                (
                    str(folder),
                    f"cannot be made for the keys: {error.strerror}; create it for this user, "
                    "or set store.keys_dir (EDGEPROXY_STORE__KEYS_DIR)",
                )
            ],
            where="the key folder",
        ) from None


def _create(path: Path, content: bytes) -> None:
    """Make a complete file appear under a name that is free; the first of several writers wins."""
    with _written_beside(path, content) as temporary:
        try:
            os.link(temporary, path)
        except FileExistsError:
            return  # another process was first, and its key counts
    _sync_folder(path.parent)


def _replace(path: Path, content: bytes) -> None:
    with _written_beside(path, content) as temporary:
        temporary.replace(path)
    _sync_folder(path.parent)


@contextmanager
def _written_beside(path: Path, content: bytes) -> Iterator[Path]:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read(path: Path) -> list[bytes]:
    """The key lines of a file, as written; ValueError with a sentence when they are no good."""
    keys = _lines(path)
    for number, key in enumerate(keys, 1):
        _check(key, number, exactly=path.name == SEALING)
    return keys


def _lines(path: Path) -> list[bytes]:
    """What a secret file holds; ValueError with a sentence when there is nothing or no secret."""
    with path.open("rb") as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode):
            raise ValueError("is not a file")
        if (mode := stat.S_IMODE(facts.st_mode)) & 0o077:
            raise ValueError(f"can be read by others (mode {mode:04o}); chmod 600 {path}")
        text = file.read(_FILE_MAX_BYTES)
    lines = [line.strip() for line in text.splitlines()]
    keys = [line for line in lines if line and not line.startswith(b"#")]
    if not keys:
        raise ValueError("holds no key; restore it, or move it away to have a new one made")
    return keys


def _check(line: bytes, number: int, *, exactly: bool) -> None:
    try:
        key = _decoded(line)
    except binascii.Error:
        raise ValueError(f"key {number} is no URL-safe base64") from None
    if len(key) < _KEY_BYTES or (exactly and len(key) != _KEY_BYTES):
        raise ValueError(
            f"key {number} has {len(key)} bytes; it takes {'' if exactly else 'at least '}32"
        )
    if len(set(key)) < _DISTINCT_BYTES:
        raise ValueError(f"key {number} is an example, not a random key")


def _decoded(line: bytes) -> bytes:
    return base64.b64decode(line, altchars=b"-_", validate=True)

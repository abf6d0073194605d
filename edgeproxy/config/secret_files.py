"""Secrets as settings: files that hold one.

Every function raises ValueError with a sentence that shows nothing of the secret.
"""

import os
import stat
from pathlib import Path

from edgeproxy.site_rules import token, write_key

_FILE_MAX_BYTES = 65_536


def read_token(path: object) -> str:
    """The token that a file holds."""
    return token(_read(path))


def read_url(path: object) -> str:
    """The URL that a file holds, which may have a password in it."""
    return _read(path).strip()


def read_write_keys(path: object) -> tuple[str, ...]:
    """The write keys of a file, one a line; empty lines and lines that begin with # are skipped."""
    lines = [line.strip() for line in _read(path).splitlines()]
    keys = tuple(write_key(line) for line in lines if line and not line.startswith("#"))
    if not keys:
        raise ValueError("holds no key")
    return keys


def others_may_read(path: Path) -> bool:
    """Whether users who are neither the owner nor in the file's group have any access."""
    return bool(path.stat().st_mode & stat.S_IRWXO)


def _read(path: object) -> str:
    if not isinstance(path, str) or not path.strip():
        raise ValueError("must be the path of a file")
    try:
        with Path(path.strip()).open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & stat.S_IRWXO:
                raise ValueError(
                    f"can be read by others (mode {mode:04o}); chmod 600 {path}, "
                    "or mount the secret with mode 0400"
                )
            content = file.read(_FILE_MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    if len(content) > _FILE_MAX_BYTES:
        raise ValueError("is larger than 64 KiB; is it the right file?")
    if not content.strip():
        raise ValueError("is empty")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ValueError("is no text; is it the right file?") from None

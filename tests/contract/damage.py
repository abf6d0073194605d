"""Surgery on database files, done by another process: closing a file of ours drops its locks."""

import subprocess
import sys
from pathlib import Path

_WRITE = """
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(int(sys.argv[2]))
    file.write(bytes.fromhex(sys.argv[3]) * int(sys.argv[4]))
"""
PAGE = 4096


def overwrite(path: Path, offset: int, times: int, what: bytes = b"x") -> None:
    """Write bytes over what is at an offset."""
    command = [sys.executable, "-c", _WRITE, str(path), str(offset), what.hex(), str(times)]
    subprocess.run(command, check=True)


def break_page(path: Path, number: int) -> None:
    """Make one page unreadable; they are numbered from 1."""
    overwrite(path, (number - 1) * PAGE, PAGE, b"\xff")

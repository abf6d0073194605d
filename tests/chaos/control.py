"""What the harness tells a running proxy that only a test may: its clock's error, a full disk.

A few numbers in a file that both map into memory; reading one costs no system call.
"""

import mmap
import struct
from pathlib import Path

_NUMBER = struct.Struct("q")
_CLOCK, _CAPACITY = 0, 8
_SIZE = 16


class Control:
    """The numbers of one proxy, or of several that share a disk and a clock.

    Args:
        path: The file; made when it is missing.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(_SIZE))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _SIZE)

    @property
    def clock_ms(self) -> int:
        """How far the proxy's clock is ahead of the true time; negative when it is behind."""
        return self._read(_CLOCK)

    @clock_ms.setter
    def clock_ms(self, value: int) -> None:
        self._write(_CLOCK, value)

    @property
    def capacity_bytes(self) -> int:
        """How much fits on the store's disk; 0 for as much as there really is."""
        return self._read(_CAPACITY)

    @capacity_bytes.setter
    def capacity_bytes(self, value: int) -> None:
        self._write(_CAPACITY, value)

    def _read(self, place: int) -> int:
        return int(_NUMBER.unpack_from(self._memory, place)[0])

    def _write(self, place: int, value: int) -> None:
        _NUMBER.pack_into(self._memory, place, value)

    def close(self) -> None:
        """Unmap the file."""
        self._memory.close()

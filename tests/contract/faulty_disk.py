"""A VFS over the real files that can refuse to write or to sync."""

from collections.abc import Callable
from typing import Any

import apsw


class FaultyDisk(apsw.VFS):
    """Passes everything on; raises `fault` at each write or sync for as long as it is set.

    Attributes:
        fault: Makes the error, or None.
        at: "write" or "sync".
        met: How often the fault was met.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name, base="unix")
        self.fault: Callable[[], Exception] | None = None
        self.at = "write"
        self.met = 0

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        return _File(self, name, flags)

    def meet(self, what: str) -> None:
        if self.fault is not None and what == self.at:
            self.met += 1
            raise self.fault()


class _File(apsw.VFSFile):
    def __init__(self, disk: FaultyDisk, name: Any, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self.disk = disk

    def xWrite(self, data: Any, offset: int) -> None:
        self.disk.meet("write")
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        self.disk.meet("sync")
        super().xSync(flags)

"""A VFS in memory that knows which bytes a power cut would leave: those that were synced.

Killing a process does not test this, for the system's cache survives it.
"""

from collections.abc import Callable
from pathlib import Path

import apsw


class Bytes:
    """One file: what programs read, what is on the disk, and the writes between the two."""

    def __init__(self) -> None:
        self.now = bytearray()
        self.disk = bytearray()
        self.unsynced: list[tuple[int, bytes]] = []

    def write(self, offset: int, data: bytes) -> None:
        _put(self.now, offset, data)
        self.unsynced.append((offset, data))

    def truncate(self, size: int) -> None:
        del self.now[size:]
        self.unsynced.append((size, b""))

    def sync(self) -> None:
        self.disk[:] = self.now
        self.unsynced.clear()

    def after_cut(self, survives: Callable[[int], bool]) -> bytes:
        """The disk, and those unsynced writes that got through by luck."""
        left = bytearray(self.disk)
        for number, (offset, data) in enumerate(self.unsynced):
            if data and survives(number):
                _put(left, offset, data)
        return bytes(left)


def _put(target: bytearray, offset: int, data: bytes) -> None:
    target.extend(bytes(max(0, offset - len(target))))
    target[offset : offset + len(data)] = data


class Disk(apsw.VFS):
    """The files of one machine. `on_step` is called before each write and each sync."""

    def __init__(self, name: str) -> None:
        super().__init__(name, base="unix")
        self.files: dict[str, Bytes] = {}
        self.on_step: Callable[[], None] = lambda: None

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> "Handle":  # type: ignore[override]
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        flags[1] = flags[0]
        return Handle(self, self.files.setdefault(path, Bytes()))

    def xAccess(self, pathname: str, flags: int) -> bool:
        return pathname in self.files

    def xDelete(self, filename: str, syncdir: bool) -> None:
        self.files.pop(filename, None)

    def save(self, folder: Path, survives: Callable[[int], bool]) -> None:
        """Write what a cut would leave now into a folder, under the files' own names."""
        for path, file in self.files.items():
            (folder / Path(path).name).write_bytes(file.after_cut(survives))


class Handle:
    """An open file; the only one, so its locks always succeed."""

    def __init__(self, disk: Disk, file: Bytes) -> None:
        self.disk = disk
        self.file = file

    def xRead(self, amount: int, offset: int) -> bytes:
        return bytes(self.file.now[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:
        self.disk.on_step()
        self.file.write(offset, data)

    def xTruncate(self, newsize: int) -> None:
        self.file.truncate(newsize)

    def xSync(self, flags: int) -> None:
        self.disk.on_step()
        self.file.sync()

    def xFileSize(self) -> int:
        return len(self.file.now)

    def xLock(self, level: int) -> None:
        pass

    def xUnlock(self, level: int) -> None:
        pass

    def xCheckReservedLock(self) -> bool:
        return False

    def xFileControl(self, op: int, ptr: int) -> bool:
        return False

    def xSectorSize(self) -> int:
        return 512

    def xDeviceCharacteristics(self) -> int:
        return 0

    def xClose(self) -> None:
        pass

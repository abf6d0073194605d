"""One proxy process under attack, and the supervisor that starts it again."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.edge import ROOT, Life
from tests.until import until

READY_S = 40.0
RESPAWN_S = 0.3
END_S = 30.0
TOO_LONG = -1
"""In the place of an exit status: it did not end within `END_S` after SIGTERM."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process took at a moment of its life."""

    life: int
    age_s: float
    rss_mb: float
    descriptors: int


class Node:
    """A proxy that is started again whenever it ends.

    Args:
        name: Part of its log files' names.
        folder: Where it runs; `edgeproxy.toml` lies there.
        environ: Its environment, beside this process's own.
        variants: Faults of the program itself, see `variants`.
    """

    def __init__(
        self, name: str, folder: Path, environ: Mapping[str, str], variants: Sequence[str] = ()
    ) -> None:
        self.name = name
        self.folder = folder
        self.environ = dict(environ)
        self.variants = variants
        self.lives = 0
        self.deaths: list[tuple[float, int]] = []
        self.samples: list[Sample] = []
        self._current: Life | None = None
        self._ready = False
        self._began_s = 0.0
        self._ending_s: float | None = None
        self._wanted = False

    @property
    def life(self) -> Life | None:
        """The process that can be called now."""
        return self._current if self._ready else None

    @property
    def log(self) -> Path:
        """The log of the present life."""
        return self.folder / f"{self.name}-{self.lives}.log"

    def launch(self) -> None:
        """Begin to start it."""
        self._wanted = True
        self.tend()

    def start(self) -> None:
        """Start it and wait until it is ready; a start that fails is an error of the test."""
        self._wanted = True

        def ready() -> bool:
            up = self.tend()
            assert not self.deaths, self.log.read_text()
            return up

        until(ready, f"{self.name} is ready", within_s=READY_S)

    def tend(self) -> bool:
        """Do what a supervisor does now and then; returns whether the proxy takes calls."""
        current = self._current
        if current is None:
            if self._wanted and time.monotonic() - self._began_s >= RESPAWN_S:
                self._spawn()
        elif (status := current.process.poll()) is not None:
            if status != 0 or self._ending_s is None:
                self.deaths.append((time.monotonic(), status))
            self._forget()
        elif self._ending_s is not None and time.monotonic() - self._ending_s > END_S:
            self.deaths.append((time.monotonic(), TOO_LONG))
            self.kill()
        elif not self._ready:
            current.port = _port(current.log)
            self._ready = current.port > 0 and self._ending_s is None
        return self._ready

    def _spawn(self) -> None:
        self.lives += 1
        self._began_s = time.monotonic()
        with self.log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.launch", *self.variants],
                cwd=self.folder,
                stdout=out,
                stderr=out,
                env={**os.environ, "PYTHONPATH": str(ROOT), **self.environ},
            )
        self._current = Life(process, 0, self.log)

    def _forget(self) -> None:
        self._current, self._ready, self._ending_s = None, False, None

    def kill(self) -> None:
        """kill -9; the supervisor starts it again."""
        if self._current is not None:
            self._current.process.send_signal(signal.SIGCONT)
            self._current.kill()
            self._forget()

    def end(self) -> None:
        """SIGTERM; the supervisor sees to it that it ends well, and starts it again."""
        if self._current is not None and self._ending_s is None:
            was_ready, self._ready = self._ready, False
            if not was_ready:  # it cannot drain yet, so nothing is asked of its end
                self.kill()
                return
            self._ending_s = time.monotonic()
            self.thaw()
            self._current.process.terminate()

    def stop(self) -> None:
        """SIGTERM, wait for the end, and no new start."""
        self._wanted = False
        self.end()
        until(lambda: self.tend() or self._current is None, "it ended", within_s=END_S + 5)

    def freeze(self) -> None:
        """SIGSTOP."""
        if self._current is not None:
            self._current.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        if self._current is not None:
            self._current.process.send_signal(signal.SIGCONT)

    def limit_files(self, size_bytes: int) -> None:
        """Let no file of the process grow beyond this size: a write gives EFBIG."""
        if self._current is not None and self._current.process.poll() is None:
            _, hard = resource.prlimit(self._current.process.pid, resource.RLIMIT_FSIZE)
            limits = (hard if size_bytes < 0 else size_bytes, hard)
            resource.prlimit(self._current.process.pid, resource.RLIMIT_FSIZE, limits)

    def sample(self) -> Sample | None:
        """Note what the process takes now."""
        if self._current is None or not self._ready:
            return None
        proc = Path(f"/proc/{self._current.process.pid}")
        try:
            pages = int((proc / "statm").read_text().split()[1])
            descriptors = len(list((proc / "fd").iterdir()))
        except OSError:
            return None
        taken = Sample(
            life=self.lives,
            age_s=time.monotonic() - self._began_s,
            rss_mb=pages * resource.getpagesize() / 1e6,
            descriptors=descriptors,
        )
        self.samples.append(taken)
        return taken


def _port(log: Path) -> int:
    for line in log.read_text(errors="replace").splitlines():
        if '"listening"' in line:
            return int(str(json.loads(line)["url"]).rpartition(":")[2])
    return 0

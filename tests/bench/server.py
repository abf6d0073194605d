"""Starting the servers that are measured, each in a process of its own, pinned where possible."""

import http.client
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ORIGIN = "https://www.example.com"
HOST = "edge.example.com"


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pinned(core: int | None) -> list[str]:
    """The words before a command that keep it on one core."""
    return ["taskset", "-c", str(core)] if core is not None and shutil.which("taskset") else []


@contextmanager
def process(command: list[str], log: Path, env: dict[str, str] | None = None) -> Iterator[int]:
    """Run a command for the length of the block; gives its pid; ended by SIGTERM, then SIGKILL."""
    with log.open("ab") as out:
        child = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **(env or {})})
    try:
        yield child.pid
    finally:
        child.terminate()
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def wait_for(port: int, path: str, *, within_s: float = 15.0) -> float:
    """Seconds until the path answers 2xx."""
    began = time.monotonic()
    while time.monotonic() - began < within_s:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
            connection.request("GET", path)
            if connection.getresponse().status < 300:
                return time.monotonic() - began
        except OSError:
            pass
        time.sleep(0.01)
    raise RuntimeError(f"port {port} does not answer at {path}")


@contextmanager
def bare(log: Path, core: int | None, *mode: str) -> Iterator[int]:
    """The reference; gives its port."""
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.bare", str(port), *mode]
    with process([*pinned(core), *command], log):
        wait_for(port, "/")
        yield port


@contextmanager
def edge(
    folder: Path, core: int | None, *, upstream: str, flags: Sequence[str] = (), **settings: str
) -> Iterator[tuple[int, int]]:
    """The real proxy on a real file; gives its port and pid."""
    port = free_port()
    environ = {
        "EDGEPROXY_ORIGIN": ORIGIN,
        "EDGEPROXY_PIXEL_ID": "67d34640-b7a4-42a8-b821-6434d70f08a4",
        "EDGEPROXY_ACCESS_TOKEN": "bench-token",
        "EDGEPROXY_UPSTREAM": upstream,
        "EDGEPROXY_SERVER__PORT": str(port),
        "EDGEPROXY_SERVER__ADMIN_PORT": "0",
        "EDGEPROXY_STORE__URL": f"sqlite://{folder}/edgeproxy.db",
        **settings,
    }
    command = [*pinned(core), sys.executable, "-m", "edgeproxy", "serve", *flags]
    with process(command, folder / "serve.log", environ) as pid:
        wait_for(port, "/readyz")
        yield port, pid


@contextmanager
def sandbox(folder: Path, core: int | None) -> Iterator[str]:
    """The emulator of Snap; gives its URL."""
    port = free_port()
    command = [sys.executable, "-m", "edgeproxy", "sandbox", "--port", str(port)]
    with process([*pinned(core), *command], folder / "sandbox.log"):
        wait_for(port, "/")
        yield f"http://127.0.0.1:{port}"


def memory_mb(pid: int) -> float:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no memory figure for process {pid}")


def cpu_s(pid: int) -> float:
    """The processor time that a process has used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

"""What a user waits for or pays for: start-up, memory, the tag's size."""

import gzip
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from edgeproxy.web.assets import load as load_asset
from tests.bench import load, server, traffic

NOWHERE = "http://127.0.0.1:9"


def size() -> None:
    """The tag as browsers fetch it."""
    tag = load_asset("s.js")
    brotli = tag.twins.get(b"br", b"")
    print(
        f"\ntag: {len(tag.body)} bytes minified, {len(gzip.compress(tag.body))} gzip, "
        f"{len(brotli)} brotli"
    )


def startup() -> None:
    """`edgeproxy --help`, and `edgeproxy serve` until it is ready."""
    helps = []
    for _ in range(7):
        began = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "edgeproxy", "--help"], capture_output=True, check=True
        )
        helps.append(time.monotonic() - began)
    print(f"\nedgeproxy --help: median {statistics.median(helps):.3f} s of {len(helps)}")
    ready = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as name:
            began = time.monotonic()
            with server.edge(Path(name), None, upstream=NOWHERE):
                ready.append(time.monotonic() - began)
    print(f"edgeproxy serve to ready: median {statistics.median(ready):.3f} s of {len(ready)}")


def memory() -> None:
    """Resident memory before and after 100,000 events, all still waiting."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with server.edge(folder, None, upstream=NOWHERE) as (port, pid):
            before = server.memory_mb(pid)
            script = traffic.crowd(folder, port)
            sent = 0.0
            while sent < 100_000:
                result = load.run(f"http://127.0.0.1:{port}/e", script, seconds=5, core=None)
                sent += result.rps * 5
            after = server.memory_mb(pid)
    print(f"\nmemory: {before:.0f} MB at start, {after:.0f} MB after {sent:,.0f} events")

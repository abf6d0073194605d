"""Benchmarks: `python -m tests.bench [name …]`; without a name, all of them.

Figures of one machine do not carry over; ratios to the reference of the same run do. Nothing here
passes or fails: it exits 0 whatever the result.
"""

import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tests.bench import journal, load, process, scale, server, stages, tag_cost, traffic

ROUNDS = 3
SECONDS = 6
NOWHERE = "http://127.0.0.1:9"
"""Nobody listens there: the queue waits, and ingest is measured alone."""


def cores() -> tuple[int | None, int | None]:
    """One core for the server and one for the load, where there are two."""
    mine = sorted(os.sched_getaffinity(0))
    return (mine[0], mine[1]) if len(mine) > 1 else (None, None)


def versus(title: str, runs: list[tuple[load.Result, load.Result]]) -> None:
    """Print what was measured against the reference, run by run and as medians."""
    ratios = [ours.rps / bare.rps for ours, bare in runs]
    print(f"\n{title}")
    for (ours, bare), ratio in zip(runs, ratios, strict=True):
        print(
            f"  {ours.rps:8.0f} req/s, p50 {ours.p50_ms:6.2f} ms, p99 {ours.p99_ms:6.2f} ms, "
            f"not 2xx: {ours.bad}   reference {bare.rps:8.0f} req/s   ratio {ratio:.3f}"
        )
    p99 = statistics.median(ours.p99_ms for ours, _ in runs)
    print(
        f"  median ratio {statistics.median(ratios):.3f} "
        f"(min {min(ratios):.3f}, max {max(ratios):.3f}), median p99 {p99:.1f} ms"
    )


def interleaved(
    ours: Callable[[], load.Result], bare: Callable[[], load.Result]
) -> list[tuple[load.Result, load.Result]]:
    """Both in turn, so that a slow minute of the machine hits both."""
    return [(ours(), bare()) for _ in range(ROUNDS)]


def post_e() -> None:
    """Durable POST /e against a bare 204, 64 connections, nothing delivered meanwhile."""
    _post_e("durable POST /e (fsync before the 202), queue kept", deliver=False)


def post_e_delivering() -> None:
    """The same while the events are delivered to the sandbox, which shares the load's core."""
    _post_e("durable POST /e while delivering to the sandbox", deliver=True)


def _post_e(title: str, *, deliver: bool) -> None:
    mine, other = cores()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        upstream = stack.enter_context(server.sandbox(folder, other)) if deliver else NOWHERE
        bare_port = stack.enter_context(server.bare(folder / "bare.log", mine))
        port, _ = stack.enter_context(server.edge(folder, mine, upstream=upstream))
        script = traffic.crowd(folder, port)
        url, bare_url = f"http://127.0.0.1:{port}/e", f"http://127.0.0.1:{bare_port}/e"
        load.run(url, script, seconds=2, core=other)
        runs = interleaved(
            lambda: load.run(url, script, seconds=SECONDS, core=other),
            lambda: load.run(bare_url, script, seconds=SECONDS, core=other),
        )
        versus(title, runs)


def s_js() -> None:
    """GET /s.js from memory against a bare 204."""
    mine, other = cores()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        bare_port = stack.enter_context(server.bare(folder / "bare.log", mine, "blind"))
        port, _ = stack.enter_context(server.edge(folder, mine, upstream=NOWHERE))
        script = load.get_script(folder)
        runs = interleaved(
            lambda: load.run(f"http://127.0.0.1:{port}/s.js", script, seconds=4, core=other),
            lambda: load.run(f"http://127.0.0.1:{bare_port}/", script, seconds=4, core=other),
        )
        versus("GET /s.js", runs)


BENCHES: dict[str, Callable[[], None]] = {
    "post_e": post_e,
    "post_e_delivering": post_e_delivering,
    "s_js": s_js,
    "stages": stages.run,
    "journal": journal.run,
    "tag_cost": tag_cost.run,
    "backlog": scale.backlog,
    "drain": scale.drain,
    "nodes": scale.nodes,
    "size": process.size,
    "startup": process.startup,
    "memory": process.memory,
}


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all."""
    unknown = set(names) - set(BENCHES)
    if unknown:
        print(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
        return 2
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    for name, bench in BENCHES.items():
        if names and name not in names:
            continue
        if (
            name in ("post_e", "post_e_delivering", "s_js", "memory", "drain")
            and not load.available()
        ):
            print(f"\n{name}: skipped, wrk is not installed")
            continue
        if name == "tag_cost" and not tag_cost.available():
            print(f"\n{name}: skipped, chromium is not installed")
            continue
        bench()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

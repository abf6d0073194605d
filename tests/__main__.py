"""Every check of the project, fastest first: `python -m tests`.

`python -m tests fix` formats and fixes what can be fixed before. `python -m tests quick` leaves out
what is slow. With `CI` set, a part that is missing here is a failure instead of a skip.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
TAG = "tests/tag"
CI = bool(os.environ.get("CI"))

ASIDE = ("browser", "chaos", "contract", "nginx", "test_cli_doctor.py", "test_workers.py")
"""The tests that run beside all others: as many as take half of the time."""

Step = tuple[str, *tuple[list[str], ...]]
"""A name and what it runs: one command, or several at the same time."""


def module(name: str, *arguments: str) -> list[str]:
    """A command that runs a Python module with this interpreter."""
    return [sys.executable, "-m", name, *arguments]


def installed(name: str) -> str:
    """The path of a console script beside this interpreter."""
    return str(Path(sys.executable).with_name(name))


def lint(*, fix: bool) -> Iterator[Step]:
    """Format, lint, types, layers."""
    if fix:
        yield "format", module("ruff", "format", ".")
        yield "lint, fixing", module("ruff", "check", "--fix", ".")
    yield "format", module("ruff", "format", "--check", ".")
    yield "lint", module("ruff", "check", ".")
    yield "types", module("mypy")
    yield "layers", [installed("lint-imports")]


def tag() -> Iterator[Step]:
    """The tag: its types, whether the built file is fresh, its tests."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        missing("the tag's checks", "Node.js is not installed")
        return
    if not (ROOT / TAG / "node_modules").is_dir():
        yield "tag: tools", ["npm", "ci", "--prefix", TAG, "--no-audit", "--no-fund"]
    yield "tag: built file", ["node", f"{TAG}/build.mjs", "--check"]
    yield "tag: types", ["npm", "run", "--silent", "--prefix", TAG, "types"]
    yield "tag: tests", ["node", "--test", *sorted(map(str, (ROOT / TAG).glob("*.test.mjs")))]


def python(*, quick: bool) -> Iterator[Step]:
    """pytest with branch coverage, over all processes it starts."""
    if quick:
        yield "pytest, quick", module("pytest", "-q", "-m", "not slow and not browser")
        return
    yield "coverage: clean", module("coverage", "erase")
    # Both wait most of the time, for other processes, so they do it side by side.
    aside = [f"tests/{name}" for name in ASIDE]
    beside = module("coverage", "run", "-m", "pytest", *aside)
    rest = module("coverage", "run", "-m", "pytest", *[f"--ignore={one}" for one in aside])
    yield "pytest", rest, beside
    yield "coverage: join", module("coverage", "combine", "--quiet")
    yield "coverage", module("coverage", "report")


def missing(what: str, why: str) -> None:
    """Skip at home, fail in CI."""
    print(f"-- skipped: {what}: {why}", flush=True)
    if CI:
        raise SystemExit(f"{what}: {why}; with CI set nothing may be skipped")


def run(name: str, *commands: list[str]) -> bool:
    """Run one step from the project's root and say how long it took.

    The first command speaks as it goes, what the others said is shown when it has ended.
    """
    for command in commands:
        print(f"== {name}: {' '.join(command)}", flush=True)
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        beside = []
        for command in commands[1:]:
            said = stack.enter_context(tempfile.TemporaryFile())
            child = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said)
            beside.append((child, said))
        codes = [subprocess.run(commands[0], cwd=ROOT, check=False).returncode]
        for child, said in beside:
            codes.append(child.wait())
            said.seek(0)
            print(said.read().decode(errors="replace"), flush=True)
    good = not any(codes)
    print(f"== {name}: {'ok' if good else f'FAILED {codes}'}, ", end="")
    print(f"{time.monotonic() - began:.1f} s", flush=True)
    return good


def main(arguments: list[str]) -> int:
    """Run all steps until one fails."""
    unknown = set(arguments) - {"fix", "quick"}
    if unknown:
        print(f"python -m tests takes fix and quick, not {' '.join(sorted(unknown))}")
        return 2
    fix, quick = "fix" in arguments, "quick" in arguments
    parts: list[Callable[[], Iterator[Step]]] = [
        lambda: lint(fix=fix),
        tag,
        lambda: python(quick=quick),
    ]
    for part in parts:
        for name, *commands in part():
            if not run(name, *commands):
                return 1
    print("== all checks passed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

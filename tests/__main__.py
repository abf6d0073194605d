"""Every check of the project, fastest first: `python -m tests`.

`python -m tests fix` formats and fixes what can be fixed before. `python -m tests quick` leaves out
what is slow. With `CI` set, a part that is missing here is a failure instead of a skip.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
TAG = "tests/tag"
CI = bool(os.environ.get("CI"))

Step = tuple[str, list[str]]


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
    yield "pytest", module("coverage", "run", "-m", "pytest")
    yield "coverage: join", module("coverage", "combine", "--quiet")
    yield "coverage", module("coverage", "report")


def missing(what: str, why: str) -> None:
    """Skip at home, fail in CI."""
    print(f"-- skipped: {what}: {why}", flush=True)
    if CI:
        raise SystemExit(f"{what}: {why}; with CI set nothing may be skipped")


def run(name: str, command: list[str]) -> bool:
    """Run one step from the project's root and say how long it took."""
    print(f"== {name}: {' '.join(command)}", flush=True)
    began = time.monotonic()
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    print(f"== {name}: {'ok' if code == 0 else f'FAILED ({code})'}, ", end="")
    print(f"{time.monotonic() - began:.1f} s", flush=True)
    return code == 0


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
        for name, command in part():
            if not run(name, command):
                return 1
    print("== all checks passed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The README is true: its tables are the code's, its commands exist, its two commands work."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeproxy import __version__
from edgeproxy.cli import COMMANDS
from edgeproxy.config import load
from edgeproxy.config.tables import StoreTable
from tests import readme

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text()
FENCES = re.findall(r"^ *```(\w+)\n(.*?)^ *```", TEXT, re.MULTILINE | re.DOTALL)


def test_tables_are_those_of_the_code() -> None:
    """`python -m tests.readme` writes them."""
    assert readme.written(TEXT) == TEXT


def test_a_drifted_table_is_noticed() -> None:
    drifted = TEXT.replace("| `_scid` |", "| `_other` |")
    assert drifted != TEXT
    assert readme.written(drifted) == TEXT


def test_every_command_named_exists() -> None:
    shells = "\n".join(body for kind, body in FENCES if kind == "sh")
    spoken = "\n".join(re.findall(r"`([^`\n]+)`", TEXT))
    pattern = r"(?:^ *|/bin/|&& )edgeproxy ([a-z][a-z-]+)"
    named = re.findall(pattern, f"{shells}\n{spoken}", re.MULTILINE)
    assert "serve" in named
    assert set(named) <= set(COMMANDS)


def test_the_configuration_shown_is_accepted(tmp_path: Path) -> None:
    files = [body for kind, body in FENCES if kind == "toml"]
    [shown] = [body for body in files if "[[sources]]" in body]
    for part in files:
        assert set(tomllib.loads(part).get("store", {})) <= set(StoreTable.model_fields)
    token = tmp_path / "snap.token"
    token.write_text("a-token-for-the-readme")
    token.chmod(0o600)
    path = tmp_path / "edgeproxy.toml"
    path.write_text(shown.replace("/run/secrets/snap.token", str(token)))
    settings = load(path, {}, {})
    assert [source.id for source in settings.sources] == ["shop"]


def test_links_inside_resolve() -> None:
    heads = re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", head).strip().lower().replace(" ", "-") for head in heads}
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        else:
            assert (ROOT / target).exists(), target


def test_the_change_log_speaks_of_this_version() -> None:
    log = (ROOT / "CHANGELOG.md").read_text()
    first = re.findall(r"^## (.+)$", log, re.MULTILINE)[0]
    assert __version__ in first


def commands() -> tuple[str, str]:
    """The README's two commands."""
    lines = [line for kind, body in FENCES if kind == "sh" for line in body.splitlines()]
    venv = [line for line in lines if line.startswith("python3 -m venv")]
    assert len(venv) == 2
    return venv[0], venv[1]


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    """What git would give a stranger: tracked files and those about to be, nothing else."""
    folder = tmp_path / "edgeproxy"
    copy_checkout(folder)
    yield folder
    shutil.rmtree(folder)  # the tests in it hold the values that must stand in no written file


def copy_checkout(copy: Path) -> None:
    """Copy what git knows, or is about to know."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    for name in listed:
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)


def run(command: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a line as a stranger's shell would, with this interpreter as python3."""
    bin_folder = folder.parent / "bin"
    bin_folder.mkdir(exist_ok=True)
    python = bin_folder / "python3"
    if not python.exists():
        python.symlink_to(Path(sys.base_prefix) / "bin" / "python3")
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("EDGEPROXY_", "COVERAGE", "PYTHON"))
    }
    environ["PATH"] = f"{bin_folder}:{environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=570,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_first_command_works_for_a_stranger(clone: Path) -> None:
    """From the built wheel, in a fresh virtual environment; the demo makes one visit and ends."""
    first, _ = commands()
    done = run(f"{first} --once", clone)
    assert done.returncode == 0, done.stderr[-3_000:]
    for piece in ("PURCHASE", "click_id", "uuid_c1", "hashed_email", "hashed_ip_address"):
        assert piece in done.stdout
    version = run(".venv/bin/edgeproxy --version", clone)
    assert __version__ in version.stdout
    package = next((clone / ".venv").glob("lib/python3*/site-packages/edgeproxy"))
    assert (package / "static" / "s.js").is_file()
    assert (package / "nginx.conf").is_file()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_second_command_installs_all_that_the_checks_need(clone: Path) -> None:
    """An editable install with the extra; what it runs, CI runs in full from a clean clone."""
    _, second = commands()
    install, _, checks = second.rpartition(" && ")
    assert checks == ".venv/bin/python -m tests"
    some = ".venv/bin/lint-imports && .venv/bin/python -m pytest -q tests/test_mapping.py"
    done = run(f"{install} && {some}", clone)
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]

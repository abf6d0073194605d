"""Work in a process of its own: results and errors come back, what it loaded does not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgeproxy.cli.apart import apart
from edgeproxy.errors import ConfigError, Failed
from tests.edge import StartEdge


def test_the_result_comes_back() -> None:
    parent = os.getpid()
    child, pair = apart(lambda: (os.getpid(), {"a": (1, 2)}))
    assert child != parent
    assert pair == {"a": (1, 2)}


def test_an_error_comes_back_whole() -> None:
    def fail() -> None:
        raise ConfigError([("server.prt", "is no setting"), ("x", "y")], "a and b")

    with pytest.raises(ConfigError) as caught:
        apart(fail)
    assert caught.value.faults == (("server.prt", "is no setting"), ("x", "y"))
    assert caught.value.exit_status == 78


def test_a_child_that_dies_is_told() -> None:
    with pytest.raises(Failed, match="status 3"):
        apart(lambda: os._exit(3))


def test_a_fault_of_ours_is_named_without_its_text() -> None:
    with pytest.raises(Failed, match="ZeroDivisionError"):
        apart(lambda: 1 // 0)


def test_a_running_proxy_does_not_hold_what_read_its_settings(edge: StartEdge) -> None:
    life = edge.start()
    maps = Path(f"/proc/{life.process.pid}/maps").read_text()
    assert "pydantic_core" not in maps
    assert "apsw" in maps


def test_without_settings_serve_names_what_to_set(edge: StartEdge) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edgeproxy", "serve"],
        cwd=edge.folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": edge.settings()["PYTHONPATH"]},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 78
    assert "EDGEPROXY_ORIGIN" in done.stderr
    assert "Traceback" not in done.stderr

"""The command as its user meets it: a process with outputs, an exit status and an end."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from edgeproxy.demo.visit import EXPECTED
from edgeproxy.web.listener import bind
from tests.until import until

ROOT = Path(__file__).parent.parent
DEADLINE_S = 60


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"}


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "edgeproxy", "demo", *arguments]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def finished(folder: Path, *arguments: str) -> tuple[int, str, str]:
    with started(folder, *arguments) as process:
        out, err = process.communicate(timeout=DEADLINE_S)
        return process.returncode, out, err


def shop_of(process: subprocess.Popen[str]) -> str:
    """The shop's address, from the lines that the demo writes first."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "Ctrl-C" in line:
            break
    [address] = re.findall(r"^ +shop +(http://localhost:\d+) ", "".join(lines), re.MULTILINE)
    return str(address)


def test_once_prints_what_snap_received_and_nothing_else(tmp_path: Path) -> None:
    status, out, err = finished(tmp_path, "--once")
    events = json.loads(out)
    assert status == 0, err
    assert tuple(event["event_type"] for event in events) == EXPECTED
    assert out == json.dumps(events, indent=2, ensure_ascii=False) + "\n"
    assert "PURCHASE" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [["--once"], []])
def test_what_went_wrong_is_named_in_one_line(tmp_path: Path, mode: list[str]) -> None:
    with closing(bind("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        status, out, err = finished(tmp_path, *mode, "--port", str(port))
    assert (status, out) == (1, "")
    assert err.startswith(f"edgeproxy: cannot listen on 127.0.0.1:{port}: ")
    assert len(err.splitlines()) == 1


def test_once_can_be_interrupted_and_cleans_up(tmp_path: Path) -> None:
    with started(tmp_path, "--once") as process:
        assert process.stderr is not None
        process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, out) == (130, ""), err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_demo_ends_cleanly_also_under_an_open_page(
    tmp_path: Path, number: signal.Signals
) -> None:
    with started(tmp_path, "--port", "0", "--empty") as process:
        address = urlsplit(shop_of(process))
        page = http.client.HTTPConnection("127.0.0.1", address.port or 0, timeout=10)
        page.request("GET", "/dock/stream", headers={"Host": address.netloc})
        assert page.getresponse().status == 200
        assert list(tmp_path.iterdir())
        process.send_signal(number)
        # Less than the patience of the listener with an open answer.
        assert process.wait(timeout=8) == 0
        page.close()
    assert list(tmp_path.iterdir()) == []


def test_the_demo_writes_a_line_for_each_event(tmp_path: Path) -> None:
    with started(tmp_path, "--port", "0", "--empty") as process:
        address = urlsplit(shop_of(process))
        page = http.client.HTTPConnection("127.0.0.1", address.port or 0, timeout=10)
        page.request("POST", "/backstage/play", body="play=gpc")
        assert page.getresponse().status == 303
        page.close()
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        line = until(lambda: next(lines).strip(), "a line is written")
    assert "page" in line
    assert "privacy signal" in line

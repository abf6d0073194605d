"""The shipped file as it stands: both nginx versions take it, the linter has nothing to say."""

import json
import re
import subprocess
import sys
from pathlib import Path

from edgeproxy.web.listener import KEEP_ALIVE_S
from tests.nginx.front import SHIPPED, arguments, localised, nginx_of, write_certificate


def test_nginx_takes_the_file_without_a_warning(kind: str, tmp_path: Path) -> None:
    write_certificate(tmp_path)
    text = localised(tmp_path, http=8080, https=8443, upstream=8000)
    (tmp_path / "nginx.conf").write_text(text)
    command = [*nginx_of(kind), *arguments(tmp_path), "-t"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert [line for line in said.stderr.splitlines() if "[" in line] == []


def test_the_linter_finds_nothing() -> None:
    command = [sys.executable, "-m", "gixy", "-f", "json", str(SHIPPED)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (said.returncode, json.loads(said.stdout)) == (0, [])


def test_no_directive_is_commented_out() -> None:
    comments = re.findall(r"^\s*#(.*)$", SHIPPED.read_text(), re.MULTILINE)
    assert [line for line in comments if re.search(r"[;{}]\s*$", line)] == []


def test_nginx_lets_go_of_an_idle_connection_before_the_proxy_does() -> None:
    """Or a POST is written into a connection that is being closed, and becomes a 502."""
    upstream = re.search(r"upstream edgeproxy \{(.*?)\}", SHIPPED.read_text(), re.DOTALL)
    assert upstream is not None
    found = re.search(r"\n\s*keepalive_timeout\s+(\d+)s;", upstream[1])
    assert found is not None
    assert int(found[1]) + 10 <= KEEP_ALIVE_S

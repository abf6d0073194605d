"""A real PgBouncer in transaction mode before a PostgreSQL, for tests."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests import postgres
from tests.until import until

POOL = 2
"""Sessions with the server: fewer than a store has connections, so that transactions take turns."""

_USER = "nobody"
_INI = """
[databases]
postgres = host=127.0.0.1 port={server}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = {pool}
max_client_conn = 100
logfile = {folder}/log
pidfile = {folder}/pid
"""


def pgbouncer() -> str:
    """The program; skips where it is missing, and fails in CI."""
    places = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])
    found = shutil.which("pgbouncer", path=places)
    if found is None and os.environ.get("CI"):
        pytest.fail("there is no pgbouncer; with CI set nothing may be skipped")
    if found is None:
        pytest.skip("there is no pgbouncer here")
    return found


@contextmanager
def pooled(server: postgres.Server) -> Iterator[str]:
    """A pooler before a server for the length of the block; its URL."""
    program, port = pgbouncer(), postgres.free_port()
    folder = Path(tempfile.mkdtemp(prefix="edgeproxy-pool-"))
    try:
        ini = _INI.format(server=server.port, port=port, folder=folder, pool=POOL)
        (folder / "ini").write_text(ini)
        (folder / "users").write_text('"edge" ""\n')
        as_user: dict[str, Any] = {}
        if os.geteuid() == 0:  # it refuses to be root
            shutil.chown(folder, _USER)
            as_user = {"user": _USER}
        command = [program, "-q", str(folder / "ini")]
        with subprocess.Popen(command, cwd=folder, **as_user) as process:
            try:
                url = server.url(port=port)
                until(lambda: _answers(url), "the pooler answers")
                yield url
            finally:
                process.kill()
    finally:
        shutil.rmtree(folder)


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True

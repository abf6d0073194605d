"""The admin listener of a real process: its port, its token, its end."""

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from edgeproxy.admin.serve import made_late
from edgeproxy.settings import Settings
from edgeproxy.sites import Secret
from edgeproxy.steering import admin_token
from edgeproxy.web.asgi import App, Receive, Scope, Send
from tests.edge import Answer, Life, StartEdge
from tests.fakes import KeptLog
from tests.until import until

TOKEN = "the-admin-token-of-a-real-process"


def admin_port(life: Life, number: int = 0) -> int:
    until(lambda: len(life.told("admin_listening")) > number, "the admin listener is there")
    return int(life.told("admin_listening")[number]["url"].rpartition(":")[2])


def ask(port: int, path: str, token: str = TOKEN) -> Answer:
    """One request to the admin listener."""
    headers: Mapping[str, str] = {"Authorization": f"Bearer {token}"}
    return Life(None, port, Path()).request("GET", path, headers=headers)  # type: ignore[arg-type]


def test_the_first_start_makes_a_token_and_says_where(edge: StartEdge) -> None:
    life = edge.start()
    file = edge.folder / "store" / "admin.token"
    [line] = life.told("admin_token_made")
    assert line["file"] == str(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    token = file.read_text().strip()
    assert ask(admin_port(life), "/v1/admin/me", token).status == 200
    assert token not in life.log.read_text()
    assert life.stop() == 0
    again = edge.start()
    assert again.told("admin_token_made") == []
    assert ask(admin_port(again), "/v1/admin/me", token).status == 200
    assert file.read_text().strip() == token


def test_a_token_that_was_given_is_the_one(edge: StartEdge) -> None:
    life = edge.start(EDGEPROXY_ADMIN_TOKEN=TOKEN)
    assert not (edge.folder / "store" / "admin.token").exists()
    assert ask(admin_port(life), "/v1/admin/me").json()["role"] == "admin"
    assert ask(admin_port(life), "/v1/admin/me", "another").status == 401
    assert TOKEN not in life.log.read_text()


def test_the_two_listeners_have_nothing_in_common(edge: StartEdge) -> None:
    life = edge.start(EDGEPROXY_ADMIN_TOKEN=TOKEN)
    port = admin_port(life)
    assert port != life.port
    for path in ("/login", "/v1/admin/me", "/openapi.json", "/audit", "/"):
        answer = life.request("GET", path, headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status == 404, path
    for path in ("/e", "/s.js", "/visit", "/i", "/healthz"):
        assert ask(port, path).status == 404, path


def test_a_port_that_is_taken_is_a_fault_of_the_configuration(edge: StartEdge) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with pytest.raises(AssertionError):
            edge.start(EDGEPROXY_SERVER__ADMIN_PORT=port)
    [life] = edge.lives
    assert life.process.wait(10) == 78
    said = life.log.read_text()
    assert f"server.admin_port  cannot listen on 127.0.0.1:{port}: " in said
    assert "Traceback" not in said


def test_a_process_that_only_takes_events_has_none(edge: StartEdge) -> None:
    life = edge.start("--role", "ingest")
    [line] = life.told("listening")
    assert line["admin"] == ""
    assert life.told("admin_listening") == []
    assert not (edge.folder / "store" / "admin.token").exists()


def test_of_several_processes_the_one_that_delivers_has_it_and_then_another(
    edge: StartEdge,
) -> None:
    life = edge.start("--workers", "2", EDGEPROXY_ADMIN_TOKEN=TOKEN)
    port = admin_port(life)
    until(lambda: len(life.told("listening")) == 2, "both processes serve")
    assert len(life.told("admin_listening")) == 1
    assert ask(port, "/v1/admin/me").status == 200
    first = life.told("listening")[0]["pid"]
    os.kill(first, signal.SIGKILL)
    assert admin_port(life, 1) == port
    assert ask(port, "/v1/admin/me").status == 200
    assert life.stop() == 0


def test_an_open_connection_does_not_keep_the_process_from_ending(edge: StartEdge) -> None:
    life = edge.start(EDGEPROXY_ADMIN_TOKEN=TOKEN)
    with socket.create_connection(("127.0.0.1", admin_port(life))) as idle:
        idle.sendall(b"GET /v1/admin/me HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(100).startswith(b"HTTP/1.1 401")
        assert life.stop() == 0


def test_without_a_place_for_a_token_the_start_goes_on(tmp_path: Path) -> None:
    """A folder of keys that cannot be written, as nodes on PostgreSQL may have it."""
    log = KeptLog()
    assert admin_token(Settings(keys_dir=tmp_path / "missing"), log) == ""
    [line] = log.named("admin_without_token")
    assert "EDGEPROXY_ADMIN_TOKEN_FILE" in str(line["advice"])
    assert admin_token(Settings(admin_token=Secret("given")), log) == "given"


async def test_the_application_is_made_at_the_first_request_and_once() -> None:
    made: list[int] = []
    answered: list[str] = []

    def make() -> App:
        made.append(threading.get_ident())

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            answered.append(scope["path"])

        return app

    async def unasked(*_: object) -> Any:
        raise AssertionError("nothing is read or sent here")

    app = made_late(make)
    assert made == []
    await asyncio.gather(*(app({"path": f"/{n}"}, unasked, unasked) for n in range(3)))
    await app({"path": "/3"}, unasked, unasked)
    assert len(made) == 1
    assert made != [threading.get_ident()]  # the loop goes on meanwhile
    assert sorted(answered) == ["/0", "/1", "/2", "/3"]


def test_who_never_looks_at_the_dashboard_does_not_load_it() -> None:
    code = "import edgeproxy.service, sys; print('jinja2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("False\n", "")

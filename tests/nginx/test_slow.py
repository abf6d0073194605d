"""Who is slow, or says nothing at all, is hung up on; everybody else is served meanwhile."""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge import HOST, ORIGIN, Life, batch
from tests.nginx.front import KINDS, Front, find_nginx, running_front

SILENT = 100
SOURCE = "127.0.0.7"
LINE = f"POST /e HTTP/1.1\r\nHost: {HOST}\r\nOrigin: {ORIGIN}\r\n"
SLOW = {
    "says nothing": "",
    "half a header": LINE[:-9],
    "half a second header": f"GET /nothing HTTP/1.1\r\nHost: {HOST}\r\n\r\n{LINE[:-9]}",
    "half a body": f"{LINE}Content-Length: 99\r\n\r\n{{",
    "half a chunk": f"{LINE}Transfer-Encoding: chunked\r\n\r\n9\r\n{{",
}


@pytest.mark.slow
def test_slow_clients_are_closed_while_others_are_served(proxy: Life, tmp_path: Path) -> None:
    """In 5 and 10 s; nginx's own 60 would end this test, see `DEADLINE_S`. Both nginx at once."""
    kinds = [kind for kind in KINDS if find_nginx(kind)]
    if not kinds:
        pytest.skip("there is no nginx here")
    with contextlib.ExitStack() as stack:
        fronts: list[Front] = []
        waiting: list[tuple[str, socket.socket]] = []
        for kind in kinds:
            folder = tmp_path / kind
            folder.mkdir()
            front = stack.enter_context(running_front(kind, folder, proxy.port))
            for name, one in slow_clients(front):
                waiting.append((f"{kind}: {name}", stack.enter_context(one)))
            statuses = [front.post(batch({"name": "page"})).status for _ in range(20)]
            assert statuses == [202] * 20
            fronts.append(front)
        for name, one in waiting:
            assert answered(one) in ("", "404", "408"), name
        assert [len(front.tap.heads) for front in fronts] == [20] * len(fronts)


def slow_clients(front: Front) -> Iterator[tuple[str, socket.socket]]:
    """All kinds of them, each waiting for its end."""
    for _ in range(SILENT):
        yield "no TLS", front.dial(source=SOURCE)
    yield "no TLS, port 80", front.dial(source=SOURCE, tls=False)
    for name, sent in SLOW.items():
        connection = front.connect(source=SOURCE)
        connection.sendall(sent.encode())
        yield name, connection


def answered(connection: socket.socket) -> str:
    """The status of what came before the other side closed; empty for nothing."""
    answer = b""
    with contextlib.suppress(ConnectionError, ssl.SSLEOFError):
        while part := connection.recv(4096):
            answer += part
    return answer.decode().partition(" ")[2][:3]

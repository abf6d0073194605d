"""A wire between nginx and the proxy that shows what the proxy is asked, and what it never sees."""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Edit = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Head:
    """The head of one request as the proxy gets it; header names in lower case."""

    line: str
    headers: tuple[tuple[str, str], ...]

    def all(self, name: str) -> list[str]:
        """The values of a header, in order."""
        return [value for key, value in self.headers if key == name]


class Tap(socketserver.ThreadingTCPServer):
    """Hands connections on to a port; keeps the heads of all requests in the order they came.

    Args:
        upstream_port: Where to, on loopback. A refused connection is closed at once.
        edit: Changes what comes back.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, upstream_port: int, edit: Edit = bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Wire)
        self.upstream_port = upstream_port
        self.edit = edit
        self.connections = 0
        self.heads: list[Head] = []

    @property
    def port(self) -> int:
        """Where nginx finds it."""
        return int(self.server_address[1])


class _Wire(socketserver.BaseRequestHandler):
    server: Tap
    request: socket.socket

    def handle(self) -> None:
        self.server.connections += 1
        try:
            upstream = socket.create_connection(("127.0.0.1", self.server.upstream_port))
        except ConnectionRefusedError:
            return
        with upstream:
            for one in (self.request, upstream):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = threading.Thread(
                target=_pump, args=(upstream, self.request, self.server.edit), daemon=True
            )
            back.start()
            _pump(self.request, upstream, _Reader(self.server.heads))
            back.join()


def _pump(source: socket.socket, target: socket.socket, edit: Edit) -> None:
    with contextlib.suppress(OSError):
        while part := source.recv(65_536):
            target.sendall(edit(part))
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class _Reader:
    """Finds the heads in what nginx sends on one connection."""

    def __init__(self, heads: list[Head]) -> None:
        self._heads = heads
        self._unread = b""
        self._body_bytes = 0

    def __call__(self, part: bytes) -> bytes:
        """Look at a part and hand it on."""
        self._unread += part
        while self._skipped_body() and b"\r\n\r\n" in self._unread:
            text, _, self._unread = self._unread.partition(b"\r\n\r\n")
            line, *lines = text.decode("latin-1").split("\r\n")
            pairs = (header.partition(":") for header in lines)
            head = Head(line, tuple((name.lower(), value.strip()) for name, _, value in pairs))
            self._heads.append(head)
            # nginx buffers requests, so that each body has a Content-Length.
            self._body_bytes = int((head.all("content-length") or ["0"])[0])
        return part

    def _skipped_body(self) -> bool:
        """Whether the body is over."""
        skipped = self._unread[: self._body_bytes]
        self._unread = self._unread[len(skipped) :]
        self._body_bytes -= len(skipped)
        return self._body_bytes == 0


@contextlib.contextmanager
def tapping(upstream_port: int, edit: Edit = bytes) -> Iterator[Tap]:
    """A tap for the length of the block."""
    with Tap(upstream_port, edit) as tap:
        thread = threading.Thread(target=tap.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield tap
        finally:
            tap.shutdown()
            thread.join()

"""The site behind nginx: a few pages and files, and what it was asked."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HTML = "text/html; charset=utf-8"

ANSWERS: dict[str, tuple[int, dict[str, str]]] = {
    "/": (200, {"Content-Type": HTML, "Set-Cookie": "cart=shop-7; Path=/"}),
    "/bare": (200, {"Content-Type": "text/html"}),
    "/account": (200, {"Content-Type": HTML, "Cache-Control": "private, max-age=600"}),
    "/checkout": (200, {"Content-Type": HTML, "Cache-Control": "no-store"}),
    "/fresh": (200, {"Content-Type": HTML, "Cache-Control": "no-cache, max-age=0"}),
    "/xhtml": (200, {"Content-Type": "application/xhtml+xml"}),
    "/lost": (404, {"Content-Type": HTML}),
    "/moved": (302, {"Content-Type": HTML, "Location": "/"}),
    "/public": (200, {"Content-Type": HTML, "Cache-Control": "public, max-age=600"}),
    "/shared": (200, {"Content-Type": HTML, "Cache-Control": "s-maxage=60"}),
    "/stored": (200, {"Content-Type": HTML, "Cache-Control": "max-age=60"}),
    "/cdn": (
        200,
        {
            "Content-Type": HTML,
            "Cache-Control": "private, no-store",
            "CDN-Cache-Control": "max-age=60",
        },
    ),
    "/surrogate": (200, {"Content-Type": HTML, "Surrogate-Control": "max-age=60"}),
    "/logo.png": (200, {"Content-Type": "image/png"}),
    "/app.js": (200, {"Content-Type": "text/javascript", "Cache-Control": "no-store"}),
    "/api": (200, {"Content-Type": "application/json", "Cache-Control": "private"}),
}
"""Path → status and headers; the body is the path."""

PAGES = ("/", "/bare", "/account", "/checkout", "/fresh", "/xhtml", "/lost", "/moved")
NO_PAGES = (
    *("/public", "/shared", "/stored", "/cdn", "/surrogate"),
    *("/logo.png", "/app.js", "/api"),
)


@dataclass
class Shop:
    """A running site."""

    port: int = 0
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Request line and headers, names in lower case."""


@contextlib.contextmanager
def running_shop() -> Iterator[Shop]:
    """The site on a port of its own for the length of the block."""
    shop = Shop()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            return

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            shop.asked.append((self.requestline, headers))
            self.rfile.read(int(headers.get("content-length", "0")))
            path = self.path.partition("?")[0]
            status, given = ANSWERS[path]
            body = path.encode()
            self.send_response(status)
            for name, value in given.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    shop.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield shop
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

"""A site on hosts of its own for each visitor, with the real tag, a real proxy and our Snap.

The pages are on www.NAME.localhost and the proxy on edge.NAME.localhost, which browsers find on
loopback without being told, take for one site and trust as they trust https.
"""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.browser.engine import Tab, shown
from tests.browser.pages import PAGES
from tests.edge import PIXEL, Life, Snap, StartEdge, running_snap
from tests.nginx.tap import Head, Tap, tapping
from tests.until import until

NAMES = 100
"""How many visitors a proxy is prepared for; each has hosts of its own."""

_SOURCE = """
[[sources]]
id = "{rule}"
origins = [{origins}]
consent = "{rule}"
default_country = "US"

[[sources.integrations]]
vendor = "snapchat"
pixel_id = "{pixel}"
access_token = "token-of-the-site"
linger_ms = 0
"""


class Proxy(StartEdge):
    """Starts proxies for all hosts, on one store."""

    def settings(self) -> dict[str, str]:
        """The environment; the sites are in a file."""
        alone = ("EDGEPROXY_ORIGIN", "EDGEPROXY_PIXEL_ID", "EDGEPROXY_ACCESS_TOKEN")
        return {name: value for name, value in super().settings().items() if name not in alone}


@dataclass
class Stage:
    """The parts that all visitors share."""

    snap: Snap
    proxy: Proxy
    tap: Tap
    pages: "Pages"
    used: int = 0
    life: Life = field(init=False)

    def __post_init__(self) -> None:
        self.up()

    def up(self) -> None:
        """Start a proxy, again on the same store."""
        self.life = self.proxy.start()
        self.tap.upstream_port = self.life.port

    def down(self) -> None:
        """kill -9: connections are cut, new ones refused."""
        self.life.kill()

    def site(self, rule: str = "required") -> "Site":
        """Hosts that nobody has been to, of the source with this rule of consent."""
        self.used += 1
        assert self.used <= NAMES, "more visitors than hosts"
        return Site(self, f"{rule}{self.used}")


@dataclass(frozen=True)
class Site:
    """The pages that one visitor sees, and what came of the visit."""

    stage: Stage
    name: str

    def url(self, path: str) -> str:
        """The address of a page."""
        return f"http://www.{self.name}.localhost:{self.stage.pages.port}{path}"

    @property
    def edge(self) -> str:
        """The proxy's address."""
        return f"http://edge.{self.name}.localhost:{self.stage.tap.port}"

    @property
    def order_id(self) -> str:
        """Of an order made here: all sites have one pixel, and it counts an order once."""
        return f"{self.name}-order"

    @property
    def asked(self) -> list[Head]:
        """What the proxy was told: the posts of the visitor, in order."""
        host = urlsplit(self.edge).netloc
        return [
            head
            for head in list(self.stage.tap.heads)
            if head.all("host") == [host] and head.line.startswith("POST")
        ]

    @property
    def events(self) -> list[dict[str, Any]]:
        """What Snap accepted from these pages, each once, oldest first.

        Once by its id: a proxy that is killed before it has noted Snap's answer sends again, and
        Snap itself overlooks that of a page view for one second only.
        """
        host = f"//www.{self.name}.localhost:"
        ours = [event for event in self.stage.snap.events if host in event["page_url"]]
        return list({event["client_dedup_id"]: event for event in ours}.values())

    @property
    def violations(self) -> list[str]:
        """Which directives of its policies the browser says were violated on these pages."""
        return [
            directive for name, directive in list(self.stage.pages.reports) if name == self.name
        ]

    def paths(self, kind: str = "PAGE_VIEW") -> list[str]:
        """Where Snap's events of a kind happened, sorted."""
        found = [event for event in self.events if event["event_type"] == kind]
        return sorted(urlsplit(event["page_url"]).path for event in found)

    def arrived(self, kind: str, *, count: int = 1, within_s: float = 30.0) -> dict[str, Any]:
        """Wait until Snap has this many events of a kind; gives the last."""

        def found() -> list[dict[str, Any]]:
            return [event for event in self.events if event["event_type"] == kind]

        what = f"{count} {kind} of {self.name} arrive"
        until(lambda: len(found()) >= count, what, within_s=within_s)
        assert len(found()) == count, found()
        return found()[-1]

    def visit(self, tab: Tab, path: str) -> None:
        """Go to a page, and wait until its tag runs."""
        tab.open(self.url(path))
        tag_runs(tab)


def tag_runs(tab: Tab) -> None:
    """Wait until the page's tag runs."""
    until(lambda: shown(tab, "!!(window.edge && window.edge.loaded)"), "the tag runs")


class Pages(http.server.ThreadingHTTPServer):
    """Serves the pages of all hosts, and takes what browsers report of their policies."""

    daemon_threads = True

    def __init__(self, edge_port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.edge_port = edge_port
        self.reports: list[tuple[str, str]] = []

    @property
    def port(self) -> int:
        """Where browsers find it."""
        return int(self.server_address[1])


class _Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Pages

    def do_GET(self) -> None:
        page = PAGES.get(urlsplit(self.path).path)
        edge = f"http://edge.{self._name}.localhost:{self.server.edge_port}"
        rule = self._name.rstrip("0123456789")
        body = page.html(edge=edge, consent=rule).encode() if page else b""
        self.send_response(200 if page else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if page and page.policy:
            policy = f"{page.policy.replace('EDGE', edge)}; report-uri /reports"
            self.send_header("Content-Security-Policy", policy)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        report = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["csp-report"]
        if not report["blocked-uri"].startswith("data"):  # the pages' own icon
            self.server.reports.append((self._name, str(report["effective-directive"])))
        self.send_response(204)
        self.end_headers()

    @property
    def _name(self) -> str:
        """The site's name in the host's."""
        return str(self.headers["Host"]).split(".")[1]

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def _serving_pages(edge_port: int) -> Iterator[Pages]:
    with Pages(edge_port) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    """All parts for the length of the block."""
    with running_snap() as snap, tapping(0) as tap, _serving_pages(tap.port) as pages:
        proxy = Proxy(folder, snap.url)
        sources = [
            _SOURCE.format(rule=rule, origins=", ".join(_origins(rule, pages.port)), pixel=PIXEL)
            for rule in ("required", "implied")
        ]
        (folder / "edgeproxy.toml").write_text("".join(sources))
        (folder / "edgeproxy.toml").chmod(0o600)
        try:
            yield Stage(snap, proxy, tap, pages)
        finally:
            proxy.stop_all()


def _origins(rule: str, port: int) -> list[str]:
    return [f'"http://www.{rule}{number}.localhost:{port}"' for number in range(1, NAMES + 1)]

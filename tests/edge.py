"""A real proxy in a process of its own, and the sandbox in Snap's place, for tests from outside."""

import asyncio
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

from edgeproxy.sandbox.app import serve_sandbox
from edgeproxy.sandbox.state import Sandbox
from tests import canary
from tests.until import until

ROOT = Path(__file__).parent.parent
ORIGIN = "https://www.example.com"
HOST = "edge.example.com"
PIXEL = "67d34640-b7a4-42a8-b821-6434d70f08a4"
CONSENT = {"ad": True}


def now_ms() -> int:
    """The wall clock, for tests that send times."""
    return time.time_ns() // 1_000_000  # noqa: TID251 - a test is a caller with a clock


def batch(*events: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A batch of the tag with consent given."""
    return {"v": 1, "consent": CONSENT, "events": list(events), **more}


def purchase(order: str = "order-7", **more: Any) -> dict[str, Any]:
    """A batch with one purchase by the canary person."""
    event = {
        "id": order,
        "name": "Order Completed",
        "properties": {
            "order_id": order,
            "total": 129.99,
            "currency": "USD",
            "products": [
                {"product_id": "SKU-A", "price": 49.99, "quantity": 2},
                {"product_id": "SKU-B", "price": 30.01, "quantity": 1},
            ],
        },
    }
    user = {"email": canary.EMAIL, "phone": canary.PHONE}
    page = {"url": f"{ORIGIN}/thanks?ScCid=click-abc"}
    return batch(event, user=user, page=page, **more)


@dataclass
class Answer:
    """One HTTP answer, read whole."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        """The first header of a name."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def set_cookies(self) -> dict[str, str]:
        """`Set-Cookie` lines by the cookie's name; a name that is set twice is an error."""
        found: dict[str, str] = {}
        for key, value in self.headers:
            if key.lower() == "set-cookie":
                name = value.partition("=")[0]
                assert name not in found, f"{name} is set twice"
                found[name] = value
        return found

    @property
    def jar(self) -> str:
        """The `Cookie` header a browser would send after this answer."""
        pairs = [line.partition(";")[0] for line in self.set_cookies.values()]
        return "; ".join(pairs)

    def attributes(self, name: str) -> Any:
        """A cookie's attributes, parsed."""
        return SimpleCookie(self.set_cookies[name])[name]


@dataclass
class Life:
    """One life of a proxy's process."""

    process: "subprocess.Popen[bytes]"
    port: int
    log: Path
    prefix: str = ""

    def request(
        self,
        method: str,
        path: str,
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask, and see that nothing secret is in the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            found = Answer(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()
        assert not canary.leaks_in(found.body + repr(found.headers).encode())
        return found

    def get(self, path: str, **headers: str) -> Answer:
        """GET a path."""
        return self.request(
            "GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )

    def post(
        self,
        body: object,
        *,
        path: str = "/e",
        cookie: str | None = None,
        headers: Mapping[str, str | None] | None = None,
    ) -> Answer:
        """Post as a browser on the site would, through a front server; None drops a header."""
        default: dict[str, str | None] = {
            "Host": HOST,
            "Origin": ORIGIN,
            "Content-Type": "text/plain",
            "User-Agent": canary.AGENT,
            "X-Forwarded-For": canary.ADDRESS,
            "X-Forwarded-Proto": "https",
            "Cookie": cookie,
        }
        default.update(headers or {})
        data = body if isinstance(body, (bytes, str)) else json.dumps(body)
        sent = {name: value for name, value in default.items() if value is not None}
        return self.request("POST", self.prefix + path, data, sent)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What it logged, without what is no JSON."""
        written = self.log.read_text().splitlines()
        return [json.loads(line) for line in written if line.startswith("{") and line[-1] == "}"]

    def told(self, event: str) -> list[dict[str, Any]]:
        """The lines about one event."""
        return [line for line in self.lines if line["event"] == event]

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def stop(self, within_s: float = 30.0) -> int:
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within_s)


@dataclass
class StartEdge:
    """Starts proxies on one store; several lives one after the other."""

    folder: Path
    upstream: str
    environ: dict[str, str] = field(default_factory=dict)
    lives: list[Life] = field(default_factory=list)
    wrap: list[str] = field(default_factory=list)
    """Words before the command, such as those of a shell that sets limits first."""

    def start(self, *flags: str, ready: str = "200", **environ: str) -> Life:
        """A new process, ready to take events, or at least to say so with another status."""
        log = self.folder / f"serve-{len(self.lives)}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*self.wrap, sys.executable, "-m", "edgeproxy", "serve", *flags],
                cwd=self.folder,
                stdout=out,
                stderr=out,
                env={**environment(self), **environ},
            )
        life = Life(
            process, 0, log, {**self.environ, **environ}.get("EDGEPROXY_SERVER__PREFIX", "")
        )
        self.lives.append(life)
        life.port = until(lambda: self._port(life), "the proxy listens")
        until(lambda: life.get(f"{life.prefix}/readyz").status == int(ready), "the proxy is ready")
        return life

    def settings(self) -> dict[str, str]:
        """The environment of a one-site start."""
        return {
            "PYTHONPATH": str(ROOT),
            "EDGEPROXY_ORIGIN": ORIGIN,
            "EDGEPROXY_PIXEL_ID": PIXEL,
            "EDGEPROXY_ACCESS_TOKEN": canary.TOKEN,
            "EDGEPROXY_UPSTREAM": self.upstream,
            "EDGEPROXY_SERVER__PORT": "0",
            "EDGEPROXY_SERVER__ADMIN_PORT": "0",
            "EDGEPROXY_SERVER__FLOOD_RPS": "0",  # all callers of a test have one address
            "EDGEPROXY_STORE__URL": f"sqlite://{self.folder}/store/edgeproxy.db",
            "EDGEPROXY_LOG__LEVEL": "debug",
        }

    def _port(self, life: Life) -> int:
        assert life.process.poll() is None, life.log.read_text()
        for line in life.log.read_text().splitlines():
            if '"listening"' in line:
                address = str(json.loads(line)["url"]).removesuffix(life.prefix)
                return int(address.rpartition(":")[2])
        return 0

    def stop_all(self) -> None:
        """End what still runs."""
        for life in self.lives:
            if life.process.poll() is None:
                life.kill()


@contextmanager
def serving(folder: Path, upstream: str, **environ: str) -> Iterator[Life]:
    """One proxy for the length of the block; it has to end well, and is ended whatever happens."""
    edge = StartEdge(folder, upstream, environ)
    try:
        life = edge.start()
        yield life
        assert life.stop() == 0
    finally:
        edge.stop_all()


def environment(edge: StartEdge) -> dict[str, str]:
    """The environment of a command that uses the same settings."""
    return {**os.environ, **edge.settings(), **edge.environ}


@dataclass
class Snap:
    """The sandbox in Snap's place, served by a real uvicorn in a thread of its own."""

    url: str
    sandbox: Sandbox

    @property
    def events(self) -> list[dict[str, Any]]:
        """What it accepted, as received."""
        return self.sandbox.events

    def arrived(self, count: int, *, within_s: float = 30.0) -> list[dict[str, Any]]:
        """Wait until this many events were accepted; exactly as many."""
        what = f"{count} event(s) arrive"
        until(lambda: len(self.events) >= count, what, within_s=within_s)
        assert len(self.events) == count
        return self.events


@contextmanager
def running_snap(own: Sandbox | None = None) -> Iterator[Snap]:
    """A sandbox, a fresh one when none is given, for the length of the block."""
    started: list[Snap] = []
    loop = asyncio.new_event_loop()
    ended = asyncio.Event()

    async def serve() -> None:
        sandbox = own or Sandbox(now_ms=now_ms)
        async with serve_sandbox(sandbox) as listener:
            started.append(Snap(listener.url, sandbox))
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        until(lambda: bool(started) or not thread.is_alive(), "the sandbox listens")
        yield started[0]
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(15)
        loop.close()

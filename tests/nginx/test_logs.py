"""nginx's own logs name no visitor, whatever a visitor sends and whatever goes wrong."""

import ssl
from pathlib import Path

import pytest

from tests import canary
from tests.edge import HOST, Life, batch
from tests.nginx.front import Front, running_front
from tests.until import until

SOURCE = "127.0.0.9"
SECRET = "canary-visitor-1"
WRONG_PORT = 1
"""Nobody listens there."""

TELLING = {
    "Cookie": f"_scid={SECRET}; _scclid={SECRET}",
    "Referer": f"https://www.example.com/?email={canary.EMAIL}",
    "X-Forwarded-For": canary.ADDRESS,
    "Authorization": f"Bearer {canary.TOKEN}",
}
QUERY = f"email={canary.EMAIL}&phone={canary.PHONE_DIGITS}&ScCid={SECRET}"
FIELDS = {
    *("time", "id", "method", "path", "status", "bytes", "seconds"),
    *("upstream_status", "upstream_seconds", "cache"),
}


def tell_everything(front: Front) -> None:
    """Put every canary into every place where a log could find it."""
    body = batch({"name": "page"}, user={"email": canary.EMAIL})
    for path in ("/e", f"/e?{QUERY}", f"/{canary.EMAIL}", f"/v3/{SECRET}/events?{QUERY}"):
        front.post(body, path, source=SOURCE, headers=TELLING)
    front.post(b" " * 70_000, f"/e?{QUERY}", source=SOURCE, headers=TELLING)
    front.get(f"/s.js?{QUERY}", source=SOURCE, Referer=TELLING["Referer"])
    for tls, host in ((True, HOST), (True, "www.example.org"), (False, HOST)):
        front.raw(f"GET /e?{QUERY} HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n", tls=tls)
        front.raw(f"GET /e?{QUERY} HTTP/1.1\r\nHost: {host}\r\n\r\n", tls=tls)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        front.connect(name="www.example.org")


@pytest.mark.parametrize("up", [True, False])
def test_the_logs_name_no_visitor(kind: str, proxy: Life, tmp_path: Path, up: bool) -> None:
    """With the proxy down too, when nginx has more to say."""
    with running_front(kind, tmp_path, proxy.port if up else WRONG_PORT) as front:
        tell_everything(front)
        expected = {"/e", "/s.js", "/v3", "other"}
        until(lambda: {line["path"] for line in front.log} >= expected, "all paths are logged")
        until(lambda: len(front.log) >= 12, "all requests are logged")
        text = "".join((tmp_path / name).read_text() for name in ("access.log", "error.log"))
        for line in front.log:
            assert line.keys() == FIELDS
    assert canary.leaks_in(text.encode()) == []
    for name in (SECRET, "127.0.0.", "?", "www.example", "Mozilla", "canary"):
        assert name not in text


def test_the_access_log_tells_what_happened(front: Front) -> None:
    front.post(batch({"name": "page"}), "/e?x=1")
    [request_id] = front.tap.heads[-1].all("x-request-id")
    [line] = until(lambda: [one for one in front.log if one["id"] == request_id], "it is logged")
    assert (line["method"], line["path"]) == ("POST", "/e")
    assert (line["status"], line["upstream_status"]) == ("202", "202")
    assert line["seconds"] >= 0


def test_no_body_is_written_to_disk(kind: str, proxy: Life, tmp_path: Path) -> None:
    """It holds e-mail addresses in the clear; nginx says so when it does it."""
    insert = f"error_log {tmp_path}/all.log warn;"
    with running_front(kind, tmp_path, proxy.port, insert=insert) as front:
        bodies = {"/e": b" " * 2**16, "/consent": b" " * 2**16, "/v1/batch": b" " * 2**20}
        for path, body in bodies.items():
            front.post(body, path)
        assert len(front.tap.heads) == len(bodies)
        front.post(b" " * 2**17)
    noted = (tmp_path / "all.log").read_text()
    assert "client intended to send too large body" in noted
    assert "temporary file" not in noted

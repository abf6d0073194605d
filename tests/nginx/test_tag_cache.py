"""The tag is kept by nginx, in each coding, and outlives the proxy."""

from pathlib import Path

import pytest

from edgeproxy.web.assets import load
from tests.edge import HOST, Answer, Life, Snap, StartEdge, batch
from tests.nginx.front import Front, running_front
from tests.until import until

TAG = load("s.js")
HASHED = f"/s.{TAG.hash}.js"
CODINGS = {
    "": ("br;level=1", "", "identity", "br;q=0", "gzip;q=0.0, br ; q=0", "bro, gzipped", "*;q=0"),
    "gzip": ("br;q=0, gzip", "gzip", "gzip, deflate", "GZIP;q=0.8", "deflate,gzip; q=1.0"),
    "br": ("gzip, deflate, br, zstd", "br", "br;q=1.0, gzip;q=0.8, *;q=0.1", "Br ;q=0.01"),
}
"""Coding → ways in which a client asks for it."""


def body_in(coding: str) -> bytes:
    """The tag in a coding."""
    return TAG.twins[coding.encode()] if coding else TAG.body


def lines(front: Front) -> list[str]:
    """What the proxy was asked."""
    return [head.line for head in front.tap.heads]


def is_tag(answer: Answer, coding: str = "") -> bool:
    """Whether it is the tag in that coding with the proxy's own headers, and no cookie."""
    assert answer.header("set-cookie") is None
    assert answer.header("content-type") == "text/javascript; charset=utf-8"
    assert answer.header("x-content-type-options") == "nosniff"
    assert answer.header("vary") == "Accept-Encoding"
    assert answer.header("etag") == TAG.etag.decode()
    assert (answer.header("content-encoding") or "") == coding
    return answer.status == 200 and answer.body == body_in(coding)


def test_the_tag_is_served_while_the_proxy_is_stopped(
    kind: str, tmp_path: Path, far_snap: Snap
) -> None:
    edge = StartEdge(tmp_path, far_snap.url)
    life = edge.start()
    try:
        with running_front(kind, tmp_path, life.port) as front:
            for coding in CODINGS:
                front.get("/s.js", Accept_Encoding=coding)
            front.get(HASHED)
            assert life.stop() == 0

            for coding, ways in CODINGS.items():
                for way in ways:
                    assert is_tag(front.get("/s.js", Accept_Encoding=way), coding), way
            kept = front.get(f"{HASHED}?v=2", Cookie="_scid=abc")
            assert is_tag(kept)
            assert kept.header("cache-control") == "public, max-age=31536000, immutable"
            assert kept.header("access-control-allow-origin") == "*"

            lost = front.post(batch({"name": "page"}))
            assert (lost.status, lost.json()["code"]) == (503, "unavailable")
            assert (lost.header("retry-after"), lost.header("cache-control")) == ("5", "no-store")
    finally:
        edge.stop_all()


def test_each_coding_is_fetched_once_however_it_is_spelled(cold: Front) -> None:
    for coding, ways in CODINGS.items():
        for way in ways:
            assert is_tag(cold.get("/s.js", Accept_Encoding=way), coding), way
    assert lines(cold) == ["GET /s.js HTTP/1.1"] * 3


def test_query_and_cookie_make_no_difference(cold: Front) -> None:
    for number in range(5):
        assert is_tag(cold.get(f"/s.js?v={number}", Cookie=f"_scid=visitor-{number}"))
    assert len(lines(cold)) == 1


def test_a_browser_that_has_the_tag_gets_304(cold: Front) -> None:
    for _ in range(2):
        assert is_tag(cold.get("/s.js"))
        answer = cold.get("/s.js", If_None_Match=TAG.etag.decode())
        assert (answer.status, answer.body) == (304, b"")
        hour = "public, max-age=3600, stale-while-revalidate=86400"
        assert answer.header("cache-control") == hour
    assert len(lines(cold)) == 1


def test_only_the_tag_is_kept(cold: Front) -> None:
    """Not the 404 of an old hash, and not what a crooked path made of the proxy."""
    old = "/s.0123456789abcdef.js"
    for _ in range(2):
        assert cold.get(old).status == 404
    assert lines(cold) == [f"GET {old} HTTP/1.1"] * 2
    crooked = cold.raw(f"GET /nothing/../s.js HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
    assert crooked.startswith(b"HTTP/1.1 404 ")
    assert is_tag(cold.get("/s.js"))


def test_an_old_tag_is_served_rather_than_none(kind: str, proxy: Life, tmp_path: Path) -> None:
    """Also when the proxy's own stale-while-revalidate is over."""

    def soon_old(answer: bytes) -> bytes:
        fresh = b"max-age=3600, stale-while-revalidate=86400"
        return answer.replace(fresh, b"max-age=1")

    with running_front(kind, tmp_path, proxy.port, edit=soon_old) as front:
        assert is_tag(front.get("/s.js"))
        front.tap.upstream_port = 1

        def served_old() -> bool:
            assert is_tag(front.get("/s.js"))
            return any(line["cache"] == "STALE" for line in front.log)

        until(served_old, "an old copy is served")


@pytest.mark.parametrize("method", ["HEAD", "POST"])
def test_another_method_is_the_proxys_to_answer(cold: Front, method: str) -> None:
    with cold.session() as session:
        answer = session.request(method, "/s.js", None, {})
    assert (answer.status, answer.header("allow")) in ((200, None), (405, "GET, HEAD"))
    assert is_tag(cold.get("/s.js"))


@pytest.mark.parametrize("path", ["/scevent.min.js", "/cmp.js", "/layer.js"])
def test_the_tag_s_other_name_and_its_parts_are_kept_too(cold: Front, path: str) -> None:
    first, second = cold.get(path), cold.get(f"{path}?v=2", Cookie="_scid=abc")
    assert (first.status, first.header("set-cookie")) == (200, None)
    assert second.body == first.body
    assert lines(cold) == [f"GET {path} HTTP/1.1"]


def test_the_image_is_never_kept(cold: Front) -> None:
    for _ in range(2):
        assert cold.get("/i?name=page", Referer="https://www.example.com/").status == 200
    assert lines(cold) == ["GET /i?name=page HTTP/1.1"] * 2

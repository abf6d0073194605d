"""The tag's files over HTTP: their paths, headers and codings."""

import gzip
from collections.abc import AsyncIterator

import httpx
import pytest

from edgeproxy.public.tag import TagFiles
from edgeproxy.web.asgi import Receive, Scope, Send
from edgeproxy.web.assets import load

FILES = TagFiles(load)
SAME = ["/s.js", "/scevent.min.js", FILES.hashed_path]
PARTS = ["/cmp.js", "/layer.js"]


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    await FILES.handlers[scope["path"]](scope, receive, send)


@pytest.fixture
async def edge() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=_app)
    async with httpx.AsyncClient(
        transport=transport, base_url="https://edge.example.com"
    ) as client:
        yield client


def test_there_is_nothing_else() -> None:
    assert sorted(FILES.handlers) == sorted([*SAME, *PARTS])


@pytest.mark.parametrize("path", SAME)
async def test_the_tag_is_one_file_under_its_three_names(
    edge: httpx.AsyncClient, path: str
) -> None:
    found = await edge.get(path)
    assert (found.status_code, found.content) == (200, load("s.js").body)


@pytest.mark.parametrize("path", PARTS)
async def test_a_part_is_its_file(edge: httpx.AsyncClient, path: str) -> None:
    found = await edge.get(path)
    assert (found.status_code, found.content) == (200, load(path[1:]).body)


@pytest.mark.parametrize("path", [*SAME, *PARTS])
async def test_every_file_is_a_script_that_anybody_may_load_and_keep(
    edge: httpx.AsyncClient, path: str
) -> None:
    headers = (await edge.get(path)).headers
    assert headers["content-type"] == "text/javascript; charset=utf-8"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "cross-origin"
    assert headers["vary"] == "Accept-Encoding"
    assert "set-cookie" not in headers


@pytest.mark.parametrize("path", ["/s.js", "/scevent.min.js", *PARTS])
async def test_a_name_without_a_hash_is_kept_for_an_hour(
    edge: httpx.AsyncClient, path: str
) -> None:
    headers = (await edge.get(path)).headers
    assert headers["cache-control"] == "public, max-age=3600, stale-while-revalidate=86400"


async def test_the_name_with_the_hash_never_changes(edge: httpx.AsyncClient) -> None:
    headers = (await edge.get(FILES.hashed_path)).headers
    assert headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("path", [FILES.hashed_path, *PARTS])
async def test_what_is_imported_or_checked_may_be_read_across_origins(
    edge: httpx.AsyncClient, path: str
) -> None:
    assert (await edge.get(path)).headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("path", ["/s.js", "/cmp.js"])
async def test_a_browser_that_has_the_file_gets_no_second_copy(
    edge: httpx.AsyncClient, path: str
) -> None:
    etag = (await edge.get(path)).headers["etag"]
    again = await edge.get(path, headers={"if-none-match": f'W/"old", {etag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    other = await edge.get(path, headers={"if-none-match": 'W/"old"'})
    assert other.status_code == 200


async def test_the_body_comes_in_a_coding_that_the_browser_takes(edge: httpx.AsyncClient) -> None:
    async with edge.stream("GET", "/cmp.js", headers={"accept-encoding": "gzip"}) as found:
        raw = b"".join([chunk async for chunk in found.aiter_raw()])
    assert found.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw) == load("cmp.js").body
    plain = await edge.get("/cmp.js", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers


async def test_head_says_what_get_would(edge: httpx.AsyncClient) -> None:
    headers = {"accept-encoding": "br"}
    head = await edge.head("/s.js", headers=headers)
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) == len(load("s.js").twins[b"br"])
    assert head.headers["content-encoding"] == "br"

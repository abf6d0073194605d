"""The stage: loopback only, its own folder, and ports that are told."""

import json
import socket
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from edgeproxy.demo.stage import staged
from edgeproxy.errors import Failed
from edgeproxy.web.listener import bind


async def test_all_parts_listen_on_loopback() -> None:
    async with staged(port=0) as stage:
        for url in (stage.url, stage.edge_url, stage.sandbox_url):
            assert urlsplit(url).hostname == "127.0.0.1"
        port = urlsplit(stage.url).port
        assert stage.origin == f"http://localhost:{port}"


async def test_the_port_that_was_asked_for_is_taken() -> None:
    with closing(bind("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    async with staged(port=port) as stage:
        assert urlsplit(stage.url).port == port


async def test_a_port_that_cannot_be_had_is_named() -> None:
    with closing(bind("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(Failed, match=f"cannot listen on 127.0.0.1:{port}: .*another --port"):
            async with staged(port=port):
                pass


async def test_without_a_wish_a_taken_port_is_no_fault() -> None:
    """8080 is taken, by us or by another; the second finds a free one."""
    async with staged() as first, staged() as second:
        ports = {urlsplit(stage.url).port for stage in (first, second)}
        assert len(ports) == 2


async def test_the_shop_may_listen_elsewhere_and_pages_may_name_it_so() -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    async with staged(host="::1", port=0) as stage:
        assert urlsplit(stage.url).hostname == "::1"
        answer = await stage.outbound.request("GET", f"{stage.url}/landing", limit_bytes=1 << 20)
        assert answer.status == 200


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "127.0.0.2"])
async def test_a_browser_may_use_any_name_of_this_machine(host: str) -> None:
    async with staged(host="127.0.0.2", port=0) as stage:
        port = urlsplit(stage.url).port
        answer = await stage.outbound.request(
            "POST",
            f"{stage.url}/edge/consent",
            headers={"origin": f"http://{host}:{port}", "host": f"{host}:{port}"},
            body=json.dumps({"ad": True}).encode(),
        )
        assert answer.status == 204


async def test_snap_knows_one_pixel_and_one_token_only() -> None:
    async with staged(port=0) as stage:
        answer = await stage.outbound.request(
            "POST",
            f"{stage.sandbox_url}/v2/conversion",
            headers={"authorization": "Bearer other"},
            body=b"{}",
        )
        assert answer.status == 401

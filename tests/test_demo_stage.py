"""The stage: loopback only, its own folder, and ports that are told."""

import json
import socket
from contextlib import closing
from urllib.parse import urlsplit

import msgspec
import pytest

from edgeproxy.demo.parts import INTEGRATION
from edgeproxy.demo.stage import make_integration, staged
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


async def test_the_dashboard_opens_with_the_token_that_is_told() -> None:
    async with staged(port=0) as stage:
        assert urlsplit(stage.admin_url).hostname == "127.0.0.1"
        for token, status in ((stage.admin_token, 200), ("demo", 401)):
            answer = await stage.outbound.request(
                "GET",
                f"{stage.admin_url}/v1/admin/me",
                headers={"Authorization": f"Bearer {token}"},
            )
            assert answer.status == status


async def test_every_run_has_a_token_of_its_own() -> None:
    async with staged(port=0) as first, staged(port=0) as second:
        assert first.admin_token != second.admin_token
        assert first.tokens.latest != second.tokens.latest


async def test_the_pixel_can_be_changed_in_the_dashboard() -> None:
    async with staged(port=0) as stage:
        answer = await stage.outbound.request(
            "GET",
            f"{stage.admin_url}/v1/admin/integrations/{INTEGRATION}",
            headers={"Authorization": f"Bearer {stage.admin_token}"},
        )
        assert msgspec.json.decode(answer.body)["managed_by"] == "api"


async def test_a_part_that_does_not_do_its_work_is_named() -> None:
    """Its pixel's token is none that an integration can have."""
    async with staged(port=0) as stage:
        stage.tokens.latest = "two words"
        with pytest.raises(Failed, match=r"the admin API answers 422: .*access_token"):
            await make_integration(stage, "11111111-2222-4333-8444-555555555555")


async def test_the_dashboard_takes_another_port_when_its_own_is_taken() -> None:
    """8084 is taken, by us or by another."""
    async with staged() as first, staged() as second:
        ports = {urlsplit(stage.admin_url).port for stage in (first, second)}
        assert len(ports) == 2

"""The way into the dashboard: open to the person at this machine, and to nobody else."""

import dataclasses
import socket
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from edgeproxy.demo.app import shop_app
from edgeproxy.demo.parts import Stage
from edgeproxy.demo.stage import staged
from edgeproxy.outbound import Answer
from edgeproxy.web.listener import bind, listening


@pytest.fixture(scope="module")
async def stage() -> AsyncIterator[Stage]:
    async with staged(port=0) as stage:
        yield stage


async def knock(stage: Stage, path: str = "/dashboard", **headers: str) -> Answer:
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    port = urlsplit(stage.url).port
    return await stage.outbound.request(
        "GET", stage.url + path, headers={"cookie": "", "host": f"localhost:{port}", **named}
    )


async def me(stage: Stage, cookie: str) -> int | None:
    answer = await stage.outbound.request(
        "GET", f"{stage.admin_url}/v1/admin/me", headers={"cookie": cookie}
    )
    return answer.status


def session(answer: Answer) -> str:
    return answer.header("set-cookie").partition(";")[0]


async def test_one_click_and_one_is_in(stage: Stage) -> None:
    answer = await knock(stage, "/dashboard/events/e-1?a=b%20c")
    port = urlsplit(stage.admin_url).port
    assert answer.status == 303
    assert answer.header("location") == f"http://localhost:{port}/events/e-1?a=b%20c"
    line = answer.header("set-cookie")
    assert "HttpOnly" in line
    assert "SameSite=Strict" in line
    assert answer.header("cache-control") == "no-store"
    assert await me(stage, session(answer)) == 200
    assert stage.admin_token not in str(answer.headers)


async def test_the_name_that_the_browser_uses_is_kept(stage: Stage) -> None:
    answer = await knock(stage, host=f"127.0.0.1:{urlsplit(stage.url).port}")
    assert urlsplit(answer.header("location")).hostname == "127.0.0.1"
    assert await me(stage, session(answer)) == 200


async def test_who_is_in_gets_no_second_session(stage: Stage) -> None:
    first = session(await knock(stage))
    again = await knock(stage, cookie=first)
    assert (again.status, again.header("set-cookie")) == (303, "")


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "attacker.example"},
        {"host": "localhost.attacker.example:8080"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
)
async def test_other_sites_and_other_names_meet_the_login_page(
    stage: Stage, headers: dict[str, str]
) -> None:
    answer = await knock(stage, **headers)
    assert answer.header("set-cookie") == ""
    assert urlsplit(answer.header("location")).hostname == "localhost"


async def test_the_own_browser_s_events_are_one_click_away(stage: Stage) -> None:
    scid = "0b9e3a6e-2f44-4a0e-9d26-3c8f5f2c9e11"
    answer = await knock(stage, "/dashboard/mine", cookie=f"_scid={scid}")
    assert urlsplit(answer.header("location")).query == f"visitor={stage.name_of(scid)}"
    assert scid not in answer.header("location")
    nobody = urlsplit((await knock(stage, "/dashboard/mine")).header("location"))
    assert (nobody.path, nobody.query) == ("/events", "")


async def test_a_dashboard_that_does_not_let_in_shows_its_login_page(stage: Stage) -> None:
    other = dataclasses.replace(stage, admin_token="wrong")
    async with listening(shop_app(other), bind("127.0.0.1", 0)) as listener:
        answer = await knock(dataclasses.replace(other, url=listener.url))
    assert (answer.status, answer.header("set-cookie")) == (303, "")


async def test_from_another_machine_the_token_is_needed() -> None:
    """127.0.0.1 is here; what stands for elsewhere is an address of this machine's that is not."""
    elsewhere = own_address()
    if not elsewhere:
        pytest.skip("this machine has no address but loopback")
    async with staged(host="0.0.0.0", port=0) as stage:
        port = urlsplit(stage.url).port
        answer = await stage.outbound.request(
            "GET",
            f"http://{elsewhere}:{port}/dashboard",
            headers={"host": f"localhost:{port}", "cookie": ""},
        )
    assert (answer.status, answer.header("set-cookie")) == (303, "")


def own_address() -> str:
    """An address of this machine that is not loopback, "" for none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))  # sends nothing
        except OSError:
            return ""
        found: str = probe.getsockname()[0]
        return "" if found.startswith("127.") else found

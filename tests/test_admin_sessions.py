"""Sessions: new at login, gone at logout, in silence, with age, and with their token."""

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from edgeproxy.addresses import TrustedProxies
from edgeproxy.admin import sessions
from edgeproxy.keys import token_digest
from edgeproxy.store.office import Office
from edgeproxy.web.endpoint import Who
from tests.admin_http import TOKEN, Visitor, admin

TLS = {"X-Forwarded-Proto": "https"}


@pytest.fixture
async def visitor(tmp_path: Path) -> AsyncIterator[Visitor]:
    async with admin(tmp_path) as one:
        yield one


async def is_in(visitor: Visitor) -> bool:
    return (await visitor.browse("/audit")).status_code == 200


async def test_a_login_gives_a_cookie_that_scripts_and_other_sites_cannot_use(
    visitor: Visitor,
) -> None:
    answer = await visitor.log_in()
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"]
    name, _, rest = cookie.partition("=")
    assert name == "edgeproxy_admin"
    assert rest.partition("; ")[2] == "Path=/; Max-Age=43200; HttpOnly; SameSite=Strict"


async def test_over_tls_the_cookie_stays_there(visitor: Visitor) -> None:
    answer = await visitor.client.post(
        "/login",
        data={"token": TOKEN},
        headers={**TLS, "Sec-Fetch-Site": "same-origin", "Host": "edge.example.com"},
    )
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-edgeproxy_admin=")
    assert cookie.endswith("; HttpOnly; SameSite=Strict; Secure")
    assert "Domain" not in cookie


async def test_without_tls_there_is_no_login_from_elsewhere(visitor: Visitor) -> None:
    host = {"Host": "edge.example.com:8084"}
    page = await visitor.ask("GET", "/login", **host)
    assert "needs https" in page.text
    assert 'name="token"' not in page.text
    answer = await visitor.client.post(
        "/login", data={"token": TOKEN}, headers={**host, "Sec-Fetch-Site": "same-origin"}
    )
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_a_proxy_s_word_about_tls_counts_when_it_is_trusted_only(tmp_path: Path) -> None:
    for proxies, closed in ((("127.0.0.1",), False), (("10.0.0.1",), True)):
        folder = tmp_path / proxies[0]
        folder.mkdir()
        async with admin(folder, proxies=TrustedProxies(proxies)) as visitor:
            page = await visitor.ask(
                "GET", "/login", Host="edge.example.com", X_Forwarded_Proto="https"
            )
            assert ("needs https" in page.text) == closed


async def test_each_login_is_a_new_session_and_the_store_has_digests(visitor: Visitor) -> None:
    secrets = set()
    for _ in range(3):
        visitor.client.cookies.clear()
        cookie = (await visitor.log_in()).headers["set-cookie"]
        secrets.add(cookie.partition("=")[2].partition(";")[0])
    assert len(secrets) == 3
    records = await visitor.state.office.records("session")
    assert {record.id for record in records} == {token_digest(secret) for secret in secrets}
    for secret in secrets:
        assert not [one for one in records if secret.encode() in one.body]


async def test_a_login_in_the_same_browser_ends_the_session_before(visitor: Visitor) -> None:
    await visitor.log_in()
    [before] = await visitor.state.office.records("session")
    await visitor.log_in()
    [after] = await visitor.state.office.records("session")
    assert before.id != after.id


async def test_a_session_that_was_planted_stays_unknown(visitor: Visitor) -> None:
    """Fixation: a value from before the login is worth nothing after it."""
    planted = "x" * 43
    visitor.client.cookies.set("edgeproxy_admin", planted)
    assert not await is_in(visitor)
    visitor.client.cookies.clear()
    await visitor.log_in()
    assert await is_in(visitor)
    visitor.client.cookies.clear()
    visitor.client.cookies.set("edgeproxy_admin", planted)
    assert not await is_in(visitor)


async def test_a_logout_ends_the_session_at_the_server(visitor: Visitor) -> None:
    cookie = (await visitor.log_in()).headers["set-cookie"].partition(";")[0]
    phrase = await visitor.phrase()
    answer = await visitor.send("/logout", {"csrf": phrase})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    stolen = await visitor.ask("GET", "/audit", Cookie=cookie)
    assert stolen.status_code == 303
    assert await visitor.state.office.records("session") == []


async def test_half_an_hour_of_silence_ends_a_session(visitor: Visitor) -> None:
    await visitor.log_in()
    for _ in range(4):
        visitor.caller.clock.pass_s(29 * 60)
        assert await is_in(visitor)
    visitor.caller.clock.pass_s(30 * 60 + 1)
    assert not await is_in(visitor)
    assert await visitor.state.office.records("session") == []


async def test_twelve_hours_end_a_session_however_busy(visitor: Visitor) -> None:
    await visitor.log_in()
    for _ in range(48):
        visitor.caller.clock.pass_s(15 * 60)
        assert await is_in(visitor)
    visitor.caller.clock.pass_s(1)
    assert not await is_in(visitor)


async def test_a_session_ends_when_the_configured_token_is_another(tmp_path: Path) -> None:
    async with admin(tmp_path) as visitor:
        secret = await sessions.begin(
            visitor.state,
            Who(name="admin token", role="admin", via="token", token_id="configuration"),
            browser="",
        )
        changed = dataclasses.replace(visitor.state, token_digest=token_digest("another"))
        assert await sessions.holder(visitor.state, secret) is not None
        assert await sessions.holder(changed, secret) is None


async def test_a_session_that_was_ended_meanwhile_is_not_brought_back(tmp_path: Path) -> None:
    """The note of its last use comes too late."""
    async with admin(tmp_path) as visitor:
        who = Who(name="admin token", role="admin", via="token", token_id="configuration")
        secret = await sessions.begin(visitor.state, who, browser="")
        [record] = await visitor.state.office.records("session")
        visitor.caller.clock.pass_s(600)
        office: Any = _Racing(visitor.state.office)
        racing = dataclasses.replace(visitor.state, office=office)
        await sessions.holder(racing, secret)
        assert office.raced
        assert await visitor.state.office.record("session", record.id) is None


class _Racing:
    """An office where a session ends between its reading and its writing."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self.raced = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._office, name)

    async def put(self, kind: str, id: str, body: bytes | None, **more: Any) -> int:
        self.raced = True
        await self._office.put(kind, id, None)
        return await self._office.put(kind, id, body, **more)


async def test_sessions_are_listed_and_ended_by_others(visitor: Visitor) -> None:
    await visitor.log_in()
    listed = (await visitor.get("/v1/admin/sessions")).json()
    assert [(one["name"], one["mine"]) for one in listed] == [("admin token", False)]
    page = (await visitor.browse("/access")).text
    assert ">you<" in page
    phrase = await visitor.phrase()
    answer = await visitor.send(f"/access/sessions/{listed[0]['id']}/end", {"csrf": phrase})
    assert answer.status_code == 303
    assert not await is_in(visitor)
    gone = await visitor.ask("DELETE", f"/v1/admin/sessions/{listed[0]['id']}", bearer=TOKEN)
    assert gone.status_code == 404


async def test_a_session_that_is_over_is_not_listed(visitor: Visitor) -> None:
    await visitor.log_in()
    visitor.caller.clock.pass_s(3600)
    assert (await visitor.get("/v1/admin/sessions")).json() == []
    assert await visitor.state.office.records("session") == []


async def test_what_the_browser_calls_itself_is_kept_as_a_family(visitor: Visitor) -> None:
    agent = (
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130.0.0.0 Safari/537.36 canary"
    )
    await visitor.client.post(
        "/login",
        data={"token": TOKEN},
        headers={"Sec-Fetch-Site": "same-origin", "User-Agent": agent},
    )
    [record] = await visitor.state.office.records("session")
    assert b"Chrome on Linux" in record.body
    assert b"canary" not in record.body


@pytest.mark.parametrize(
    "cookie", ["", "edgeproxy_admin", "edgeproxy_admin=", "a=b; =", "\xff=\xfe"]
)
async def test_no_cookie_breaks_an_answer(visitor: Visitor, cookie: str) -> None:
    answer = await visitor.client.get("/audit", headers={b"Cookie": cookie.encode("latin-1")})
    assert answer.status_code == 303


async def test_cookies_of_others_do_not_hide_ours(visitor: Visitor) -> None:
    """Everything on localhost shares a jar, whatever its port."""
    ours = (await visitor.log_in()).headers["set-cookie"].partition(";")[0]
    visitor.client.cookies.clear()
    for cookie in (f'x={{"a": [1, 2]}}; {ours}', f"{ours}; =", f"a b=c,d; {ours}; $Version=1"):
        answer = await visitor.client.get("/audit", headers={"Cookie": cookie})
        assert answer.status_code == 200, cookie
    split = [("Cookie", ours), ("Cookie", "theme=dark")]
    assert (await visitor.client.get("/audit", headers=split)).status_code == 200


async def test_a_token_s_page_shows_it_once_and_revokes_it(visitor: Visitor) -> None:
    await visitor.log_in()
    phrase = await visitor.phrase()
    made = await visitor.send(
        "/access/tokens", {"csrf": phrase, "name": "grafana", "role": "viewer"}
    )
    assert made.status_code == 200
    assert "edp_" in made.text
    listed = (await visitor.get("/v1/admin/tokens")).json()
    page = (await visitor.browse("/access")).text
    assert "grafana" in page
    assert "edp_" not in page
    answer = await visitor.send(f"/access/tokens/{listed[1]['id']}/revoke", {"csrf": phrase})
    assert answer.headers["location"] == "/access"
    assert "is revoked" in (await visitor.browse("/access")).text

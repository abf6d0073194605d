"""Who gets in: tokens of the configuration and of the store, and those who guess."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edgeproxy.admin.tokens import id_in, mint
from edgeproxy.keys import token_digest
from tests.admin_http import TOKEN, Visitor, admin

MADE = "edp_0123abcd_" + "x" * 43


@pytest.fixture
async def visitor(tmp_path: Path) -> AsyncIterator[Visitor]:
    async with admin(tmp_path) as one:
        yield one


async def made(visitor: Visitor, role: str = "admin", name: str = "laptop") -> dict[str, str]:
    answer = await visitor.ask(
        "POST", "/v1/admin/tokens", bearer=TOKEN, json={"name": name, "role": role}
    )
    assert answer.status_code == 201
    found: dict[str, str] = answer.json()
    return found


async def test_the_configured_token_may_change_everything(visitor: Visitor) -> None:
    answer = await visitor.get("/v1/admin/me")
    assert answer.json() == {"name": "admin token", "role": "admin", "via": "token"}


@pytest.mark.parametrize(
    "header",
    [
        f"Basic {TOKEN}",
        TOKEN,
        "Bearer",
        f"Bearer {TOKEN} x",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {token_digest(TOKEN)}",
        f"Bearer sha256:{token_digest(TOKEN)}",
        "Bearer " + "x" * 4000,
    ],
)
async def test_nothing_else_opens(visitor: Visitor, header: str) -> None:
    answer = await visitor.ask("GET", "/v1/admin/me", Authorization=header)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="edgeproxy"'


async def test_the_scheme_is_written_as_one_likes(visitor: Visitor) -> None:
    answer = await visitor.ask("GET", "/v1/admin/me", Authorization=f"bEARER  {TOKEN}")
    assert answer.status_code == 200


async def test_a_wrong_token_is_not_overlooked_for_a_session(visitor: Visitor) -> None:
    await visitor.log_in()
    assert (await visitor.ask("GET", "/v1/admin/me", bearer="wrong")).status_code == 401


async def test_without_a_configured_token_only_made_ones_open(tmp_path: Path) -> None:
    async with admin(tmp_path, token_digest="") as visitor:
        assert (await visitor.ask("GET", "/v1/admin/me", bearer=TOKEN)).status_code == 401
        assert (await visitor.ask("GET", "/v1/admin/me", bearer="0" * 64)).status_code == 401
        _, text = await mint(
            visitor.state.office,
            name="laptop",
            role="admin",
            by="command line",
            new_id="0123abcd-0000-4000-8000-000000000000",
            secret="s" * 43,
            now_ms=1,
        )
        assert (await visitor.ask("GET", "/v1/admin/me", bearer=text)).status_code == 200


async def test_a_made_token_is_shown_once_and_kept_as_a_digest(visitor: Visitor) -> None:
    one = await made(visitor, "viewer", "grafana")
    assert id_in(one["token"]) == one["id"]
    listed = (await visitor.get("/v1/admin/tokens")).json()
    assert [(each["name"], each["role"], each["origin"]) for each in listed] == [
        ("admin token", "admin", "configuration"),
        ("grafana", "viewer", "api"),
    ]
    assert one["token"] not in repr(listed)
    record = await visitor.state.office.record("token", one["id"])
    assert record is not None
    assert one["token"].encode() not in record.body
    assert token_digest(one["token"]).encode() in record.body


async def test_a_made_token_has_its_name_and_role(visitor: Visitor) -> None:
    one = await made(visitor, "viewer", "grafana")
    answer = await visitor.ask("GET", "/v1/admin/me", bearer=one["token"])
    assert answer.json() == {"name": "grafana", "role": "viewer", "via": "token"}
    other = one["token"][:-1] + ("a" if one["token"][-1] != "a" else "b")
    assert (await visitor.ask("GET", "/v1/admin/me", bearer=other)).status_code == 401


async def test_a_revoked_token_opens_nothing_and_takes_its_sessions_along(
    visitor: Visitor,
) -> None:
    one = await made(visitor)
    assert (await visitor.log_in(one["token"])).status_code == 303
    assert (await visitor.browse("/audit")).status_code == 200
    gone = await visitor.ask("DELETE", f"/v1/admin/tokens/{one['id']}", bearer=TOKEN)
    assert gone.status_code == 204
    assert (await visitor.get("/v1/admin/sessions")).json() == []
    assert (await visitor.ask("GET", "/v1/admin/me", bearer=one["token"])).status_code == 401
    assert (await visitor.browse("/audit")).status_code == 303
    again = await visitor.ask("DELETE", f"/v1/admin/tokens/{one['id']}", bearer=TOKEN)
    assert again.status_code == 404


async def test_a_session_is_worth_what_its_token_is(visitor: Visitor) -> None:
    """Also where the token was taken away by somebody who knows of no sessions."""
    one = await made(visitor)
    await visitor.log_in(one["token"])
    assert (await visitor.browse("/audit")).status_code == 200
    await visitor.state.office.put("token", one["id"], None)
    assert (await visitor.browse("/audit")).status_code == 303
    assert await visitor.state.office.records("session") == []


async def test_the_configured_token_is_revoked_where_it_was_given(visitor: Visitor) -> None:
    answer = await visitor.ask("DELETE", "/v1/admin/tokens/configuration", bearer=TOKEN)
    assert (answer.status_code, answer.json()["code"]) == (409, "of_configuration")


async def test_there_are_so_many_tokens_and_no_more(visitor: Visitor) -> None:
    for number in range(200):
        await visitor.state.office.put("token", f"{number:08}", b"{}")
    answer = await visitor.ask("POST", "/v1/admin/tokens", bearer=TOKEN, json={"name": "x"})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many")


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb", "a\x00b", "\x1b[31m"])
async def test_a_token_s_name_is_one_line(visitor: Visitor, name: str) -> None:
    answer = await visitor.ask("POST", "/v1/admin/tokens", bearer=TOKEN, json={"name": name})
    assert answer.status_code == 422


async def test_each_change_has_its_line_without_secrets(visitor: Visitor) -> None:
    one = await made(visitor, "viewer", "grafana")
    await visitor.ask("DELETE", f"/v1/admin/tokens/{one['id']}", bearer=TOKEN)
    await visitor.log_in()
    lines = (await visitor.get("/v1/admin/changes")).json()["changes"]
    told = [(line["who"], line["action"], line["kind"]) for line in lines]
    assert told == [
        ("admin token", "login", "session"),
        ("admin token", "revoke", "token"),
        ("admin token", "create", "token"),
    ]
    assert one["token"][14:] not in repr(lines)


async def test_the_audit_log_is_read_page_by_page(visitor: Visitor) -> None:
    for number in range(5):
        await made(visitor, name=f"token {number}")
    first = (await visitor.get("/v1/admin/changes?limit=2")).json()
    second = (await visitor.get(f"/v1/admin/changes?limit=3&before={first['next']}")).json()
    rest = (await visitor.get(f"/v1/admin/changes?limit=3&before={second['next']}")).json()
    told = [line["detail"][-1] for part in (first, second, rest) for line in part["changes"]]
    assert told == ["4", "3", "2", "1", "0"]
    assert rest["next"] is None


# Guessing


async def test_two_hundred_guesses_are_slowed_down(tmp_path: Path) -> None:
    """Ten at once, then one after each five seconds; the right one is not let through sooner."""
    short = "hunter2"
    async with admin(tmp_path, token=short, token_strong=False) as visitor:
        answers = [
            await visitor.ask("GET", "/v1/admin/me", bearer=f"guess-{number}")
            for number in range(200)
        ]
        assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 190
        assert len({answer.content for answer in answers}) == 2
        right = await visitor.ask("GET", "/v1/admin/me", bearer=short)
        assert (right.status_code, right.json()["code"]) == (429, "too_many_tries")
        assert right.content == answers[-1].content
        assert (await visitor.log_in(short)).status_code == 429
        visitor.caller.clock.pass_s(int(right.headers["retry-after"]))
        assert (await visitor.ask("GET", "/v1/admin/me", bearer=short)).status_code == 200


async def test_the_login_page_is_slowed_down_as_the_api_is(visitor: Visitor) -> None:
    answers = [await visitor.log_in(f"guess-{number}") for number in range(30)]
    assert [answer.status_code for answer in answers] == [403] * 10 + [429] * 20
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert len({answer.text for answer in answers[:10]}) == 1
    assert "no such token" in answers[0].text.lower()


async def test_guesses_of_others_lock_nobody_out_who_cannot_be_guessed(visitor: Visitor) -> None:
    """A token of 32 random bytes needs no patience; whoever floods the listener gains nothing."""
    one = await made(visitor)
    await visitor.log_in()
    for number in range(30):
        await visitor.ask("GET", "/v1/admin/me", bearer=f"guess-{number}")
    assert (await visitor.ask("GET", "/v1/admin/me", bearer="guess")).status_code == 429
    assert (await visitor.get("/v1/admin/me")).status_code == 200
    assert (await visitor.ask("GET", "/v1/admin/me", bearer=one["token"])).status_code == 200
    assert (await visitor.browse("/audit")).status_code == 200


async def test_each_address_has_its_own_patience_and_all_have_one_together(
    visitor: Visitor,
) -> None:
    async def guess(address: str) -> int:
        answer = await visitor.ask("GET", "/v1/admin/me", bearer="x", X_Forwarded_For=address)
        return answer.status_code

    for _ in range(10):
        assert await guess("203.0.113.7") == 401
    assert await guess("203.0.113.7") == 429
    for number in range(90):
        assert await guess(f"198.51.100.{number}") == 401
    assert await guess("192.0.2.1") == 429


@pytest.mark.parametrize(
    ("text", "id"),
    [
        (MADE, "0123abcd"),
        (MADE[:-1], None),
        (MADE + "x", None),
        (MADE.upper(), None),
        (f" {MADE}", None),
        ("edp_../x/y_" + "x" * 43, None),
        ("", None),
    ],
)
def test_a_token_names_its_record(text: str, id: str | None) -> None:
    assert id_in(text) == id

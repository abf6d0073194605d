"""The pages of dead letters, as a person without JavaScript uses them."""

from pathlib import Path

from edgeproxy.admin.api.dead import LIMIT
from edgeproxy.admin.letters import Wanted, begin
from edgeproxy.keys import token_digest
from tests.admin_http import Visitor, admin
from tests.graveyard import SHOP, SITE, bury


async def sent(visitor: Visitor, path: str, **form: str) -> str:
    """Send a form; the page that it leads to."""
    answer = await visitor.send(path, {"csrf": await visitor.phrase(), **form})
    assert answer.status_code == 303, answer.text
    return (await visitor.browse(answer.headers["location"])).text


async def test_nothing_dead_says_what_would_be_here(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE) as visitor:
        page = await visitor.get("/dead")
    assert "Nothing is dead" in page.text
    assert "<form" not in page.text.partition("<main")[2]


async def test_the_list_shows_reason_cure_and_where_to_mend_it(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE) as visitor:
        await bury(visitor.caller.store, *range(LIMIT + 1))
        await bury(visitor.caller.store, "x", reason="expired", detail="<b>bold</b>")
        page = (await visitor.get("/dead")).text
        older = (await visitor.get(f"/dead?before={3}")).text
        none = (await visitor.get("/dead?reason=expired&name=SIGN_UP")).text

    for words in ("Refused by Snap", "Expired", "What to do", "without IP address and user agent"):
        assert words in page
    assert f'href="/integrations/{SHOP}/events"' in page
    assert "&lt;b&gt;bold" in page
    assert "before=3" in page
    assert "e1</span>" in older
    assert "None match" in none


async def test_ticked_ones_are_replayed_and_one_is_discarded(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE) as visitor:
        await bury(visitor.caller.store, *"abc")
        await visitor.log_in()
        page = await sent(visitor, "/dead/replay", id="3", reason="rejected")
        assert "1 dead letter is queued again." in page
        page = await sent(visitor, "/dead/2/discard")
        assert "1 dead letter is deleted." in page
        page = await sent(visitor, "/dead/discard", all="true", reason="rejected")
        assert "Nothing is dead" in page
        again = await visitor.send("/dead/replay", {"csrf": await visitor.phrase()})
        assert again.status_code == 422
        assert "tick at least one" in again.text.lower()
        gone = await visitor.send("/dead/2/replay", {"csrf": await visitor.phrase()})
        assert gone.status_code == 404


async def test_what_became_of_others_is_said(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE) as visitor:
        await bury(visitor.caller.store, "a")
        await bury(visitor.caller.store, "a")
        await visitor.log_in()
        form = {"csrf": await visitor.phrase(), "id": ["1", "2", "77"]}
        answer = await visitor.send("/dead/replay", form)  # type: ignore[arg-type]
        page = (await visitor.browse(answer.headers["location"])).text
    assert "gave way to a later copy" in page
    assert "1 were not there any more" in page


async def test_one_is_shown_with_its_event_and_leads_to_its_whole_way(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE) as visitor:
        await bury(visitor.caller.store, "a", snap="PURCHASE", detail="Invalid currency")
        page = (await visitor.get("/dead/1")).text
        await bury(visitor.caller.store, "b", to="gone-1")
        other = (await visitor.get("/dead/2")).text
        missing = await visitor.get("/dead/3")

    for words in ("Invalid currency", "email_sha256", 'href="/events/ea"', "Fix the mapping"):
        assert words in page
    assert "add it again under the id" in other
    assert missing.status_code == 404


async def test_a_long_one_shows_its_progress_and_can_be_stopped(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE) as visitor:
        await bury(visitor.caller.store, *range(LIMIT + 1))
        await visitor.log_in()
        progress = await begin(visitor.state, "discard", Wanted(reason="rejected"), "jane")
        await progress.ended.wait()
        page = (await visitor.browse("/dead")).text
        assert "Discarding" in page
        assert f"{LIMIT + 1} deleted" in page
        page = await sent(visitor, f"/dead/jobs/{progress.job.id}/stop")
        assert f"Stopped: {LIMIT + 1} were deleted" in page


async def test_who_may_only_look_sees_no_buttons_and_cannot_change(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE) as visitor:
        await bury(visitor.caller.store, "a")
        made = await visitor.ask(
            "POST",
            "/v1/admin/tokens",
            bearer="an-admin-token-that-nobody-would-guess",
            json={"name": "grafana", "role": "viewer"},
        )
        token = made.json()["token"]
        assert token_digest(token)
        for path in ("/dead", "/dead/1", "/privacy"):
            page = await visitor.ask("GET", path, bearer=token)
            assert page.status_code == 200
            assert "/replay" not in page.text
            assert "/privacy/lookup" not in page.text
        for path in ("/v1/admin/dead/replay", "/v1/admin/visitors/lookup"):
            answer = await visitor.ask("POST", path, bearer=token, json={})
            assert answer.status_code == 403

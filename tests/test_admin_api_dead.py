"""Dead letters over HTTP: counted, listed, inspected, replayed, discarded, by ids and by filter."""

from pathlib import Path
from typing import Any

import apsw
import pytest

from edgeproxy.admin.api.dead import IDS_MAX
from edgeproxy.admin.letters import SLICE
from tests.admin_http import TOKEN, Visitor, admin
from tests.fakes import eventually, item, put
from tests.graveyard import SHOP, SITE, bury

DEAD = "/v1/admin/dead"


async def post(visitor: Visitor, path: str, body: Any) -> Any:
    answer = await visitor.ask("POST", path, bearer=TOKEN, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def counts(visitor: Visitor) -> tuple[int, int]:
    """(dead now, waiting) of the shop; the ledger must balance."""
    for one in await visitor.caller.store.stats():
        if one.integration == SHOP:
            assert one.balanced
            return one.dead_now, one.pending
    return 0, 0


async def test_all_are_counted_by_reason_and_the_newest_are_listed(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE) as visitor:
        store = visitor.caller.store
        await bury(store, *"abc", snap="PURCHASE")
        await bury(store, "d", reason="expired", detail="")
        await bury(store, "e", reason="rejected", to="gone-1")
        said = (await visitor.get(DEAD)).json()
        page = (await visitor.get(f"{DEAD}?limit=2&integration={SHOP}")).json()
        rest = (await visitor.get(f"{DEAD}?before={page['next']}&reason=rejected")).json()
        none = (await visitor.get(f"{DEAD}?name=SIGN_UP")).json()

    groups = [(one["integration"], one["reason"], one["n"]) for one in said["groups"]]
    assert groups == [(SHOP, "rejected", 3), ("gone-1", "rejected", 1), (SHOP, "expired", 1)]
    assert said["groups"][0]["names"] == {"PURCHASE": 3}
    assert [one["mapping"] for one in said["groups"][:2]] == [f"/integrations/{SHOP}/events", ""]
    assert said["groups"][0]["words"]["cure"]
    assert [one["event_id"] for one in said["letters"]] == ["ee", "ed", "ec", "eb", "ea"]
    assert said["letters"][2]["detail"] == "Snap's words"
    assert (said["total"], said["next"]) == (5, None)
    assert ([one["event_id"] for one in page["letters"]], page["total"]) == (["ed", "ec"], 4)
    assert [one["event_id"] for one in rest["letters"]] == ["eb", "ea"]
    assert (none["letters"], none["total"], len(none["groups"])) == ([], 0, 3)


async def test_one_is_shown_with_its_event_as_stored(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE) as visitor:
        await bury(visitor.caller.store, "a", snap="PURCHASE")
        said = (await visitor.get(f"{DEAD}/1")).json()
        missing = [(await visitor.get(f"{DEAD}/{id}")).status_code for id in ("2", "x", "9" * 40)]

    assert said["event"]["who"] == {"email_sha256": "ab" * 32}
    assert (said["reason"], said["words"]["label"], said["visitor"]) == (
        "rejected",
        "Refused by Snap",
        b"v".hex() * 16,
    )
    assert said["mapping"] == f"/integrations/{SHOP}/events"
    assert missing == [404, 404, 404]


async def test_chosen_ids_are_replayed_and_delivery_is_told(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE) as visitor:
        await bury(visitor.caller.store, *range(250))
        ids = [*range(1, 201), 9999]
        job = await post(visitor, f"{DEAD}/replay", {"ids": ids})
        assert (job["state"], job["total"], job["seen"]) == ("done", 201, 201)
        assert (job["changed"], job["missing"], job["superseded"]) == (200, 1, 0)
        assert await counts(visitor) == (50, 200)
        assert set(visitor.caller.woken) == {SHOP}
        assert (await visitor.get(f"{DEAD}/jobs/{job['id']}")).json() == job
        assert (await visitor.get(f"{DEAD}/jobs")).json() == [job]
        (line,) = await visitor.caller.store.office.changes()

    assert (line.who, line.action, line.kind) == ("admin token", "replay", "dead letters")
    assert line.detail == "200 of 201 (201 chosen)"


async def test_a_replay_gives_way_to_a_later_copy(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE) as visitor:
        await bury(visitor.caller.store, "a", "b")
        await bury(visitor.caller.store, "a")  # came again, and was refused again
        job = await post(visitor, f"{DEAD}/replay", {"filter": {"reason": "rejected"}})
        assert (job["changed"], job["superseded"], job["total"]) == (2, 1, 3)
        assert await counts(visitor) == (0, 2)


async def test_a_filter_takes_only_what_it_names(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE) as visitor:
        store = visitor.caller.store
        await bury(store, *range(SLICE + 5))
        await bury(store, "p", snap="PURCHASE")
        await bury(store, "x", reason="expired")
        await bury(store, "o", to="other-1")
        chosen = {"integration": SHOP, "reason": "rejected", "name": "PAGE_VIEW"}
        job = await post(visitor, f"{DEAD}/discard", {"filter": chosen})
        assert (job["state"], job["changed"], job["total"]) == ("done", SLICE + 5, SLICE + 5)
        left = await store.dead_letters()
        assert [(one.integration, one.reason, one.name) for one in left] == [
            ("other-1", "rejected", "PAGE_VIEW"),
            (SHOP, "expired", "PAGE_VIEW"),
            (SHOP, "rejected", "PURCHASE"),
        ]
        assert not visitor.caller.woken
        await post(visitor, f"{DEAD}/discard", {"filter": {"all": True}})
        assert await store.dead_letters() == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"ids": []},
        {"ids": [1], "filter": {}},
        {"filter": {}},
        {"filter": {"reasn": "x"}},
        {"filter": {"reason": "a\u0000b"}},
        {"ids": [0]},
        {"ids": ["x"]},
        {"ids": list(range(1, IDS_MAX + 2))},
    ],
)
async def test_a_choice_that_is_none_or_too_wide_changes_nothing(tmp_path: Path, body: Any) -> None:
    async with admin(tmp_path, SITE) as visitor:
        await bury(visitor.caller.store, "a")
        for act in ("replay", "discard"):
            answer = await visitor.ask("POST", f"{DEAD}/{act}", bearer=TOKEN, json=body)
            assert answer.status_code == 422
        assert await counts(visitor) == (1, 0)


async def test_a_job_that_nobody_began_is_not_there(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE) as visitor:
        assert (await visitor.get(f"{DEAD}/jobs/x")).status_code == 404
        stopped = await visitor.ask("POST", f"{DEAD}/jobs/x/stop", bearer=TOKEN)
        assert stopped.status_code == 404


async def test_a_damaged_body_is_listed_and_shown_all_the_same(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE) as visitor:
        store = visitor.caller.store
        await put(store, item(to=SHOP, body=b"\xff{"))
        await bury(store)
        page = (await visitor.get(DEAD)).json()
        one = (await visitor.get(f"{DEAD}/1")).json()
        file = await visitor.get(f"{DEAD}/export")
        cells = await visitor.get(f"{DEAD}/export?format=csv")
        shown = await visitor.get("/dead/1")

    assert (page["letters"][0]["event_id"], one["event"]) == ("", None)
    assert file.json()["stored"] is None
    assert (cells.status_code, shown.status_code) == (200, 200)


async def test_a_long_one_goes_on_after_the_answer_and_can_be_stopped(tmp_path: Path) -> None:
    async with admin(tmp_path, SITE) as visitor:
        await bury(visitor.caller.store, *range(3 * SLICE))
        other = apsw.Connection(str(tmp_path / "store.db"))
        other.execute("BEGIN IMMEDIATE")  # nobody else can write meanwhile
        wish = {"filter": {"all": True}}
        answer = await visitor.ask("POST", f"{DEAD}/discard", bearer=TOKEN, json=wish)
        job = answer.json()
        assert (answer.status_code, job["state"], job["total"]) == (200, "running", 3 * SLICE)
        assert answer.headers["location"] == f"{DEAD}/jobs/{job['id']}"
        page = (await visitor.get("/dead")).text
        assert f"/dead/jobs/{job['id']}/stop" in page
        stopped = await visitor.ask("POST", f"{DEAD}/jobs/{job['id']}/stop", bearer=TOKEN)
        assert stopped.status_code == 200
        other.execute("ROLLBACK")
        other.close()

        async def ended() -> Any:
            now = (await visitor.get(f"{DEAD}/jobs/{job['id']}")).json()
            return now if now["state"] != "running" else None

        now = await eventually(ended, "the job has ended")
        assert now["state"] == "stopped"
        assert await counts(visitor) == (3 * SLICE - now["changed"], 0)
        assert now["changed"] < 3 * SLICE

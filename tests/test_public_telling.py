"""What a trace of an incoming event says, and what it leaves out without consent."""

from pathlib import Path
from typing import Any

import pytest

from edgeproxy.store.sqlite.store import SqliteStore
from edgeproxy.trace import Step
from tests.edge import ORIGIN, now_ms
from tests.test_public_collect import Answered, Door

EMAIL = "canary.person@example.com"


@pytest.fixture
async def told(tmp_path: Path) -> Any:
    """Takes posts and gives the steps that were told of them."""
    store = await SqliteStore.open(str(tmp_path / "edge.db"), now_ms=now_ms)
    steps: list[Step] = []
    asked: list[int] = []

    def watching(events: int) -> Any:
        asked.append(events)
        return steps.append

    async def take(*posts: Answered) -> list[Step]:
        door = Door(store, watching)
        await door.take(*posts)
        assert asked[-len(posts) :] == [len_of(post) for post in posts]
        return steps

    yield take
    await store.close()


def len_of(post: Answered) -> int:
    import json

    return len(json.loads(post.body)["events"])


def batch(*events: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"consent": {"ad": True}, "events": list(events), **more}


def stages(steps: list[Step]) -> list[tuple[str, str]]:
    return [(step.stage, step.name) for step in steps]


async def test_an_event_that_is_taken_is_told_hashed_with_who_and_why(told: Any) -> None:
    page = {"name": "page", "id": "e-1"}
    steps = await told(Answered(batch(page, user={"email": EMAIL}), cookie="_scid=visitor-0001"))
    assert stages(steps) == [("received", "page"), ("queued", "PAGE_VIEW")]
    received, queued = steps
    assert received.event_id == queued.event_id == "e-1"
    assert received.visitor == queued.visitor
    assert len(received.visitor) == 32
    assert received.data["identity"] == "known by its id; no ad click"
    assert received.data["allowed"] is True
    assert received.data["consent"] == "the visitor says yes now"
    assert queued.integration == "snap"
    assert queued.data["received_id"] == "e-1"
    assert EMAIL not in str(steps)
    assert "email_sha256" in str(received.data["event"])


async def test_a_copy_is_told_as_one(told: Any) -> None:
    post = Answered(batch({"name": "page", "id": "e-1"}, {"name": "page", "id": "e-1"}))
    assert [step.stage for step in await told(post)] == [
        "received",
        "queued",
        "received",
        "duplicate",
    ]


async def test_an_event_that_goes_nowhere_is_told_by_the_names_in_it(told: Any) -> None:
    quiz = {"name": "Quiz", "properties": {"mail": EMAIL, "answer": "secret"}}
    received, dropped = await told(Answered(batch(quiz)))
    assert received.data["properties"] == ["answer", "mail"]
    assert dropped.data == {"reason": "unmapped"}
    assert received.event_id == dropped.event_id != ""
    assert "secret" not in str(received)
    assert EMAIL not in str(received)


async def test_without_consent_nothing_of_the_visitor_is_told(told: Any) -> None:
    page = {"name": "page", "id": "e-1"}
    post = Answered({"events": [page]}, cookie="_scid=visitor-0001", sec_gpc="1")
    received, dropped = await told(post)
    assert dropped.data == {"reason": "gpc"}
    assert received.visitor == dropped.visitor == ""
    assert "identity" not in received.data
    assert received.data["allowed"] is False
    assert received.data["consent"] == "the browser sends Global Privacy Control"


@pytest.mark.parametrize(
    ("consent", "cookie", "words"),
    [
        ({"ad": False}, "_scid=visitor-0001", "the visitor says no now"),
        (None, "_scid=visitor-0001", "the visitor has not agreed"),
        (None, "_scid=visitor-0001; edge_optout=1", "a refusal is remembered"),
        ({"ad": True}, "", "the visitor says yes now"),
    ],
)
async def test_the_visitor_s_choice_is_told_in_words(
    told: Any, consent: object, cookie: str, words: str
) -> None:
    post = Answered({"events": [{"name": "page"}], "consent": consent}, cookie=cookie)
    assert (await told(post))[0].data["consent"] == words


async def test_who_it_was_is_told_in_words(told: Any) -> None:
    click = {"url": f"{ORIGIN}/?ScCid=click-1"}
    first = Answered(batch({"name": "page"}, page=click))
    steps = await told(first)
    assert steps[0].data["identity"] == "a new visitor; an ad click of now"
    jar = "; ".join(line.split(b";")[0].decode() for line in first.head.split(b"set-cookie: ")[1:])
    again = await told(Answered(batch({"name": "page"}), cookie=jar))
    assert again[-2].data["identity"].startswith("known by its cookies, the signed one among them;")
    assert again[-2].data["consent"] == "a yes is remembered"


async def test_what_is_wrong_with_an_event_is_told(told: Any) -> None:
    bad = {"name": "Order Completed", "id": "e-1", "properties": {"value": -1}}
    unread, received, rejected = await told(Answered(batch({"name": 5}, bad)))
    assert (unread.stage, unread.name) == ("rejected", "(unreadable)")
    assert unread.event_id
    assert (received.stage, rejected.stage) == ("received", "rejected")
    assert rejected.data["code"] == "bad_number"

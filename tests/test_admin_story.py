"""A trace told for people: each stage, each way, and the command that repeats it."""

import json
import shlex
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from edgeproxy.admin.story import CURL_TOKEN, Story, curl, matches, story
from edgeproxy.journal.base import Trace
from edgeproxy.reasons import ANSWERS, DEAD, DROPS, REJECTS
from edgeproxy.trace import Step
from tests.steps import SHOP, came, died, dropped, step, went

SNAP = "https://tr.snapchat.com"
OTHER = "shop/other"


def told(*steps: Step) -> Story:
    return story(
        Trace(number=1, changed=1, event_id="e1", wire_id="e1", steps=steps), upstream=SNAP
    )


def titles(found: Story) -> list[str]:
    return [stage.title for stage in found.stages]


def test_a_delivered_event_is_told_from_its_arrival_to_snap_s_yes() -> None:
    found = told(*came("e1"), *went("e1", attempt=2, events=1, latency_ms=12.5, message="OK"))

    assert titles(found) == [
        "Received",
        "Identity",
        "Consent",
        "Mapped",
        "Queued",
        "Sent to Snap",
        "Snap: Delivered",
    ]
    texts = [stage.text for stage in found.stages]
    assert texts[0] == "“Own PURCHASE” came in at the source shop, and was hashed."
    assert (
        texts[3]
        == "It is Snap's PURCHASE, because the integration sends unknown names under this one."
    )
    assert texts[4] == f"It is on disk, for {SHOP}."
    assert texts[5] == "Attempt 2 to /v2/conversion."
    assert texts[6] == "HTTP 200 after 12.5 ms. Snap has accepted it."
    [branch] = found.branches
    assert (branch.integration, branch.name, branch.wire_id) == (SHOP, "PURCHASE", "e1")
    assert (branch.rule, branch.outcome, branch.reason.label) == (
        "catalog",
        "delivered",
        "Delivered",
    )
    assert branch.sendings[0].fields["event_type"] == "PURCHASE"
    assert (branch.answers[0].status, branch.answers[0].message) == (200, "OK")
    assert found.arrival is not None
    assert found.arrival.event["page_url"] == "https://shop.example/e1"


def test_the_door_may_tell_the_integration_among_the_data() -> None:
    queued = step("queued", "e1", "SAVE", integration=SHOP, rule="catalogue")
    bare = msgspec.structs.replace(
        queued, integration="", data={**queued.data, "integration": SHOP}
    )
    found = told(bare)

    assert [branch.integration for branch in found.branches] == [SHOP]
    assert found.stages[1].text == f"It is on disk, for {SHOP}."
    assert found.branches[0].outcome == "waiting"


def test_what_identity_and_consent_say_is_told() -> None:
    event = {"id": "e1", "scid": "s", "click_id": "c", "who": {"email_sha256": "ab"}}
    received = step(
        "received", "e1", "x", event=event, consent="it was said now", identity="a cookie"
    )
    found = told(received)

    assert found.stages[1].text == "Known by click id, _scid and e-mail."
    assert found.stages[1].facts == (("How", "a cookie"),)
    assert found.stages[2].text == "Advertising is allowed: it was said now."


def test_one_identifier_is_listed_alone_and_none_is_said() -> None:
    assert (
        told(step("received", "e1", "x", event={"scid": "s"})).stages[1].text == "Known by _scid."
    )
    nothing = told(step("received", "e1", "x", event={})).stages[1].text
    assert nothing == "Nothing is known by which Snap could match."


def test_an_event_that_goes_nowhere_is_told_by_its_names_and_the_visitor_s_choice() -> None:
    received = step(
        "received",
        "e1",
        "Quiz",
        allowed=False,
        consent="the visitor has not agreed",
        properties=["answer", "score"],
    )
    first, second = told(received).stages

    assert (first.title, first.facts) == ("Received", (("Properties", "answer, score"),))
    assert second.text == "Advertising is not allowed: the visitor has not agreed."


@pytest.mark.parametrize("reason", DROPS)
def test_a_drop_says_why_and_what_to_do(reason: str) -> None:
    found = told(*dropped("e1", reason=reason))

    [stage] = found.stages
    assert stage.title == f"Dropped: {DROPS[reason].label}"
    assert (stage.text, stage.cure) == (DROPS[reason].means, DROPS[reason].cure)
    assert found.branches == ()
    assert found.arrival is None


@pytest.mark.parametrize("code", REJECTS)
def test_a_rejection_says_why_and_what_to_do(code: str) -> None:
    [stage] = told(step("rejected", "e1", "x", code=code, reason="the very words")).stages

    assert stage.title == f"Rejected: {REJECTS[code].label}"
    assert (stage.text, stage.cure) == (REJECTS[code].means, REJECTS[code].cure)
    assert stage.facts == (("Detail", "the very words"),)


@pytest.mark.parametrize("reason", DEAD)
@pytest.mark.parametrize("stage", ["dead", "rejected"])
def test_a_dead_letter_says_why_and_what_to_do(reason: str, stage: Any) -> None:
    end = step(stage, "e1", "SAVE", SHOP, outcome=reason, message="Snap's words")
    found = told(*came("e1", name="SAVE"), end)

    last = found.stages[-1]
    assert last.title == f"Dead letter: {DEAD[reason].label}"
    assert (last.text, last.cure) == (DEAD[reason].means, DEAD[reason].cure)
    assert last.facts == (("Detail", "Snap's words"),)
    assert found.branches[0].outcome == f"dead:{reason}"


def test_a_title_is_not_said_twice() -> None:
    [unknown] = told(step("dead", "e1", "SAVE", SHOP, outcome="of_tomorrow")).stages
    assert unknown.title == "Dead letter"
    [twice] = told(step("duplicate", "e1", "SAVE", SHOP)).stages
    assert twice.title == "Duplicate"


@pytest.mark.parametrize("outcome", sorted(set(ANSWERS) - {"delivered"}))
def test_an_answer_that_is_no_yes_says_what_it_means(outcome: str) -> None:
    said = step("answered", "e1", "SAVE", SHOP, outcome=outcome, status=None, message="timeout")
    found = told(*came("e1", name="SAVE"), said)

    last, [answer] = found.stages[-1], found.branches[0].answers
    assert last.title == f"Snap: {ANSWERS[outcome].label}"
    assert last.text == f"Nothing was heard. {ANSWERS[outcome].means}"
    assert last.cure == ANSWERS[outcome].cure
    assert (answer.status, answer.latency_ms, answer.message) == (None, None, "timeout")
    assert found.branches[0].outcome == "retry"


@pytest.mark.parametrize(
    ("events", "words"),
    [(1, ""), (2, ", together with another one"), (5, ", together with 4 others")],
)
def test_a_request_says_how_many_went_with_it(events: int, words: str) -> None:
    [stage] = told(
        step("sent", "e1", "SAVE", SHOP, path="/v3/x/events", attempt=1, events=events)
    ).stages
    assert stage.text == f"Attempt 1 to /v3/x/events{words}."


def test_each_integration_and_each_name_is_a_way_of_its_own() -> None:
    second = step("queued", "e1-2", "SAVE", SHOP, received_id="e1", rule="own mapping")
    other = step("queued", "e1", "PURCHASE", OTHER, received_id="e1")
    found = told(*came("e1"), second, other, *went("e1"), *died("e1", to=OTHER))

    ways = [(one.integration, one.name, one.wire_id, one.outcome) for one in found.branches]
    assert ways == [
        (SHOP, "PURCHASE", "e1", "delivered"),
        (SHOP, "SAVE", "e1-2", "waiting"),
        (OTHER, "PURCHASE", "e1", "dead:rejected"),
    ]


def test_what_came_in_again_is_told_by_its_duplicate_alone() -> None:
    again = [came("e1")[0], step("duplicate", "e1", "PURCHASE", SHOP, received_id="e1")]
    found = told(*came("e1"), *again, *went("e1"))

    assert titles(found).count("Received") == 1
    assert titles(found).count("Duplicate") == 1
    assert found.branches[0].outcome == "delivered"
    assert told(*again).branches[0].outcome == "duplicate"


def test_data_of_another_version_breaks_nothing() -> None:
    steps = [
        step("received", "e1", "x", event="?"),
        step("queued", "e1", "SAVE", SHOP, rule=7),
        step("sent", "e1", "SAVE", SHOP, fields=[], path=None, attempt="?"),
        step("answered", "e1", "SAVE", SHOP, status="?", latency_ms="?", message=3),
    ]
    [branch] = told(*steps).branches
    assert (branch.rule, branch.sendings[0].path, branch.answers[0].message) == ("", "", "")
    assert branch.answers[0].status is None


def arguments(command: str) -> Sequence[str]:
    return shlex.split(command.replace("\\\n", ""))


HOSTILE = {"event_type": "x'; rm -rf ~; echo '$(id)`id`", "page_url": 'https://a.example/\n"<b>'}


def test_the_command_for_v2_repeats_the_event_with_the_token_left_out() -> None:
    words = arguments(curl(SNAP, "/v2/conversion", HOSTILE))

    assert words[:4] == ["curl", "-X", "POST", f"{SNAP}/v2/conversion"]
    assert f"Authorization: Bearer {CURL_TOKEN}" in words
    assert json.loads(words[-1]) == HOSTILE


def test_the_command_for_v3_has_the_token_in_the_query() -> None:
    words = arguments(curl(SNAP, "/v3/p'ixel/events", HOSTILE))

    assert words[3] == f"{SNAP}/v3/p'ixel/events?access_token={CURL_TOKEN}"
    assert not any(word.startswith("Authorization") for word in words)
    assert json.loads(words[-1]) == {"data": [HOSTILE]}


def test_identifiers_are_found_in_every_form_of_an_event() -> None:
    def there(fields: dict[str, Any]) -> set[str]:
        return {label for label, found in matches(fields) if found}

    assert there({"hashed_email": "ab", "uuid_c1": "", "user_agent": None}) == {"e-mail"}
    assert there({"user_data": {"em": ["ab"], "client_ip_address": "x"}}) == {"e-mail", "IP"}
    assert there({"who": {"phone_sha256": "ab", "zip_sha256": "cd"}}) == {"phone", "address"}
    assert there({"who": "?"}) == set()

"""The sandbox counts as Snap does, remembers what came, and stays small."""

from typing import Any, Literal

import msgspec
import pytest

from edgeproxy.sandbox.bodies import BadBody, read_v2, read_v3
from edgeproxy.sandbox.call import Call, Reply, fingerprint
from edgeproxy.sandbox.dedup import Ledger
from edgeproxy.sandbox.records import Hours, Kept, Seen
from edgeproxy.sandbox.rules import DAY_MS
from edgeproxy.sandbox.script import Answer, Script
from edgeproxy.sandbox.state import Sandbox
from tests.test_sandbox_rules import GONE, NOW, PIXEL, V2, V3, changed

HOUR_MS = 3_600_000


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.ms = NOW

    def __call__(self) -> int:
        return self.ms


def v2(sandbox: Sandbox, *events: dict[str, Any], path: str = "/v2/conversion") -> Reply:
    body = msgspec.json.encode(list(events))
    endpoint: Literal["live", "validate"] = "validate" if path.endswith("validate") else "live"
    return sandbox.post(
        Call(method="POST", path=path, dialect="v2", endpoint=endpoint, token="t", body=body)
    )


def v3(sandbox: Sandbox, *events: dict[str, Any], asset: str = PIXEL) -> Reply:
    body = msgspec.json.encode({"data": events})
    path = f"/v3/{asset}/events"
    return sandbox.post(
        Call(method="POST", path=path, dialect="v3", endpoint="live", asset=asset, token="t",
             body=body)
    )  # fmt: skip


def event(name: str, key: str, **changes: Any) -> dict[str, Any]:
    return changed(
        V2, {"event_type": name, "client_dedup_id": key, "transaction_id": GONE, **changes}
    )


@pytest.mark.parametrize(
    ("name", "after_ms", "counted"),
    [
        ("VIEW_CONTENT", 0, (1, 1, 0)),
        ("VIEW_CONTENT", 48 * HOUR_MS - 1, (1, 1, 0)),
        ("VIEW_CONTENT", 48 * HOUR_MS, (2, 0, 0)),
        ("PAGE_VIEW", 999, (1, 1, 0)),
        ("PAGE_VIEW", 1000, (2, 0, 1)),
        ("ADD_CART", 60_000, (2, 0, 1)),
        ("ADD_CART", 48 * HOUR_MS, (2, 0, 0)),
    ],
)
def test_a_repeated_id_counts_once_within_its_window(
    name: str, after_ms: int, counted: tuple[int, int, int]
) -> None:
    clock = Clock()
    sandbox = Sandbox(now_ms=clock)
    v2(sandbox, event(name, "a"))
    clock.ms += after_ms
    v2(sandbox, event(name, "a", timestamp=clock.ms))
    counts = sandbox.counts
    assert (counts.unique, counts.duplicates, counts.seen_again) == counted


def test_a_window_that_is_over_starts_anew() -> None:
    clock = Clock()
    sandbox = Sandbox(now_ms=clock)
    for after_ms in (0, 48 * HOUR_MS, 47 * HOUR_MS):
        clock.ms += after_ms
        v2(sandbox, event("SAVE", "a", timestamp=clock.ms))
    assert [seen.duplicate for seen in sandbox.records] == [False, False, True]


def test_a_third_page_view_is_measured_from_the_last_one_that_counted() -> None:
    clock = Clock()
    sandbox = Sandbox(now_ms=clock)
    for _ in range(3):
        v2(sandbox, event("PAGE_VIEW", "a"))
        clock.ms += 700
    counts = sandbox.counts
    assert (counts.unique, counts.duplicates, counts.seen_again) == (2, 1, 1)


@pytest.mark.parametrize(
    ("name", "after_ms", "unique"),
    [("PURCHASE", 29 * DAY_MS, 1), ("PURCHASE", 30 * DAY_MS, 2), ("SAVE", 1, 2)],
)
def test_an_order_counts_once_in_thirty_days(name: str, after_ms: int, unique: int) -> None:
    clock = Clock()
    sandbox = Sandbox(now_ms=clock)
    v2(sandbox, event(name, "a", transaction_id="ORD-1"))
    clock.ms += after_ms
    v2(sandbox, event(name, "b", transaction_id="ORD-1", timestamp=clock.ms))
    assert sandbox.counts.unique == unique


def test_other_pixels_other_names_and_no_ids_are_other_events() -> None:
    sandbox = Sandbox(now_ms=Clock())
    other = PIXEL.replace("6", "7")
    v2(sandbox, event("SAVE", "a"), event("SHARE", "a"), event("SAVE", "a", pixel_id=other))
    v2(sandbox, event("SAVE", "x", client_dedup_id=GONE), event("SAVE", "y", client_dedup_id=GONE))
    assert (sandbox.counts.unique, sandbox.counts.duplicates) == (5, 0)


def test_both_dialects_count_in_one_table() -> None:
    sandbox = Sandbox(now_ms=Clock())
    v2(sandbox, V2)
    v3(sandbox, V3)
    assert [seen.duplicate for seen in sandbox.records] == [False, True]
    assert [one["client_dedup_id"] for one in sandbox.events] == ["evt-1"]


def test_the_figures_add_up() -> None:
    sandbox = Sandbox(now_ms=Clock())
    bad = event("LEAD", "bad")
    v2(sandbox, event("SAVE", "a"), bad, event("SAVE", "a"))
    v3(sandbox, V3, changed(V3, {"event_id": GONE, "event_name": "LEAD"}))
    sandbox.answer_with(status=503, times=1)
    v2(sandbox, event("SAVE", "b"))
    v2(sandbox, event("SAVE", "c"), path="/v2/conversion/validate")
    assert msgspec.to_builtins(sandbox.counts) == {
        "requests": 4, "received": 6, "unique": 1, "duplicates": 1, "refused": 2, "not_taken": 2,
        "seen_again": 0, "tested": 1,
    }  # fmt: skip
    assert [(seen.verdict, seen.attempt) for seen in sandbox.records] == [
        ("accepted", 1), ("refused", 1), ("accepted", 2), ("not_taken", 1), ("refused", 1),
        ("not_taken", 1), ("accepted", 1),
    ]  # fmt: skip
    assert sandbox.records[3].note == "another event of the same request is bad"
    assert sandbox.records[5].note == "the script answered for Snap (status 503)"


def test_an_event_that_snap_refused_is_not_counted_and_may_come_again() -> None:
    sandbox = Sandbox(now_ms=Clock())
    v3(sandbox, V3, changed(V3, {"event_name": "LEAD"}))
    v3(sandbox, V3)
    assert [seen.attempt for seen in sandbox.records if seen.name == "PURCHASE"] == [1, 2]
    assert (sandbox.counts.unique, sandbox.counts.duplicates) == (1, 0)


@pytest.mark.parametrize(
    ("answer", "taken"),
    [
        (Answer(status=200, body={"status": "SUCCESS"}), False),
        (Answer(status=200, body={"status": "SUCCESS"}, process=True), True),
        (Answer(status=503, process=True), True),
        (Answer(body="<html>"), False),
        (Answer(delay_ms=5), True),
        (Answer(drip_ms=5), True),
        (Answer(disconnect="before"), False),
        (Answer(disconnect="after_headers"), True),
        (Answer(disconnect="mid_body"), True),
        (Answer(disconnect="before", process=True), True),
    ],
    ids=str,
)
def test_a_script_says_whether_snap_has_taken_the_events(answer: Answer, taken: bool) -> None:
    sandbox = Sandbox(now_ms=Clock())
    sandbox.script = Script([answer])
    v2(sandbox, V2)
    assert sandbox.counts.unique == taken
    v2(sandbox, V2)
    assert (sandbox.counts.unique, sandbox.counts.duplicates) == (1, int(taken))
    assert [one.scripted for one in sandbox.requests] == [True, False]


def test_a_scripted_test_event_is_still_a_test_event() -> None:
    sandbox = Sandbox(now_ms=Clock())
    sandbox.answer_with(status=503)
    v2(sandbox, V2, path="/v2/conversion/validate")
    assert (sandbox.counts.tested, sandbox.counts.received, sandbox.counts.not_taken) == (1, 0, 0)
    assert sandbox.ids == {}


def test_entries_are_played_in_order_as_often_as_they_say_and_only_where_they_fit() -> None:
    script = Script(
        [
            Answer(status=500, path="/v3/"),
            Answer(status=501, refuse_events=("x",), times=2),
            Answer(status=502, times=2),
            Answer(status=503, times=None),
        ]
    )
    seen = [script.take("/v2/conversion", ids) for ids in ({"a"}, {"x"}, {"b", "x"}, {"x"}, {"x"})]
    assert [one.status for one in seen if one] == [502, 501, 501, 502, 503]
    v3_answers = [script.take("/v3/p/events", set()) for _ in range(3)]
    assert [one.status for one in v3_answers if one] == [500, 503, 503]
    assert len(script) == 1
    assert Script().take("/v2/conversion", {"a"}) is None


def test_refused_ids_are_refused_as_by_a_rule() -> None:
    sandbox = Sandbox(now_ms=Clock())
    sandbox.answer_with(refuse_events=["b"])
    reply = v2(sandbox, event("SAVE", "a"), event("SAVE", "b"))
    assert msgspec.json.decode(reply.body)["error_records"] == [
        {"reason": "event is refused by the script", "record_indexes": [2]}
    ]
    assert (sandbox.counts.unique, sandbox.counts.refused) == (1, 1)
    sandbox.answer_normally()
    v2(sandbox, event("SAVE", "b"))
    assert sandbox.counts.unique == 2


def test_ids_mode_keeps_counts_and_ids_only() -> None:
    sandbox = Sandbox(now_ms=Clock(), keep="ids")
    v2(sandbox, event("SAVE", "a"), event("SAVE", "b"))
    v2(sandbox, event("SAVE", "a"), event("LEAD", "c"))
    v2(sandbox, event("SAVE", "t"), path="/v2/conversion/validate")
    assert (sandbox.records, sandbox.requests) == ([], [])
    assert sandbox.ids == {"a": [2, 1], "b": [1, 1], "c": [1, 0]}
    assert (sandbox.attempts, sandbox.last_n) == (3, 5)


def test_reset_forgets_but_numbers_go_on_and_settings_stay() -> None:
    sandbox = Sandbox(now_ms=Clock(), tokens={"t"}, refuse_low_match=True)
    sandbox.answer_with(status=500)
    v2(sandbox, V2)
    sandbox.reset()
    assert (sandbox.records, sandbox.requests, sandbox.ids) == ([], [], {})
    assert (sandbox.counts.requests, len(sandbox.script)) == (0, 0)
    assert sandbox.tokens == frozenset({"t"})
    assert sandbox.refuse_low_match
    v2(sandbox, V2)
    assert [seen.n for seen in sandbox.records] == [2]


def test_the_last_events_are_found_by_number() -> None:
    sandbox = Sandbox(now_ms=Clock())
    v2(sandbox, *[event("SAVE", str(index)) for index in range(5)])
    assert [seen.n for seen in sandbox.since(3)] == [4, 5]
    assert sandbox.since(9) == []
    assert [seen.n for seen in sandbox.last(2)] == [4, 5]
    assert len(sandbox.last(50)) == 5


def seen_event(n: int, body: bytes = b"{}") -> Seen:
    return Seen(n=n, at=0, path="/", dialect="v2", endpoint="live", asset="", name="", id="",
                order_id="", event=msgspec.Raw(body), verdict="accepted")  # fmt: skip


def test_kept_events_are_bounded_by_number_and_by_bytes() -> None:
    kept = Kept(3, 100)
    for n in range(5):
        kept.add(seen_event(n))
    assert [seen.n for seen in kept.all()] == [2, 3, 4]
    kept.add(seen_event(5, b'"' + b"x" * 96 + b'"'))
    assert [seen.n for seen in kept.all()] == [4, 5]


def test_remembered_ids_are_bounded() -> None:
    ledger = Ledger(100)
    for index in range(1000):
        piece = read_v2(msgspec.json.encode(event("SAVE", f"id-{index}")))[0]
        ledger.arrive(piece, live=True)
        ledger.count(piece, NOW)
    assert 80 <= len(ledger.ids()) <= 100
    assert "id-999" in ledger.ids()
    assert "id-0" not in ledger.ids()


def test_hours_count_the_past_hour_and_a_bounded_number_of_assets() -> None:
    hours = Hours()
    for minute in range(90):
        hours.add("p", "live", NOW + minute * 60_000)
    now = NOW + 90 * 60_000
    assert hours.stats("p", "live", now) == {
        "latest_event_ts": NOW + 89 * 60_000,
        "event_count_past_hour": 59,
    }
    assert hours.stats("p", "validate", now) == {"latest_event_ts": 0, "event_count_past_hour": 0}
    for index in range(2000):
        hours.add(f"other-{index}", "live", now)
    assert hours.stats("other-1999", "live", now)["event_count_past_hour"] == 0
    hours.add("p", "live", now)
    assert hours.stats("p", "live", now)["event_count_past_hour"] == 60


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "Invalid JSON"),
        (b"{", "Invalid JSON"),
        (b"[" * 100_000, "Invalid JSON"),
        (b'{"a":' * 50_000, "Invalid JSON"),
        (b'[{"a": "\xff"}]', "Invalid JSON"),
        (b'{"a": "\xff"}', "Invalid JSON"),
        (b'[{"a": 1e999}]', "Invalid JSON"),
        (b'[{"a": 1' + b"0" * 5000 + b"}]", "Invalid JSON"),
        (b'{"a": NaN}', "Invalid JSON"),
        (b'[{}, {}] x', "Invalid JSON"),
        (b"[]", "No events in the request"),
        (b"[" + b",".join([b"{}"] * 2001) + b"]", "Too many events in the request, at most 2000"),
    ],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
def test_hostile_bodies_are_refused(body: bytes, reason: str) -> None:
    with pytest.raises(BadBody) as caught:
        read_v2(body)
    assert caught.value.reason == reason


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"data": {}}', b'{"data": null}', b"5"])
def test_v3_wants_data(body: bytes) -> None:
    with pytest.raises(BadBody, match="Param data is required"):
        read_v3(body, PIXEL)


@pytest.mark.parametrize("body", [b"", b'{"data": [', b'{"data": ["\xff"]}', b'{"data": [{}]} x'])
def test_a_v3_body_must_be_json(body: bytes) -> None:
    with pytest.raises(BadBody, match="Invalid JSON"):
        read_v3(body, PIXEL)


def test_an_event_is_kept_byte_for_byte_and_odd_fields_do_not_disturb() -> None:
    body = b'[ {"event_type" : 1e2, "client_dedup_id": 7, "transaction_id": [] } ,"x"]'
    first, second = read_v2(body)
    assert bytes(first.raw).strip() == (
        b'{"event_type" : 1e2, "client_dedup_id": 7, "transaction_id": [] }'
    )
    assert (first.name, first.id, first.order_id, first.asset) == ("100.0", "7", "", "")
    assert (second.value, second.name) == ("x", "")
    assert read_v3(b'{"data": [{"custom_data": 5}, 7]}', PIXEL)[1].asset == PIXEL


def test_a_token_is_remembered_by_its_fingerprint() -> None:
    assert fingerprint("") == ""
    assert fingerprint("secret") == fingerprint("secret") != fingerprint("other")
    assert "secret" not in fingerprint("secret")

"""What Snap's answers mean: the case table, the odd ones, and anything at all."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.outcome import Verdict
from edgeproxy.snap import answers
from edgeproxy.wire import WireResponse

NOW_MS = 1_706_540_000_000
_FILE = json.loads((Path(__file__).parent / "cases" / "snap_answers.json").read_text("utf-8"))
CASES: list[dict[str, Any]] = _FILE["cases"] + _FILE["more"]
_FAULTS = {"timeout": "timeout", "connection reset": "reset"}


def encoded(body: object) -> bytes:
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def read(
    body: object, *, sent: int = 3, status: int | None = 200, retry_after: str = "", fault: str = ""
) -> Verdict:
    response = WireResponse(status=status, body=encoded(body), retry_after=retry_after, fault=fault)
    return answers.read(response, sent=sent, now_ms=NOW_MS)


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])
def test_each_known_answer_means_what_the_table_says(case: dict[str, Any]) -> None:
    response = WireResponse(
        status=case["status"],
        body=encoded(case.get("body", "")),
        retry_after=case.get("headers", {}).get("Retry-After", ""),
        fault=_FAULTS[case["error"]] if case["status"] is None else "",
    )
    verdict = answers.read(response, sent=case["sent"], now_ms=case.get("now", NOW_MS))
    assert verdict.kind == case["expected"]
    assert list(verdict.delivered) == case["delivered"]
    assert sorted(verdict.dead) == case["dead"]
    assert verdict.retry_after_s == case.get("retry_after_s")
    assert verdict.status == case["status"]
    assert all(verdict.dead.values())


def test_every_message_is_shown_once_and_on_one_line() -> None:
    verdict = read(
        {
            "status": "INVALID",
            "reason": "Two\nreasons\x00\x1b[31m",
            "errors": {"codes": ["517", 12], "error_msgs": ["missing price", "bad time"]},
            "error_msgs": ["missing price", "flat"],
            "error_records": [{"reason": "in a record"}],
            "event_logs": [{"event": 0, "errors": {"error_msgs": ["in a log"]}}],
        }
    )
    assert verdict.message == (
        "Two reasons [31m; missing price; bad time; flat; 517; 12; in a record; in a log"
    )


def test_the_words_of_each_record_go_to_its_event() -> None:
    records = [
        {"reason": "Missing price", "record_indexes": [2]},
        {"reason": "Invalid timestamp", "record_indexes": [2, 3]},
        {"record_indexes": [4]},
    ]
    verdict = read({"status": "success", "error_records": records}, sent=4)
    assert (verdict.kind, verdict.delivered) == ("partial", (0,))
    assert verdict.dead == {
        1: "Missing price; Invalid timestamp",
        2: "Invalid timestamp",
        3: "rejected",
    }


@pytest.mark.parametrize(
    "records",
    [
        [{"reason": "x", "record_indexes": []}],
        [{"reason": "x"}],
        [{"reason": "x", "record_indexes": [True]}],
        [{"reason": "x", "record_indexes": ["2"]}],
        [{"reason": "x", "record_indexes": [2.0]}],
        [{"reason": "x", "record_indexes": [-1]}],
        [{"reason": "x", "record_indexes": [2, 4]}],
        [{"reason": "x", "record_indexes": 0, "recordIndexes": None}],
        [None],
        ["x"],
        "x",
        {"reason": "x"},
    ],
)
def test_an_error_that_cannot_be_placed_delivers_nothing(records: object) -> None:
    verdict = read({"status": "SUCCESS", "error_records": records})
    assert (verdict.kind, verdict.delivered, verdict.dead) == ("rejected", (), {})


def test_a_yes_that_refuses_every_event_is_a_no() -> None:
    """So that the guard against dead letters by the hundred sees each of them alone."""
    every = [{"reason": "Missing price", "record_indexes": [1, 2, 3]}]
    verdict = read({"status": "SUCCESS", "error_records": every})
    assert (verdict.kind, verdict.dead) == ("rejected", {})
    single = [{"reason": "Missing price", "record_indexes": [1]}]
    verdict = read({"status": "SUCCESS", "error_records": single}, sent=1)
    assert (verdict.kind, verdict.dead) == ("rejected", {0: "Missing price"})


def test_logs_that_name_every_event_say_where_counting_begins() -> None:
    def logs(*numbers: int) -> dict[str, object]:
        return {
            "status": "VALID",
            "event_logs": [
                {"event": n, "status": "INVALID" if n == numbers[1] else "VALID"} for n in numbers
            ],
        }

    from_zero = read(logs(0, 1, 2))
    from_one = read(logs(1, 2, 3))
    assert (from_zero.kind, from_zero.delivered) == ("partial", (0, 2))
    assert (from_one.kind, from_one.delivered) == ("partial", (0, 2))
    assert from_one.dead == {1: "rejected"}


@pytest.mark.parametrize("numbers", [[1], [1, 2], [1, 1, 2], [2, 3, 4], ["1", 2, 3], [None] * 3])
def test_logs_that_leave_a_doubt_deliver_nothing(numbers: list[object]) -> None:
    logs = [{"event": n, "status": "INVALID", "errors": {"error_msgs": ["x"]}} for n in numbers]
    verdict = read({"status": "VALID", "event_logs": logs})
    assert (verdict.kind, verdict.delivered, verdict.dead) == ("rejected", (), {})


def test_a_log_without_a_failure_is_no_error() -> None:
    logs = [{"event": 7, "status": "VALID", "warnings": ["no click id"]}, {"event": 8}]
    assert read({"status": "VALID", "event_logs": logs}).kind == "delivered"


@pytest.mark.parametrize("errors", [None, {}, [], "", {"codes": [], "error_msgs": None}])
def test_empty_errors_are_none(errors: object) -> None:
    verdict = read({"status": "VALID", "errors": errors, "error_records": {}})
    assert (verdict.kind, verdict.delivered) == ("delivered", (0, 1, 2))


@pytest.mark.parametrize("errors", [{"codes": [517]}, {"error_msgs": ["x"]}, ["x"], "x"])
def test_a_yes_with_errors_of_no_event_is_no_yes(errors: object) -> None:
    assert read({"status": "VALID", "errors": errors}).kind == "rejected"
    alone = read({"status": "VALID", "errors": errors}, sent=1)
    assert (alone.kind, list(alone.dead)) == ("rejected", [0])


@pytest.mark.parametrize(
    "reason",
    [
        "Invalid pixel_id",
        "Authentication failed",
        "Unauthorized resources",
        "unauthorised",
        "Invalid access token",
        "An invalid token was given",
        "Permission denied",
    ],
)
@pytest.mark.parametrize("status", [200, 400, 422])
def test_a_reason_about_a_setting_pauses_whatever_the_status(status: int, reason: str) -> None:
    verdict = read({"status": "FAILED", "reason": reason}, status=status, sent=1)
    assert (verdict.kind, verdict.dead) == ("paused_auth", {})
    assert reason in verdict.message


@pytest.mark.parametrize(
    "reason",
    [
        "Invalid page_url https://shop.example/authentication?Invalid pixel_id",
        "All records failed",
        "At least one of the events is invalid.",
        "Invalid timestamp",
        "",
    ],
)
def test_what_a_visitor_typed_cannot_pause_an_integration(reason: str) -> None:
    body = {"status": "FAILED", "reason": reason, "error_msgs": ["Authentication failed"]}
    assert read(body).kind == "rejected"
    assert read(body, status=400).kind == "rejected"


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [
        ("3", 3),
        (" 3 ", 3),
        ("0", 1),
        ("9" * 5000, 3600),
        ("-1", None),
        ("3.5", None),
        ("٣", None),
        ("soon", None),
        ("", None),
        ("Fri, 31 Dec 2099 23:59:59 GMT", 3600),
        ("Mon, 29 Jan 2024 14:53:30 -0000", 10),
        ("Mon, 29 Jan 2024 14:53:30 +0000", 10),
        ("Mon, 29 Jan 1999 14:53:30 GMT", 1),
        ("Mon, 29 Jan 99999 14:53:30 GMT", None),
        ("Mon, 32 Jan 2024 14:53:30 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_within_bounds(text: str, wait_s: float | None) -> None:
    assert read("", status=429, retry_after=text).retry_after_s == wait_s
    assert read("", status=503, retry_after=text).retry_after_s == wait_s
    assert read("", status=401, retry_after=text).retry_after_s is None
    assert read({"status": "SUCCESS"}, retry_after=text).retry_after_s is None


@pytest.mark.parametrize("status", [401, 403, 404, 410, 301, 302, 304, 307])
def test_a_wrong_setting_is_told_in_words(status: int) -> None:
    verdict = read("", status=status)
    assert verdict.kind == "paused_auth"
    assert verdict.message
    assert verdict.message != f"HTTP {status}"


@pytest.mark.parametrize("status", [402, 405, 409, 418, 451, 500, 502, 504, 599, 999])
def test_any_other_status_is_tried_again(status: int) -> None:
    verdict = read("", status=status)
    assert (verdict.kind, verdict.message) == ("transient", f"HTTP {status}")


@pytest.mark.parametrize(
    ("status", "known"),
    [(200, True), (302, True), (401, True), (402, False), (418, False), (429, True), (599, True)],
)
def test_a_status_without_a_rule_is_known_as_such(status: int, known: bool) -> None:
    assert answers.listed(status) is known


@pytest.mark.parametrize(
    "fault", ["timeout", "refused", "tls", "dns", "reset", "protocol", "unheard of"]
)
def test_no_answer_is_tried_again_and_says_why(fault: str) -> None:
    verdict = read("", status=None, fault=fault)
    assert (verdict.kind, verdict.status) == ("transient", None)
    assert verdict.message


def test_an_answer_that_was_cut_is_read_by_its_status_and_never_a_yes() -> None:
    yes = {"status": "SUCCESS"}
    assert read(yes, fault="too_long").kind == "ambiguous"
    assert read(yes, fault="too_long", status=401).kind == "paused_auth"
    assert read(yes, fault="too_long", status=503).kind == "transient"


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xfe",
        b'{"status": "\xff"}',
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b'{"status": ' + b"9" * 60_000 + b"}",
        b'{"status": "SUCCESS"} trailing',
        b'{"status": null}',
        b'{"status": ["SUCCESS"]}',
        b'{"status": true}',
        b"null",
        b'"SUCCESS"',
        b"\x1f\x8b\x08garbage",
    ],
)
def test_an_unreadable_200_is_ambiguous(body: bytes) -> None:
    verdict = answers.read(WireResponse(status=200, body=body), sent=2, now_ms=NOW_MS)
    assert (verdict.kind, verdict.delivered, verdict.dead) == ("ambiguous", (), {})


def test_a_huge_number_is_no_trap() -> None:
    body = b'{"status": "INVALID", "reason": ' + b"9" * 4000 + b', "event": ' + b"9" * 4000 + b"}"
    verdict = answers.read(WireResponse(status=200, body=body), sent=2, now_ms=NOW_MS)
    assert (verdict.kind, verdict.message) == ("rejected", "9" * 500)


_SCALAR = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 6),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["SUCCESS", "VALID", "FAILED", "INVALID", "x", "Invalid pixel_id", ""]),
)
_NAMES = (
    "status", "reason", "errors", "error_msgs", "codes", "event", "error_records",
    "record_indexes", "recordIndexes", "event_logs", "warnings",
)  # fmt: skip
_BODY = st.recursive(
    _SCALAR,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(_NAMES), inner, max_size=6)
    ),
    max_leaves=25,
)


@given(
    body=st.one_of(_BODY.map(encoded), _BODY.map(msgspec.json.encode), st.binary(max_size=60)),
    status=st.one_of(st.none(), st.sampled_from([200, 204, 400, 401, 413, 429, 503])),
    sent=st.integers(1, 5),
    retry_after=st.one_of(st.text(max_size=40), st.integers().map(str)),
    fault=st.sampled_from(["", "timeout", "too_long"]),
)
def test_any_answer_is_read_and_nothing_is_delivered_without_a_yes(
    body: bytes, status: int | None, sent: int, retry_after: str, fault: str
) -> None:
    """Never raises; every position has one fate at most; only a yes delivers."""
    response = WireResponse(status=status, body=body, retry_after=retry_after, fault=fault)
    verdict = answers.read(response, sent=sent, now_ms=NOW_MS)
    positions = set(range(sent))
    delivered, dead = set(verdict.delivered), set(verdict.dead)
    assert delivered | dead <= positions
    assert not delivered & dead
    assert (verdict.kind in ("delivered", "partial")) == bool(delivered)
    assert verdict.kind != "partial" or dead
    assert verdict.kind != "delivered" or delivered == positions
    assert verdict.retry_after_s is None or 1 <= verdict.retry_after_s <= 3600
    if delivered:
        assert status in (200, 204)
        assert fault != "too_long"
        assert str(json.loads(body)["status"]).strip().lower() in ("success", "valid")

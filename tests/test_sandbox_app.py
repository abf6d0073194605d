"""The sandbox over real sockets: Snap's answers word for word, scripted faults, and its page."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
import pytest

from edgeproxy.sandbox.app import MAX_BODY_BYTES, sandbox_app, serve_sandbox
from edgeproxy.sandbox.call import fingerprint
from edgeproxy.sandbox.faults import BreakableProtocol
from edgeproxy.sandbox.script import Settings
from edgeproxy.sandbox.state import Sandbox
from edgeproxy.web.listener import bind, listening
from tests.fakes import eventually
from tests.test_sandbox_rules import DIGEST, GONE, NOW, PIXEL, V2, V3, changed
from tests.test_sandbox_state import Clock, event
from tests.until import until

BEARER = {"Authorization": "Bearer a-token"}
V3_PATH = f"/v3/{PIXEL}/events"
V3_LIVE = f"{V3_PATH}?access_token=a-token"
BAD_V2 = event("LEAD", "bad")
BAD_V3 = changed(V3, {"event_name": "LEAD", "event_id": "bad"})
NO_NAME = "event_type is not one of Snap's event names"


Snap = tuple[httpx.AsyncClient, Sandbox]


@asynccontextmanager
async def running() -> AsyncIterator[Snap]:
    """A client of a served sandbox that accepts any token and pixel."""
    sandbox = Sandbox(now_ms=Clock())
    async with (
        serve_sandbox(sandbox) as listener,
        httpx.AsyncClient(base_url=listener.url, trust_env=False) as client,
    ):
        client.headers.update(BEARER)
        yield client, sandbox


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[Snap]:
    async with running() as snap:
        yield snap


@pytest.fixture
def snap(served: Snap) -> Snap:
    """The module's server, as new."""
    client, sandbox = served
    sandbox.reset()
    sandbox.change(Settings(tokens=None, pixels=None, refuse_low_match=False))
    sandbox.now_ms = Clock()
    client.headers.update(BEARER)
    return served


async def post(client: httpx.AsyncClient, path: str, body: Any) -> tuple[int, Any]:
    answer = await client.post(path, json=body)
    return answer.status_code, answer.json()


async def test_v2_answers_as_snap_does(snap: Snap) -> None:
    client, _ = snap
    good = {"status": "SUCCESS", "reason": "All records processed"}
    assert await post(client, "/v2/conversion", V2) == (200, good)
    assert await post(client, "/v2/conversion", [V2]) == (200, good)
    records = [{"reason": NO_NAME, "record_indexes": [2, 4]}]
    assert await post(
        client, "/v2/conversion", [event("SAVE", "a"), BAD_V2, event("SAVE", "b"), BAD_V2]
    ) == (200, {"status": "SUCCESS", "reason": "Some records failed", "error_records": records})
    assert await post(client, "/v2/conversion", BAD_V2) == (
        400,
        {
            "status": "FAILED",
            "reason": "All records failed",
            "error_records": [{"reason": NO_NAME, "record_indexes": [1]}],
        },
    )


async def test_v2_validate_says_more_and_says_no_with_200(snap: Snap) -> None:
    client, sandbox = snap
    status, answer = await post(
        client, "/v2/conversion/validate", [V2, event("LEAD", "bad", price="5", extra=1)]
    )
    assert status == 200
    assert answer == {
        "status": "SUCCESS",
        "reason": "Some records failed",
        "error_records": [{"reason": NO_NAME, "record_indexes": [2]}],
        "warning_records": [
            {"reason": "extra is not a field Snap documents", "record_indexes": [2]}
        ],
        "validated_fields": [
            {
                "record_index": 1,
                "validated_fields": {
                    "pixel_id": PIXEL,
                    "event_type": "PURCHASE",
                    "event_conversion_type": "WEB",
                    "price": "129.99",
                    "currency": "USD",
                },
            },
            {
                "record_index": 2,
                "validated_fields": {
                    "pixel_id": PIXEL,
                    "event_type": "LEAD",
                    "event_conversion_type": "WEB",
                    "price": "5",
                    "currency": "USD",
                },
            },
        ],
    }
    status, answer = await post(client, "/v2/conversion/validate", [V2])
    assert (status, answer["status"], answer["error_records"]) == (200, "SUCCESS", [])
    status, answer = await post(client, "/v2/conversion/validate", BAD_V2)
    assert (status, answer["status"]) == (200, "FAILED")
    status, answer = await post(client, "/v2/conversion/validate", ["no event"])
    assert answer["validated_fields"] == [{"record_index": 1, "validated_fields": {}}]
    assert (sandbox.counts.tested, sandbox.counts.received) == (5, 0)


async def test_v3_answers_as_snap_does(snap: Snap) -> None:
    client, sandbox = snap
    good = {"status": "VALID", "reason": "All events have been processed successfully."}
    assert await post(client, V3_LIVE, {"data": [V3]}) == (200, good)
    other = changed(V3, {"event_id": "evt-2"})
    assert await post(client, V3_LIVE, {"data": [other, BAD_V3]}) == (
        400,
        {
            "status": "INVALID",
            "reason": "At least one of the events is invalid.",
            "event": 1,
            "errors": {
                "codes": ["bad_name"],
                "error_msgs": ["Param data['event_name'] is not one of Snap's event names"],
            },
        },
    )
    assert sandbox.counts.unique == 1


async def test_v3_validate_has_a_line_for_each_event(snap: Snap) -> None:
    client, _ = snap
    path = f"{V3_PATH}/validate?access_token=a-token"
    body = {"data": [V3, changed(BAD_V3, {"event_id": GONE})]}
    assert await post(client, path, body) == (
        200,
        {
            "status": "INVALID",
            "test_event": True,
            "reason": "At least one of the events is invalid.",
            "event_logs": [
                {"event": 0, "status": "VALID", "errors": {}, "warnings": []},
                {
                    "event": 1,
                    "status": "INVALID",
                    "errors": {
                        "codes": ["bad_name"],
                        "error_msgs": ["Param data['event_name'] is not one of Snap's event names"],
                    },
                    "warnings": [
                        "event_id is missing; Snap cannot tell a repetition from a second event"
                    ],
                },
            ],
        },
    )
    status, answer = await post(client, path, {"data": [V3]})
    assert (status, answer["status"], answer["reason"]) == (200, "VALID", "")


@pytest.mark.parametrize(
    ("path", "headers", "status", "reason"),
    [
        ("/v2/conversion", {}, 401, "Authentication failed"),
        ("/v2/conversion", {"Authorization": "Bearer"}, 401, "Authentication failed"),
        ("/v2/conversion", {"Authorization": "Basic a-token"}, 401, "Authentication failed"),
        ("/v2/conversion", {"Authorization": "Bearer other"}, 401, "Authentication failed"),
        (
            "/v2/conversion?access_token=a-token",
            BEARER,
            400,
            "access_token does not belong in the query",
        ),
        (V3_PATH, BEARER, 401, "Authentication failed"),
        (f"{V3_PATH}?access_token=", {}, 401, "Authentication failed"),
        (f"{V3_PATH}?access_token=other", {}, 401, "Authentication failed"),
        ("/v3/my-pixel/events?access_token=a-token", {}, 404, "Invalid pixel_id"),
        (f"/v3/{PIXEL[::-1]}/events?access_token=a-token", {}, 404, "Invalid pixel_id"),
        (
            f"/v3/{PIXEL.replace('6', '7')}/events?access_token=a-token",
            {},
            403,
            "Unauthorized resources",
        ),
    ],
)
async def test_who_is_not_let_in(
    snap: Snap, path: str, headers: dict[str, str], status: int, reason: str
) -> None:
    client, sandbox = snap
    sandbox.change(Settings(tokens=["a-token"], pixels=[PIXEL]))
    client.headers.pop("Authorization")
    dialect = path[1:3]
    body = V2 if dialect == "v2" else {"data": [V3]}
    answer = await client.post(path, json=body, headers=headers)
    word = "FAILED" if dialect == "v2" else "INVALID"
    assert (answer.status_code, answer.json()) == (status, {"status": word, "reason": reason})
    assert sandbox.counts.not_taken == 1
    assert sandbox.records[0].note == f"the request was refused ({reason})"


async def test_a_token_has_no_right_on_a_foreign_pixel_in_v2(snap: Snap) -> None:
    client, sandbox = snap
    sandbox.change(Settings(pixels=[PIXEL]))
    foreign = changed(V2, {"pixel_id": PIXEL.replace("6", "7"), "client_dedup_id": "x"})
    status, answer = await post(client, "/v2/conversion", [V2, foreign])
    assert (status, answer["reason"]) == (403, "Unauthorized resources")
    assert sandbox.counts.unique == 0
    assert (await post(client, "/v2/conversion", [V2]))[0] == 200


async def test_a_pixel_that_is_none_is_named_as_the_reason(snap: Snap) -> None:
    client, _ = snap
    status, answer = await post(client, "/v2/conversion", changed(V2, {"pixel_id": "x"}))
    assert (status, answer["status"], answer["reason"]) == (400, "FAILED", "Invalid pixel_id")


async def test_unusable_bodies_are_400_for_all(snap: Snap) -> None:
    client, sandbox = snap
    answer = await client.post("/v2/conversion", content=b"{")
    assert (answer.status_code, answer.json()["reason"]) == (400, "Invalid JSON")
    status, refused = await post(client, "/v2/conversion", [V2] * 2001)
    assert (status, refused["status"]) == (400, "FAILED")
    status, refused = await post(client, V3_LIVE, V3)
    assert (status, refused["status"]) == (400, "INVALID")
    assert [one.events for one in sandbox.requests] == [0, 2001, 0]
    assert (await post(client, "/v2/conversion", [V2] * 2000))[0] == 200
    large = await client.post("/v2/conversion", content=b" " * (MAX_BODY_BYTES + 1))
    assert large.status_code == 413


async def test_paths_and_methods_that_snap_lacks_are_noted(snap: Snap) -> None:
    client, sandbox = snap
    assert (await client.post("/v2/conversions")).status_code == 404
    assert (await client.get("/v2/conversion")).status_code == 405
    answer = await client.post("/v3/events")
    assert answer.json() == {"status": "INVALID", "reason": "No such path or method"}
    elsewhere = await client.get("/favicon.ico")
    assert (elsewhere.status_code, set(elsewhere.json())) == (404, {"error"})
    noted = [(one.method, one.path, one.status) for one in sandbox.requests]
    assert noted == [
        ("POST", "/v2/conversions", 404),
        ("GET", "/v2/conversion", 405),
        ("POST", "/v3/events", 404),
    ]


async def test_logs_and_stats_read_test_events_back(snap: Snap) -> None:
    client, sandbox = snap
    await client.post("/v2/conversion", json=event("SAVE", "live"))
    await client.post(
        "/v2/conversion/validate", json=["x", event("LEAD", "a", integration="edge", level=1)]
    )
    await client.post(f"{V3_PATH}/validate?access_token=t", json={"data": [V3]})
    query = f"?asset_id={PIXEL}"
    logs = (await client.get(f"/v2/conversion/validate/logs{query}")).json()
    assert (logs["status"], len(logs["logs"])) == ("SUCCESS", 1)
    line = logs["logs"][0]
    assert line["event_metadata"]["client_dedup_id"] == "a"
    assert {key: line[key] for key in line if key != "event_metadata"} == {
        "timestamp": str(NOW - 5000),
        "event_type": "LEAD",
        "event_conversion_type": "WEB",
        "integration": "edge",
        "status": "FAILURE",
        "error_records": [NO_NAME],
        "warning_records": [],
    }
    v3_logs = (await client.get(f"{V3_PATH}/validate/logs?access_token=t")).json()["logs"]
    assert [(one["status"], one["asset_id"], one["event_time"]) for one in v3_logs] == [
        ("SUCCESS", PIXEL, str(NOW // 1000 - 5))
    ]
    assert v3_logs[0]["event_metadata"]["conversion_info"] == V3
    stats = (await client.get(f"{V3_PATH}/validate/stats?access_token=t")).json()
    assert stats == {
        "status": "SUCCESS",
        "reason": "",
        "stats": {
            "test": {"latest_event_ts": NOW, "event_count_past_hour": 2},
            "live": {"latest_event_ts": NOW, "event_count_past_hour": 1},
        },
    }
    sandbox.now_ms = lambda: NOW + 24 * 3_600_000
    late = (await client.get(f"/v2/conversion/validate/logs{query}")).json()
    assert late["logs"] == []
    late = (await client.get(f"/v2/conversion/validate/stats{query}")).json()
    assert late["stats"]["test"] == {"latest_event_ts": NOW, "event_count_past_hour": 0}


async def test_logs_and_stats_want_a_token_and_an_asset(snap: Snap) -> None:
    client, _ = snap
    answer = await client.get("/v2/conversion/validate/logs")
    assert (answer.status_code, answer.json()["status"]) == (400, "FAILURE")
    answer = await client.get(f"{V3_PATH}/validate/stats")
    assert (answer.status_code, answer.json()["status"]) == (401, "FAILURE")


async def test_a_script_is_posted_played_and_taken_back(snap: Snap) -> None:
    client, sandbox = snap
    script = {
        "answers": [
            {"status": 429, "headers": {"Retry-After": "3"}, "times": 2},
            {"status": 200, "body": "<html>Welcome</html>"},
            {"body": {"status": "UNSET"}},
            {"status": 302, "headers": {"Location": "https://example.com/"}, "times": None},
        ]
    }
    loaded = await client.post("/_sandbox/script", json=script)
    assert loaded.json() == {"answers": 4}
    seen = [await client.post("/v2/conversion", json=V2) for _ in range(6)]
    assert [one.status_code for one in seen] == [429, 429, 200, 200, 302, 302]
    assert [one.headers.get("retry-after") for one in seen][:3] == ["3", "3", None]
    assert [one.text for one in seen][:4] == [
        "", "", "<html>Welcome</html>", '{"status":"UNSET"}',
    ]  # fmt: skip
    assert seen[4].headers["location"] == "https://example.com/"
    await client.post("/_sandbox/script", json={"answers": []})
    assert (await client.post("/v2/conversion", json=V2)).status_code == 200
    assert sandbox.counts.not_taken == 6
    assert sandbox.records[-1].attempt == 7


async def test_a_script_changes_only_what_it_names(snap: Snap) -> None:
    client, sandbox = snap
    low = changed(V2, {"hashed_email": GONE, "user_agent": GONE})
    sandbox.answer_with(delay_ms=1)
    await client.post("/_sandbox/script", json={"refuse_low_match": True, "tokens": ["new"]})
    assert (await client.post("/v2/conversion", json=low)).status_code == 401
    client.headers["Authorization"] = "Bearer new"
    assert (await client.post("/v2/conversion", json=low)).status_code == 400
    await client.post("/_sandbox/script", json={"tokens": None, "pixels": [DIGEST]})
    assert (await client.post("/v2/conversion", json=low)).status_code == 403
    await client.post("/_sandbox/script", json={"pixels": None, "refuse_low_match": False})
    assert (await client.post("/v2/conversion", json=low)).status_code == 200
    assert len(sandbox.script) == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"answer": []}', b'{"answers": [{"stauts": 500}]}',
     b'{"answers": [{"status": 99}]}', b'{"answers": [{"times": 0}]}',
     b'{"answers": [{"disconnect": "later"}]}', b'{"tokens": "\xff"}'],
)  # fmt: skip
async def test_a_mistyped_script_is_refused_with_a_sentence(snap: Snap, body: bytes) -> None:
    client, sandbox = snap
    answer = await client.post("/_sandbox/script", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("This is no script: ")
    assert len(sandbox.script) == 0


async def test_pages_of_other_sites_change_nothing(snap: Snap) -> None:
    client, sandbox = snap
    await client.post("/v2/conversion", json=V2)
    for path in ("/_sandbox/reset", "/_sandbox/script"):
        answer = await client.post(path, headers={"Sec-Fetch-Site": "cross-site"}, json={})
        assert answer.status_code == 403
    assert sandbox.counts.received == 1


async def test_reset_answers_tools_with_json_and_people_with_the_page(snap: Snap) -> None:
    client, sandbox = snap
    await client.post("/v2/conversion", json=V2)
    headers = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
    answer = await client.post("/_sandbox/reset", headers=headers)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert sandbox.counts.received == 0
    assert (await client.post("/_sandbox/reset")).json() == {}


@pytest.mark.parametrize(
    ("disconnect", "error"),
    [
        ("before", (httpx.ReadError, httpx.RemoteProtocolError)),
        ("after_headers", httpx.RemoteProtocolError),
        ("mid_body", httpx.RemoteProtocolError),
    ],
)
async def test_a_cut_connection_is_cut_where_the_script_says_and_leaves_no_log(
    disconnect: str, error: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with running() as (client, sandbox):
        sandbox.answer_with(disconnect=disconnect, times=1)
        got: list[int] = []
        with pytest.raises(error):
            await _read(client, got)
        whole = len('{"status":"SUCCESS","reason":"All records processed"}')
        expected = {"before": [], "after_headers": [200], "mid_body": [200, whole // 2]}
        assert got == expected[disconnect]
        assert (await client.post("/v2/conversion", json=V2)).status_code == 200
        statuses = [one.status for one in sandbox.requests]
        assert statuses == [None if disconnect == "before" else 200, 200]
    assert [one for one in caplog.records if one.name.startswith("uvicorn.error")
            and one.levelno >= logging.WARNING] == []  # fmt: skip


async def _read(client: httpx.AsyncClient, got: list[int]) -> None:
    """Post, and note the status and the length of each piece of the body."""
    async with client.stream("POST", "/v2/conversion", json=V2) as answer:
        got.append(answer.status_code)
        async for piece in answer.aiter_bytes():
            got.append(len(piece))


async def test_an_empty_answer_can_be_cut_too(snap: Snap) -> None:
    client, sandbox = snap
    sandbox.answer_with(status=200, body="", disconnect="after_headers")
    with pytest.raises(httpx.RemoteProtocolError):
        await client.post("/v2/conversion", json=V2)


async def test_a_dripping_answer_arrives_whole_in_single_bytes(snap: Snap) -> None:
    client, sandbox = snap
    sandbox.answer_with(body="drop by drop", drip_ms=1, delay_ms=1)
    answer = await client.post("/v2/conversion", json=V2)
    assert (answer.status_code, answer.text) == (200, "drop by drop")


@pytest.mark.parametrize("answer", [{"delay_ms": 60_000}, {"drip_ms": 60_000}])
async def test_a_caller_that_gives_up_ends_the_answer_without_a_log(
    answer: dict[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    """The listener stops at once, with nothing to cancel, although nobody releases the answer."""
    sandbox = Sandbox(now_ms=Clock())
    sandbox.answer_with(**answer)
    bound = bind("127.0.0.1", 0)
    async with (
        asyncio.timeout(9),
        listening(sandbox_app(sandbox), bound, protocol=BreakableProtocol) as listener,
        httpx.AsyncClient(base_url=listener.url, trust_env=False, headers=BEARER) as client,
    ):
        with pytest.raises(httpx.ReadTimeout):
            await client.post("/v2/conversion", json=V2, timeout=httpx.Timeout(5, read=0.2))
        await eventually(lambda: sandbox.attempts, "the request has come")
        assert sandbox.attempts == 1
    assert caplog.records == []


async def test_a_stop_breaks_off_answers_that_are_held_back() -> None:
    sandbox = Sandbox(now_ms=Clock())
    sandbox.answer_with(delay_ms=3_600_000)
    async with asyncio.timeout(9), asyncio.TaskGroup() as tasks:
        async with serve_sandbox(sandbox) as listener:
            held = tasks.create_task(_post_and_fail(listener.url))
            await asyncio.to_thread(until, lambda: sandbox.attempts, "the request has come")
        await held


async def _post_and_fail(url: str) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        with pytest.raises(httpx.TransportError):
            await client.post(f"{url}/v2/conversion", json=V2, headers=BEARER)


async def test_a_caller_that_leaves_while_sending_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running() as (client, sandbox):
        _, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
        writer.write(b"POST /v2/conversion HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert (await client.post("/v2/conversion", json=V2)).status_code == 200
        assert sandbox.attempts == 1
    assert [one for one in caplog.records if one.levelno >= logging.ERROR] == []


async def test_received_shows_everything_but_the_token(snap: Snap) -> None:
    client, _ = snap
    token = "canary-token-4711"
    odd = b'[{"event_type" : "SAVE", "client_dedup_id":"a", "price": 1.50}]'
    await client.post("/v2/conversion", content=odd, headers={"Authorization": f"Bearer {token}"})
    await client.post(f"{V3_PATH}?access_token={token}", json={"data": [V3]})
    answer = await client.get("/_sandbox/received")
    assert token not in answer.text
    assert '{"event_type" : "SAVE", "client_dedup_id":"a", "price": 1.50}' in answer.text
    received = answer.json()
    assert received["requests"][1] == {
        "n": 2, "at": NOW, "method": "POST", "path": V3_PATH, "token": fingerprint(token),
        "status": 200, "events": 1, "scripted": False,
    }  # fmt: skip
    first, second = received["events"]
    assert (first["verdict"], first["dialect"], first["path"]) == (
        "refused", "v2", "/v2/conversion",
    )  # fmt: skip
    assert "timestamp is required" in first["faults"]
    assert second == {
        "n": second["n"], "at": NOW, "path": V3_PATH, "dialect": "v3", "endpoint": "live",
        "asset": PIXEL, "name": "PURCHASE", "id": "evt-1", "order_id": "ORD-1", "event": V3,
        "verdict": "accepted", "faults": [], "warnings": [], "note": "", "attempt": 1,
        "duplicate": False,
    }  # fmt: skip


async def test_events_are_read_on_from_a_number(snap: Snap) -> None:
    client, sandbox = snap
    before = sandbox.last_n
    await client.post("/v2/conversion", json=[event("SAVE", str(n)) for n in range(5)])
    page = (await client.get("/_sandbox/events")).json()
    assert (page["next"], len(page["events"]), page["counts"]["unique"]) == (before + 5, 5, 5)
    page = (await client.get(f"/_sandbox/events?since={before + 3}")).json()
    assert [one["id"] for one in page["events"]] == ["3", "4"]
    page = (await client.get("/_sandbox/events?since=x&limit=1")).json()
    assert [one["id"] for one in page["events"]] == ["4"]
    ids = (await client.get("/_sandbox/ids")).json()
    assert ids["ids"] == {str(n): [1, 1] for n in range(5)}


async def test_the_page_shows_counts_and_events_escaped_and_forbids_all_scripts_but_ours(
    snap: Snap,
) -> None:
    client, sandbox = snap
    attack = "<script>alert(1)</script>"
    await client.post("/v2/conversion", json=V2)
    await client.post("/v2/conversion", json=event("SAVE", attack, description=attack))
    await client.post("/v2/conversion", json=event(attack, "b"))
    await client.post("/v2/conversion", json=V2)
    await client.post("/v2/conversion/validate", json=event("SAVE", "c"))
    await client.post("/v2/conversion/validate", json=event("LEAD", "d", x=[1, None, "y"]))
    sandbox.answer_with(status=503)
    await client.post("/v2/conversion", json=V2)
    page = await client.get("/")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert attack not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    assert page.text.count("<script") == 1
    assert "style=" not in page.text
    for word in ("Accepted", "Duplicate", "Refused", "Not judged", "Test passed",
                 "Test failed", "attempt 3", "is not one of Snap&#39;s event names",
                 "A script is in play"):  # fmt: skip
        assert word in page.text
    newest_first = page.text.index("Not judged") < page.text.index("Test failed")
    assert newest_first < page.text.index("&lt;script")


async def test_an_empty_page_says_what_to_do_next(snap: Snap) -> None:
    client, sandbox = snap
    sandbox.change(Settings(tokens=["x"], refuse_low_match=True))
    page = await client.get("/")
    assert f"curl {str(client.base_url).rstrip('/')}/v2/conversion" in page.text
    assert "Bearer YOUR_TOKEN" in page.text
    assert "low match is refused" in page.text
    assert 'id="script" hidden' in page.text


async def test_the_page_is_kept_fresh_by_json(snap: Snap) -> None:
    client, sandbox = snap
    before = sandbox.last_n
    live = (await client.get(f"/_sandbox/live?since={before}")).json()
    assert live == {
        "first": before + 1, "next": before, "script": 0, "rows": [],
        "counts": dict.fromkeys(msgspec.to_builtins(sandbox.counts), "0"),
    }  # fmt: skip
    await client.post("/v2/conversion", json=[event("SAVE", str(n)) for n in range(60)])
    live = (await client.get("/_sandbox/live")).json()
    assert (live["first"], live["next"], len(live["rows"])) == (before + 11, before + 60, 50)
    assert live["counts"]["unique"] == "60"
    live = (await client.get(f"/_sandbox/live?since={before + 58}")).json()
    newest, second = live["rows"]
    assert f'data-n="{before + 60}"' in newest
    assert f'data-n="{before + 59}"' in second
    sandbox.reset()
    assert (await client.get("/_sandbox/live")).json()["first"] == before + 61


@pytest.mark.parametrize(
    ("name", "kind", "part"),
    [("sandbox.js", "text/javascript", b"fetch("), ("sandbox.css", "text/css", b"color-scheme")],
)
async def test_assets_are_served_from_memory(snap: Snap, name: str, kind: str, part: bytes) -> None:
    client, _ = snap
    answer = await client.get(f"/_sandbox/{name}")
    assert answer.headers["content-type"].startswith(kind)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert part in answer.content
    assert (await client.get("/_sandbox/app.py")).status_code == 404


async def test_a_taken_port_is_an_os_error() -> None:
    sandbox = Sandbox(now_ms=Clock())
    async with serve_sandbox(sandbox) as listener:
        with pytest.raises(OSError, match="in use"):
            async with serve_sandbox(sandbox, port=listener.port):
                pass


def test_each_app_holds_its_own_connections() -> None:
    sandbox = Sandbox(now_ms=Clock())
    assert sandbox_app(sandbox).state.held is not sandbox_app(sandbox).state.held


async def test_bytes_can_be_scripted_from_python(snap: Snap) -> None:
    client, sandbox = snap
    sandbox.answer_with(status=200, body=b"\xff\xfe", headers={"Content-Encoding": "identity"})
    assert (await client.post("/v2/conversion", json=V2)).content == b"\xff\xfe"

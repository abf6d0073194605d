"""The table of hostile inputs against the server routes: a named answer each time, never a 500."""

import gzip
import json
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests import canary
from tests.edge import PIXEL, Answer, Life, running_snap
from tests.keyed import KEY, call, serving_keyed

PATHS = [
    "/v1/track",
    "/v1/page",
    "/v1/identify",
    "/v1/batch",
    "/v2/conversion",
    "/v2/conversion/validate",
    f"/v3/{PIXEL}/events",
    f"/v3/{PIXEL}/events/validate",
]


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """One proxy for the whole table: no input may change how the next one is answered."""
    folder = tmp_path_factory.mktemp("hostile")
    with running_snap() as snap, serving_keyed(folder, snap.url) as life:
        yield life


def send(life: Life, path: str, body: object, **headers: str) -> Answer:
    """Post with the key in the place where the path has it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if path.startswith("/v1"):
        return call(life, path, body, headers=named)
    return call(life, path, body, key=None, headers={"Authorization": f"Bearer {KEY}", **named})


def is_named(answer: Answer) -> bool:
    """Whether it is an answer of ours, and in a refusal a reason is given."""
    told = answer.json()
    reason = told.get("message") or told.get("reason") or told.get("detail")
    return answer.status == 200 or (400 <= answer.status < 500 and bool(reason))


BODIES: dict[str, bytes] = {
    "empty": b"",
    "no JSON": b"hello",
    "cut": b'{"batch":[{"type":"tr',
    "trailing": b'{"batch":[{"type":"page"}]} x',
    "a list": b"[]",
    "a number": b"1",
    "null": b"null",
    "byte order mark": b'\xef\xbb\xbf{"batch":[]}',
    "no UTF-8": b'{"batch":[{"type":"\xff"}],"data":[{"event_name":"\xff"}]}',
    "UTF-16": '{"batch":[]}'.encode("utf-16"),
    "deep": b'{"batch":' + b"[" * 100_000,
    "deep inside": b'{"batch":[' + b'{"context":' * 5_000 + b"1" + b"}" * 5_000 + b"]}",
    "deep traits": b'{"traits":' + b'{"a":' * 400 + b"1" + b"}" * 400 + b"}",
    "NaN": b'{"event":"purchase","properties":{"value":NaN}}',
    "infinite": b'{"batch":[{"type":"page","sentAt":1e999}],"data":[{"event_time":1e999}]}',
    "long number": b'{"event":"x","messageId":' + b"9" * 9_000 + b"}",
    "a key that has no end": b'{"' + b"k" * 200_000,
    "one key, twice": b'{"event":7,"event":"page","batch":1,"batch":[{"type":"page"}]}',
    "half a character": b'{"event":"\\ud800","event_type":"\\ud800","data":["\\ud800"]}',
    "NUL": b'{"event":"a\\u0000b","event_type":"a\\u0000b"}',
    "many": b'{"batch":[' + b"{}," * 2_499 + b"{}]}",
    "too many": b'{"batch":[' + b"{}," * 2_500 + b'{}],"data":[' + b"{}," * 2_000 + b"{}]}",
    "spaces": b" " * (1024 * 1024),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", BODIES)
def test_no_body_is_a_fault_of_ours(life: Life, path: str, name: str) -> None:
    assert is_named(send(life, path, BODIES[name]))


WRONG: list[Any] = [None, 0, -1, 1e308, True, "", "x", "\0", "\ud800", "a\r\nb", [], [[]], {}]
WRONG += [{"": {}}, "9" * 400, ["x"] * 300, {"ad": "yes"}, canary.EMAIL, "undefined", "x" * 2500]
FIELDS = [
    "type event messageId timestamp sentAt originalTimestamp userId anonymousId properties traits",
    "context integrations consent name channel test_mode writeKey action",
]
V2 = (
    "pixel_id event_type event_conversion_type timestamp client_dedup_id event_tag page_url price"
    " currency hashed_email hashed_ip_address user_agent uuid_c1 click_id item_ids data_use consent"
)
CONTEXT = "ip userAgent page traits device os library consent channel"
PERSON = "em ph fn client_ip_address client_user_agent sc_cookie1"
V3 = "event_name event_time action_source event_source_url event_id user_data custom_data opt_out"


@pytest.mark.parametrize("wrong", WRONG, ids=range(len(WRONG)))
def test_no_value_in_any_field_is_a_fault_of_ours(life: Life, wrong: object) -> None:
    """Each field alone, in an otherwise good call, and all of them together."""
    for name in " ".join(FIELDS).split():
        message = {"type": "track", "event": "purchase", name: wrong}
        assert is_named(send(life, "/v1/batch", {"batch": [message], name: wrong}))
    inside = dict.fromkeys(CONTEXT.split(), wrong)
    assert is_named(send(life, "/v1/track", {"event": "purchase", "context": inside}))
    deeper = {name: {"url": wrong, "name": wrong, "advertisingId": wrong} for name in inside}
    assert is_named(send(life, "/v1/track", {"event": "purchase", "context": deeper}))
    for name in V2.split():
        assert is_named(send(life, "/v2/conversion", {"event_type": "PURCHASE", name: wrong}))
    for name in V3.split():
        event = {"event_name": "PURCHASE", name: wrong}
        assert is_named(send(life, PATHS[6], {"data": [event]}))
    people = dict.fromkeys(PERSON.split(), wrong)
    assert is_named(send(life, PATHS[6], {"data": [{"event_name": "RATE", "user_data": people}]}))


@pytest.mark.parametrize("path", PATHS)
def test_too_much_is_refused_as_soon_as_it_is_seen(life: Life, path: str) -> None:
    answer = send(life, path, b" " * (1024 * 1024 + 1))
    assert answer.status == 413
    answer = send(life, path, b"", Content_Length="9" * 30)
    assert answer.status in (400, 413)


def bomb(megabytes: int) -> bytes:
    """Gzip that becomes so many megabytes."""
    press = zlib.compressobj(9, wbits=31)
    return b"".join(press.compress(bytes(2**20)) for _ in range(megabytes)) + press.flush()


def test_a_bomb_is_not_opened_to_its_end(life: Life) -> None:
    """Fault: 1 MB of gzip that would become 1 GB; with a key and without."""
    packed = bomb(1000)
    assert 2**19 < len(packed) < 2**20
    for path in ("/v1/batch", "/v2/conversion", PATHS[6]):
        answer = send(life, path, packed, Content_Encoding="gzip")
        assert answer.status == 413
    answer = call(life, "/v1/batch", packed, key=None, headers={"Content-Encoding": "gzip"})
    assert answer.status == 413


def test_four_megabytes_of_a_batch_are_taken_when_they_come_packed(life: Life) -> None:
    filler = "x" * 1_900
    message = {"type": "track", "event": "Something Else", "properties": {"a": filler}}
    batch = json.dumps({"batch": [message] * 2_000}).encode()
    assert 3.5 * 2**20 < len(batch) < 4 * 2**20
    answer = send(life, "/v1/batch", gzip.compress(batch), Content_Encoding="gzip")
    assert (answer.status, answer.json()["dropped"]) == (200, {"unmapped": 2_000})


@pytest.mark.parametrize("coding", ["br", "deflate", "zstd", "gzip, gzip", "compress"])
def test_other_codings_are_refused(life: Life, coding: str) -> None:
    for path in ("/v1/batch", "/v2/conversion"):
        answer = send(life, path, b"\x1f\x8b" + b"0" * 100, Content_Encoding=coding)
        assert answer.status == 415


def test_damaged_gzip_is_refused(life: Life) -> None:
    whole = gzip.compress(b'{"batch":[{"type":"page"}]}')
    for packed in (b"", b"\x1f\x8b", whole[:-1], whole + whole, whole + b"x", b"x" * 500):
        answer = send(life, "/v1/batch", packed, Content_Encoding="gzip")
        assert (answer.status, answer.json()["code"]) == (400, "bad_gzip")


@pytest.mark.parametrize(
    "credentials",
    ["Basic " + "A" * 9_000, "Basic \xff\xfe", "Basic ====", "Basic Og==", "\x00", "Basic " * 50],
)
def test_strange_credentials_are_no_key(life: Life, credentials: str) -> None:
    answer = call(life, "/v1/track", {}, key=None, headers={"Authorization": credentials})
    assert answer.status in (400, 401)


def test_a_bad_message_is_named_without_an_echo(life: Life) -> None:
    secret = canary.EMAIL
    batch = [{"type": secret}, {"type": "track", "event": "page", "timestamp": secret}]
    answer = send(life, "/v1/batch", {"batch": batch})
    assert answer.status == 422
    assert secret.encode() not in answer.body


def test_a_body_names_no_target(life: Life) -> None:
    """Fault 64: the pixel and the token are those of the source."""
    foreign = {"pixel_id": "00000000-0000-4000-8000-00000000dead", "access_token": "stolen"}
    answer = send(life, "/v2/conversion", {"event_type": "PURCHASE", **foreign})
    assert (answer.status, answer.json()["status"]) == (400, "FAILED")


def test_all_is_well_afterwards(life: Life) -> None:
    """After the whole table: no failed request in the log, and the proxy is ready."""
    assert life.get("/readyz").status == 200
    log = life.log.read_text()
    assert '"request_failed"' not in log
    assert "Traceback" not in log
    assert "unrenderable" not in log
    assert call(life, "/v1/track", {"event": "page"}).status == 200

"""The table of hostile inputs against the real server: a named error each time, never a 500."""

import json
from collections.abc import Iterator

import pytest

from tests import canary
from tests.edge import HOST, ORIGIN, Answer, Life, batch, running_snap, serving


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """One proxy for the whole table: no input may change how the next one is answered."""
    folder = tmp_path_factory.mktemp("hostile")
    with running_snap() as snap, serving(folder, snap.url) as life:
        yield life


def is_problem(answer: Answer) -> bool:
    """A problem of ours: typed, with a code and a sentence, never cached."""
    told = answer.json()
    return (
        answer.header("Content-Type") == "application/problem+json"
        and answer.header("Cache-Control") == "no-store"
        and set(told) == {"type", "title", "status", "code", "detail"}
        and told["status"] == answer.status
    )


EVENT = {"name": "page"}
UNUSABLE: dict[str, tuple[bytes, int, str]] = {
    "empty": (b"", 400, "unreadable"),
    "no JSON": (b"hello", 400, "unreadable"),
    "cut": (b'{"events":[{"name":"pa', 400, "unreadable"),
    "trailing": (b'{"events":[{"name":"page"}]} x', 400, "unreadable"),
    "a list": (b"[]", 400, "unreadable"),
    "a number": (b"1", 400, "unreadable"),
    "null": (b"null", 400, "unreadable"),
    "byte order mark": (b'\xef\xbb\xbf{"events":[]}', 400, "unreadable"),
    "no UTF-8": (b'{"events":[{"name":"\xff"}]}', 422, "unreadable"),
    "UTF-16": ('{"events":[]}'.encode("utf-16"), 400, "unreadable"),
    "no events": (b'{"events":[]}', 400, "no_events"),
    "events missing": (b"{}", 400, "unreadable"),
    "events of another type": (b'{"events":{"name":"page"}}', 400, "unreadable"),
    "deep": (b'{"events":' + b"[" * 30_000, 400, "unreadable"),
    "deep inside": (b'{"x":' * 5_000 + b"1" + b"}" * 5_000, 400, "unreadable"),
    "NaN": (b'{"events":[{"name":"page","properties":{"value":NaN}}]}', 400, "unreadable"),
    "51 events": (json.dumps({"events": [EVENT] * 51}).encode(), 413, "too_many_events"),
    "too large": (b" " * 66_000, 413, "too_large"),
    "infinite": (b'{"events":[{"name":"page"}],"sent_at":Infinity}', 400, "unreadable"),
    "a key that has no end": (b'{"' + b"k" * 30_000, 400, "unreadable"),
    "page is a text": (b'{"page":"/","events":[{"name":"page"}]}', 400, "unreadable"),
    "sent_at is a list": (b'{"sent_at":[],"events":[{"name":"page"}]}', 400, "unreadable"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_batch_is_refused_with_a_code(life: Life, name: str) -> None:
    body, status, code = UNUSABLE[name]
    answer = life.post(body)
    assert answer.status == status
    if status == 422:
        assert [one["code"] for one in answer.json()["rejected"]] == [code]
    else:
        assert is_problem(answer)
        assert answer.json()["code"] == code
        assert "Set-Cookie" not in dict(answer.headers)


def nested(depth: int) -> object:
    """A value inside this many objects."""
    return {"x": nested(depth - 1)} if depth else 1


REJECTED: dict[str, tuple[dict[str, object], str]] = {
    "no name": ({}, "unreadable"),
    "name is a number": ({"name": 1}, "unreadable"),
    "blank name": ({"name": "  "}, "no_name"),
    "long name": ({"name": "n" * 300}, "too_long"),
    "NUL in the name": ({"name": "pa\0ge"}, "control_character"),
    "NUL in a property": ({"name": "page", "properties": {"x": "\0"}}, "control_character"),
    "line break in the id": ({"name": "page", "id": "a\r\nSet-Cookie: x"}, "control_character"),
    "long id": ({"name": "page", "id": "i" * 300}, "too_long"),
    "deep": ({"name": "page", "properties": nested(12)}, "too_deep"),
    "long text": ({"name": "page", "properties": {"x": "x" * 3_000}}, "too_long"),
    "large event": ({"name": "page", "properties": {"x": ["y" * 100] * 190}}, "too_large"),
    "201 products": (
        {"name": "page", "properties": {"products": [{"id": 1}] * 201}},
        "too_many_products",
    ),
    "negative price": ({"name": "page", "properties": {"price": -1}}, "bad_number"),
    "astronomical price": ({"name": "page", "properties": {"price": 10**18}}, "bad_number"),
    "too old": ({"name": "page", "time": 1}, "too_old"),
    "time is no time": ({"name": "page", "time": "yesterday"}, "bad_time"),
    "properties are a list": ({"name": "page", "properties": []}, "unreadable"),
}


@pytest.mark.parametrize("name", REJECTED)
def test_one_bad_event_does_not_sink_the_others(life: Life, name: str) -> None:
    event, code = REJECTED[name]
    good = {"name": "page", "id": f"beside {name}"}
    answer = life.post(batch(good, event, {**good, "id": f"after {name}"}))
    assert (answer.status, answer.json()["accepted"]) == (202, 2)
    assert [(one["index"], one["code"]) for one in answer.json()["rejected"]] == [(1, code)]
    alone = life.post(batch(event))
    assert (alone.status, alone.json()["accepted"]) == (422, 0)
    assert "_scid" in alone.set_cookies


def test_of_a_key_that_comes_twice_the_last_counts(life: Life) -> None:
    body = b'{"consent":{"ad":true},"events":[{"name":7,"name":"page"}],"events":[{"name":"page"}]}'
    answer = life.post(body)
    assert (answer.status, answer.json()["accepted"]) == (202, 1)


def test_half_a_character_is_no_text(life: Life) -> None:
    """A lone surrogate cannot be written as UTF-8; it must not come up when it is stored."""
    for where in (
        '"name":"%s"',
        '"name":"page","id":"%s"',
        '"name":"page","properties":{"x":"%s"}',
    ):
        body = '{"consent":{"ad":true},"events":[{' + where % "\\ud800" + "}]}"
        answer = life.post(body)
        assert answer.status in (202, 422)
        if answer.status == 422:
            assert answer.json()["rejected"][0]["code"] == "unreadable"


def test_numbers_of_any_length_are_answered(life: Life) -> None:
    for where in ('"time":%s', '"id":%s', '"properties":{"price":%s}', '"properties":{"id":%s}'):
        for number in ("9" * 400, "9" * 16_000, "1e999", "-0.0", "1e-400"):
            body = '{"consent":{"ad":true},"events":[{"name":"page",' + where % number + "}]}"
            assert life.post(body).status in (202, 400, 422)


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "",
        "https://www.example.com.evil.net",
        "https://evilwww.example.com",
        "https://www.example.com:8443",
        "http://www.example.com",
        "https://example.com",
        "https://www.example.com/",
        "*",
    ],
)
def test_a_foreign_origin_gets_nothing(life: Life, origin: str | None) -> None:
    """403, no CORS header, no cookie: a cookie would be stored even when CORS fails."""
    for path in ("/e", "/consent"):
        answer = life.post(batch(EVENT), path=path, headers={"Origin": origin})
        assert answer.status == 403
        assert is_problem(answer)
        assert not any(name.lower().startswith("access-control") for name, _ in answer.headers)
        assert answer.header("Set-Cookie") is None
        assert answer.header("Vary") == "Origin"


def test_an_allowed_origin_is_echoed_on_errors_too(life: Life) -> None:
    for body in (batch(EVENT), b"junk"):
        answer = life.post(body)
        assert answer.header("Access-Control-Allow-Origin") == ORIGIN
        assert answer.header("Access-Control-Allow-Credentials") == "true"
        assert answer.header("Vary") == "Origin"


def test_the_preflight_names_what_is_allowed(life: Life) -> None:
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    yes = life.request("OPTIONS", "/e", headers=asked)
    assert yes.status == 204
    assert yes.header("Access-Control-Allow-Origin") == ORIGIN
    assert yes.header("Access-Control-Max-Age") == "7200"
    no = life.request("OPTIONS", "/e", headers={**asked, "Origin": "https://evil.net"})
    assert no.status == 403
    assert no.header("Access-Control-Allow-Origin") is None


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "zstd", "gzip, gzip"])
def test_a_compressed_body_is_not_inflated(life: Life, coding: str) -> None:
    answer = life.post(b"\x1f\x8b" + b"0" * 100, headers={"Content-Encoding": coding})
    assert (answer.status, answer.json()["code"]) == (415, "compressed")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/e", 405),
        ("PUT", "/consent", 405),
        ("POST", "/s.js", 405),
        ("DELETE", "/healthz", 405),
        ("GET", "/", 404),
        ("GET", "/nothing", 404),
        ("GET", "/s.0000000000000000.js", 404),
        ("GET", "/../../etc/passwd", 404),
        ("GET", "/%2e%2e/%2e%2e/etc/passwd", 404),
        ("GET", "/s.js%00.html", 404),
        ("GET", "/e/", 404),
    ],
)
def test_other_paths_and_methods_are_named_errors(
    life: Life, method: str, path: str, status: int
) -> None:
    answer = life.request(method, path)
    assert answer.status == status
    assert is_problem(answer)
    assert (answer.header("Allow") is not None) == (status == 405)


JARS = [
    "_scid=" + "x" * 4_000,
    "_scid; _scclid; =; ;;;",
    '_scid="quoted"; _scclid="a"',
    "__Secure-edge=forged.signature",
    "__Secure-edge=" + "A" * 5_000,
    "__Secure-edge=WyJhIl0.AAAA; __Secure-edge=x; __Host-edge=y; edge=z",
    "; ".join(f"_scid=value-{number}" for number in range(300)),
    "; ".join(f"c{number}=1" for number in range(900)),
    'prefs={"a":1}; foo[bar]=1; bad name=2',
]


@pytest.mark.parametrize("jar", JARS, ids=range(len(JARS)))
def test_no_jar_breaks_an_answer(life: Life, jar: str) -> None:
    """A forged or broken cookie is ignored and issued anew."""
    answer = life.post(batch(EVENT), cookie=jar)
    assert (answer.status, answer.json()["accepted"]) == (202, 1)
    lines = [value for name, value in answer.headers if name.lower() == "set-cookie"]
    assert len([line for line in lines if "Max-Age=0" not in line]) in (2, 3)
    assert not any("\r" in line or "\n" in line for line in lines)


@pytest.mark.parametrize(
    "click_id",
    ["<script>", "a b", "a;b", "a\r\nSet-Cookie: x=y", "x" * 300, {"a": 1}, 7, None, True, [], "é"],
)
def test_no_unsafe_click_id_becomes_a_cookie(life: Life, click_id: object) -> None:
    answer = life.post(batch(EVENT, click_id=click_id))
    assert answer.status == 202
    assert "_scclid" not in answer.set_cookies


@pytest.mark.parametrize(
    "forwarded",
    [
        "",
        ",,,",
        "<script>",
        "999.1.1.1",
        "203.0.113.9, <x>",
        "::ffff:203.0.113.9",
        "[2001:db8::1]:443",
        ", ".join(["203.0.113.9"] * 1_000),
        "fe80::1%eth0",
    ],
)
def test_no_forwarded_address_breaks_an_answer(life: Life, forwarded: str) -> None:
    assert life.post(batch(EVENT), headers={"X-Forwarded-For": forwarded}).status == 202


@pytest.mark.parametrize("agent", [None, "", "x" * 9_000, "\xff\xfe", "${jndi:ldap://x}", "a\tb"])
def test_no_user_agent_breaks_an_answer(life: Life, agent: str | None) -> None:
    assert life.post(batch(EVENT), headers={"User-Agent": agent}).status == 202


@pytest.mark.parametrize(
    "host", ["", "127.0.0.1", "[::1]:8000", "localhost", "com", "x" * 300, "a..b", "<>", "co.uk"]
)
def test_a_strange_host_gets_no_wide_cookie(life: Life, host: str) -> None:
    answer = life.post(batch(EVENT), headers={"Host": host})
    assert answer.status in (202, 400)
    assert all(
        "Domain=" not in line or "Domain=example.com" in line
        for line in answer.set_cookies.values()
    )


def test_consent_bodies_are_checked(life: Life) -> None:
    for body in (
        b"",
        b"{}",
        b"[]",
        b'{"ad":"yes"}',
        b'{"ad":1}',
        b'{"categories":[]}',
        b'{"ad":null}',
    ):
        answer = life.post(body, path="/consent")
        assert (answer.status, answer.json()["code"]) == (400, "no_choice")


USER_VALUES: list[object] = [None, 1, True, [], {}, "undefined", "\ud800", "@", "a" * 900]
USER_VALUES += [[["x"]], {"a": {}}]


@pytest.mark.parametrize("value", USER_VALUES, ids=range(len(USER_VALUES)))
def test_wrong_user_fields_cost_nothing_but_themselves(life: Life, value: object) -> None:
    """Whatever stands in the user's fields, the event is taken."""
    fields = ("email", "phone", "first_name", "city", "zip", "country", "address", "idfv")
    answer = life.post(json.dumps(batch(EVENT, user=dict.fromkeys(fields, value))))
    assert (answer.status, answer.json()["accepted"]) == (202, 1)


def test_the_answer_names_each_rejected_event_without_echo(life: Life) -> None:
    secret = canary.EMAIL
    answer = life.post(batch({"name": "page", "time": secret}, {"name": 7, "id": secret}))
    assert answer.status == 422
    assert secret.encode() not in answer.body


def test_all_is_well_afterwards(life: Life) -> None:
    """After the whole table: no failed request in the log, and the proxy is ready."""
    assert life.get("/readyz").status == 200
    log = life.log.read_text()
    assert '"request_failed"' not in log
    assert "Traceback" not in log
    assert life.post(batch(EVENT), headers={"Host": HOST}).status == 202

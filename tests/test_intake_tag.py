"""The tag's batch: one bad event costs itself, an unusable body is told so, and nothing else."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgeproxy.errors import BadBatch
from edgeproxy.intake.raw import RawBatch, RawEvent
from edgeproxy.intake.tag import parse

CANARY = "canary.person@example.com"


def batch(*events: object, **envelope: object) -> RawBatch:
    return parse(json.dumps({"events": list(events), **envelope}).encode())


def between(raw: bytes) -> bytes:
    """A batch whose second of three events is this JSON text."""
    return b'{"events":[{"name":"first"},' + raw + b',{"name":"last"}]}'


def refused(raw: bytes) -> tuple[str, str]:
    """Code and reason of the middle event; its neighbours must have survived."""
    parsed = parse(between(raw))
    assert [(event.index, event.name) for event in parsed.events] == [(0, "first"), (2, "last")]
    (rejected,) = parsed.rejected
    assert rejected.index == 1
    return rejected.code, rejected.reason


def test_a_full_batch_is_read_as_written() -> None:
    parsed = batch(
        {
            "id": "e-1",
            "name": "Order Completed",
            "time": 1_706_540_000_000,
            "properties": {"total": 129.99, "products": [{"product_id": "SKU-A"}]},
        },
        v=1,
        sent_at=1_706_540_000_123,
        page={"url": "https://example.com/?ScCid=abc", "referrer": "https://www.snapchat.com/"},
        consent={"ad": True},
        user={"email": CANARY},
        click_id="abc",
        pixels=["p-1"],
    )
    assert parsed == RawBatch(
        events=(
            RawEvent(
                index=0,
                name="Order Completed",
                id="e-1",
                time=1_706_540_000_000,
                properties={"total": 129.99, "products": [{"product_id": "SKU-A"}]},
            ),
        ),
        sent_at=1_706_540_000_123,
        page_url="https://example.com/?ScCid=abc",
        referrer="https://www.snapchat.com/",
        consent={"ad": True},
        user={"email": CANARY},
        click_id="abc",
        pixels=("p-1",),
    )


def test_a_name_alone_is_an_event_and_null_means_missing() -> None:
    nothing: dict[str, object] = dict.fromkeys(("id", "time", "call", "properties"))
    parsed = batch({"name": "page"} | nothing, page=None, user=None, consent=None, pixels=None)
    assert parsed == RawBatch(events=(RawEvent(index=0, name="page"),))


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "unreadable"),
        (b" ", "unreadable"),
        (b"\x00", "unreadable"),
        (b'{"events":[{"name":"a"', "unreadable"),
        (b'\xef\xbb\xbf{"events":[{"name":"a"}]}', "unreadable"),
        (b'{"events":[{"name":"a"}]}x', "unreadable"),
        (b'{"events":[{"name":"a"}]}{"events":[{"name":"a"}]}', "unreadable"),
        (b"{'events':[{'name':'a'}]}", "unreadable"),
        (b"null", "unreadable"),
        (b"true", "unreadable"),
        (b"1", "unreadable"),
        (b'"events"', "unreadable"),
        (b"[]", "unreadable"),
        (b'[{"name":"a"}]', "unreadable"),
        (b"{}", "unreadable"),
        (b'{"events":null}', "unreadable"),
        (b'{"events":{}}', "unreadable"),
        (b'{"events":"a"}', "unreadable"),
        (b'{"events":[]}', "no_events"),
        (b'{"events":[{"name":"a"}],"events":[]}', "no_events"),
        (b"[" * 100_000, "unreadable"),
        (b'{"a":' * 20_000, "unreadable"),
        (b'{"consent":{"a":' + b"[" * 20_000 + b"]" * 20_000 + b'},"events":[]}', "unreadable"),
        (between(b"[" * 20_000 + b"]" * 20_000), "unreadable"),
        (between(b'{"name":NaN}'), "unreadable"),
        (between(b'{"name":"a","time":-Infinity}'), "unreadable"),
        (between(b'{"name":"a","properties":{"value":Infinity}}'), "unreadable"),
        (between(b'{"name":"a\x00b"}'), "unreadable"),
        (b'{"sent_at":1e999,"events":[{"name":"a"}]}', "unreadable"),
        (b'{"click_id":' + b"9" * 16_000 + b',"events":[{"name":"a"}]}', "unreadable"),
        (b'{"user":{"email":"\xff"},"events":[{"name":"a"}]}', "unreadable"),
        (b'{"page":{"url":"\xed\xa0\x80"},"events":[{"name":"a"}]}', "unreadable"),
    ],
)
def test_a_body_that_is_no_batch_is_told_so(body: bytes, code: str) -> None:
    with pytest.raises(BadBatch) as caught:
        parse(body)
    assert (caught.value.status, caught.value.code) == (400, code)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("v", "1"),
        ("v", [1]),
        ("sent_at", True),
        ("sent_at", {}),
        ("page", "https://example.com/"),
        ("page", {"url": 1}),
        ("page", {"referrer": []}),
        ("consent", True),
        ("consent", [1]),
        ("user", CANARY),
        ("user", [CANARY]),
        ("pixels", "p-1"),
        ("pixels", [1]),
        ("pixels", [None]),
        ("test_mode", "yes"),
        ("test_mode", None),
    ],
)
def test_a_wrong_type_in_the_envelope_makes_the_batch_unusable(name: str, value: object) -> None:
    with pytest.raises(BadBatch) as caught:
        batch({"name": "a"}, **{name: value})
    assert (caught.value.status, caught.value.code) == (400, "unreadable")
    assert f"$.{name}" in caught.value.message


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"1", "unreadable"),
        (b"null", "unreadable"),
        (b'"a"', "unreadable"),
        (b"[]", "unreadable"),
        (b"{}", "unreadable"),
        (b'{"Name":"a"}', "unreadable"),
        (b'{"name":1}', "unreadable"),
        (b'{"name":null}', "unreadable"),
        (b'{"name":["a"]}', "unreadable"),
        (b'{"name":""}', "no_name"),
        (b'{"name":" \\t\\u00a0"}', "no_name"),
        (b'{"name":"' + b"n" * 257 + b'"}', "too_long"),
        (b'{"name":"a\\u0000b"}', "control_character"),
        (b'{"name":"a\\u0085b"}', "control_character"),
        (b'{"name":"\xff"}', "unreadable"),
        (b'{"name":"a","id":1.5}', "unreadable"),
        (b'{"name":"a","id":true}', "unreadable"),
        (b'{"name":"a","id":{}}', "unreadable"),
        (b'{"name":"a","id":"' + b"i" * 257 + b'"}', "too_long"),
        (b'{"name":"a","id":"a\\u0000b"}', "control_character"),
        (b'{"name":"a","id":"a\\r\\nSet-Cookie: b"}', "control_character"),
        (b'{"name":"a","id":' + b"9" * 20 + b"}", "bad_number"),
        (b'{"name":"a","id":' + b"9" * 400 + b"}", "bad_number"),
        (b'{"name":"a","id":' + b"9" * 16_000 + b"}", "unreadable"),
        (b'{"name":"a","time":[]}', "unreadable"),
        (b'{"name":"a","time":true}', "unreadable"),
        (b'{"name":"a","time":1e999}', "unreadable"),
        (b'{"name":"a","time":' + b"9" * 16_000 + b"}", "unreadable"),
        (b'{"name":"a","call":1}', "unreadable"),
        (b'{"name":"a","test_mode":"yes"}', "unreadable"),
        (b'{"name":"a","properties":[]}', "unreadable"),
        (b'{"name":"a","properties":"x"}', "unreadable"),
        (b'{"name":"a","properties":{"value":1e999}}', "unreadable"),
        (b'{"name":"a","properties":{"value":' + b"9" * 16_000 + b"}}", "unreadable"),
        (b'{"name":"a","properties":{"k":"\xff"}}', "unreadable"),
        (b'{"name":"a","properties":{"\xff":1}}', "unreadable"),
        (b'{"name":"a","properties":{"k":"a\\u0000"}}', "control_character"),
        (b'{"name":"a","properties":{"a\\u0001":1}}', "control_character"),
        (b'{"name":"a","properties":{"k":"a\x7f"}}', "control_character"),
        (b'{"name":"a","properties":{"k":"\xc2\x80"}}', "control_character"),
        (b'{"name":"a","properties":{"k":"' + b"x" * 2049 + b'"}}', "too_long"),
        (b'{"name":"a","properties":{"k":' + b"[" * 8 + b"]" * 8 + b"}}", "too_deep"),
        (b'{"name":"a","properties":{"k":' + b"[" * 500 + b"]" * 500 + b"}}", "too_deep"),
        (b'{"name":"a","properties":{"products":[' + b"1," * 200 + b"1]}}", "too_many_products"),
        (b'{"name":"a","properties":{"products":[' + b"{}," * 9999 + b"{}]}}", "too_large"),
        (b'{"name":"a","properties":{"k":"' + b"x" * 1_000_000 + b'"}}', "too_large"),
        (b'{"name":"a","unknown":"' + b"x" * 20_000 + b'"}', "too_large"),
    ],
)
def test_a_bad_event_costs_itself_only(raw: bytes, code: str) -> None:
    given_code, reason = refused(raw)
    assert given_code == code
    assert reason


@pytest.mark.parametrize(
    "raw",
    [
        b'{"name":"cut \\ud83d"}',
        b'{"name":"a","properties":{"title":"cut \\ud83d"}}',
        b'{"name":"a","properties":{"title":"\\ude00 cut"}}',
        b'{"name":"a","id":"\\ud800\\ud800"}',
    ],
)
def test_half_an_emoji_does_not_take_its_neighbours_along(raw: bytes) -> None:
    """`JSON.stringify` writes a text that was cut inside an emoji exactly like this.

    Source: ECMAScript 2019, well-formed JSON.stringify.
    """
    body = between(raw)
    body = body.replace(b"first", b"\\ud83d\\ude00").replace(b"last", b"C:\\\\ud83d")
    parsed = parse(body)
    names = {event.index: event.name for event in parsed.events}
    assert (names[0], names[2]) == ("😀", "C:\\ud83d")
    assert all(rejected.index == 1 for rejected in parsed.rejected)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"name":"canary.person@example.com","id":[]}',
        b'{"name":["canary.person@example.com"]}',
        b'{"name":"a","id":"canary.person@example.com\\u0000"}',
        b'{"name":"a","properties":{"canary.person@example.com":1e999}}',
        b'{"name":"a","properties":{"canary.person@example.com":"\\u0000"}}',
        b'{"name":"a","time":{"canary.person@example.com":1}}',
    ],
)
def test_a_reason_never_repeats_what_was_sent(raw: bytes) -> None:
    assert "canary" not in " ".join(refused(raw))


def test_an_unusable_batch_is_refused_without_repeating_it() -> None:
    for body in (b'{"user":"%b"}', b'{"events":"%b"}', b'{"%b":1}', b"%b"):
        with pytest.raises(BadBatch) as caught:
            parse(body % CANARY.encode())
        assert "canary" not in str(caught.value)


@pytest.mark.parametrize("bad", [0, 24, 49])
def test_one_bad_of_fifty_is_named_and_forty_nine_go_on(bad: int) -> None:
    events: list[dict[str, object]] = [{"name": "page"} for _ in range(50)]
    events[bad] = {"name": 1}
    parsed = batch(*events)
    assert [rejected.index for rejected in parsed.rejected] == [bad]
    assert [event.index for event in parsed.events] == [i for i in range(50) if i != bad]


def test_fifty_one_events_are_too_many_for_one_batch() -> None:
    with pytest.raises(BadBatch) as caught:
        batch(*[{"name": "page"}] * 51)
    assert (caught.value.status, caught.value.code) == (413, "too_many_events")


def test_the_longest_of_everything_still_passes() -> None:
    parsed = batch({"name": "n" * 256, "id": "i" * 256, "properties": {"k": "x" * 2048}})
    assert not parsed.rejected


def test_an_event_has_at_most_sixteen_kibibytes() -> None:
    frame = b'{"name":"a","x":""}'
    fits = frame.replace(b'""', b'"%b"' % (b"x" * (16 * 1024 - len(frame))))
    assert len(fits) == 16 * 1024
    assert not parse(between(fits)).rejected
    assert refused(fits.replace(b"xx", b"xxx", 1))[0] == "too_large"


def test_of_two_equal_keys_the_last_counts() -> None:
    (event,) = parse(b'{"events":[{"name":"a","name":"b","id":"1","id":"2"}]}').events
    assert (event.name, event.id) == ("b", "2")


def test_unknown_fields_are_ignored_wherever_they_stand() -> None:
    parsed = batch({"name": "a", "new": [1, {"deep": None}]}, new={"a": 1}, page={"title": "x"})
    assert parsed == RawBatch(events=(RawEvent(index=0, name="a"),))


@pytest.mark.parametrize("name", ["Bestellung abgeschlossen ✓", "購入", "Ödön 😀", " padded "])
def test_a_name_in_any_script_is_kept_as_written(name: str) -> None:
    assert batch({"name": name}).events[0].name == name


@pytest.mark.parametrize(
    ("given_id", "read"),
    [(None, ""), ("", ""), ("  e-1 ", "e-1"), (17, "17"), (-1, "-1"), (2**64 - 1, str(2**64 - 1))],
)
def test_an_id_is_a_trimmed_text_or_a_whole_number(given_id: object, read: str) -> None:
    assert batch({"name": "a", "id": given_id}).events[0].id == read


@pytest.mark.parametrize(
    ("call", "read"), [("page", "page"), ("track", "track"), ("", "track"), ("PAGE", "track")]
)
def test_a_call_is_page_or_track(call: str, read: str) -> None:
    assert batch({"name": "a", "call": call}).events[0].call == read


@pytest.mark.parametrize(
    ("event", "envelope", "test"),
    [
        ({}, {}, False),
        ({}, {"test_mode": True}, True),
        ({"test_mode": True}, {}, True),
        ({"properties": {"test_mode": True}}, {}, True),
        ({"properties": {"test_mode": "false"}}, {}, False),
        ({"test_mode": False}, {"test_mode": True}, True),
    ],
)
def test_test_mode_is_read_from_three_places(
    event: dict[str, Any], envelope: dict[str, Any], *, test: bool
) -> None:
    assert batch({"name": "a", **event}, **envelope).events[0].test is test


def test_an_address_too_long_to_be_one_counts_as_missing() -> None:
    fits, too_long = "https://e.com/" + "a" * 8178, "https://e.com/" + "a" * 8179
    page = {"url": fits, "referrer": too_long}
    parsed = batch({"name": "a"}, page=page)
    assert (parsed.page_url, parsed.referrer) == (fits, "")


def test_no_pixels_and_an_empty_list_of_pixels_are_not_the_same() -> None:
    assert batch({"name": "a"}).pixels is None
    assert batch({"name": "a"}, pixels=[]).pixels == ()


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**18, 10**400)
    | st.floats()
    | st.text(max_size=30)
)
values = st.recursive(
    scalars,
    lambda inside: st.lists(inside, max_size=5) | st.dictionaries(st.text(max_size=8), inside),
    max_leaves=12,
)
fields = st.sampled_from(["name", "id", "time", "call", "properties", "test_mode", "x"])
envelope_fields = st.sampled_from(
    ["v", "sent_at", "page", "consent", "user", "click_id", "pixels", "test_mode", "x"]
)
events = st.dictionaries(fields, values, max_size=4) | values
bodies = st.builds(
    lambda envelope, given: {**envelope, "events": given},
    st.dictionaries(envelope_fields, values, max_size=3),
    st.lists(events, max_size=4),
)


@given(bodies | values)
def test_any_json_is_a_batch_or_an_unusable_batch(body: object) -> None:
    only_a_batch_or_a_refusal(json.dumps(body).encode("utf-8", "surrogatepass"))


@given(bodies, st.integers(0, 400), st.binary(max_size=6))
def test_a_damaged_batch_is_a_batch_or_an_unusable_batch(
    body: object, place: int, junk: bytes
) -> None:
    text = json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
    only_a_batch_or_a_refusal(text[:place] + junk + text[place + len(junk) :])


@given(bodies)
def test_a_batch_reads_the_same_at_once_and_event_by_event(body: object) -> None:
    text = json.dumps(body).encode()
    outcomes = []
    for given_text in (text, text + b" " * 2048):  # no longer one that a look proves harmless
        try:
            outcomes.append(repr(parse(given_text)))
        except BadBatch as bad:
            outcomes.append(repr((bad.status, bad.code)))
    assert outcomes[0] == outcomes[1]


@given(st.binary(max_size=200))
@example(b"\xff\xfe{\x00}\x00")
def test_any_bytes_are_a_batch_or_an_unusable_batch(body: bytes) -> None:
    only_a_batch_or_a_refusal(body)


def only_a_batch_or_a_refusal(body: bytes) -> None:
    try:
        parsed = parse(body)
    except BadBatch as bad:
        refusal = (bad.status, bad.code)
    else:
        every_event_has_its_place(parsed)
        return
    assert refusal in {(400, "unreadable"), (400, "no_events"), (413, "too_many_events")}


def every_event_has_its_place(parsed: RawBatch) -> None:
    indexes = sorted(
        [event.index for event in parsed.events] + [one.index for one in parsed.rejected]
    )
    assert indexes == list(range(len(indexes)))
    assert indexes
    assert all(one.code and one.reason for one in parsed.rejected)
    assert all(event.name.strip() for event in parsed.events)


def test_an_e_mail_address_in_a_name_or_an_id_goes_no_further() -> None:
    """Names and ids are shown to people and travel in the clear."""
    found = batch({"name": "Welcome jane@example.com"}, {"name": "page", "id": "jane@example.com"})
    assert [(one.index, one.code) for one in found.rejected] == [(0, "personal_name")]
    assert [event.id for event in found.events] == [
        "8c87b489ce35cf2e2f39f80e282cb2e804932a56a213983eeeb428407d43b52d"
    ]

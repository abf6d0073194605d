"""Reading a bounded body and sending one answer."""

from collections.abc import Iterator, Sequence

import pytest

from edgeproxy.errors import BadBatch
from edgeproxy.web.asgi import AT_ONCE, Fixed, Gone, Header, Message, answer, read_body, reply


class Server:
    """The server's side of one request: what it hands out, and how often it was asked."""

    def __init__(self, *messages: Message) -> None:
        self.asked = 0
        self._messages: Iterator[Message] = iter(messages)

    async def __call__(self) -> Message:
        self.asked += 1
        return next(self._messages)


def part(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


GONE: Message = {"type": "http.disconnect"}


@pytest.mark.parametrize(
    ("messages", "body"),
    [
        ([part(b"")], b""),
        ([{"type": "http.request"}], b""),
        ([part(b"abc")], b"abc"),
        ([part(b"ab", more=True), part(b"cd")], b"abcd"),
        ([part(b"ab", more=True), {"type": "http.request"}], b"ab"),
        ([part(b"", more=True), part(b"", more=True), part(b"abcd")], b"abcd"),
    ],
    ids=["empty", "bare", "whole", "two parts", "empty end", "late"],
)
async def test_a_body_is_put_together(messages: Sequence[Message], body: bytes) -> None:
    assert await read_body(Server(*messages), 4, None) == body


@pytest.mark.parametrize(
    "messages",
    [
        [part(b"abcde")],
        [part(b"abc", more=True), part(b"de")],
        [part(b"abcde", more=True), part(b"")],
        [part(b"abc", more=True), part(b"de", more=True), part(b"")],
    ],
    ids=["whole", "at the end", "at once", "in the middle"],
)
async def test_a_longer_body_is_refused(messages: Sequence[Message]) -> None:
    with pytest.raises(BadBatch) as caught:
        await read_body(Server(*messages), 4, None)
    assert (caught.value.status, caught.value.code) == (413, "too_large")


async def test_nothing_is_read_beyond_the_limit() -> None:
    server = Server(*[part(b"x" * 1000, more=True)] * 1000)
    with pytest.raises(BadBatch):
        await read_body(server, 4000, None)
    assert server.asked == 5


@pytest.mark.parametrize("declared", [b"5", b"0005", b"10485760", b"9" * 5000])
async def test_a_declared_length_is_refused_before_anything_is_read(declared: bytes) -> None:
    server = Server(part(b""))
    with pytest.raises(BadBatch) as caught:
        await read_body(server, 4, declared)
    assert caught.value.status == 413
    assert server.asked == 0


@pytest.mark.parametrize(
    "declared",
    [None, b"4", b"0", b"00", b"0" * 5000 + b"4", b"", b"many", b"-5", b"+5", b"4, 4"],
    ids=lambda value: repr(value)[:12],
)
async def test_a_small_or_odd_declaration_is_no_reason_to_refuse(declared: bytes | None) -> None:
    assert await read_body(Server(part(b"abcd")), 4, declared) == b"abcd"


@pytest.mark.parametrize(
    "messages", [[GONE], [part(b"ab", more=True), GONE]], ids=["at once", "in the middle"]
)
async def test_a_caller_who_leaves_is_gone(messages: Sequence[Message]) -> None:
    with pytest.raises(Gone):
        await read_body(Server(*messages), 4, None)


async def sent(status: int, headers: Sequence[Header], body: bytes = b"") -> list[Message]:
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    await answer(send, status, headers, body)
    return messages


async def test_an_answer_has_its_length() -> None:
    start, body = await sent(200, [(b"a", b"b")], b"abc")
    assert start == {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"a", b"b"), (b"content-length", b"3")],
    }
    assert body == {"type": "http.response.body", "body": b"abc"}


@pytest.mark.parametrize(
    ("status", "headers"),
    [(200, [(b"content-length", b"0")]), (204, []), (304, [])],
)
async def test_an_empty_answer_has_a_length_where_http_has_a_body(
    status: int, headers: list[Header]
) -> None:
    start, body = await sent(status, [])
    assert start["headers"] == headers
    assert body["body"] == b""


@pytest.mark.parametrize("can", [True, False])
async def test_a_reply_is_written_at_once_where_the_server_can(*, can: bool) -> None:
    written: list[tuple[int, Sequence[Header], bytes, bytes]] = []
    messages: list[Message] = []

    def at_once(status: int, headers: Sequence[Header], body: bytes, fixed: bytes) -> bool:
        written.append((status, headers, body, fixed))
        return can

    async def send(message: Message) -> None:
        messages.append(message)

    fixed = Fixed([(b"x", b"1"), (b"y", b"2")])
    await reply({AT_ONCE: at_once}, send, 200, [(b"a", b"b")], b"abc", fixed=fixed)
    assert written == [(200, [(b"a", b"b")], b"abc", b"x: 1\r\ny: 2\r\n")]
    headers = [(b"x", b"1"), (b"y", b"2"), (b"a", b"b")]
    assert messages == ([] if can else await sent(200, headers, b"abc"))


async def test_a_reply_is_an_answer_where_the_server_knows_no_better() -> None:
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    await reply({}, send, 204, [])
    assert messages == await sent(204, [])


async def test_prepared_headers_are_not_changed_by_an_answer() -> None:
    prepared: list[Header] = [(b"a", b"b")]
    await sent(200, prepared, b"abc")
    assert prepared == [(b"a", b"b")]

"""Credentials as callers write them, and a store that can promise nothing."""

import base64
import json
from collections.abc import Sequence
from typing import Any, cast

import pytest

from edgeproxy.addresses import TrustedProxies
from edgeproxy.errors import StoreBusy
from edgeproxy.master import MasterSigner
from edgeproxy.public.app import public_app
from edgeproxy.public.keyed import basic_user, bearer
from edgeproxy.public.state import State
from edgeproxy.public.tag import TagFiles
from edgeproxy.registry import Registry
from edgeproxy.sites import Integration, Secret, Source
from edgeproxy.store.base import Fate, Item, Store
from edgeproxy.web.asgi import Message
from edgeproxy.web.assets import load
from tests.keyed import KEY, basic


@pytest.mark.parametrize(
    ("authorization", "user"),
    [
        (b"", None),
        (b"Bearer abc", None),
        (b"Basicabc", None),
        (b"Basic", ""),
        (b"Basic ", ""),
        (b"Basic %%%", ""),
        (b"Basic \xff", ""),
        (b"Basic " + base64.b64encode(b"key:"), "key"),
        (b"basic  " + base64.b64encode(b"key:password"), "key"),
        (b"BASIC " + base64.b64encode(b"key"), "key"),
        (b"Basic " + base64.b64encode(b":key"), ""),
        (b"Basic " + base64.b64encode(b"\xff\xfe:"), "\xff\xfe"),
    ],
)
def test_the_user_name_is_the_key(authorization: bytes, user: str | None) -> None:
    assert basic_user(authorization) == user


@pytest.mark.parametrize(
    ("authorization", "token"),
    [
        (b"", ""),
        (b"Bearer", ""),
        (b"Bearer abc", "abc"),
        (b"bearer  abc ", "abc"),
        (b"Basic abc", ""),
        (b"Bearer \xff", "\xff"),
    ],
)
def test_the_token_is_the_key(authorization: bytes, token: str) -> None:
    assert bearer(authorization) == token


class FullStore:
    """A store that refuses, as one does whose disk is full."""

    async def append(self, items: Sequence[Item]) -> Sequence[Sequence[Fate]]:
        """Promise nothing."""
        raise StoreBusy("disk_full", "the disk is full", retry_after_s=60)


def state_of(store: object) -> State:
    """A listener's parts with this store, and a source without pages."""
    integration = Integration(id="i", source="shop", access_token=Secret("t"), pixel_id="p")
    source = Source(
        id="shop", consent="implied", write_keys=(Secret(KEY),), integrations=(integration,)
    )
    return State(
        registry=Registry([source]),
        store=cast(Store, store),
        signer=MasterSigner([b"k" * 32]),
        seal=bytes,
        proxies=TrustedProxies(["127.0.0.1"]),
        visitor_key=b"v" * 32,
        trace_key=b"t" * 32,
        now_ms=lambda: 1_790_000_000_000,
        new_id=lambda: "minted",
        wake=lambda _: None,
        log=lambda *_, **__: None,
        stopping=lambda: False,
    )


async def posted(state: State, path: str, body: object, authorization: str) -> list[Message]:
    """The messages of the answer to one post."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": json.dumps(body).encode()}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "scheme": "http",
        "client": ("127.0.0.1", 1),
        "headers": [(b"host", b"h"), (b"authorization", authorization.encode())],
    }
    await public_app(state, TagFiles(load))(scope, receive, send)
    return sent


@pytest.mark.parametrize(
    ("path", "body", "authorization", "told"),
    [
        ("/v1/track", {"event": "purchase", "userId": "u"}, basic(), {"success": False}),
        ("/v1/identify", {"userId": "u", "traits": {"email": "a@b.example"}}, basic(), {}),
        ("/v2/conversion", {"event_type": "PURCHASE"}, f"Bearer {KEY}", {"status": "FAILED"}),
        (
            "/v3/p/events",
            {"data": [{"event_name": "PURCHASE"}]},
            f"Bearer {KEY}",
            {"status": "INVALID"},
        ),
    ],
)
async def test_what_cannot_be_kept_is_not_acknowledged(
    path: str, body: object, authorization: str, told: dict[str, Any]
) -> None:
    start, end = await posted(state_of(FullStore()), path, body, authorization)
    assert start["status"] == 503
    assert (b"retry-after", b"60") in start["headers"]
    answer = json.loads(end["body"])
    assert {name: answer[name] for name in told} == told


async def test_events_that_cannot_be_read_are_counted() -> None:
    state = state_of(FullStore())
    await posted(state, "/v1/batch", {"batch": [{}, {}]}, basic())
    await posted(state, "/v2/conversion", [5, 6, 7], f"Bearer {KEY}")
    await posted(state, "/v1/batch", {"batch": [{}]}, basic("wrong"))
    assert state.meter.counts["in", "shop", "rejected", ""] == 5
    assert state.meter.counts["refused", "write_key", "", ""] == 1

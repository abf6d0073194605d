"""Whom a server speaks of: names in the store, ids for the wire, digests of addresses."""

from typing import Any

import pytest

from edgeproxy.event import Sealed
from edgeproxy.intake.raw import RawBatch
from edgeproxy.intake.report import Report
from edgeproxy.public.ask import read_ask
from edgeproxy.public.contact import visitor_name
from edgeproxy.public.heard import Heard, hear
from edgeproxy.registry import Site
from tests.keyed import KEY
from tests.test_public_keyed import state_of

STATE = state_of(None)
SCID = "5e2f7c1a-9b3d-4e6f-8a10-2c4d6e8f0a1b"


def site() -> Site:
    found = STATE.registry.by_write_key(KEY)
    assert found is not None
    return found


def heard(batch: dict[str, Any] | None = None, gpc: bytes = b"0", **told: Any) -> Heard:
    headers = [(b"sec-gpc", gpc), (b"cookie", b"_scid=of-the-caller; edge_optout=1")]
    ask = read_ask({"headers": headers, "client": None, "scheme": "https"}, STATE.proxies)
    one = Report(batch=RawBatch(events=(), **(batch or {})), channel="WEB", **told)
    return hear(one, ask, site(), STATE)


def test_the_first_name_is_the_visitor_s() -> None:
    one = heard(names=(SCID, "user\0u"), scid=SCID)
    assert one.visitor == one.names[0] == visitor_name(STATE, "shop", SCID)
    assert one.names[1] == visitor_name(STATE, "shop", "user\0u")
    assert one.contact.visitor.scid == SCID


def test_a_stranger_has_a_name_for_the_store_and_none_for_the_wire() -> None:
    one = heard()
    assert one.names == ()
    assert one.visitor == visitor_name(STATE, "shop", "minted")
    assert one.contact.visitor.scid == ""


def test_the_caller_s_own_cookies_say_nothing() -> None:
    one = heard()
    assert one.contact.visitor.optout is False
    assert one.contact.decision.reason == ""


@pytest.mark.parametrize(
    ("batch", "click_id"),
    [
        ({"click_id": "one", "page_url": "https://x.example/?ScCid=two"}, "one"),
        ({"page_url": "https://x.example/?ScCid=two", "referrer": "?sccid=three"}, "two"),
        ({"referrer": "https://x.example/?sccid=three"}, "three"),
        ({}, ""),
    ],
)
def test_the_click_is_looked_for_in_the_usual_order(batch: dict[str, Any], click_id: str) -> None:
    assert heard(batch).contact.visitor.click_id == click_id


def test_consent_and_the_browser_s_signal_are_weighed() -> None:
    assert heard({"consent": {"ad": False}}).contact.decision.withdraw
    assert heard(gpc=b"1").contact.decision.reason == "gpc"


@pytest.mark.parametrize("digest", ["", "d" * 64])
def test_the_caller_s_digest_of_the_address_is_sealed_unless_ours_is(digest: str) -> None:
    one = heard(address_sha256=digest)
    made = one.with_digest(None, "i")
    assert (made.address_sha256 if made else "") == digest
    if made is not None:
        assert made.bound_to == f"i:{one.visitor.hex()}"
    kept = Sealed(bound_to="x", user_agent="Browser/1")
    assert one.with_digest(kept, "i") == Sealed(
        bound_to="x", user_agent="Browser/1", address_sha256=digest
    )
    own = Sealed(bound_to="x", address_sha256="o" * 64)
    assert one.with_digest(own, "i") is own

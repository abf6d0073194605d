"""What is remembered of a visitor's cookies is believed no longer than the cookies themselves."""

from typing import cast

import pytest

from edgeproxy.addresses import TrustedProxies
from edgeproxy.cookies import DAY_S, DURABLE_S
from edgeproxy.master import Master, MasterSigner
from edgeproxy.public.ask import read_ask
from edgeproxy.public.contact import meet
from edgeproxy.public.state import State
from edgeproxy.registry import Registry
from edgeproxy.sites import Source
from edgeproxy.store.base import Store
from tests.edge import ORIGIN

NOW_S = 1_790_000_000
SIGNER = MasterSigner([b"k" * 32])
REGISTRY = Registry([Source(id="shop", origins=(ORIGIN,))])


def met(jar: str, at_s: int) -> str:
    """The `_scid` under which a browser with these cookies is met at a time."""
    state = State(
        registry=REGISTRY,
        store=cast(Store, None),
        signer=SIGNER,
        seal=bytes,
        proxies=TrustedProxies(["127.0.0.1"]),
        visitor_key=b"v" * 32,
        trace_key=b"t" * 32,
        now_ms=lambda: at_s * 1000,
        new_id=lambda: "minted-anew",
        wake=lambda _: None,
        log=lambda *_, **__: None,
        stopping=lambda: False,
    )
    site = REGISTRY.by_origin(ORIGIN.encode())
    assert site is not None
    lines = [(b"host", b"edge.example.com"), (b"cookie", jar.encode())]
    ask = read_ask({"headers": lines, "client": None, "scheme": "https"}, state.proxies)
    return meet(ask, site, state, consent={"ad": True}).visitor.scid


@pytest.mark.parametrize("others", ["", f"; other={'x' * 3000}"])  # remembered, and too long for it
def test_a_master_is_believed_as_long_as_it_lives(others: str) -> None:
    jar = f"__Secure-edge={SIGNER.sign(Master(scid='abcdefgh', source='shop'), NOW_S)}{others}"
    assert met(jar, NOW_S) == "abcdefgh"
    assert met(jar, NOW_S + DURABLE_S - DAY_S) == "abcdefgh"
    assert met(jar, NOW_S + DURABLE_S + DAY_S) == "minted-anew"

"""Which integrations want an event, under which names and ids, and what is sealed for them."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from edgeproxy.event import Event, Goods, Sealed, decode_event
from edgeproxy.routing import (
    Choice,
    Extras,
    Plan,
    bound_to,
    entry,
    extras_for,
    plan,
    row_key,
    target,
    wire_id,
)
from edgeproxy.sites import Integration, Secret

EVENT = Event(id="e-1", name="", time_ms=1_706_540_000_123, source="shop")


def integration(name: str = "shop/1", **settings: Any) -> Integration:
    return Integration(
        id=name, source="shop", access_token=Secret("t"), **{"pixel_id": "p-1", **settings}
    )


def everything(_categories: Sequence[str]) -> bool:
    return True


def only(*allowed: str) -> Callable[[Sequence[str]], bool]:
    return lambda categories: set(categories) <= set(allowed)


def routed(
    name: str,
    *integrations: Integration,
    call: str = "track",
    pixels: Sequence[str] | None = None,
    granted: Callable[[Sequence[str]], bool] = everything,
) -> Plan:
    targets = [target(one) for one in integrations or (integration(),)]
    return plan(name, call, targets, pixels=pixels, granted=granted)


def names(found: Plan) -> list[tuple[str, str, int]]:
    return [(one.target.integration.id, one.name, one.nth) for one in found.choices]


def chosen(name: str = "PURCHASE", *, nth: int = 1, **settings: Any) -> Choice:
    return Choice(target(integration(**settings)), name, nth, "catalogue")


def test_an_event_goes_to_every_integration_that_wants_it() -> None:
    found = routed("Order Completed", integration("shop/1"), integration("shop/2"))
    assert names(found) == [("shop/1", "PURCHASE", 1), ("shop/2", "PURCHASE", 1)]
    assert found.reason == ""
    assert found.choices[0].rule == "catalogue"


@pytest.mark.parametrize("name", ["identify", "Session Start", "page-hidden", "reset", "consent"])
def test_an_internal_name_goes_nowhere_whatever_the_settings_say(name: str) -> None:
    greedy = integration(events={name: ("PURCHASE",)}, unknown_events="uppercase")
    assert routed(name, greedy) == Plan((), "internal")


def test_the_title_of_a_page_is_no_internal_name() -> None:
    assert names(routed("Identify", call="page")) == [("shop/1", "PAGE_VIEW", 1)]


def test_an_unknown_name_goes_nowhere_by_default() -> None:
    assert routed("Quiz Finished") == Plan((), "unmapped")
    assert names(routed("Quiz Finished", integration(unknown_events="CUSTOM_EVENT_2"))) == [
        ("shop/1", "CUSTOM_EVENT_2", 1)
    ]


def test_an_own_mapping_is_folded_and_may_name_several_events() -> None:
    own = integration(events={"Quiz-Finished": ("CUSTOM_EVENT_1", "SAVE")})
    found = routed("quiz_finished", own)
    assert names(found) == [("shop/1", "CUSTOM_EVENT_1", 1), ("shop/1", "SAVE", 2)]
    assert {choice.rule for choice in found.choices} == {"own mapping"}


def test_a_disabled_integration_gets_nothing() -> None:
    assert routed("purchase", integration(enabled=False)) == Plan((), "unmapped")
    both = routed("purchase", integration("off", enabled=False), integration("on"))
    assert names(both) == [("on", "PURCHASE", 1)]


@pytest.mark.parametrize(
    ("pixels", "ids"),
    [
        (None, ["web", "other", "app"]),
        (["p-1"], ["web"]),
        (["p-1", "p-2"], ["web", "other"]),
        (["a-1"], ["app"]),
        (["p-9"], []),
        ([], []),
        ([""], []),
    ],
)
def test_pixels_narrow_to_the_integrations_they_name(
    pixels: Sequence[str] | None, ids: list[str]
) -> None:
    """An app's integration has no pixel id, a pixel's no app id: an empty text names neither."""
    web, other = integration("web"), integration("other", pixel_id="p-2")
    app = integration("app", pixel_id="", snap_app_id="a-1", app_id="com.example")
    found = routed("purchase", web, other, app, pixels=pixels)
    assert [one.target.integration.id for one in found.choices] == ids
    assert found.reason == ("" if ids else "unmapped")


def test_an_integration_whose_categories_are_not_allowed_gets_nothing() -> None:
    ads = integration("ads", consent_categories=("advertising",))
    both = integration("both", consent_categories=("advertising", "analytics"))
    found = routed("purchase", ads, both, granted=only("advertising"))
    assert names(found) == [("ads", "PURCHASE", 1)]
    assert found.reason == ""


def test_consent_is_the_reason_only_where_the_name_would_have_gone() -> None:
    assert routed("purchase", granted=only()).reason == "no_consent"
    assert routed("Quiz Finished", granted=only()).reason == "unmapped"
    mixed = routed("Quiz", integration("1"), integration("2", events={"Quiz": ("SAVE",)}))
    assert names(mixed) == [("2", "SAVE", 1)]


def test_no_integration_at_all_leaves_an_event_unmapped() -> None:
    assert plan("purchase", "track", [], pixels=None, granted=everything) == Plan((), "unmapped")


@pytest.mark.parametrize(("nth", "read"), [(1, "e-1"), (2, "e-1-2"), (3, "e-1-3")])
def test_the_first_name_keeps_the_id_and_the_others_are_numbered(nth: int, read: str) -> None:
    assert wire_id("e-1", chosen(nth=nth)) == read


def test_a_row_freezes_name_id_and_privacy_of_its_choice() -> None:
    choice = chosen("SAVE", nth=2, privacy="strict")
    row = entry(EVENT, choice, visitor=b"v" * 16, expires_ms=9, sealed=b"box")
    assert decode_event(row.body) == msgspec.structs.replace(
        EVENT, id="e-1-2", name="SAVE", privacy="strict"
    )
    assert (row.integration, row.name, row.visitor) == ("shop/1", "SAVE", b"v" * 16)
    assert (row.event_time_ms, row.expires_ms, row.sealed) == (EVENT.time_ms, 9, b"box")
    assert row.key == row_key("shop/1", "SAVE", "e-1-2")
    assert row.order_key == b""


def order_key(name: str, *, order_id: str = "o-1", test: bool = False) -> bytes:
    event = msgspec.structs.replace(EVENT, goods=Goods(order_id=order_id), test=test)
    return entry(event, chosen(name), visitor=b"", expires_ms=0, sealed=b"").order_key


def test_the_order_id_of_a_purchase_is_a_second_key() -> None:
    assert order_key("PURCHASE") == row_key("shop/1", "order", "o-1")
    assert order_key("ADD_CART") == b""
    assert order_key("PURCHASE", order_id="") == b""


def test_a_test_event_never_collapses_with_a_live_one() -> None:
    assert order_key("PURCHASE", test=True) not in (b"", order_key("PURCHASE"))
    keys = {
        entry(
            msgspec.structs.replace(EVENT, test=test),
            chosen(),
            visitor=b"",
            expires_ms=0,
            sealed=b"",
        ).key
        for test in (True, False)
    }
    assert len(keys) == 2


def test_a_key_has_sixteen_bytes_and_names_all_its_parts() -> None:
    keys = [
        row_key("shop/1", "PURCHASE", "e-1"),
        row_key("shop/2", "PURCHASE", "e-1"),
        row_key("shop/1", "SAVE", "e-1"),
        row_key("shop/1", "PURCHASE", "e-2"),
        row_key("shop/1", "PURCHASE", "e-1", test=True),
        row_key("shop/1P", "URCHASE", "e-1"),
        row_key("shop/1", "PURCHASEe", "-1"),
        row_key("shop/1", "PURCHASE", ""),
        row_key("shop/1", "PURCHASE", "ü😀"),
        row_key("shop/1", "PURCHASE", "\ud800"),
    ]
    assert len(set(keys)) == len(keys)
    assert {len(key) for key in keys} == {16}
    assert keys[0] == row_key("shop/1", "PURCHASE", "e-1")


RAW = Extras(user_agent="Mozilla/5.0", address="203.0.113.7", mobile_ad_id="ad", idfv="fv")


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest() if text else ""


@pytest.mark.parametrize(
    ("api", "privacy", "sealed"),
    [
        ("v2", "match", {"user_agent": "Mozilla/5.0", "address_sha256": sha256("203.0.113.7")}),
        (
            "v2",
            "strict",
            {
                "user_agent_sha256": sha256("Mozilla/5.0"),
                "address_sha256": sha256("203.0.113.7"),
            },
        ),
        (
            "v3",
            "match",
            {
                "user_agent": "Mozilla/5.0",
                "address": "203.0.113.7",
                "mobile_ad_id": "ad",
                "idfv": "fv",
            },
        ),
        ("v3", "strict", {"mobile_ad_id": "ad", "idfv": "fv"}),
    ],
)
def test_only_what_the_wire_and_the_profile_allow_is_sealed(
    api: str, privacy: str, sealed: dict[str, str]
) -> None:
    mine = integration(api=api, privacy=privacy)
    found = extras_for(mine, RAW, bound_to="shop/1:aa", sha256=sha256)
    assert found == Sealed(bound_to="shop/1:aa", **sealed)


@pytest.mark.parametrize("api", ["v2", "v3"])
@pytest.mark.parametrize("privacy", ["match", "strict"])
def test_nothing_known_is_nothing_sealed(api: str, privacy: str) -> None:
    mine = integration(api=api, privacy=privacy)
    assert extras_for(mine, Extras(), bound_to="b", sha256=sha256) is None


def test_strict_v3_has_nothing_to_seal_of_a_browser() -> None:
    mine = integration(api="v3", privacy="strict")
    browser = Extras(user_agent="Mozilla/5.0", address="203.0.113.7")
    assert extras_for(mine, browser, bound_to="b", sha256=sha256) is None


def test_a_box_is_bound_to_its_integration_and_visitor_or_row() -> None:
    assert bound_to("shop/1", b"\xaa", b"\xbb") == "shop/1:aa"
    assert bound_to("shop/1", b"", b"\xbb") == "shop/1:bb"

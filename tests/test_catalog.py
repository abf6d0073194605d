"""Promises of `edgeproxy.catalog`: each name means one thing, and nothing is guessed."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy import event
from edgeproxy.catalog import EVENTS, INTERNAL, SNAP_NAMES, fold, lookup

CASES = json.loads((Path(__file__).parent / "cases" / "event_names.json").read_text("utf-8"))


def names_of(expected: str | list[str] | None) -> tuple[str, ...]:
    if expected is None:
        return ()
    return (expected,) if isinstance(expected, str) else tuple(expected)


def folded_mapping(config: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    return {fold(name): names_of(snap) for name, snap in config.get("events", {}).items()}


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda case: f"{case['name']}: {case['why']}")
def test_a_name_becomes_what_the_case_says(case: dict[str, Any]) -> None:
    config = case.get("config", {})
    mapped = lookup(
        case["name"],
        call=case.get("call", "track"),
        own=folded_mapping(config),
        unknown=config.get("unknown_events", "drop"),
    )
    assert (mapped.fate, mapped.names) == (case["fate"], names_of(case["expected"]))


def test_the_table_holds_snaps_names_and_no_other() -> None:
    assert sorted(SNAP_NAMES) == sorted(CASES["snap_names"])
    assert len(EVENTS) == len(SNAP_NAMES)


def test_no_alias_stands_twice_or_for_a_snap_name_or_for_an_internal_one() -> None:
    """Two spellings that fold alike are one alias; the second row would never be reached."""
    folded = [fold(name) for row in EVENTS for name in (row.name, *row.accepted)]
    assert len(folded) == len(set(folded))
    assert not set(folded) & INTERNAL
    assert all(folded)


@pytest.mark.parametrize("row", EVENTS, ids=lambda row: row.name)
def test_every_spelling_of_a_row_leads_to_its_snap_name(row: Any) -> None:
    for name in (row.name, *row.accepted):
        for spelling in (name, name.lower(), name.upper(), name.replace(" ", "_")):
            assert lookup(spelling).names == (row.name,)
            assert lookup(spelling).rule == "catalogue"


def test_required_fields_are_fields_of_the_canonical_event() -> None:
    required = {field for row in EVENTS for field in row.requires}
    assert required == {"price", "currency"}
    assert required <= set(event.Goods.__struct_fields__)


@pytest.mark.parametrize("name", sorted(INTERNAL))
def test_internal_names_win_over_every_setting(name: str) -> None:
    mapped = lookup(name, own={name: ("PURCHASE",)}, unknown="CUSTOM_EVENT_1")
    assert (mapped.fate, mapped.names, mapped.rule) == ("absorbed", (), "internal")


def test_an_identify_call_is_absorbed_whatever_its_name() -> None:
    assert lookup("purchase", call="identify").fate == "absorbed"


@pytest.mark.parametrize("title", ["", "Reset", "Identify", "Purchase", "   "])
def test_the_title_of_a_page_call_is_no_event_name(title: str) -> None:
    """A page called "Reset" is a page view; as an event the name would be internal."""
    mapped = lookup(title, call="page", own={"quizfinished": ("CUSTOM_EVENT_1",)})
    assert (mapped.fate, mapped.names, mapped.rule) == ("mapped", ("PAGE_VIEW",), "page call")


@pytest.mark.parametrize("key", ["page", "pageview", "thanks"])
def test_the_own_mapping_comes_before_the_page_rule(key: str) -> None:
    mapped = lookup("Thanks", call="page", own={key: ("SIGN_UP",)})
    assert (mapped.names, mapped.rule) == (("SIGN_UP",), "own mapping")


def test_an_own_mapping_to_nothing_drops_the_name() -> None:
    mapped = lookup("Order Completed", own={"ordercompleted": ()})
    assert (mapped.fate, mapped.names, mapped.rule) == ("dropped", (), "own mapping")


@pytest.mark.parametrize(
    ("name", "written"),
    [("Video - Played", "VIDEO_PLAYED"), (" a\tb ", "A_B"), ("in_cart", "IN_CART")],
)
def test_uppercase_writes_blanks_and_hyphens_as_underscores(name: str, written: str) -> None:
    mapped = lookup(name, unknown="uppercase")
    assert (mapped.names, mapped.rule) == ((written,), "unknown: uppercase")


@pytest.mark.parametrize("name", ["", "   ", "-", "_ _"])
@pytest.mark.parametrize("unknown", ["uppercase", "CUSTOM_EVENT_2"])
def test_no_name_is_never_made_into_one(name: str, unknown: str) -> None:
    assert lookup(name, unknown=unknown).fate == "dropped"


def test_a_long_name_is_folded_like_a_short_one() -> None:
    assert fold("Ab-" * 1000) == "ab" * 1000


@given(st.text(), st.sampled_from(["track", "page", "identify", "other"]))
def test_any_text_has_a_fate_and_only_mapped_names_have_snap_names(name: str, call: str) -> None:
    mapped = lookup(name, call=call)
    assert bool(mapped.names) == (mapped.fate == "mapped")
    assert set(mapped.names) <= SNAP_NAMES
    assert lookup(name, call=call) == mapped

"""Promises of `edgeproxy.clickid`: no click id is lost, invented or changed."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.clickid import choose, from_properties, from_url, valid

CASES = json.loads((Path(__file__).parent / "cases" / "click_ids.json").read_text("utf-8"))
UUID = "7b3a7917-a82a-47e8-9728-e1b3b045abb2"


def cookies(header: str, name: str) -> list[str]:
    pairs = (pair.partition("=") for pair in header.split("; "))
    return [value for key, _, value in pairs if key == name]


@pytest.mark.parametrize("case", CASES["click_ids"], ids=lambda case: case["name"])
def test_the_click_id_is_the_one_the_case_says(case: dict[str, Any]) -> None:
    header = case.get("cookie_header", "")
    chosen = choose(
        batch=case.get("batch_click_id"),
        page_url=case.get("page_url", ""),
        referrer_url=case.get("referrer_url", ""),
        properties=case.get("properties"),
        cookies=cookies(header, "_scclid"),
        master=case.get("master", {}).get("click_id", ""),
        legacy=cookies(header, "ScCid"),
    )
    assert chosen == (case["expected"] or "")


SOURCES: list[dict[str, Any]] = [
    {"batch": "c0"},
    {"page_url": "https://example.com/?ScCid=c1"},
    {"referrer_url": "https://example.com/?ScCid=c2"},
    {"properties": {"sclid": "c3"}},
    {"cookies": ["c4"]},
    {"master": "c5"},
    {"legacy": ["c6"]},
]


@pytest.mark.parametrize("first", range(len(SOURCES)))
def test_each_source_comes_before_all_later_ones(first: int) -> None:
    given_sources: dict[str, Any] = {}
    for source in SOURCES[first:]:
        given_sources.update(source)
    assert choose(**given_sources) == f"c{first}"


@pytest.mark.parametrize("unusable", ["", " ", "a b", "a" * 257, "<x>"])
def test_an_unusable_value_anywhere_hides_nothing_behind_it(unusable: str) -> None:
    chosen = choose(
        batch=unusable,
        page_url=f"https://example.com/?ScCid={unusable}",
        referrer_url=f"https://example.com/?ScCid={unusable}",
        properties={"click_id": unusable, "click_ids": {"ScCid": unusable}},
        cookies=[unusable, unusable],
        master=unusable,
        legacy=[unusable, "last"],
    )
    assert chosen == "last"


def test_nothing_anywhere_is_no_click_id() -> None:
    assert choose() == ""


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("/landing?ScCid=Ab1", "Ab1"),
        ("?sclid=Ab1", "Ab1"),
        ("https://example.com?a&SC_Click_Id=Ab1#x", "Ab1"),
        ("https://example.com/?ScCid=%20&sclid=second", "second"),
        (f"https://example.com/?sscid=a1k2&SSCID={UUID}", UUID),
        ("https://example.com/?sscid=a1k2&sclid=x", "x"),
        ("https://example.com/?sclid=first&ScCid=second", "first"),
        ("https://example.com/#?ScCid=x", ""),
        ("https://example.com/ScCid=x", ""),
        ("https://example.com/?a=ScCid=x", ""),
        ("https://example.com/?ScCid", ""),
        ("https://example.com/?ScCid=%2541", ""),
        ("https://example.com/?ScCid=%ff", ""),
        ("https://example.com/?ScCid=abc%0A", ""),
        ("https://example.com/?next=%3FScCid%3Dx", ""),
        ("https://example.com/?gclid=1&fbclid=2&u_sclid=3&_scsrid=4&u_scsid=5", ""),
        ("\ud800?ScCid=\ud800", ""),
        ("", ""),
    ],
)
def test_a_url_gives_its_first_usable_click_id(url: str, found: str) -> None:
    assert from_url(url) == found


@pytest.mark.parametrize(
    ("properties", "found"),
    [
        ({"click_id": "a", "ScCid": "b"}, "a"),
        ({"ScCid": "b", "click_id": ""}, "b"),
        ({"SCCID": "b"}, "b"),
        ({"sclid": "b", "sccid": "c"}, "c"),
        ({"sc_click_id": "b"}, "b"),
        ({"sscid": "b"}, ""),
        ({"sscid": UUID}, UUID),
        ({"click_ids": {"gclid": "g", "sclid": "s"}}, "s"),
        ({"click_ids": {"sscid": "s"}}, ""),
        ({"Click_IDs": {"SCCID": "s"}}, "s"),
        ({"click_id": "top", "click_ids": {"ScCid": "in"}}, "top"),
        ({"sccid": 5, "ScCid": "b"}, "b"),
        ({"sccid": "a", "ScCid": "b"}, "a"),
        ({"click_id": 5, "ScCid": None, "sclid": ["x"], "click_ids": "x"}, ""),
        ({"click_ids": {"click_id": "of-whom"}}, ""),
        ({"sscid": f"{UUID}-0"}, ""),
        ({"u_sclid": UUID, "": "x", "currency": "USD", "ScCidX": "x"}, ""),
        ({}, ""),
    ],
)
def test_properties_give_their_click_id(properties: dict[str, object], found: str) -> None:
    assert from_properties(properties) == found


@pytest.mark.parametrize("value", [None, 5, True, b"abc", ["a"], {}, "a\n", "", "ä", "a" * 257])
def test_what_is_no_click_id_is_none(value: object) -> None:
    assert valid(value) == ""


@given(st.text() | st.text(alphabet="?&=#%sScCidL_", max_size=60))
def test_any_url_gives_a_safe_value_or_none(text: str) -> None:
    for url in (text, f"https://example.com/?ScCid={text}"):
        assert re.fullmatch(r"([A-Za-z0-9._-]{1,256})?", from_url(url))


@given(st.from_regex(r"[A-Za-z0-9._-]{1,256}", fullmatch=True))
def test_a_safe_value_is_found_unchanged(value: str) -> None:
    assert valid(value) == value
    assert from_url(f"https://example.com/?a=1&sCcId={value}&b") == value
    assert from_properties({"b": 1, "scCID": value}) == value

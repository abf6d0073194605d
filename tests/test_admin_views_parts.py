"""What the pages of sources and integrations share."""

import pytest

from edgeproxy.admin.views.parts import defined_in, difference, number, place, said
from edgeproxy.settings import Settings
from edgeproxy.sites import Source

TWO = Settings(
    sources=(Source(id="a"), Source(id="b")),
    where={
        "sources[0].id": "the environment",
        "sources[1].origins": "EDGEPROXY_ORIGIN",
        "sources[1].id": "/etc/edgeproxy.toml",
    },
)


@pytest.mark.parametrize(
    ("source", "where"),
    [("a", "the environment"), ("b", "/etc/edgeproxy.toml"), ("c", "the configuration")],
)
def test_a_source_is_found_where_it_is_defined(source: str, where: str) -> None:
    assert defined_in(TWO, source) == where


def test_a_path_is_escaped_and_never_that_of_the_form() -> None:
    assert place("sources", "a/b") == "/sources/a%2Fb"
    assert place("integrations", "new", "/events") == "/integrations/%6Eew/events"


@pytest.mark.parametrize(("text", "value"), [("5", 5), ("2.5", 2.5), ("many", "many")])
def test_a_number_is_one_or_stays_a_text(text: str, value: object) -> None:
    assert number(text) == value


def test_only_what_differs_is_asked_and_blank_means_the_default() -> None:
    wanted = {"a": "", "b": [], "c": False, "d": 0, "e": "same", "f": None}
    now = {"a": "x", "b": ["x"], "c": True, "d": 1, "e": "same", "f": 1}
    assert difference(wanted, now) == {"a": None, "b": None, "c": False, "d": 0, "f": None}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (True, "yes"),
        (False, "no"),
        (["a", "b"], "a, b"),
        ((), "nothing"),
        ("", "nothing"),
        (0, "0"),
    ],
)
def test_a_value_is_said_in_words(value: object, words: str) -> None:
    assert said(value) == words

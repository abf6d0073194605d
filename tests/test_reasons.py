"""Every fate has its words: the table is walked against every closed list there is."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from edgeproxy import consent
from edgeproxy.catalog import lookup
from edgeproxy.journal.weave import _WORST_FIRST
from edgeproxy.metrics import DROP_REASONS
from edgeproxy.outcome import DEAD_REASONS, AnswerClass
from edgeproxy.reasons import (
    ANSWERS,
    DEAD,
    DROPS,
    REJECTS,
    STATES,
    answer_reason,
    reason_of,
    rule_words,
)

PACKAGE = Path(__file__).parent.parent / "edgeproxy"
ALL = {
    **STATES,
    **{f"dropped:{code}": one for code, one in DROPS.items()},
    **{f"rejected:{code}": one for code, one in REJECTS.items()},
    **{f"dead:{code}": one for code, one in DEAD.items()},
}


def raised() -> Iterator[str]:
    """The codes that any place of the package refuses an event with."""
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                place = {"Unacceptable": 0, "Rejected": 1}.get(node.func.id)
                if place is not None and len(node.args) > place:
                    code = node.args[place]
                    if isinstance(code, ast.Constant):
                        yield str(code.value)


def test_every_reason_to_drop_has_words() -> None:
    assert set(DROPS) == DROP_REASONS
    assert set(get_args(consent.Reason)) - {""} <= set(DROPS)


def test_every_code_of_a_rejection_has_words() -> None:
    assert set(REJECTS) == set(raised())


def test_every_reason_of_a_dead_letter_has_words() -> None:
    assert tuple(DEAD) == DEAD_REASONS


def test_every_way_in_which_snap_answers_has_words() -> None:
    assert set(ANSWERS) == set(get_args(AnswerClass))


def test_every_outcome_of_a_trace_has_words() -> None:
    assert {outcome.partition(":")[0] for outcome in ALL} == set(_WORST_FIRST)


@pytest.mark.parametrize("outcome", ALL)
def test_what_went_wrong_says_what_to_do(outcome: str) -> None:
    reason = reason_of(outcome)
    assert reason is ALL[outcome]
    assert reason.label
    assert reason.means.endswith(".")
    assert bool(reason.cure) or outcome == "delivered"
    assert reason.cure == "" or reason.cure.endswith(".")


@pytest.mark.parametrize(
    ("outcome", "label"),
    [
        ("dropped:of_tomorrow", "Dropped"),
        ("rejected:of_tomorrow", "Unusable"),
        ("dead:of_tomorrow", "Dead letter"),
        ("of_tomorrow", "Unknown"),
        ("", "Unknown"),
    ],
)
def test_reasons_of_another_version_have_words_too(outcome: str, label: str) -> None:
    assert reason_of(outcome).label == label


def test_answers_of_another_version_have_words_too() -> None:
    assert answer_reason("partial") is ANSWERS["partial"]
    assert answer_reason("of_tomorrow").label == "Unknown"


@pytest.mark.parametrize("unknown", ["drop", "uppercase", "SAVE"])
@pytest.mark.parametrize(("name", "call"), [("purchase", "track"), ("x", "page"), ("x", "track")])
def test_every_rule_that_maps_has_words(name: str, call: str, unknown: str) -> None:
    for own in ({}, {"x": ("SAVE",)}):
        assert rule_words(lookup(name, call=call, own=own, unknown=unknown).rule)


def test_no_rule_has_no_words() -> None:
    assert rule_words("") == ""
    assert rule_words("unknown: SAVE") == (
        "because the integration sends unknown names under this one"
    )

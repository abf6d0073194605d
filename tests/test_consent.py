"""Consent: what may be stored and forwarded, and what is remembered."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.consent import Decision, decide
from edgeproxy.sites import ConsentRule

YES, NO = {"ad": True}, {"ad": False}

rules = st.sampled_from(["required", "implied"])
answers = st.none() | st.booleans() | st.sampled_from(["true", 1, 0, "", "granted"])
names = st.sampled_from(["advertising", "analytics", "Advertising", ""])
consents = (
    st.none()
    | st.just(YES)
    | st.just(NO)
    | st.text(max_size=5)
    | st.lists(st.booleans())
    | st.fixed_dictionaries(
        {}, optional={"ad": answers, "categories": answers | st.dictionaries(names, answers)}
    )
)


def decision(rule: ConsentRule = "required", **facts: Any) -> Decision:
    return decide(rule, **{"gpc": False, "optout": False, "batch": None, "recorded": None, **facts})


@pytest.mark.parametrize(
    ("rule", "facts", "reason", "withdraw", "record"),
    [
        # nothing said
        ("required", {}, "no_consent", False, None),
        ("implied", {}, "", False, None),
        # said now, in both forms
        ("required", {"batch": YES}, "", False, True),
        ("implied", {"batch": YES}, "", False, True),
        ("required", {"batch": {"categories": {"advertising": True}}}, "", False, True),
        ("required", {"batch": NO}, "no_consent", True, False),
        ("implied", {"batch": NO}, "no_consent", True, False),
        ("implied", {"batch": {"categories": {"advertising": False}}}, "no_consent", True, False),
        # remembered
        ("required", {"recorded": True}, "", False, True),
        ("required", {"recorded": False}, "no_consent", False, False),
        ("implied", {"recorded": False}, "no_consent", False, False),
        ("required", {"optout": True}, "no_consent", False, False),
        ("implied", {"optout": True}, "no_consent", False, False),
        ("implied", {"optout": True, "recorded": True}, "no_consent", False, False),
        # changed their mind
        ("required", {"batch": YES, "optout": True}, "", False, True),
        ("implied", {"batch": YES, "optout": True}, "", False, True),
        ("required", {"batch": YES, "recorded": False}, "", False, True),
        ("required", {"batch": NO, "recorded": True}, "no_consent", True, False),
        # the signal wins over a grant and is not remembered
        ("required", {"gpc": True}, "gpc", False, None),
        ("implied", {"gpc": True}, "gpc", False, None),
        ("implied", {"gpc": True, "batch": YES, "recorded": True}, "gpc", False, None),
        ("required", {"gpc": True, "batch": YES, "optout": True}, "gpc", False, None),
        ("required", {"gpc": True, "batch": NO}, "gpc", True, False),
    ],
)
def test_the_strictest_wins(
    rule: ConsentRule, facts: dict[str, Any], reason: str, withdraw: bool, record: bool | None
) -> None:
    found = decision(rule, **facts)
    assert (found.reason, found.withdraw, found.record) == (reason, withdraw, record)
    assert found.allows() == (reason == "")


@pytest.mark.parametrize(
    "batch",
    [
        {"ad": "true"},
        {"ad": 1},
        {"ad": None},
        {"Ad": True},
        {"categories": {"advertising": "yes"}},
        {"categories": {"ads": True}},
        {"categories": ["advertising"]},
        {"ad": True, "categories": ["advertising"]},
        {"ad": True, "categories": {"advertising": "no"}},
        {"ad": "no", "categories": {"advertising": True}},
        "granted",
        True,
        [],
        {},
    ],
)
def test_what_is_no_plain_yes_or_no_says_nothing(batch: object) -> None:
    assert decision("required", batch=batch).reason == "no_consent"
    assert decision("required", batch=batch).record is None
    assert decision("implied", batch=batch).reason == ""


@pytest.mark.parametrize(
    "batch",
    [
        {"ad": False, "categories": {"advertising": True}},
        {"ad": True, "categories": {"advertising": False}},
        {"ad": False, "categories": "everything"},
    ],
)
def test_of_two_answers_the_refusal_wins(batch: object) -> None:
    assert decision("implied", batch=batch).withdraw


def test_each_category_of_an_integration_must_be_granted() -> None:
    both = ("advertising", "analytics")
    some = decision(batch={"categories": {"advertising": True}})
    assert some.allows(("advertising",))
    assert not some.allows(both)
    assert decision(batch={"categories": {"advertising": True, "analytics": True}}).allows(both)
    assert decision(batch={"ad": True, "categories": {"analytics": True}}).allows(both)
    assert not decision(batch=YES).allows(both)


def test_another_categorys_refusal_closes_only_who_asks_for_it() -> None:
    found = decision("implied", batch={"categories": {"analytics": False}})
    assert found.allows(("advertising",))
    assert not found.allows(("advertising", "analytics"))
    assert not found.withdraw


def test_the_recorded_yes_speaks_of_advertising_only() -> None:
    found = decision(recorded=True)
    assert found.allows(("advertising",))
    assert not found.allows(("analytics",))


def test_another_categorys_yes_does_not_lift_a_remembered_refusal() -> None:
    found = decision(optout=True, batch={"categories": {"analytics": True}})
    assert not found.allows(("analytics",))


def test_an_integration_without_categories_needs_advertising() -> None:
    assert not decision(batch={"categories": {"analytics": True}}).allows(())
    assert decision(batch=YES).allows(())


@given(rules, st.booleans(), st.booleans(), consents, st.none() | st.booleans())
def test_no_grant_without_evidence_and_no_grant_against_a_refusal(
    rule: ConsentRule, gpc: bool, optout: bool, batch: object, recorded: bool | None
) -> None:
    found = decide(rule, gpc=gpc, optout=optout, batch=batch, recorded=recorded)
    said = []
    if isinstance(batch, dict):
        categories = batch.get("categories")
        said = [batch.get("ad")]
        said += [categories.get("advertising")] if isinstance(categories, dict) else []
    says_yes, says_no = any(a is True for a in said), any(a is False for a in said)
    remembered_no = optout or recorded is False

    assert found.withdraw == says_no
    assert (found.reason == "") == found.allows()
    if gpc or says_no or (remembered_no and not says_yes):
        assert not found.allows()
        assert not found.allows(("analytics",))
    if found.allows() and rule == "required":
        assert says_yes or recorded
    if found.record:
        assert found.allows()
    if found.record is False:
        assert says_no or remembered_no

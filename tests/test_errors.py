"""The tree of refusals: who acts, with which status, and in which words."""

import copy

import pytest

from edgeproxy.errors import (
    BadBatch,
    CannotMap,
    ConfigError,
    EdgeproxyError,
    Failed,
    Forbidden,
    Refused,
    StoreBusy,
)


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (Refused("a_code", "a sentence"), 400),
        (BadBatch("a_code", "a sentence"), 400),
        (BadBatch("a_code", "a sentence", status=413), 413),
        (Forbidden("a_code", "a sentence"), 403),
        (StoreBusy("a_code", "a sentence"), 503),
        (Refused("a_code", "a sentence", status=431), 431),
    ],
)
def test_each_refusal_has_its_status(refusal: Refused, status: int) -> None:
    assert (refusal.status, refusal.code, refusal.message) == (status, "a_code", "a sentence")
    assert str(refusal) == "a_code: a sentence"


def test_a_status_of_one_refusal_does_not_stick_to_its_class() -> None:
    BadBatch("too_large", "…", status=413)
    assert BadBatch("unreadable", "…").status == 400


def test_only_a_busy_store_asks_for_patience_unasked() -> None:
    assert StoreBusy("busy", "…").retry_after_s == 5
    assert StoreBusy("busy", "…", retry_after_s=30).retry_after_s == 30
    assert Refused("flood", "…").retry_after_s is None
    assert Refused("flood", "…", status=429, retry_after_s=1).retry_after_s == 1


def test_a_dead_event_names_its_reason_and_says_it_in_a_sentence() -> None:
    dead = CannotMap("missing_price", "a PURCHASE needs price and currency")
    assert (dead.reason, dead.detail) == ("missing_price", "a PURCHASE needs price and currency")
    assert str(dead) == "missing_price: a PURCHASE needs price and currency"


@pytest.mark.parametrize(
    ("error", "exit_status"), [(ConfigError([]), 78), (Failed("it did not work"), 1)]
)
def test_an_operator_s_error_decides_the_exit_status(
    error: EdgeproxyError, exit_status: int
) -> None:
    assert error.exit_status == exit_status


def test_everything_said_no_to_on_purpose_is_of_one_family() -> None:
    family = (ConfigError, Failed, Refused, BadBatch, Forbidden, StoreBusy, CannotMap)
    assert all(issubclass(member, EdgeproxyError) for member in family)
    assert all(issubclass(member, Refused) for member in (BadBatch, Forbidden, StoreBusy))
    assert not issubclass(CannotMap, Refused)


def test_one_fault_is_told_in_the_singular() -> None:
    error = ConfigError([("server.prt", "is no setting")], where="shop.toml")
    assert str(error) == "shop.toml has a fault\n  server.prt  is no setting"
    assert error.faults == (("server.prt", "is no setting"),)


def test_all_faults_are_told_at_once_in_columns() -> None:
    faults = [("a.long.name", "is no setting"), ("b", "must be a port")]
    error = ConfigError(faults, where="shop.toml and the environment")
    assert str(error).splitlines() == [
        "shop.toml and the environment have 2 faults",
        "  a.long.name  is no setting",
        "  b            must be a port",
    ]


def test_one_very_long_name_does_not_push_the_others_off_the_screen() -> None:
    error = ConfigError([("n" * 100, "one"), ("b", "two")], where="shop.toml and the environment")
    head, first, second = str(error).splitlines()
    assert head == "shop.toml and the environment have 2 faults"
    assert first == f"  {'n' * 100}  one"
    assert second == f"  b{' ' * 43}  two"


def test_no_fault_at_all_is_still_a_text() -> None:
    assert str(ConfigError([], where="shop.toml")).startswith("shop.toml ")


def test_a_configuration_error_survives_the_way_between_processes() -> None:
    error = ConfigError([("server.prt", "is no setting")], where="shop.toml")
    assert str(copy.copy(error)) == str(error)
    assert copy.copy(error).faults == error.faults

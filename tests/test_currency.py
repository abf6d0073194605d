"""Promises of `edgeproxy.currency`: the whole of ISO 4217, and nothing that looks like it."""

import doctest
import hashlib

import phonenumbers
import pytest

from edgeproxy import currency
from edgeproxy.currency import ISO_4217, WITHDRAWN, code

NO_COUNTRY = {"EUR"}
"""Codes that begin neither with the letters of a country nor with X."""

NOT_IN_PHONE_DATA = {"AN"}
"""The Netherlands Antilles have no telephone region any more."""


LIST_ONE_SHA256 = "62185bf8d74197e249d7a609a697f81820def9ca894cc3e9121c82497358f453"
"""Of the sorted codes, blanks between, made from Debian's iso-codes and the amendments since."""


def test_the_table_is_the_published_list() -> None:
    assert hashlib.sha256(" ".join(sorted(ISO_4217)).encode()).hexdigest() == LIST_ONE_SHA256


def test_the_list_has_the_178_codes_of_2026() -> None:
    assert len(ISO_4217) == 178
    assert all(len(each) == 3 and each.isalpha() and each.isupper() for each in ISO_4217)
    assert not ISO_4217 & WITHDRAWN


def test_codes_begin_with_a_country_or_with_x() -> None:
    """By the standard's own rule, so a misspelt code shows; countries from another list."""
    countries = phonenumbers.SUPPORTED_REGIONS | NOT_IN_PHONE_DATA
    odd = {each for each in ISO_4217 | WITHDRAWN if each[:2] not in countries and each[0] != "X"}
    assert odd == NO_COUNTRY


@pytest.mark.parametrize(
    "known", ["USD", "EUR", "JPY", "CHF", "XCG", "ZWG", "XAD", "SLE", "KWD", "XOF"]
)
def test_current_codes_are_known(known: str) -> None:
    assert code(known) == known
    assert code(known.lower()) == known
    assert code(f" {known.title()}\n") == known


@pytest.mark.parametrize("left", ["ANG", "BGN"])
def test_codes_that_shops_still_send_after_their_end_are_known(left: str) -> None:
    assert code(left.lower()) == left


@pytest.mark.parametrize(
    "unknown",
    ["", " ", "US", "USDT", "ABC", "DEM", "$", "US D", "ＵＳＤ", "ﬁm", "\x00USD", "USD" + " " * 99],
)
def test_other_texts_are_no_currency(unknown: str) -> None:
    assert code(unknown) == ""


@pytest.mark.parametrize("value", [None, 840, 1.5, True, ["USD"], {"USD": 1}, b"USD", object()])
def test_other_types_are_no_currency(value: object) -> None:
    assert code(value) == ""


def test_the_examples_in_the_docstrings_hold() -> None:
    outcome = doctest.testmod(currency)
    assert outcome.attempted > 0
    assert outcome.failed == 0

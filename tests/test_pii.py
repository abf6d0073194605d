"""Promises of `edgeproxy.pii`: Snap's digests to the letter, nothing hashed twice, no error."""

import doctest
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy import pii
from edgeproxy.addresses import canonical

CASES_FOLDER = Path(__file__).parent / "cases"
HASHING = json.loads((CASES_FOLDER / "hashing.json").read_text("utf-8"))
PHONES = json.loads((CASES_FOLDER / "phones.json").read_text("utf-8"))

FIELDS: dict[str, Callable[[Any, str], str]] = {
    "email": lambda value, _: pii.email_sha256(value),
    "phone": pii.phone_sha256,
    "first_name": lambda value, _: pii.first_name_sha256(value),
    "last_name": lambda value, _: pii.last_name_sha256(value),
    "city": lambda value, _: pii.city_sha256(value),
    "city v3": lambda value, _: pii.city_compact_sha256(value),
    "state": lambda value, _: pii.state_sha256(value),
    "zip": pii.zip_sha256,
    "country": lambda value, _: pii.country_sha256(value),
    "external_id": lambda value, _: pii.external_id_sha256(value),
    "mobile_ad_id": lambda value, _: pii.mobile_ad_id_sha256(value),
    "ip": lambda value, _: pii.sha256_hex(canonical(value)),
    "user_agent": lambda value, _: pii.sha256_hex(value),
}
HASHED = sorted(set(FIELDS) - {"ip", "user_agent"})
AD_ID = "38400000-8CF0-11BD-B23E-10B96E40000D"
DIGEST = "542d240129883c019e106e3b1b2d3f3cb3537c43c425364de8e951d5a3083345"


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def fields_of(case: dict[str, Any]) -> list[str]:
    if case["field"] != "city":
        return [case["field"]]
    return {"v2": ["city"], "v3": ["city v3"], "both": ["city", "city v3"]}[case["dialects"]]


@pytest.mark.parametrize(
    ("field", "case"),
    [(field, case) for case in HASHING["cases"] for field in fields_of(case)],
    ids=lambda value: value if isinstance(value, str) else repr(value["input"]),
)
def test_a_value_has_the_digest_the_case_says(field: str, case: dict[str, Any]) -> None:
    country = case.get("country") or case.get("default_country") or ""
    digest = FIELDS[field](case["input"], country)
    assert digest == (case["sha256"] or "")
    if case["normalised"] is not None:
        assert digest == sha256(case["normalised"])


@pytest.mark.parametrize("contested", HASHING["contested"], ids=lambda case: case["input"])
def test_a_digest_that_others_print_by_mistake_is_not_made(contested: dict[str, Any]) -> None:
    digest = FIELDS[contested["field"]](contested["input"], "")
    assert digest != contested.get("wrong_sha256")
    if contested["true_sha256"] is not None:
        assert digest == contested["true_sha256"]


@pytest.mark.parametrize("case", PHONES["cases"], ids=lambda case: case["why"])
def test_a_phone_number_has_the_digits_the_case_says(case: dict[str, Any]) -> None:
    digits = pii.phone_digits(case["input"], case["default_country"] or "")
    assert digits == (case["digits"] or "")
    digest = pii.phone_sha256(case["input"], case["default_country"] or "")
    assert digest == (sha256(case["digits"]) if case["digits"] else "")


@pytest.mark.parametrize(
    ("text", "country", "digits"),
    [
        # The trunk zero goes, also where the country has none; Italy's zero belongs to the number.
        ("+48 (0)512 345 678", "", "48512345678"),
        ("+39 06 6981 2345", "", "390669812345"),
        ("+39 (0)6 6981 2345", "", "390669812345"),
        ("06 6981 2345", "IT", "390669812345"),
        ("+225 07 01 23 45 67", "", "2250701234567"),
        # Exit codes: 00 everywhere, the country's own where that gives an assigned number.
        ("0011 44 7700 900123", "AU", "447700900123"),
        ("0011 1 415 555 2671", "AU", "14155552671"),
        ("0011 47 40 61 23 45", "AU", "4740612345"),
        ("0044 7911 123456", "TH", "447911123456"),
        ("00 44 698 805 868", "ID", "44698805868"),
        ("+00 44 7700 900123", "", "447700900123"),
        ("(0044) 7700 900123", "", "447700900123"),
        # Writing.
        ("\u202a+1 415 555 2671\u202c", "", "14155552671"),
        ("Tel.: +1 415 555 2671", "", "14155552671"),
        ("TEL +1 415 555 2671", "", "14155552671"),
        ("tel:+1-415-555-2671;ext=12", "", "14155552671"),
        ("tel:415-555-2671;phone-context=+1", "US", ""),
        ("+1 415 555 2671 Extension 12", "", "14155552671"),
        ("+1 415 555 2671 ｘ１２", "", "14155552671"),
        ("+1 415 555 2671 #5#", "", "14155552671"),
        ("+44 7700 #1 900123", "", ""),
        ("030/23125-123", "de ", "493023125123"),
        ("+1 415 555 2671 +1 415 555 2672", "", ""),
        ("+1,415,555,2671", "", ""),
        ("1-800-FLOWERS", "US", ""),
        ("+", "US", ""),
        ("", "US", ""),
        ("4155552671", "XX", ""),
        ("4155552671", "United States", ""),
        ("\ud800+14155552671", "US", ""),
        ("1" * 251, "US", ""),
        ("+1 415 555 2671" + " " * 300, "US", ""),
    ],
)
def test_a_phone_number_as_people_write_it(text: str, country: str, digits: str) -> None:
    assert pii.phone_digits(text, country) == digits


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_each_countrys_mobile_number_is_read_in_every_way_of_writing(region: str) -> None:
    kind = phonenumbers.PhoneNumberType
    number = phonenumbers.example_number_for_type(region, kind.MOBILE)
    number = number or phonenumbers.example_number_for_type(region, kind.FIXED_LINE)
    assert number is not None
    form = phonenumbers.PhoneNumberFormat
    digits = phonenumbers.format_number(number, form.E164)[1:]
    international = phonenumbers.format_number(number, form.INTERNATIONAL)
    national = phonenumbers.format_number(number, form.NATIONAL)
    assert pii.phone_digits(f"+{digits}", "") == digits
    assert pii.phone_digits(international, "US") == digits
    assert pii.phone_digits(f"00{digits}", "") == digits
    assert pii.phone_digits(national, region) == digits


@given(st.from_regex(r"[0-9]{8,11}", fullmatch=True))
def test_a_north_american_number_reads_the_same_however_it_is_dialled(national: str) -> None:
    assert pii.phone_digits(f"+1{national}", "") == pii.phone_digits(f"001{national}", "")


@pytest.mark.parametrize("field", HASHED)
def test_a_digest_is_kept_in_lower_case_and_not_hashed_again(field: str) -> None:
    assert FIELDS[field](DIGEST, "US") == DIGEST
    assert FIELDS[field](f" {DIGEST.upper()}\n", "US") == DIGEST


@pytest.mark.parametrize("field", HASHED)
@pytest.mark.parametrize("digest", HASHING["never"])
def test_the_digest_of_nothing_is_left_out_even_when_it_is_given(field: str, digest: str) -> None:
    assert FIELDS[field](digest, "US") == ""
    assert FIELDS[field](digest.upper(), "US") == ""


@pytest.mark.parametrize("field", HASHED)
@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        1.5,
        float("nan"),
        -1,
        10**40,
        [],
        ["jane@example.com"],
        {"email": "jane@example.com"},
        b"jane@example.com",
        object(),
        "",
        "  \t\n\u00a0",
        "null",
        "NULL",
        "undefined",
        " Undefined ",
        "(not set)",
        "[object Object]",
        "__INSERT_USER_EMAIL__",
        "{{ user.email }}",
        "${email}",
        "\ud800",
        "jane\udfff@example.com",
    ],
)
def test_what_is_no_value_is_left_out(field: str, value: object) -> None:
    assert FIELDS[field](value, "US") == ""


@pytest.mark.parametrize("field", HASHED)
def test_a_number_too_long_to_be_written_is_left_out(field: str) -> None:
    assert FIELDS[field](10**5000, "US") == ""


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("phone", 14155552671, "14155552671"),
        ("zip", 94035, "94035"),
        ("external_id", 4711, "4711"),
        ("external_id", 0, "0"),
    ],
)
def test_a_whole_number_is_as_good_as_its_text(field: str, value: int, text: str) -> None:
    assert FIELDS[field](value, "US") == sha256(text)


@pytest.mark.parametrize(
    "text",
    [
        "@example.com",
        "jane@",
        "@",
        "jane@a@b",
        "ja\x00ne@example.com",
        "jane@exam\u00a0ple.com",
        "jane\x85@example.com",
    ],
)
def test_what_is_no_address_is_no_email(text: str) -> None:
    assert pii.email_sha256(text) == ""


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("first_name", "Mary Ann", "mary ann"),
        ("first_name", "Jean-Luc", "jeanluc"),
        ("first_name", "“José”", "josé"),
        ("first_name", "(Jane) !", "jane"),
        ("first_name", "“ José ”", "josé"),
        ("first_name", "Zoë™", "zoë"),
        ("last_name", "D’Arc", "darc"),
        ("last_name", "Weiß", "weiß"),
        ("last_name", "ÖZGÜR", "özgür"),
        ("last_name", "Doe + Co.", "doe  co"),
        ("city", "St. Louis", "st louis"),
        ("city v3", "St. Louis", "stlouis"),
        ("city v3", "São\u00a0Paulo", "sãopaulo"),
        ("state", "New York.", "newyork"),
        ("country", " De ", "de"),
        ("zip", "940351234", "94035"),
        ("external_id", " U-1 ", "U-1"),
        ("mobile_ad_id", f" {AD_ID} ", AD_ID.lower()),
    ],
)
def test_a_value_is_normalised_before_it_is_hashed(field: str, value: str, text: str) -> None:
    assert FIELDS[field](value, "us") == sha256(text)


def test_only_american_zips_are_cut() -> None:
    assert pii.zip_sha256("1234-567", "PT") == sha256("1234567")
    assert pii.zip_sha256("94035-1234", "") == sha256("940351234")


@pytest.mark.parametrize("country", ["USA", "United States", "U", "U1", "ÄÖ", "U.S."])
def test_a_country_is_two_letters_or_left_out(country: str) -> None:
    assert pii.country_sha256(country) == ""


@pytest.mark.parametrize(
    ("value", "raw"),
    [
        (AD_ID, AD_ID.lower()),
        (f"\t{AD_ID}", AD_ID.lower()),
        ("00000000-0000-0000-0000-000000000000", ""),
        ("0" * 32, ""),
        ("-", ""),
        ("two words", ""),
        ("line\nbreak", ""),
        (DIGEST, ""),
        (None, ""),
        (5.5, ""),
        ("undefined", ""),
    ],
)
def test_an_advertising_id_is_raw_in_lower_case_or_left_out(value: object, raw: str) -> None:
    assert pii.mobile_ad_id(value) == raw
    if raw:
        assert pii.mobile_ad_id_sha256(value) == sha256(raw)


@pytest.mark.parametrize("zeros", ["00000000-0000-0000-0000-000000000000", "0" * 32])
def test_an_all_zero_advertising_id_is_not_hashed(zeros: str) -> None:
    assert pii.mobile_ad_id_sha256(zeros) == ""


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        (DIGEST, True),
        (DIGEST.upper(), True),
        (f" {DIGEST}\n", True),
        (DIGEST[:-1], False),
        (DIGEST + "0", False),
        (DIGEST[:-1] + "g", False),
        (DIGEST[:-1] + "٣", False),
        ("", False),
    ],
)
def test_a_digest_is_64_hex_digits(text: str, digest: bool) -> None:
    assert pii.is_digest(text) is digest


def test_nothing_and_unwritable_text_have_no_digest() -> None:
    assert pii.sha256_hex("") == ""
    assert pii.sha256_hex("\udc80") == ""
    assert pii.sha256_hex("a") == sha256("a")


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.text(alphabet="+0123456789 ()-.x#@aZ"),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(anything, st.sampled_from(["", "US", "DE", "TH", "??", "\ud800"]))
def test_no_value_whatever_raises_and_nothing_but_digests_comes_out(
    value: object, country: str
) -> None:
    for field in HASHED:
        digest = FIELDS[field](value, country)
        assert digest == "" or (pii.is_digest(digest) and digest.islower())
        assert digest not in HASHING["never"]
    assert pii.mobile_ad_id(value) == pii.mobile_ad_id(pii.mobile_ad_id(value))


def test_snaps_published_vectors_in_the_docstring_hold() -> None:
    outcome = doctest.testmod(pii)
    assert outcome.attempted >= 7
    assert outcome.failed == 0


def test_warming_up_changes_nothing() -> None:
    pii.warm()
    assert pii.phone_digits("+1 (555) 123-4567", "") == "15551234567"

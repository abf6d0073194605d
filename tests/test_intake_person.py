"""Who it was: everybody's field names, and nothing left in the clear."""

import hashlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.event import Person
from edgeproxy.intake.person import NAMES, Known, read_person

EMPTY = hashlib.sha256(b"").hexdigest()
AD_ID = "EA7583CD-A667-48BC-B806-42ECB2B48606"


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def person(default_country: str = "US", /, **user: Any) -> Person:
    return read_person(user, default_country).person


def test_nobody_is_nobody() -> None:
    assert read_person({}, "US") == Known()
    assert person(age=33, gender="f", ip_address="203.0.113.7", custom="x") == Person()


def test_the_contract_s_example_is_hashed_as_snap_wants_it() -> None:
    found = person(email=" Person@Example.COM ", phone="+1 (555) 123-4567", external_id=" u-1 ")
    assert found == Person(
        email_sha256=sha256("person@example.com"),
        phone_sha256=sha256("15551234567"),
        external_id_sha256=sha256("u-1"),
    )


SEGMENT = {
    "email": "jane@example.com",
    "firstName": "Jane",
    "lastName": "O'Neil",
    "phone": "447-234-2344",
    "address": {
        "city": "Los Angeles",
        "state": "CA",
        "postalCode": "90001-1234",
        "country": "US",
        "street": "1 Main St",
    },
}
GA4 = {
    "email_address": "jane@example.com",
    "phone_number": "+14472342344",
    "address": [
        {
            "first_name": "Jane",
            "last_name": "O'Neil",
            "city": "Los Angeles",
            "region": "CA",
            "postal_code": "90001",
            "country": "US",
        },
        {"first_name": "Nobody"},
    ],
}
PIXEL = {
    "user_email": "jane@example.com",
    "user_phone_number": "+14472342344",
    "firstname": "Jane",
    "lastname": "O'Neil",
    "geo_city": "Los Angeles",
    "geo_region": "CA",
    "geo_postal_code": "90001",
    "geo_country": "US",
}
V3 = {
    "em": [sha256("jane@example.com")],
    "ph": [sha256("14472342344"), "other"],
    "fn": ["Jane"],
    "ln": ["O'Neil"],
    "ct": ["Los Angeles"],
    "st": ["CA"],
    "zp": ["90001"],
    "country": ["US"],
}


@pytest.mark.parametrize("user", [SEGMENT, GA4, PIXEL, V3], ids=["segment", "ga4", "pixel", "v3"])
def test_every_caller_s_spelling_is_the_same_person(user: dict[str, Any]) -> None:
    assert person(**user) == Person(
        email_sha256=sha256("jane@example.com"),
        phone_sha256=sha256("14472342344"),
        first_name_sha256=sha256("jane"),
        last_name_sha256=sha256("oneil"),
        city_sha256=sha256("los angeles"),
        city_compact_sha256=sha256("losangeles"),
        state_sha256=sha256("ca"),
        zip_sha256=sha256("90001"),
        country_sha256=sha256("us"),
    )


@pytest.mark.parametrize(
    "name", ["firstName", "first_name", "FIRST-NAME", "First Name", "firstname"]
)
def test_case_and_separators_of_a_name_do_not_count(name: str) -> None:
    assert person(**{name: "Jane"}).first_name_sha256 == sha256("jane")


@pytest.mark.parametrize(
    ("field", "name"), [(field, name) for field, names in NAMES.items() for name in names]
)
def test_every_listed_name_is_read(field: str, name: str) -> None:
    """A digest passes every field but the two that are also wanted raw."""
    raw = {"country": "AT", "mobile_ad_id": AD_ID, "idfv": AD_ID}.get(field, "d" * 64)
    known = read_person({name: raw}, "AT")
    assert known != Known()
    assert getattr(known.person, f"{field}_sha256")


@pytest.mark.parametrize(
    "name", ["user_hashed_email", "user_hashed_phone_number", "user_hashed_mobile_ad_id"]
)
def test_a_digest_is_kept_and_not_hashed_again(name: str) -> None:
    digests = msgspec.structs.asdict(person(**{name: f" {'AB' * 32} "})).values()
    assert set(digests) == {"", "ab" * 32}


def test_the_first_usable_spelling_wins() -> None:
    assert person(email="no address", user_email="jane@example.com") == Person(
        email_sha256=sha256("jane@example.com")
    )
    both = person(email="jane@example.com", user_email="john@example.com")
    assert both.email_sha256 == sha256("jane@example.com")


@pytest.mark.parametrize("nothing", [None, "", "  ", [], [None], {}, "undefined"])
def test_an_empty_spelling_hides_nothing(nothing: object) -> None:
    """Forms send all their fields; those left empty must not hide another's value."""
    assert person(firstName="Jane", first_name=nothing).first_name_sha256 == sha256("jane")
    assert person(first_name=nothing, firstName="Jane").first_name_sha256 == sha256("jane")
    assert person(city=nothing, address={"city": "Wien"}).city_sha256 == sha256("wien")


def test_the_person_s_own_field_wins_over_the_address() -> None:
    found = person(city="Graz", address={"city": "Wien", "state": "W"})
    assert (found.city_sha256, found.state_sha256) == (sha256("graz"), sha256("w"))


@pytest.mark.parametrize("address", ["Main St 1", 7, None, [], [7], [None], {}])
def test_an_address_of_another_type_is_ignored(address: object) -> None:
    assert person(email="jane@example.com", address=address) == Person(
        email_sha256=sha256("jane@example.com")
    )


def test_a_phone_number_without_country_takes_the_source_s() -> None:
    assert person("US", phone="447-234-2344").phone_sha256 == sha256("14472342344")
    assert person("GB", phone="0844 412 4653").phone_sha256 == sha256("448444124653")


def test_a_complete_phone_number_needs_no_country() -> None:
    assert person("", phone="+44 844 412 4653").phone_sha256 == sha256("448444124653")
    assert person("US", phone="+44 844 412 4653").phone_sha256 == sha256("448444124653")


def test_without_any_country_an_incomplete_phone_number_is_left_out() -> None:
    assert person("", phone="447-234-2344") == Person()


def test_the_source_s_country_comes_before_the_person_s_for_phone_numbers() -> None:
    """The form on the site asks for a number as one dials it there."""
    assert person("US", phone="447-234-2344", country="GB").phone_sha256 == sha256("14472342344")
    assert person("", phone="447-234-2344", country="US").phone_sha256 == sha256("14472342344")
    assert person("", phone="447-234-2344", country="United States").phone_sha256 == ""


@pytest.mark.parametrize(
    ("default_country", "country", "zip_text"),
    [
        ("", None, "900011234"),
        ("US", None, "90001"),
        ("AT", "US", "90001"),
        ("AT", " us ", "90001"),
        ("US", "AT", "900011234"),
        ("US", "United States", "90001"),
        ("US", "d" * 64, "90001"),
        ("US", 1, "90001"),
    ],
)
def test_a_zip_is_cut_by_the_person_s_country_else_by_the_source_s(
    default_country: str, country: object, zip_text: str
) -> None:
    found = person(default_country, zip="90001-1234", country=country)
    assert found.zip_sha256 == sha256(zip_text)


def test_device_ids_are_hashed_for_one_wire_and_kept_raw_for_the_other() -> None:
    known = read_person({"user_mobile_ad_id": AD_ID, "idfv": f" {AD_ID} "}, "")
    assert known == Known(
        person=Person(mobile_ad_id_sha256=sha256(AD_ID.lower()), idfv_sha256=sha256(AD_ID.lower())),
        mobile_ad_id=AD_ID.lower(),
        idfv=AD_ID.lower(),
    )


def test_a_device_id_of_zeros_is_nobody() -> None:
    assert read_person({"madid": "00000000-0000-0000-0000-000000000000"}, "") == Known()


def test_an_external_id_is_never_an_e_mail_address() -> None:
    found = person(external_id="jane@example.com", userId="u-2")
    assert found == Person(external_id_sha256=sha256("jane@example.com"))


def test_a_name_of_any_length_is_no_field_of_ours() -> None:
    assert person(**{"e" * 10_000: "jane@example.com", "_" * 50 + "email": "x@y.zz"}) == Person()


keys = st.sampled_from([name for names in NAMES.values() for name in names] + ["address", "x"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(keys | st.text(), inside),
    max_leaves=8,
)


@given(st.dictionaries(keys | st.text(st.characters(), max_size=10), values, max_size=6))
def test_any_user_becomes_digests_or_nothing(user: dict[str, Any]) -> None:
    known = read_person(user, "US")
    digests = set(msgspec.structs.asdict(known.person).values())
    assert EMPTY not in digests
    assert all(digest == "" or len(bytes.fromhex(digest)) == 32 for digest in digests)

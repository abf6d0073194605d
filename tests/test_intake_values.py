"""Reading loosely typed values: what counts, what is skipped, what is refused."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.intake.raw import Unacceptable
from edgeproxy.intake.values import amount, holds_email, time_ms, word

anything = (
    st.none()
    | st.booleans()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | st.text(st.characters())
    | st.lists(st.integers())
    | st.dictionaries(st.text(), st.none())
)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (0, "0"),
        (0.0, "0.0"),
        (129.99, "129.99"),
        (0.1 + 0.2, "0.30000000000000004"),
        ("129.99", "129.99"),
        (" 5 ", "5"),
        ("+5", "5"),
        ("-0", "-0"),
        ("007.50", "7.50"),
        ("0.30000000000000004", "0.30000000000000004"),
        (10**12, "1000000000000"),
        ("1000000000000", "1000000000000"),
    ],
    ids=repr,
)
def test_a_finite_number_or_plain_decimal_text_is_an_exact_amount(value: object, read: str) -> None:
    assert str(amount(value)) == read


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        "",
        " ",
        "free",
        "null",
        "NaN",
        "Infinity",
        "1e3",
        "1,299.00",
        "$5",
        "5 EUR",
        "5.",
        ".5",
        "--5",
        "0x10",
        "1_000",
        [5],
        {"amount": 5},
    ],
)
def test_anything_else_is_skipped_so_that_the_next_candidate_is_tried(value: object) -> None:
    assert amount(value) is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_is_skipped(value: float) -> None:
    """JSON has none of these; a CSV file's reader has."""
    assert amount(value) is None


@pytest.mark.parametrize(
    "value",
    [-1, -0.01, "-5", 10**12 + 1, 1.1e12, 1e308, 10**399, "9" * 13, -(10**399)],
    ids=lambda value: repr(value)[:30],
)
def test_a_negative_or_unreasonable_amount_is_refused(value: object) -> None:
    with pytest.raises(Unacceptable) as caught:
        amount(value)
    assert caught.value.code == "bad_number"


@given(anything)
def test_no_value_whatever_breaks_the_reading_of_amounts(value: object) -> None:
    try:
        read = amount(value)
    except Unacceptable as no:
        read, code = None, no.code
    else:
        code = "bad_number"
    assert code == "bad_number"
    assert read is None or (read.is_finite() and 0 <= read <= Decimal(10**12))


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("SKU-A", "SKU-A"),
        ("  SKU A \n", "SKU A"),
        (17, "17"),
        (0, "0"),
        (-3, "-3"),
        (2**64 - 1, "18446744073709551615"),
        ("購入", "購入"),
        ("a@b", "a@b"),
        ("@home", "@home"),
        ("5 @ 3.50", "5 @ 3.50"),
    ],
)
def test_a_text_or_a_whole_number_is_a_word(value: object, read: str) -> None:
    assert word(value) == read


@pytest.mark.parametrize(
    "value",
    [None, True, False, 1.5, "", "  ", [], ["a"], {"a": 1}, 2**64, 10**399, -(10**399)],
    ids=lambda value: repr(value)[:30],
)
def test_anything_else_is_no_word(value: object) -> None:
    assert word(value) == ""


@pytest.mark.parametrize(
    "text",
    [
        "jane@example.com",
        "order for jane@example.com, thanks",
        "mailto:jane.doe+shop@mail.example.co.uk",
        "<jane@example.com>",
        "jane@@x jane@example.com",
    ],
)
def test_a_text_that_holds_an_e_mail_address_is_no_word(text: str) -> None:
    assert word(text) == ""
    assert holds_email(text)


@pytest.mark.parametrize("text", ["", "jane", "jane@", "@example.com", "a@b", "a @b.c", "a@b .c"])
def test_a_lone_at_sign_is_no_e_mail_address(text: str) -> None:
    assert not holds_email(text)


@given(anything)
def test_no_value_whatever_breaks_the_reading_of_words(value: object) -> None:
    read = word(value)
    assert read == read.strip()
    assert not holds_email(read)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (1_706_540_000_123, 1_706_540_000_123),
        (1_706_540_000, 1_706_540_000_000),
        (1_706_540_000_123_456, 1_706_540_000_123),
        (1_706_540_000_123.9, 1_706_540_000_123),
        (1_706_540_000.9, 1_706_540_000_000),
        ("1706540000123", 1_706_540_000_123),
        (" 1706540000 ", 1_706_540_000_000),
        ("1706540000123456", 1_706_540_000_123),
        (0, 0),
        ("12", 12_000),
        ("2024-01-29T14:53:20.123Z", 1_706_540_000_123),
        ("2024-01-29T14:53:20Z", 1_706_540_000_000),
        ("2024-01-29T15:53:20.123+01:00", 1_706_540_000_123),
        (" 2024-01-29 14:53:20.123999+00:00 ", 1_706_540_000_123),
    ],
    ids=repr,
)
def test_a_time_is_read_by_its_length_or_as_iso_8601(value: object, read: int) -> None:
    assert time_ms(value) == read


@pytest.mark.parametrize("ms", [0, 1, 122, 123, 499, 567, 999])
def test_iso_8601_keeps_every_millisecond(ms: int) -> None:
    assert time_ms(f"2024-01-17T16:26:17.{ms:03d}Z") == 1_705_508_777_000 + ms


@pytest.mark.parametrize("value", [None, ""])
def test_no_time_is_none(value: object) -> None:
    assert time_ms(value) is None


@pytest.mark.parametrize(
    "value",
    [
        True,
        False,
        -1,
        -1.5,
        float("nan"),
        float("inf"),
        float("-inf"),
        1e300,
        10**19,
        10**399,
        "9" * 20,
        "²",
        "yesterday",
        "2024-13-01T00:00:00Z",
        "2024-01-29",
        "2024-01-29T14:53:20",
        "1706540000.5",
        "-1706540000",
        "Mon, 29 Jan 2024 14:53:20 GMT",
        "x" * 16_000,
        "2024-01-29T14:53:20\ud800",
        [],
        {},
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_no_time_is_refused(value: object) -> None:
    with pytest.raises(Unacceptable) as caught:
        time_ms(value)
    assert caught.value.code == "bad_time"
    assert caught.value.reason


def test_a_time_without_a_zone_says_what_is_missing() -> None:
    with pytest.raises(Unacceptable, match="bad_time") as caught:
        time_ms("2024-01-29T14:53:20")
    assert "Z or an offset" in caught.value.reason


@given(anything | st.datetimes().map(datetime.isoformat))
def test_no_value_whatever_breaks_the_reading_of_times(value: object) -> None:
    try:
        read = time_ms(value)
    except Unacceptable as no:
        read, code = None, no.code
    else:
        code = "bad_time"
    assert code == "bad_time"
    assert read is None or isinstance(read, int)


@given(
    st.datetimes(
        datetime(2020, 1, 1),  # noqa: DTZ001 - hypothesis wants naive bounds
        datetime(2037, 1, 1),  # noqa: DTZ001
        timezones=st.timezones(),
        allow_imaginary=False,
    )
)
def test_an_iso_time_is_the_instant_it_names_cut_to_milliseconds(moment: datetime) -> None:
    elapsed = moment - datetime(1970, 1, 1, tzinfo=UTC)
    assert time_ms(moment.isoformat()) == elapsed // timedelta(milliseconds=1)

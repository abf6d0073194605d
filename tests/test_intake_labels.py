"""Names and ids of events: plain texts of a bounded length, or refused."""

import pytest

from edgeproxy.intake.labels import event_id, event_name
from edgeproxy.intake.raw import Unacceptable
from edgeproxy.pii import sha256_hex


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "no_name"),
        ("", "no_name"),
        ("  ", "no_name"),
        (7, "no_name"),
        (["Order Completed"], "no_name"),
        ("n" * 257, "too_long"),
        ("Order\0Completed", "control_character"),
        ("Welcome jane@example.com", "personal_name"),
    ],
)
def test_what_is_no_name_is_refused(value: object, code: str) -> None:
    with pytest.raises(Unacceptable) as caught:
        event_name(value)
    assert caught.value.code == code


def test_a_name_stays_as_it_is() -> None:
    assert event_name("n" * 256) == "n" * 256
    assert event_name(" Quiz Finished ") == " Quiz Finished "


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("m-1", "m-1"),
        (" m-1 ", "m-1"),
        (17, "17"),
        (None, ""),
        (True, ""),
        (1.5, ""),
        ({}, ""),
        ("i" * 256, "i" * 256),
        ("jane@example.com", sha256_hex("jane@example.com")),
        ("order-jane@example.com-1", sha256_hex("order-jane@example.com-1")),
    ],
)
def test_an_id_is_a_text_or_a_whole_number(value: object, text: str) -> None:
    assert event_id(value) == text


@pytest.mark.parametrize(
    ("value", "code"),
    [("i" * 257, "too_long"), ("a\r\nb", "control_character"), (10**30, "bad_number")],
)
def test_what_cannot_be_an_id_is_refused(value: object, code: str) -> None:
    with pytest.raises(Unacceptable) as caught:
        event_id(value)
    assert caught.value.code == code

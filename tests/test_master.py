"""The signed master: what comes back, what is refused, when it is signed anew."""

import hashlib
import json
from typing import Any

import pytest
from itsdangerous import Signer
from itsdangerous.encoding import base64_decode

from edgeproxy.cookies import DURABLE_S
from edgeproxy.master import Master, MasterSigner, Signed

NOW_S = 1_790_000_000
DAY_S = 86_400
OLD, NEW = b"o" * 32, b"n" * 32
SIGNER = MasterSigner([OLD, NEW])
ANNA = Master(
    scid="34dd6077-e3a0-4b1c-9f91-a690ea0e335d",
    source="shop",
    click_id="abc123def456",
    click_at_s=NOW_S - 3 * DAY_S,
    consent=True,
)


def read(text: str, *, source: str = "shop", now_s: int = NOW_S) -> Signed | None:
    return SIGNER.read(text, source, now_s)


def signed_elsewhere(key: bytes, value: bytes, **changes: Any) -> str:
    """A text that itsdangerous itself signs, by the documented scheme or a changed one."""
    scheme = {
        "salt": "edgeproxy.master",
        "key_derivation": "hmac",
        "digest_method": hashlib.sha256,
        **changes,
    }
    return Signer(key, **scheme).sign(value).decode()


def payload(text: str) -> bytes:
    return text.partition(".")[0].encode()


@pytest.mark.parametrize("consent", [None, True, False])
def test_a_master_comes_back_as_it_was(consent: bool | None) -> None:
    master = Master(scid="abcdefgh", source="shop", consent=consent)
    for content in (master, ANNA):
        found = read(SIGNER.sign(content, NOW_S))
        assert found is not None
        assert (found.master, found.signed_at_s, found.newest) == (content, NOW_S, True)


def test_a_master_is_signed_by_the_library_with_sha_256_and_a_derived_key() -> None:
    text = SIGNER.sign(ANNA, NOW_S)
    assert text == signed_elsewhere(NEW, payload(text))


def test_a_master_holds_nothing_but_ids_times_and_the_choice() -> None:
    said = json.loads(base64_decode(payload(SIGNER.sign(ANNA, NOW_S))))
    assert said == [ANNA.scid, "shop", ANNA.click_id, ANNA.click_at_s, True, NOW_S]


def test_a_master_is_short_and_needs_no_quoting() -> None:
    text = SIGNER.sign(ANNA, NOW_S)
    assert len(text) < 256
    assert text.replace(".", "").replace("-", "").replace("_", "").isalnum()


def test_the_longest_ids_still_fit() -> None:
    longest = Master(
        scid="s" * 200, source="x" * 64, click_id="c" * 256, click_at_s=NOW_S, consent=True
    )
    found = read(SIGNER.sign(longest, NOW_S), source="x" * 64)
    assert found is not None
    assert found.master == longest


GOOD = SIGNER.sign(ANNA, NOW_S)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "x",
        GOOD[:-1],
        GOOD[1:],
        GOOD[: len(GOOD) // 2],
        GOOD.replace(".", ""),
        GOOD + "x",
        GOOD[:20] + ("A" if GOOD[20] != "A" else "B") + GOOD[21:],
        f'"{GOOD}"',
        GOOD + "é",
        GOOD + "\r\n",
        GOOD[:-1] + ", " + GOOD[-1],
        GOOD.replace(".", ".\n"),
        "x" * 1_025,
        signed_elsewhere(b"f" * 32, payload(GOOD)),
        signed_elsewhere(NEW, payload(GOOD), salt="edgeproxy.session"),
        signed_elsewhere(NEW, payload(GOOD), digest_method=hashlib.sha1),
        signed_elsewhere(NEW, payload(GOOD), key_derivation="django-concat"),
        signed_elsewhere(NEW, b"bm8ganNvbg"),
        signed_elsewhere(NEW, b"!!!"),
        signed_elsewhere(NEW, b"_____w"),
        signed_elsewhere(NEW, b"W10"),
    ],
)
def test_a_forged_cut_or_foreign_master_is_ignored(text: str) -> None:
    assert read(text) is None
    assert read(text) is None, "the second time is answered from memory"


def test_an_oversized_master_is_ignored_even_when_the_signature_is_right() -> None:
    giant = Master(scid="s" * 900, source="shop")
    assert read(SIGNER.sign(giant, NOW_S)) is None


def test_a_master_of_one_source_is_no_good_at_another() -> None:
    text = SIGNER.sign(ANNA, NOW_S)
    assert read(text) is not None
    assert read(text, source="blog") is None


def test_a_master_ends_with_the_cookies_own_life_although_it_was_verified_before() -> None:
    text = SIGNER.sign(ANNA, NOW_S)
    assert read(text, now_s=NOW_S + DURABLE_S) is not None
    assert read(text, now_s=NOW_S + DURABLE_S + 1) is None


def test_an_old_key_verifies_until_it_is_removed() -> None:
    text = MasterSigner([OLD]).sign(ANNA, NOW_S)
    found = read(text)
    assert found is not None
    assert (found.master, found.newest) == (ANNA, False)
    assert MasterSigner([NEW]).read(text, "shop", NOW_S) is None


def held(text: str) -> Signed:
    found = read(text)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("content", "age_s", "key", "same"),
    [
        (ANNA, 0, NEW, True),
        (ANNA, DAY_S - 1, NEW, True),
        (ANNA, 1 - DAY_S, NEW, True),
        (ANNA, DAY_S, NEW, False),
        (ANNA, -DAY_S, NEW, False),
        (ANNA, 0, OLD, False),
        (Master(scid=ANNA.scid, source="shop"), 0, NEW, False),
    ],
)
def test_a_master_is_signed_anew_only_when_it_is_outdated(
    content: Master, age_s: int, key: bytes, same: bool
) -> None:
    text = MasterSigner([key]).sign(ANNA, NOW_S - age_s)
    renewed = SIGNER.renew(content, held(text), NOW_S)
    assert (renewed == text) is same
    assert held(renewed).master == content
    if not same:
        assert (held(renewed).signed_at_s, held(renewed).newest) == (NOW_S, True)


def test_without_a_master_one_is_signed() -> None:
    assert held(SIGNER.renew(ANNA, None, NOW_S)).master == ANNA

"""One rule for each thing that a source or an integration has; the file's tests have more."""

import pytest

from edgeproxy import site_rules


@pytest.mark.parametrize("text", ["a", "src_abc123", "Shop-1", "x" * 64])
def test_an_id_is_letters_digits_and_two_signs(text: str) -> None:
    assert site_rules.name(text) == text


@pytest.mark.parametrize("text", ["", "x" * 65, "a b", "a/b", "é", "a\n", "../x"])
def test_what_cannot_stand_in_a_path_is_no_id(text: str) -> None:
    with pytest.raises(ValueError, match="1 to 64 letters"):
        site_rules.name(text)


def test_a_token_is_trimmed_and_nothing_else() -> None:
    assert site_rules.token("  eyJ.a-b_c \n") == "eyJ.a-b_c"
    for text, said in (
        (" ", "is empty"),
        ("Bearer x", "the token alone"),
        ("a b", "one line"),
        ("…", "printable ASCII"),
    ):
        with pytest.raises(ValueError, match=said):
            site_rules.token(text)


def test_a_write_key_may_be_a_digest() -> None:
    digest = f"sha256:{'0a' * 32}"
    assert site_rules.write_key(digest) == digest
    with pytest.raises(ValueError, match="64 hex digits"):
        site_rules.write_key("sha256:12")


def test_a_cookie_domain_spans_every_origin() -> None:
    origins = ("https://www.example.com", "https://example.com:8443")
    assert site_rules.cookie_domain(".Example.com", origins) == "example.com"
    with pytest.raises(ValueError, match=r"other\.net is not in example\.com"):
        site_rules.cookie_domain("example.com", (*origins, "https://other.net"))


@pytest.mark.parametrize(
    ("ids", "said"),
    [(("", "", ""), "give pixel_id"), (("", "app", ""), "takes both"), (("a\0", "", ""), "print")],
)
def test_a_pixel_or_both_ids_of_an_app(ids: tuple[str, str, str], said: str) -> None:
    assert site_rules.pixel_id("p", "", "") == "p"
    assert site_rules.pixel_id("", "app", "com.app") == ""
    with pytest.raises(ValueError, match=said):
        site_rules.pixel_id(*ids)


def test_names_of_events_are_compared_folded() -> None:
    table = {"Quiz Finished": ("CUSTOM_EVENT_1",)}
    assert site_rules.events(table) == table
    with pytest.raises(ValueError, match="one event twice"):
        site_rules.events({**table, "quiz_finished": ("SAVE",)})
    with pytest.raises(ValueError, match="at least one"):
        site_rules.events({"Quiz": ()})


def test_an_id_is_made_of_the_source_and_the_target() -> None:
    assert site_rules.integration_id("shop", "5a3e0c1d-7b2f") == "shop-5a3e0c1d"
    assert site_rules.integration_id("shop", "…") == "shop-"


def test_the_known_name_that_was_meant() -> None:
    assert site_rules.closest("orgins", ["origins", "consent"]) == "origins"
    assert site_rules.closest("zzz", ["origins"]) is None

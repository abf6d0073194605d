"""Promises of `edgeproxy.urls`: nothing personal leaves in an address, nothing else is touched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.urls import clean_page_url, host_of, origin_of

PERSONAL = """
email mail user_email phone phone_number tel telephone mobile msisdn token access_token id_token
refresh_token auth authorization api_key password passwd pwd secret jwt otp session_id
"""


@pytest.mark.parametrize("name", PERSONAL.split())
@pytest.mark.parametrize("spell", [str, str.upper, lambda name: name.replace("_", "-")])
def test_a_personal_parameter_goes_and_its_neighbours_stay(name: str, spell: object) -> None:
    assert callable(spell)
    url = f"https://example.com/a?x=1&{spell(name)}=v&y=2"
    assert clean_page_url(url) == "https://example.com/a?x=1&y=2"


@pytest.mark.parametrize(
    "part",
    [
        "contact=joe%40example.org",
        "contact=joe@example.org",
        "q=mail+to+joe%2Btag%40sub.example.co.uk+now",
        "jane@example.com",
        "next=https%3A%2F%2Fx.example%2F%3Fm%3Djane%2540example.com",
        "next=https%3A%2F%2Fx.example%2F%3Fn%3D%252Fy%253Fm%253Djane%252540example.com",
        "c=%E7%94%A8%E6%88%B7%40%E4%BE%8B%E5%AD%90.%E5%B9%BF%E5%91%8A",
        "s=eyJhbGciOi.eyJzdWIi.sig",
        "s=Bearer%20eyJhbGciOi.eyJzdWIi.",
        "e%6Dail=x",
        "user%5Bemail%5D=x",
        "customer[phone_number]=1",
        "E-Mail=x",
        "otp",
    ],
)
def test_a_parameter_that_tells_of_a_person_goes(part: str) -> None:
    assert clean_page_url(f"https://example.com/?{part}") == "https://example.com/"
    assert clean_page_url(f"https://example.com/?a=1&{part}&b=2") == "https://example.com/?a=1&b=2"


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com/",
        "http://localhost:8080/a;b/%20?c",
        "https://example.com/?utm_source=snapchat&ScCid=Ab1-_.&q=a%20b+c",
        "https://example.com/?a=1&&b==2&=3&c",
        "https://example.com/?map=/@48.85,2.35,12z&at=@handle&mailing=1&token_count=2&author=x",
        "https://example.com/?eyJ=1&x=eyJustAWord&pct=50%25&bad=%zz%",
        "https://example.com/?sc_click_id=x&sclid=y",
        "https://[2001:db8::7]:8443/x?y=1",
        "https://münchen.example/straße?q=größe",
    ],
)
def test_a_harmless_address_stays_byte_for_byte(url: str) -> None:
    assert clean_page_url(url) == url


@pytest.mark.parametrize(
    ("url", "cleaned"),
    [
        ("https://example.com/a#b", "https://example.com/a"),
        ("https://example.com#b?c=d", "https://example.com"),
        ("https://example.com/?", "https://example.com/"),
        ("https://example.com/?&", "https://example.com/"),
        ("https://example.com/?token=1&", "https://example.com/"),
        ("https://user:secret@example.com/a", "https://example.com/a"),
        ("https://jane@example.com:pw@example.com:8443/a", "https://example.com:8443/a"),
        ("  https://example.com/a\n", "https://example.com/a"),
        ("https://example.com/a?b=1#me@example.com", "https://example.com/a?b=1"),
    ],
)
def test_user_name_fragment_and_an_empty_query_go(url: str, cleaned: str) -> None:
    assert clean_page_url(url) == cleaned


NO_URLS = [
    "",
    "::::",
    "/path?x=1",
    "example.com",
    "//example.com/",
    "https://",
    "https:///a",
    "https://?a",
    "https://user@/a",
    "ftp://example.com/",
    "javascript:alert(1)",
    "about:blank",
    "file:///etc/passwd",
    "android-app://com.example",
    "https://exa mple.com/",
    "https://example.com:port/",
    "https://example.com\\@evil.example/",
    "https://[::1/",
    "https://example.com/a\nb",
    "https://example.com/?a\x00b",
    "https://example.com/\ud800",
    "https://<script>/",
]


@pytest.mark.parametrize("url", NO_URLS)
def test_what_is_no_web_address_is_left_out(url: str) -> None:
    assert clean_page_url(url) == ""
    assert host_of(url) == ""


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Shop.Example.COM:8443/a?b#c", "shop.example.com"),
        ("http://localhost/", "localhost"),
        ("https://me:pw@example.com/", "example.com"),
        ("https://[2001:DB8::7]:443/", "2001:db8::7"),
        (" https://example.com ", "example.com"),
    ],
)
def test_a_host_is_given_in_lower_case_without_port(url: str, host: str) -> None:
    assert host_of(url) == host


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text",
    ["@" * 300_000, "eyJ" * 100_000, "a@b." * 75_000, "a" * 300_000 + " @", "%25" * 100_000],
)
def test_hostile_addresses_cost_no_more_than_their_length(text: str) -> None:
    """A quadratic search would need hours for these."""
    for url in (f"https://example.com/?x={text}", f"https://{text}", f"https://example.com/{text}"):
        assert len(clean_page_url(url)) <= len(url)


@given(st.text())
def test_any_text_is_cleaned_to_an_address_that_can_be_sent(text: str) -> None:
    for url in (text, f"https://example.com/?{text}", f"https://{text}"):
        cleaned = clean_page_url(url)
        assert cleaned.encode() == b"" or cleaned.startswith(("http://", "https://"))
        assert "#" not in cleaned


@given(st.text(st.characters(exclude_categories=["C", "Z"])))
def test_a_cleaned_address_is_clean(text: str) -> None:
    cleaned = clean_page_url(f"https://example.com/a?{text}")
    assert clean_page_url(cleaned) == cleaned


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://www.example.com", "https://www.example.com"),
        ("HTTPS://WWW.Example.com/", "https://www.example.com"),
        (" https://example.com:443 ", "https://example.com"),
        ("https://example.com:", "https://example.com"),
        ("https://example.com:8443", "https://example.com:8443"),
        ("https://[2001:DB8:0::7]", "https://[2001:db8::7]"),
        ("https://xn--mnchen-3ya.de", "https://xn--mnchen-3ya.de"),
        ("http://localhost", "http://localhost"),
        ("http://localhost:80", "http://localhost"),
        ("http://shop.localhost:8000", "http://shop.localhost:8000"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_an_origin_is_written_as_browsers_send_it(text: str, origin: str) -> None:
    assert origin_of(text) == origin


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "a scheme and a host"),
        ("null", "a scheme and a host"),
        ("*", "a scheme and a host"),
        ("www.example.com", "a scheme and a host"),
        ("ftp://example.com", "a scheme and a host"),
        ("https://me@example.com", "a scheme and a host"),
        ("https://exa~mple.com", "a scheme and a host"),
        ("https://.example.com", "a scheme and a host"),
        ("https://*.example.com", "wildcards"),
        ("https://example.com/shop", "end after the host"),
        ("https://example.com/?a=1", "end after the host"),
        ("https://example.com?", "end after the host"),
        ("https://example.com/#a", "end after the host"),
        ("https://münchen.de", "ASCII"),
        ("https://[::g]", "a scheme and a host"),
        ("https://[1:2]", "IPv6"),
        ("http://www.example.com", "must be https"),
        ("http://localhost.example.com", "must be https"),
        ("http://127.0.0.2", "must be https"),
        ("https://example.com:0", "port"),
        ("https://example.com:70000", "port"),
    ],
)
def test_what_is_no_origin_is_refused_with_a_sentence(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        origin_of(text)


@given(st.text() | st.text().map("https://{}".format))
def test_an_origin_is_stable_or_refused(text: str) -> None:
    try:
        origin = origin_of(text)
    except ValueError:
        return
    assert origin_of(origin) == origin

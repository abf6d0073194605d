"""Finding the site of an origin, and nobody else's."""

import pytest

from edgeproxy.pii import sha256_hex
from edgeproxy.registry import Registry
from edgeproxy.sites import Integration, Secret, Source


def integration(name: str, source: str, *, enabled: bool = True) -> Integration:
    return Integration(
        id=name,
        source=source,
        access_token=Secret("t"),
        enabled=enabled,
        events={"Quiz Finished": ("CUSTOM_EVENT_1",)},
    )


SHOP = Source(
    id="shop",
    origins=("https://www.example.com", "http://localhost:8080"),
    integrations=(integration("shop/1", "shop"), integration("shop/2", "shop", enabled=False)),
)
BLOG = Source(id="blog", origins=("https://blog.example.org",))
REGISTRY = Registry([SHOP, BLOG])


@pytest.mark.parametrize(
    ("origin", "source", "written"),
    [
        (b"https://www.example.com", "shop", "https://www.example.com"),
        (b"HTTPS://WWW.Example.COM", "shop", "https://www.example.com"),
        (b"http://localhost:8080", "shop", "http://localhost:8080"),
        (b"https://blog.example.org", "blog", "https://blog.example.org"),
    ],
)
def test_an_allowed_origin_finds_its_site_in_any_letter_case(
    origin: bytes, source: str, written: str
) -> None:
    site = REGISTRY.by_origin(origin)
    assert site is not None
    assert (site.source.id, site.origin) == (source, written)


@pytest.mark.parametrize(
    "origin",
    [
        None,
        b"",
        b"null",
        b"*",
        b"https://example.com",
        b"https://evil.www.example.com",
        b"https://www.example.com.evil.net",
        b"https://www.example.com/",
        b"https://www.example.com:443",
        b"https://www.example.com:8443",
        b"http://www.example.com",
        b" https://www.example.com",
        b"https://www.example.com, https://blog.example.org",
        b"https://www.example.com\xff",
        b"https://localhost:8080",
    ],
)
def test_any_other_origin_finds_nothing(origin: bytes | None) -> None:
    assert REGISTRY.by_origin(origin) is None


def test_the_cors_answer_names_exactly_the_configured_origin() -> None:
    site = REGISTRY.by_origin(b"HTTPS://WWW.EXAMPLE.COM")
    assert site is not None
    assert dict(site.cors) == {
        b"access-control-allow-origin": b"https://www.example.com",
        b"access-control-allow-credentials": b"true",
        b"access-control-expose-headers": b"Retry-After",
        b"vary": b"Origin",
    }


def test_a_site_knows_whether_its_pages_are_encrypted() -> None:
    encrypted, local = (REGISTRY.by_origin(origin.encode()) for origin in SHOP.origins)
    assert encrypted is not None
    assert local is not None
    assert (encrypted.https, local.https) == (True, False)


def test_a_site_has_its_source_s_integrations_with_folded_event_tables() -> None:
    site = REGISTRY.by_origin(b"https://www.example.com")
    assert site is not None
    assert [one.integration.id for one in site.targets] == ["shop/1", "shop/2"]
    assert site.targets[0].own == {"quizfinished": ("CUSTOM_EVENT_1",)}


def test_sources_and_integrations_are_found_by_id() -> None:
    assert set(REGISTRY.sources) == {"shop", "blog"}
    assert set(REGISTRY.integrations) == {"shop/1", "shop/2"}


def test_what_is_switched_off_is_still_configured() -> None:
    assert [one.id for one in REGISTRY.configured()] == ["shop/1", "shop/2"]
    assert Registry([]).configured() == ()


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("www.example.com", "https://www.example.com"),
        ("localhost", "http://localhost:8080"),
        ("edge.example.com", None),
        ("", None),
    ],
)
def test_a_page_s_host_finds_its_site(host: str, origin: str | None) -> None:
    site = REGISTRY.by_host(host)
    assert (site.origin if site else None) == origin


@pytest.mark.parametrize("turn", [1, -1])
def test_of_several_origins_of_a_host_the_likeliest_counts(turn: int) -> None:
    """https before http, and the port that nobody writes before others."""
    origins = ("http://localhost", "https://localhost:8443", "https://localhost")[::turn]
    site = Registry([Source(id="local", origins=origins)]).by_host("localhost")
    assert site is not None
    assert site.origin == "https://localhost"


def test_all_sources_are_replaced_at_once_and_those_of_the_file_stay_known_as_such() -> None:
    registry = Registry([SHOP])
    registry.replace([SHOP, BLOG])
    site = registry.by_origin(b"https://blog.example.org")
    assert site is not None
    assert site.source is BLOG
    assert registry.source_origin_of("blog") == "api"
    assert registry.source_origin_of("shop") == registry.origin_of("shop/1") == "file"
    assert registry.origin_of("other") == "api"
    registry.replace([BLOG])
    assert registry.by_origin(b"https://www.example.com") is None
    assert registry.by_host("www.example.com") is None
    assert registry.configured() == ()
    assert set(registry.sources) == {"blog"}


KEYED = Source(
    id="keyed",
    write_keys=(Secret("first-key"), Secret("sha256:" + sha256_hex("second-key"))),
    write_key_digests=(sha256_hex("third-key").upper(), sha256_hex("first-key")),
)


@pytest.mark.parametrize("key", ["first-key", "second-key", "third-key"])
def test_a_write_key_finds_its_source_however_it_is_kept(key: str) -> None:
    site = Registry([SHOP, KEYED]).by_write_key(key)
    assert site is not None
    assert (site.source.id, site.origin) == ("keyed", "")


@pytest.mark.parametrize(
    "key",
    [
        "",
        "first-ke",
        "first-key ",
        "FIRST-KEY",
        sha256_hex("second-key"),
        "sha256:" + sha256_hex("second-key"),
        "\ud800",
        "x" * 100_000,
    ],
    ids=range(8),
)
def test_what_is_no_write_key_finds_nobody(key: str) -> None:
    assert Registry([SHOP, KEYED]).by_write_key(key) is None


def test_a_digest_that_begins_alike_is_another_key() -> None:
    """Keys are filed by the beginning of their digests, and compared to the end."""
    alike = sha256_hex("the key")[:-1] + "?"
    other = Source(id="other", write_key_digests=(alike,))
    owner = Source(id="owner", write_key_digests=(sha256_hex("the key"),))
    registry = Registry([other, owner])
    site = registry.by_write_key("the key")
    assert site is not None
    assert site.source.id == "owner"
    registry.replace([other])
    assert registry.by_write_key("the key") is None

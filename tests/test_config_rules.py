"""One rule for each kind of setting: the normal form, or a sentence."""

from pathlib import Path

import pytest

from edgeproxy.config import load, rows, shown
from edgeproxy.errors import ConfigError
from edgeproxy.sites import Integration, Source

PIXEL = "5a3e0c1d-7b2f-4c8e-9a6b-0d1e2f3a4b5c"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def shop(source: str = "", integration: str = "", top: str = "") -> str:
    origins = "" if "origins" in source else 'origins = ["https://www.example.com"]'
    return f"""
{top}
[[sources]]
id = "shop"
{origins}
{source}
[[sources.integrations]]
{"" if "pixel_id" in integration or "app_id" in integration else f'pixel_id = "{PIXEL}"'}
{"" if "access_token" in integration else 'access_token = "t"'}
{integration}
"""


def write(toml: str) -> Path:
    path = Path("shop.toml")
    path.write_text(toml)
    path.chmod(0o600)
    return path


def source(toml: str) -> Source:
    return load(write(toml), {}, {}).sources[0]


def integration(lines: str) -> Integration:
    return source(shop(integration=lines)).integrations[0]


def fault(toml: str) -> tuple[str, str]:
    with pytest.raises(ConfigError) as caught:
        load(write(toml), {}, {})
    ((name, sentence),) = caught.value.faults
    return name, sentence


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("", ""),
        ("/", ""),
        ("edge", "/edge"),
        ("/edge/", "/edge"),
        (" /a/b-c_d~e.f ", "/a/b-c_d~e.f"),
    ],
)
def test_a_prefix_gets_one_slash_in_front(given: str, normal: str) -> None:
    assert load(write(shop(top=f'server.prefix = "{given}"')), {}, {}).prefix == normal


@pytest.mark.parametrize(
    "given", ["/a b", "/a//b", "/../x", "/.", "/a?b", "/ä", "/%2e", "https://x"]
)
def test_a_prefix_is_a_plain_path(given: str) -> None:
    name, sentence = fault(shop(top=f'server.prefix = "{given}"'))
    assert name == "server.prefix"
    assert sentence.startswith("must be a path such as /edge")


@pytest.mark.parametrize(
    ("given", "normal"),
    [("0.0.0.0", "0.0.0.0"), ("[::1]", "::1"), ("::", "::"), (" edge.internal ", "edge.internal")],
)
def test_a_host_stands_without_brackets(given: str, normal: str) -> None:
    assert load(write(shop(top=f'server.host = "{given}"')), {}, {}).host == normal


@pytest.mark.parametrize("given", ["", "127.0.0.1:8000", "http://x", "a b", "*"])
def test_a_host_is_no_url_and_has_no_port(given: str) -> None:
    name, sentence = fault(shop(top=f'server.host = "{given}"'))
    assert name == "server.host"
    assert sentence.startswith("must be an address")


def test_proxies_are_addresses_and_networks() -> None:
    top = 'server.trusted_proxies = ["10.0.0.0/8", "192.0.2.1", "2001:DB8::/32", "0:0:0:0:0:0:0:1"]'
    assert load(write(shop(top=top)), {}, {}).trusted_proxies == (
        "10.0.0.0/8",
        "192.0.2.1",
        "2001:db8::/32",
        "::1",
    )
    assert load(write(shop(top="server.trusted_proxies = []")), {}, {}).trusted_proxies == ()


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ("*", "could pretend to be any visitor"),
        ("0.0.0.0/0", "any visitor could pretend to be another"),
        ("::/0", "any visitor could pretend to be another"),
        ("10.0.0.1/8", "is an address inside 10.0.0.0/8, written as a network"),
        ("10.0.0.0/33", "must be an address or a network"),
        ("nginx", "must be an address or a network"),
    ],
)
def test_trust_is_given_to_named_proxies_only(given: str, part: str) -> None:
    name, sentence = fault(shop(top=f'server.trusted_proxies = ["::1", "{given}"]'))
    assert name == "server.trusted_proxies[1]"
    assert part in sentence


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("sqlite:///srv/edge.db", "sqlite:///srv/edge.db"),
        ("sqlite:////srv/edge.db", "sqlite:///srv/edge.db"),
        (" sqlite:///srv/my edge.db ", "sqlite:///srv/my edge.db"),
    ],
)
def test_the_store_is_an_absolute_path(given: str, normal: str) -> None:
    assert load(write(shop(top=f'store.url = "{given}"')), {}, {}).store_url == normal


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ("postgresql:CANARY", "must be postgresql://user@host/database without blanks"),
        ("postgresql://edge:CAN ARY@db/edge", "without blanks; a password is percent-encoded"),
        ("postgres://edge:CANARY#@db/edge", "must have no #; in a password it is written %23"),
        ("postgres://[CANARY", "is no URL; a password in it is percent-encoded"),
        ("mysql://CANARY", "must begin with sqlite:///"),
        ("/srv/edge.db", "must begin with sqlite:///"),
        ("sqlite://edge.db", "the absolute path of a file"),
        ("sqlite:edge.db", "the absolute path of a file"),
        ("sqlite:///", "the absolute path of a file"),
        ("sqlite:///srv/", "the absolute path of a file"),
        ("sqlite:///:memory:", "the absolute path of a file"),
        ("sqlite:///srv/a.db?mode=ro", "must have no ?"),
        ("sqlite:///srv/a\\u0000.db", "must have no ?, # or control character"),
    ],
)
def test_a_store_that_cannot_be_is_refused(given: str, part: str) -> None:
    name, sentence = fault(shop(top=f'store.url = "{given}"\nstore.keys_dir = "keys"'))
    assert name == "store.url"
    assert part in sentence
    assert "CANARY" not in sentence


POSTGRES = "postgresql://edge:CANARY%40@db.example.com:5433/events?sslmode=verify-full"


@pytest.mark.parametrize("given", [POSTGRES, POSTGRES.replace("ql:", ":"), f" {POSTGRES} "])
def test_the_store_is_a_postgresql_database(given: str) -> None:
    top = f'store.url = "{given}"\nstore.keys_dir = "/keys"\nstore.durability = "Managed"'
    settings = load(write(shop(top=top)), {}, {})
    assert settings.store_url == POSTGRES
    assert settings.store_durability == "managed"
    assert settings.keys_dir == Path("/keys")
    assert settings.warnings == ()


def test_the_url_of_a_store_may_lie_in_a_file_and_its_password_is_never_shown() -> None:
    secret = Path("store.url")
    secret.write_text(f"{POSTGRES}&sslpassword=CANARY\n")
    secret.chmod(0o600)
    environ = {"EDGEPROXY_STORE__URL_FILE": "store.url", "EDGEPROXY_STORE__KEYS_DIR": "keys"}
    settings = load(write(shop()), environ, {})
    assert settings.store_url == f"{POSTGRES}&sslpassword=CANARY"
    shown = {row.setting: (row.value, row.origin) for row in rows(settings)}
    masked = (
        "postgresql://edge:••••@db.example.com:5433/events?sslmode=verify-full&sslpassword=••••"
    )
    assert shown["store.url"] == (masked, "EDGEPROXY_STORE__URL_FILE: url_file")
    assert "CANARY" not in f"{settings!r}{shown}"


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("postgresql://edge@db/d", "postgresql://edge@db/d"),
        ("postgresql://edge:a:/?@b@db/d", "postgresql://edge:••••@db/d"),
        ("postgresql://:CANARY@db/d", "postgresql://:••••@db/d"),
        (
            "postgresql://db/d?user=u&PASSWORD=C@x&port=1",
            "postgresql://db/d?user=u&PASSWORD=••••&port=1",
        ),
        ("sqlite:///srv/edge.db", "sqlite:///srv/edge.db"),
    ],
)
def test_no_password_is_left_in_what_is_shown(url: str, masked: str) -> None:
    assert shown.masked(url) == masked


def test_a_url_is_given_once() -> None:
    secret = Path("store.url")
    secret.write_text("postgresql://CANARY@db/events")
    secret.chmod(0o600)
    top = 'store.url = "sqlite:///srv/edge.db"\nstore.url_file = "store.url"\nstore.keys_dir = "k"'
    assert fault(shop(top=top)) == ("store.url_file", "and store.url are both set; keep one")


def test_nodes_are_given_their_keys() -> None:
    name, sentence = fault(shop(top='store.url = "postgresql://db/events"'))
    assert name == "store.keys_dir"
    assert "with PostgreSQL all nodes have the same keys" in sentence


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("postgresql://db.example.com/d", True),
        ("postgresql://db.example.com/d?sslmode=require", True),
        ("postgresql:///d?host=db.example.com", True),
        ("postgresql://db.example.com/d?sslmode=verify-full", False),
        ("postgresql://127.0.0.1/d", False),
        ("postgresql://localhost/d", False),
        ("postgresql:///d?host=/run/postgresql", False),
        ("postgresql:///d", False),
    ],
)
def test_a_database_elsewhere_has_to_prove_who_it_is(url: str, warned: bool) -> None:
    settings = load(write(shop(top=f'store.url = "{url}"\nstore.keys_dir = "k"')), {}, {})
    assert [
        advice.startswith("store.url has no sslmode=verify-full") for advice in settings.warnings
    ] == ([True] if warned else [])


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("https://tr.snapchat.com/", "https://tr.snapchat.com"),
        ("https://TR-shadow.snapchat.com", "https://tr-shadow.snapchat.com"),
        ("http://127.0.0.1:8090", "http://127.0.0.1:8090"),
        ("https://127.9.9.9", "https://127.9.9.9"),
        ("http://[::1]:8090/", "http://[::1]:8090"),
        ("http://localhost", "http://localhost"),
    ],
)
def test_the_upstream_is_snap_or_this_machine(given: str, normal: str) -> None:
    assert load(write(shop(top=f'upstream = "{given}"')), {}, {}).upstream == normal


@pytest.mark.parametrize(
    "given",
    [
        "",
        "http://tr.snapchat.com",
        "https://tr.snapchat.com:444",
        "https://tr.snapchat.com/v2",
        "https://tr.snapchat.com?x",
        "https://tr.snapchat.com.evil.example",
        "https://evil.example",
        "https://evil.example#tr.snapchat.com",
        "https://tr.snapchat.com@evil.example",
        "http://user@127.0.0.1",
        "http://127.0.0.1:8090/x",
        "http://127.0.0.1.evil.example",
        "http://127.1",
        "http://0.0.0.0",
        "http://10.0.0.1",
        "http://[::ffff:10.0.0.1]",
        "http://localhost.evil.example",
        "http://127.0.0.1:99999",
        "ftp://127.0.0.1",
        "https://tr.snap\\nchat.com",
    ],
)
def test_events_and_tokens_go_nowhere_else(given: str) -> None:
    """Fault 63: an upstream from the environment or a file."""
    name, sentence = fault(shop(top=f'upstream = "{given}"'))
    assert name == "upstream"
    assert sentence == (
        "may only be https://tr.snapchat.com, https://tr-shadow.snapchat.com or a loopback address"
    )
    environ = {"EDGEPROXY_UPSTREAM": given.encode().decode("unicode_escape")}
    if given:
        with pytest.raises(ConfigError, match="EDGEPROXY_UPSTREAM  may only be"):
            load(write(shop()), environ, {})


@pytest.mark.parametrize(
    "given", ["auto", "host", "example.com", ".Example.com", "shop.example.com"]
)
def test_a_cookie_domain_is_a_parent_of_every_origin(given: str) -> None:
    lines = f"""
        origins = ["https://shop.example.com", "https://eu.shop.example.com"]
        cookie_domain = "{given}"
    """
    assert source(shop(lines)).cookie_domain == given.lower().removeprefix(".")


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ("eu.shop.example.com", "must be a parent of every origin; shop.example.com is not in"),
        ("other.com", "must be a parent of every origin"),
        ("ple.com", "must be a parent of every origin"),
        ("com", "a domain below a public suffix"),
        ("co.uk", "a domain below a public suffix"),
        ("localhost", "a domain below a public suffix"),
        ("127.0.0.1", "a domain below a public suffix"),
        ("", "a domain below a public suffix"),
    ],
)
def test_a_cookie_domain_that_browsers_would_refuse_is_a_fault(given: str, part: str) -> None:
    lines = f"""
        origins = ["https://shop.example.com", "https://eu.shop.example.com"]
        cookie_domain = "{given}"
    """
    name, sentence = fault(shop(lines))
    assert name == "sources[0].cookie_domain"
    assert part in sentence


@pytest.mark.parametrize(
    "given", ["a.example.com", "http://a.example.com", "https://*.example.com", "null"]
)
def test_an_origin_is_one_that_browsers_send(given: str) -> None:
    name, _ = fault(shop(f'origins = ["https://b.example.com", "{given}"]'))
    assert name == "sources[0].origins[1]"


def test_a_back_end_needs_keys_and_no_origin() -> None:
    toml = shop('origins = []\nwrite_keys = ["0123456789abcdef"]')
    assert source(toml).origins == ()
    assert fault(shop("origins = []")) == (
        "sources[0].origins",
        "are not set; give the pages' origin, or write keys for a back end",
    )


@pytest.mark.parametrize(("given", "code"), [("us", "US"), ("GB", "GB"), ("", "")])
def test_a_country_is_a_code_in_upper_case(given: str, code: str) -> None:
    assert source(shop(f'default_country = "{given}"')).default_country == code


@pytest.mark.parametrize("given", ["USA", "U1", "ÄÖ", "UK"])
def test_a_country_is_no_name(given: str) -> None:
    name, _ = fault(shop(f'default_country = "{given}"'))
    assert name == "sources[0].default_country"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("click_id_days = 0", "must be a whole number from 1 to 395 days; it is 0"),
        ("click_id_days = 396", "must be a whole number from 1 to 395 days; it is 396"),
        ("click_id_days = 1.5", "must be a whole number from 1 to 395 days; it is 1.5"),
        ("click_id_days = true", "must be a whole number from 1 to 395 days; it is true"),
        ("click_id_days = 1979-05-27", "must be a whole number from 1 to 395 days"),
        ('click_id_readable = "perhaps"', 'must be true or false; it is "perhaps"'),
        ("click_id_readable = 5", "must be true or false; it is 5"),
        ('consent = "no"', 'must be one of required, implied; it is "no"'),
        ("consent = []", "must be one of required, implied"),
        (f'consent = "{"x" * 25}"', "must be one of required, implied"),
        ('consent = "a\\tb"', "must be one of required, implied"),
        ('id = ""', "must be 1 to 64 letters, digits, - or _"),
        ('id = "a/b"', "must be 1 to 64 letters, digits, - or _"),
        (f'id = "{"x" * 65}"', "must be 1 to 64 letters, digits, - or _"),
        ("id = 5", "must be a text"),
        ("origins = 5", "must be a list"),
        ("origins = [5]", "must be a text"),
        ("write_keys = 5", "must be a list"),
        ('write_keys = ["a b"]', "must be one line of printable ASCII without blanks"),
        ('write_keys = ["sha256:abc"]', "must have 64 hex digits after sha256:"),
    ],
)
def test_a_source_setting_out_of_range_is_told(line: str, sentence: str) -> None:
    toml = shop(line).replace('id = "shop"\n', "") if line.startswith("id") else shop(line)
    name, found = fault(toml)
    assert name.startswith(f"sources[0].{line.partition(' ')[0]}")
    assert found == sentence


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('vendor = "meta"', 'must be snapchat; it is "meta"'),
        ('api = "v4"', 'must be one of v2, v3; it is "v4"'),
        ("api = 2", "must be one of v2, v3; it is 2"),
        ('privacy = "none"', 'must be one of match, strict; it is "none"'),
        (
            "rate_limit_rps = 0",
            "must be a number, more than 0 and at most 10000 requests a second; it is 0",
        ),
        (
            "rate_limit_rps = inf",
            "must be a number, more than 0 and at most 10000 requests a second",
        ),
        (
            "rate_limit_rps = nan",
            "must be a number, more than 0 and at most 10000 requests a second",
        ),
        (
            "rate_limit_rps = true",
            "must be a number, more than 0 and at most 10000 requests a second; it is true",
        ),
        ("rate_limit_burst = 0", "must be a whole number from 1 to 100000 requests; it is 0"),
        (
            "rate_limit_per_minute = 0",
            "must be a whole number from 1 to 1000000 requests a minute; it is 0",
        ),
        ("batch_max = 2001", "must be a whole number from 1 to 2000 events; it is 2001"),
        ("linger_ms = -1", "must be a whole number from 0 to 60000 ms; it is -1"),
        (f"linger_ms = {10**30}", "must be a whole number from 0 to 60000 ms"),
        ("consent_categories = []", "must not be empty"),
        ("events = 5", "must be a table"),
        ("events = {A = 5}", "must be a list"),
        ("events = {A = []}", "must map a name to at least one of Snap's"),
        ('events = {"-" = "SAVE"}', "must map a name to at least one of Snap's"),
        (
            'events = {"Quiz Done" = "SAVE", "quiz_done" = "SHARE"}',
            "names one event twice; case, blanks, _ and - do not count",
        ),
        (
            'unknown_events = "keep"',
            "must be drop, uppercase or a Snap name such as CUSTOM_EVENT_1",
        ),
        ('access_token = " "', "is empty"),
        ('access_token = "Bearer abc"', 'must be the token alone, without "Bearer"'),
        ('access_token = "a\\nb"', "must be one line of printable ASCII without blanks"),
        ('access_token = "ä"', "must be one line of printable ASCII without blanks"),
        ("access_token_file = 5", "must be the path of a file"),
        ('access_token_file = "/nonexistent"', "cannot be read: No such file or directory"),
        ('access_token_file = "/"', "cannot be read: Is a directory"),
        ('pixel_id = " "', "is not set; give pixel_id, or snap_app_id and app_id for an app"),
        ('snap_app_id = "1"', "is not set; an app takes both snap_app_id and app_id"),
        ('app_id = "1"', "is not set; an app takes both snap_app_id and app_id"),
        ('pixel_id = "a\\u0007b"', "must be printable"),
    ],
)
def test_an_integration_setting_out_of_range_is_told(line: str, sentence: str) -> None:
    name, found = fault(shop(integration=line))
    assert name.startswith("sources[0].integrations[0].")
    assert found == sentence


def test_an_integration_takes_every_setting() -> None:
    one = integration(
        """
        id = "eu"
        name = "Snapchat EU"
        enabled = false
        pixel_id = " p "
        consent_categories = "ads, analytics"
        unknown_events = "custom_event_2"
        limited_data_use = true
        rate_limit_rps = 5
        rate_limit_burst = 7
        rate_limit_per_minute = 1000
        batch_max = 2000
        linger_ms = 0
        events = {"Quiz" = "purchase", "Two" = "save, share"}
        """
    )
    assert one == Integration(
        id="eu",
        source="shop",
        name="Snapchat EU",
        enabled=False,
        pixel_id="p",
        access_token=one.access_token,
        consent_categories=("ads", "analytics"),
        unknown_events="CUSTOM_EVENT_2",
        limited_data_use=True,
        rate_limit_rps=5.0,
        rate_limit_burst=7,
        rate_limit_per_minute=1000,
        batch_max=2000,
        linger_ms=0,
        events={"Quiz": ("PURCHASE",), "Two": ("SAVE", "SHARE")},
    )
    assert one.access_token.reveal() == "t"


@pytest.mark.parametrize(
    ("given", "rule"), [("Drop", "drop"), ("UPPERCASE", "uppercase"), ("save", "SAVE")]
)
def test_unknown_events_follow_a_rule(given: str, rule: str) -> None:
    assert integration(f'unknown_events = "{given}"').unknown_events == rule


@pytest.mark.parametrize(
    ("given", "cure"),
    [("PURCHAS", "did you mean PURCHASE?"), ("zzz", "such are PURCHASE and CUSTOM_EVENT_1")],
)
def test_an_event_that_snap_does_not_know_is_a_fault(given: str, cure: str) -> None:
    assert fault(shop(integration=f'events = {{Quiz = ["SAVE", "{given}"]}}')) == (
        "sources[0].integrations[0].events.Quiz[1]",
        f"is none of Snap's event names; {cure}",
    )


def test_tables_are_written_as_tables() -> None:
    assert fault("sources.id = 'shop'") == (
        "sources",
        "must be a list of tables; write [[sources]]",
    )
    assert fault("sources = [{id = 'a', origins = 'https://a.example', integrations = 5}]") == (
        "sources[0].integrations",
        "must be a list of tables; write [[sources[0].integrations]]",
    )
    assert fault("sources = [5]") == ("sources[0]", "must be a table")
    assert fault(shop(top="server = 5")) == ("server", "must be a table")
    assert fault(shop(top="store.keys_dir = 5")) == ("store.keys_dir", "must be a path")


# Secret files


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o601, 0o666])
def test_a_secret_that_others_can_read_is_refused_with_the_cure(mode: int) -> None:
    """Fault 74: a secret file of mode 0644."""
    path = Path("snap.token")
    path.write_text("t")
    path.chmod(mode)
    full = path.absolute()
    assert fault(shop(integration='access_token_file = "snap.token"')) == (
        "sources[0].integrations[0].access_token_file",
        f"can be read by others (mode {mode:04o}); chmod 600 {full}, "
        "or mount the secret with mode 0400",
    )


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o440, 0o640])
def test_a_secret_may_be_read_by_its_group(mode: int) -> None:
    path = Path("snap.token")
    path.write_text("\n  t-1 \n")
    path.chmod(mode)
    assert integration('access_token_file = "snap.token"').access_token.reveal() == "t-1"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"one\ntwo", "must be one line of printable ASCII without blanks"),
        (b"\xff\xfe", "is no text; is it the right file?"),
        (b"x" * 65_537, "is larger than 64 KiB; is it the right file?"),
    ],
)
def test_a_secret_file_holds_one_token(content: bytes, sentence: str) -> None:
    path = Path("snap.token")
    path.write_bytes(content)
    path.chmod(0o600)
    _, found = fault(shop(integration='access_token_file = "snap.token"'))
    assert found == sentence


def test_write_keys_are_one_a_line() -> None:
    path = Path("shop.keys")
    path.write_text("# web\n 0123456789abcdef \n\n#app\nsha256:" + "A" * 64 + "\n0123456789abcdef")
    path.chmod(0o600)
    lines = 'write_keys_file = "shop.keys"\nwrite_keys = ["fedcba9876543210"]'
    assert [key.reveal() for key in source(shop(lines)).write_keys] == [
        "fedcba9876543210",
        "0123456789abcdef",
        "sha256:" + "A" * 64,
    ]
    path.write_text("# none\n")
    assert fault(shop('write_keys_file = "shop.keys"')) == (
        "sources[0].write_keys_file",
        "holds no key",
    )
    path.write_text("# ok\na b\n")
    assert fault(shop('write_keys_file = "shop.keys"')) == (
        "sources[0].write_keys_file",
        "must be one line of printable ASCII without blanks",
    )

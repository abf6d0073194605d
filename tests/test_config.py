"""The configuration: layers in their order, every fault at once, no secret in any of it."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from edgeproxy.config import Settings, load, rows, schema
from edgeproxy.config.layers import CONFIG, ONE_SITE, read, variables
from edgeproxy.errors import ConfigError
from edgeproxy.sites import Secret

CANARY = "CANARY-0f3c9a7e51d24b68"
PIXEL = "5a3e0c1d-7b2f-4c8e-9a6b-0d1e2f3a4b5c"
SITE = {
    "EDGEPROXY_ORIGIN": "https://www.example.com",
    "EDGEPROXY_PIXEL_ID": PIXEL,
    "EDGEPROXY_ACCESS_TOKEN": CANARY,
}
SHOP = f"""
[[sources]]
id = "shop"
origins = ["https://www.example.com"]
[[sources.integrations]]
pixel_id = "{PIXEL}"
access_token = "{CANARY}"
"""


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(text: str, name: str = "shop.toml") -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)
    return path


def secret_file(text: str, mode: int = 0o600, name: str = "snap.token") -> Path:
    path = Path(name)
    path.write_text(text)
    path.chmod(mode)
    return path


def loaded(
    toml: str | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> Settings:
    path = None if toml is None else written(toml)
    return load(path, SITE if environ is None and toml is None else environ or {}, flags or {})


def refused(
    toml: str | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> ConfigError:
    """The error; none of them may show the canary, however it came in."""
    with pytest.raises(ConfigError) as caught:
        loaded(toml, environ or {}, flags)
    assert CANARY not in f"{caught.value} {caught.value!r} {caught.value.__context__!r}"
    return caught.value


def faults(
    toml: str | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> dict[str, str]:
    return dict(refused(toml, environ, flags).faults)


def integration(lines: str) -> str:
    return SHOP + lines


# All at once


def test_four_faults_of_a_file_and_the_environment_are_told_together() -> None:
    error = refused(
        f"""
        [server]
        prt = 8000
        [[sources]]
        id = "shop"
        origins = ["https://www.example.com"]
        [[sources.integrations]]
        pixel_id = "{PIXEL}"
        api = "v4"
        """,
        {"EDGEPROXY_SERVR__PORT": "8001"},
    )
    assert error.exit_status == 78
    assert str(error).splitlines() == [
        "shop.toml and the environment have 4 faults",
        "  server.prt                               is no setting; did you mean server.port?",
        '  sources[0].integrations[0].api           must be one of v2, v3; it is "v4"',
        "  sources[0].integrations[0].access_token  is not set; give access_token_file, "
        "or for a single site EDGEPROXY_ACCESS_TOKEN",
        "  EDGEPROXY_SERVR__PORT                    is no setting; "
        "did you mean EDGEPROXY_SERVER__PORT?",
    ]


def test_nothing_configured_says_what_one_site_takes() -> None:
    assert faults() == {
        "sources": "are not configured; for one site set EDGEPROXY_ORIGIN, EDGEPROXY_PIXEL_ID and "
        "EDGEPROXY_ACCESS_TOKEN (or its _FILE), or write [[sources]] in edgeproxy.toml; or set "
        "EDGEPROXY_ADMIN_TOKEN, and make them in the dashboard or by the admin API"
    }


def test_whoever_has_an_admin_token_may_make_the_sites_later() -> None:
    assert loaded(None, {"EDGEPROXY_ADMIN_TOKEN": CANARY}).sources == ()
    assert loaded("sources = []").sources == ()
    assert "sources" in faults("[server]\nport = 8001")
    assert "EDGEPROXY_ORIGIN" in faults(
        None, {"EDGEPROXY_ADMIN_TOKEN": CANARY, "EDGEPROXY_PIXEL_ID": "x"}
    )


def test_faults_of_files_and_of_several_sources_come_with_those_of_one_setting() -> None:
    secret_file(CANARY, 0o644)
    found = faults(
        """
        log = {level = "loud"}
        [[sources]]
        id = "shop"
        origins = ["https://www.example.com"]
        integrations = [{pixel_id = "a", access_token_file = "snap.token"}]
        [[sources]]
        id = "shop"
        origins = ["https://WWW.example.com:443"]
        """
    )
    assert set(found) == {
        "log.level",
        "sources[0].integrations[0].access_token_file",
        "sources[1].id",
        "sources[1].origins",
    }


# Where values come from


def test_the_defaults_are_those_of_the_documentation() -> None:
    settings = loaded()
    assert (settings.host, settings.port, settings.admin_port) == ("127.0.0.1", 8000, 8084)
    assert (settings.prefix, settings.trusted_proxies) == ("", ("127.0.0.1", "::1"))
    assert settings.store_url == "sqlite:///var/lib/edgeproxy/edgeproxy.db"
    assert settings.keys_dir == Path("/var/lib/edgeproxy")
    assert settings.upstream == "https://tr.snapchat.com"
    assert (settings.log_format, settings.log_level, settings.workers) == ("auto", "info", 1)
    assert (settings.role, settings.flood_rps, settings.flood_burst) == ("all", 500, 20_000)
    assert settings.warnings == ()


def test_one_site_needs_no_file() -> None:
    settings = loaded(
        None,
        {
            **SITE,
            "EDGEPROXY_ORIGIN": "https://www.example.com, http://localhost:8080",
            "EDGEPROXY_CONSENT": "implied",
            "EDGEPROXY_API": "v3",
            "EDGEPROXY_PRIVACY": "strict",
            "EDGEPROXY_DEFAULT_COUNTRY": "de",
        },
    )
    (source,) = settings.sources
    (one,) = source.integrations
    assert (source.id, source.consent, source.default_country) == ("default", "implied", "DE")
    assert source.origins == ("https://www.example.com", "http://localhost:8080")
    assert (one.id, one.source, one.pixel_id) == ("default-5a3e0c1d", "default", PIXEL)
    assert (one.api, one.privacy, one.access_token) == ("v3", "strict", Secret(CANARY))


def test_flags_win_over_variables_over_the_file_over_defaults() -> None:
    toml = "[server]\nhost = '::1'\nport = 1\nadmin_port = 1\n[log]\nlevel = 'error'\n" + SHOP
    environ = {"EDGEPROXY_SERVER__PORT": "2", "EDGEPROXY_SERVER__ADMIN_PORT": "2"}
    settings = loaded(toml, environ, {"server.port": 3, "log.level": None})
    assert (settings.port, settings.admin_port, settings.host) == (3, 2, "::1")
    assert (settings.log_level, settings.log_format) == ("error", "auto")
    assert {name: origin for name, origin in settings.where.items() if "sources" not in name} == {
        "server.port": "--port",
        "server.admin_port": "EDGEPROXY_SERVER__ADMIN_PORT",
        "server.host": "shop.toml",
        "log.level": "shop.toml",
    }


def test_a_platforms_port_wins_over_the_file_and_yields_to_our_own_name() -> None:
    toml = "[server]\nport = 1\n" + SHOP
    assert loaded(toml, {"PORT": "2"}).port == 2
    assert loaded(toml, {"PORT": "2", "EDGEPROXY_SERVER__PORT": "3"}).port == 3
    assert loaded(toml, {"PORT": ""}).port == 1


def test_a_platform_says_how_many_processes_serve() -> None:
    settings = loaded(None, {**SITE, "WEB_CONCURRENCY": "4"})
    assert (settings.workers, settings.warnings) == (4, ())
    assert faults(None, {**SITE, "WEB_CONCURRENCY": "many"}) == {
        "WEB_CONCURRENCY": 'must be a whole number from 1 to 1024; it is "many"'
    }


def test_a_reserve_that_would_stop_delivery_is_refused() -> None:
    environ = {**SITE, "EDGEPROXY_STORE__RESERVE_BYTES": str(8 * 2**20)}
    assert loaded(None, environ).store_reserve_bytes == 8 * 2**20
    environ["EDGEPROXY_STORE__RESERVE_BYTES"] = "4000000"
    assert faults(None, environ) == {
        "EDGEPROXY_STORE__RESERVE_BYTES": "must be a whole number, at least 8388608 bytes; it is"
        ' "4000000"'
    }


def test_lists_in_the_environment_have_commas() -> None:
    environ = {**SITE, "EDGEPROXY_SERVER__TRUSTED_PROXIES": "10.0.0.0/8, ::1,"}
    assert loaded(None, environ).trusted_proxies == ("10.0.0.0/8", "::1")


def test_empty_variables_are_not_set() -> None:
    assert loaded(None, {**SITE, "EDGEPROXY_API": " ", "EDGEPROXY_SERVER__PORT": ""}).port == 8000


@pytest.mark.parametrize("name", variables())
def test_every_variable_reaches_its_setting(name: str) -> None:
    """A value that no setting takes comes back as a fault of that variable."""
    takes_any_text = name in ("EDGEPROXY_STORE__KEYS_DIR",)
    environ = {**SITE, name: "no such value" if not takes_any_text else "/x"}
    if takes_any_text:
        assert loaded(None, environ).where[variables()[name]] == name
    else:
        assert list(faults(None, environ)) in ([name], [f"{name}"])


# Finding the file


def test_the_file_is_the_named_one_then_the_variables_then_the_folders() -> None:
    ports = {"flag.toml": 1, "variable.toml": 2, "edgeproxy.toml": 3}
    for name, port in ports.items():
        written(f"server.port = {port}\n" + SHOP, name)
    environ = {CONFIG: "variable.toml"}
    assert load(Path("flag.toml"), environ, {}).port == 1
    assert load(None, environ, {}).port == 2
    assert load(None, {}, {}).port == 3


def test_the_system_wide_file_comes_last(tmp_path: Path) -> None:
    system = written(SHOP, "etc/edgeproxy.toml")
    places = (Path("edgeproxy.toml"), system)
    assert read(None, {}, {}, places).file == system
    written(SHOP, "edgeproxy.toml")
    assert read(None, {}, {}, places).file == Path("edgeproxy.toml")


def test_a_named_file_must_exist() -> None:
    Path("folder").mkdir()
    assert faults_of_path(Path("none.toml"), {}) == {"--config": "none.toml does not exist"}
    assert faults_of_path(Path("folder"), {}) == {"--config": "folder is not a file"}
    assert faults_of_path(None, {CONFIG: "none.toml"}) == {CONFIG: "none.toml does not exist"}


def faults_of_path(path: Path | None, environ: Mapping[str, str]) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        load(path, environ, {})
    return dict(caught.value.faults)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"[server\nport = 1", "is no TOML: "),
        (b"a = 1\na = 2", "is no TOML: Cannot overwrite a value"),
        (b'name = "\xff"', "is no TOML: it is not UTF-8"),
        (b"server.port = " + b"9" * 5000, "is no TOML: "),
        (f'access_token = "{CANARY}'.encode(), "is no TOML: "),
    ],
)
def test_a_file_that_is_no_toml_is_one_fault(content: bytes, sentence: str) -> None:
    path = written("")
    path.write_bytes(content)
    found = faults_of_path(path, {"EDGEPROXY_FOO": "1"})
    assert list(found) == ["shop.toml", "EDGEPROXY_FOO"]
    assert found["shop.toml"].startswith(sentence)
    assert CANARY not in found["shop.toml"]


def test_a_file_that_cannot_be_read_is_told_so() -> None:
    assert faults_of_path(Path("/proc/self/mem"), {}) == {
        "/proc/self/mem": "cannot be read: Input/output error"
    }


def test_paths_in_the_file_are_relative_to_it(tmp_path: Path) -> None:
    Path("etc").mkdir()
    secret_file(CANARY, name="etc/snap.token")
    secret_file("0123456789abcdef-key", name="etc/shop.keys")
    toml = """
        store.keys_dir = "keys"
        [[sources]]
        id = "shop"
        origins = ["https://www.example.com"]
        write_keys_file = "shop.keys"
        [[sources.integrations]]
        pixel_id = "5a3e0c1d-7b2f-4c8e-9a6b-0d1e2f3a4b5c"
        access_token_file = "snap.token"
    """
    settings = load(written(toml, "etc/shop.toml"), {}, {})
    assert settings.keys_dir == tmp_path / "etc" / "keys"
    assert settings.sources[0].integrations[0].access_token == Secret(CANARY)
    assert settings.sources[0].write_keys == (Secret("0123456789abcdef-key"),)


def test_the_keys_lie_beside_the_database_unless_set() -> None:
    environ = {**SITE, "EDGEPROXY_STORE__URL": "sqlite:///srv/edge/events.db"}
    assert loaded(None, environ).keys_dir == Path("/srv/edge")
    environ["EDGEPROXY_STORE__KEYS_DIR"] = "keys"
    assert loaded(None, environ).keys_dir == Path.cwd() / "keys"


# Names


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("EDGEPROXY_SERVR__PORT", "EDGEPROXY_SERVER__PORT"),
        ("EDGEPROXY_PORT", "EDGEPROXY_SERVER__PORT"),
        ("EDGEPROXY_SERVER_PORT", "EDGEPROXY_SERVER__PORT"),
        ("EDGEPROXY_LOG_LEVEL", "EDGEPROXY_LOG__LEVEL"),
        ("EDGEPROXY_LEVEL", "EDGEPROXY_LOG__LEVEL"),
        ("EDGEPROXY_PIXELID", "EDGEPROXY_PIXEL_ID"),
        ("EDGEPROXY_ACESS_TOKEN", "EDGEPROXY_ACCESS_TOKEN"),
        ("EDGEPROXY_ACCESS_TOKEN_FIEL", "EDGEPROXY_ACCESS_TOKEN_FILE"),
        ("edgeproxy_origin", "EDGEPROXY_ORIGIN"),
        ("EDGEPROXY_CONFG", "EDGEPROXY_CONFIG"),
    ],
)
def test_a_mistyped_variable_is_a_fault_with_a_suggestion(name: str, meant: str) -> None:
    assert faults(None, {**SITE, name: CANARY}) == {name: f"is no setting; did you mean {meant}?"}


@pytest.mark.parametrize("name", ["EDGEPROXY_SOURCES", "EDGEPROXY_SERVER", "EDGEPROXY_XYZZY__Q"])
def test_a_variable_without_a_neighbour_is_a_fault_all_the_same(name: str) -> None:
    assert faults(None, {**SITE, name: CANARY})[name].startswith("is no setting")


def test_variables_of_others_are_none_of_our_business() -> None:
    assert loaded(None, {**SITE, "EDGEPROXYX": "1", "HOME": "/", "ORIGIN": "x"}).port == 8000


def test_a_kubernetes_service_of_our_name_does_no_harm() -> None:
    links = {
        "EDGEPROXY_SERVICE_HOST": "10.0.0.7",
        "EDGEPROXY_SERVICE_PORT": "8000",
        "EDGEPROXY_SERVICE_PORT_HTTP": "8000",
        "EDGEPROXY_PORT": "tcp://10.0.0.7:8000",
        "EDGEPROXY_PORT_8000_TCP": "tcp://10.0.0.7:8000",
        "EDGEPROXY_PORT_8000_TCP_ADDR": "10.0.0.7",
    }
    assert loaded(None, {**SITE, **links}).port == 8000
    assert "EDGEPROXY_SERVICE_PORTS" in faults(
        None, {**SITE, **links, "EDGEPROXY_SERVICE_PORTS": ""}
    )


def test_an_admin_token_comes_from_a_variable_or_a_file(tmp_path: Path) -> None:
    settings = loaded(None, {**SITE, "EDGEPROXY_ADMIN_TOKEN": CANARY})
    assert settings.admin_token.reveal() == CANARY
    assert CANARY not in repr(settings)
    held = tmp_path / "admin.token"
    held.write_text("a token of a file, but without its blanks".replace(" ", "-") + "\n")
    held.chmod(0o600)
    settings = loaded(None, {**SITE, "EDGEPROXY_ADMIN_TOKEN_FILE": str(held)})
    assert settings.admin_token.reveal() == "a-token-of-a-file,-but-without-its-blanks"
    assert not loaded(None, SITE).admin_token


def test_an_admin_token_is_given_once(tmp_path: Path) -> None:
    held = tmp_path / "admin.token"
    held.write_text(CANARY)
    held.chmod(0o600)
    both = {"EDGEPROXY_ADMIN_TOKEN": CANARY, "EDGEPROXY_ADMIN_TOKEN_FILE": str(held)}
    found = faults(None, {**SITE, **both})
    assert found == {"EDGEPROXY_ADMIN_TOKEN": "and admin_token_file are both set; keep one"}


def test_an_admin_token_that_could_be_guessed_is_warned_of() -> None:
    [warning] = loaded(None, {**SITE, "EDGEPROXY_ADMIN_TOKEN": "hunter2"}).warnings
    assert "easy to guess" in warning
    assert "hunter2" not in warning


@pytest.mark.parametrize(
    ("toml", "name", "sentence"),
    [
        ("srever.port = 1" + SHOP, "srever", "is no setting; did you mean server?"),
        ("Server.port = 1" + SHOP, "Server", "is no setting; did you mean server?"),
        ("port = 1" + SHOP, "port", "is no setting here; did you mean server.port?"),
        (
            "store.prt = 1" + SHOP,
            "store.prt",
            "is no setting; known here: url, url_file, durability, keys_dir, max_bytes, "
            "reserve_bytes",
        ),
        (
            integration("pixel = 'x'"),
            "sources[0].integrations[0].pixel",
            "is no setting; did you mean sources[0].integrations[0].pixel_id?",
        ),
        (
            integration(f"acces_token = '{CANARY}'"),
            "sources[0].integrations[0].acces_token",
            "is no setting; did you mean sources[0].integrations[0].access_token?",
        ),
        (
            integration("origins = ['https://a.example']"),
            "sources[0].integrations[0].origins",
            "is no setting here; did you mean sources[].origins?",
        ),
        (
            'sources = [{id = "shop", origins = "https://a.example", "a\\nb" = 1}]',
            "sources[0].'a\\nb'",
            "is no setting; known here: id, write_keys_file, write_keys, origins, cookie_domain, "
            "consent, default_country, click_id_days, click_id_readable, integrations",
        ),
    ],
)
def test_a_mistyped_key_is_a_fault_with_a_suggestion(toml: str, name: str, sentence: str) -> None:
    assert faults(toml) == {name: sentence}


# One site


@pytest.mark.parametrize("given", list(ONE_SITE))
def test_a_short_name_alone_says_what_is_missing(given: str) -> None:
    secret_file(CANARY)
    value = {"EDGEPROXY_ACCESS_TOKEN_FILE": "snap.token", "EDGEPROXY_API": "v3"}
    found = faults(None, {given: value.get(given, SITE.get(given, "implied"))})
    covered = given.removesuffix("_FILE")
    needed = {"EDGEPROXY_ORIGIN", "EDGEPROXY_PIXEL_ID", "EDGEPROXY_ACCESS_TOKEN"} - {covered}
    for name in needed:
        assert found.pop(name) == (
            "is not set; a single site takes EDGEPROXY_ORIGIN, EDGEPROXY_PIXEL_ID and "
            "EDGEPROXY_ACCESS_TOKEN (or its _FILE)"
        )
    assert set(found) <= {given}


def test_short_names_and_sources_in_a_file_exclude_each_other() -> None:
    assert faults(SHOP, {"EDGEPROXY_API": "v3"}) == {
        "EDGEPROXY_API": "makes a site, and shop.toml has [[sources]]; keep one"
    }


def test_short_names_go_with_a_file_that_has_no_sources() -> None:
    assert loaded("server.port = 9", SITE).port == 9


def test_faults_of_short_names_are_told_under_these_names() -> None:
    environ = {
        "EDGEPROXY_ORIGIN": "https://a.example.com,http://b.example.com",
        "EDGEPROXY_PIXEL_ID": PIXEL,
        "EDGEPROXY_ACCESS_TOKEN": f"{CANARY} {CANARY}",
        "EDGEPROXY_CONSENT": "maybe",
        "EDGEPROXY_API": "v5",
        "EDGEPROXY_PRIVACY": "none",
        "EDGEPROXY_DEFAULT_COUNTRY": "USA",
    }
    assert faults(None, environ) == {
        "EDGEPROXY_ORIGIN": "must be https; http is for localhost only",
        "EDGEPROXY_ACCESS_TOKEN": "must be one line of printable ASCII without blanks",
        "EDGEPROXY_CONSENT": 'must be one of required, implied; it is "maybe"',
        "EDGEPROXY_API": 'must be one of v2, v3; it is "v5"',
        "EDGEPROXY_PRIVACY": 'must be one of match, strict; it is "none"',
        "EDGEPROXY_DEFAULT_COUNTRY": "must be two letters, such as US",
    }


def test_a_token_may_come_from_a_file_but_not_twice() -> None:
    secret_file(f"{CANARY}\n")
    environ = {name: text for name, text in SITE.items() if "TOKEN" not in name}
    environ["EDGEPROXY_ACCESS_TOKEN_FILE"] = "snap.token"
    assert loaded(None, environ).sources[0].integrations[0].access_token == Secret(CANARY)
    assert faults(None, {**environ, "EDGEPROXY_ACCESS_TOKEN": CANARY}) == {
        "EDGEPROXY_ACCESS_TOKEN": "and access_token_file are both set; keep one"
    }


# Several


def test_names_stand_once() -> None:
    toml = f"""
        [[sources]]
        id = "one"
        origins = ["https://a.example.com", "https://A.example.com"]
        integrations = [
          {{pixel_id = "{PIXEL}", access_token = "x"}},
          {{id = "z", pixel_id = "q", access_token = "x"}},
        ]
        [[sources]]
        id = "one"
        origins = "https://b.example.com,https://a.example.com:443"
        integrations = [
          {{pixel_id = "{PIXEL}", access_token = "x"}},
          {{id = "z", pixel_id = "q", access_token = "x"}},
        ]
    """
    assert faults(toml) == {
        "sources[1].id": "is the name of another site; see sources[0].id",
        "sources[1].origins": "belongs to another site; see sources[0].origins",
        "sources[1].integrations[0].id": "would get the name of another integration; "
        "give it an id, or one to sources[0].integrations[0].id",
        "sources[1].integrations[1].id": "is the name of another integration; "
        "see sources[0].integrations[1].id",
    }


def test_an_origin_written_twice_in_one_site_is_one() -> None:
    toml = SHOP.replace(
        '"https://www.example.com"', '"https://www.example.com", "https://WWW.example.com/"'
    )
    assert loaded(toml).sources[0].origins == ("https://www.example.com",)


# Seen


def test_show_names_every_setting_its_value_and_its_origin() -> None:
    secret_file(CANARY)
    secret_file("# keys\n" + CANARY + "-0\n\n" + CANARY + "-1\n", name="shop.keys")
    toml = f"""
        server.prefix = "edge/"
        [[sources]]
        id = "shop"
        origins = ["https://www.example.com"]
        write_keys_file = "shop.keys"
        [[sources.integrations]]
        pixel_id = "{PIXEL}"
        access_token_file = "snap.token"
        events = {{"Quiz Finished" = ["CUSTOM_EVENT_1", "sign_up"]}}
    """
    settings = loaded(toml, {"PORT": "9"})
    shown = {row.setting: (row.value, row.origin) for row in rows(settings)}
    assert shown["server.prefix"] == ("/edge", "shop.toml")
    assert shown["server.port"] == (9, "PORT")
    assert shown["server.host"] == ("127.0.0.1", "default")
    assert shown["store.keys_dir"] == ("/var/lib/edgeproxy", "default")
    assert shown["sources[0].write_keys"] == (["••••", "••••"], "shop.toml: write_keys_file")
    place = "sources[0].integrations[0]"
    assert shown[f"{place}.access_token"] == ("••••", "shop.toml: access_token_file")
    assert shown[f"{place}.id"] == ("shop-5a3e0c1d", "default")
    assert shown[f"{place}.events"] == (
        {"Quiz Finished": ["CUSTOM_EVENT_1", "SIGN_UP"]},
        "shop.toml",
    )
    json.dumps([row.value for row in rows(settings)])


def test_show_has_a_row_for_every_setting_of_the_file() -> None:
    shown = {row.setting.replace("[0]", "[]") for row in rows(loaded(SHOP))}
    from edgeproxy.config.faults import settings_of
    from edgeproxy.config.tables import Tables

    known = {name for name, _ in settings_of(Tables) if not name.endswith("_file")}
    assert shown == known


def test_no_secret_is_in_the_settings_as_text_or_in_the_schema() -> None:
    settings = loaded(SHOP.replace("[[sources.i", f'write_keys = ["{CANARY}-0123"]\n[[sources.i'))
    assert settings.sources[0].write_keys == (Secret(f"{CANARY}-0123"),)
    assert CANARY not in f"{settings!r} {settings} {rows(settings)} {settings.where}"
    assert CANARY not in json.dumps(schema())


@pytest.mark.parametrize(
    "value", [f'["{CANARY}"]', f'{{x = "{CANARY}"}}', "5", '""', "true", "1979-05-27"]
)
@pytest.mark.parametrize("name", ["access_token", "access_token_file"])
def test_a_secret_of_another_type_is_not_shown_either(name: str, value: str) -> None:
    toml = SHOP.replace(f'access_token = "{CANARY}"', f"{name} = {value}")
    assert faults(toml).keys() <= {f"sources[0].integrations[0].{name}"}
    assert faults(toml)


@pytest.mark.parametrize("table", ["server", "store", "log", "sources", "upstream"])
def test_a_canary_in_place_of_a_table_is_not_shown(table: str) -> None:
    shop = "" if table == "sources" else SHOP
    assert set(faults(f'{table} = "{CANARY}"\n{shop}')) == {table}


def test_the_schema_knows_types_ranges_and_units() -> None:
    found = schema()
    definitions = found["$defs"]
    assert isinstance(definitions, dict)
    days = definitions["SourceTable"]["properties"]["click_id_days"]
    assert (days["minimum"], days["maximum"], days["unit"]) == (1, 395, "days")
    assert definitions["IntegrationTable"]["additionalProperties"] is False
    for table in definitions.values():
        for name, field in table["properties"].items():
            assert field.get("description") or "$ref" in field, name


# Warnings


def test_what_looks_wrong_but_works_is_a_warning() -> None:
    toml = f"""
        upstream = "http://127.0.0.1:9"
        [[sources]]
        id = "bare"
        write_keys = ["short", "sha256:{"0" * 64}"]
        [[sources]]
        id = "app"
        origins = "https://app.example.com"
        integrations = [
          {{snap_app_id = "s-1", app_id = "com.example", access_token = "x"}},
          {{pixel_id = "{CANARY}", access_token = "x"}},
        ]
    """
    path = written(toml)
    path.chmod(0o604)
    settings = load(path, {}, {})
    assert settings.sources[1].integrations[0].id == "app-s1"
    assert settings.warnings == (
        "shop.toml holds secrets and others can read it; chmod 600 shop.toml",
        "upstream is http://127.0.0.1:9: no event reaches Snap",
        "sources[0] (bare) has no integration: its events go nowhere",
        "sources[0] has a write key that is easy to guess; edgeproxy token new",
        "sources[1].integrations[1].pixel_id does not look like a Snap Pixel ID "
        "(8-4-4-4-12 hexadecimal digits)",
    )

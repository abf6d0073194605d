"""The settings of alerts and of the match-quality estimate."""

import json
from dataclasses import asdict, fields
from pathlib import Path

import pytest

from edgeproxy.config import Settings, load, rows, schema
from edgeproxy.config.judging import AlertsTable, WeightsTable
from edgeproxy.config.rules import webhook
from edgeproxy.errors import ConfigError
from edgeproxy.settings import Thresholds, Weights
from edgeproxy.sites import Secret

URL = "https://hooks.example.com/services/T0/B0/CANARY-4c1e9a"
SITE = {
    "EDGEPROXY_ORIGIN": "https://www.example.com",
    "EDGEPROXY_PIXEL_ID": "5a3e0c1d-7b2f-4c8e-9a6b-0d1e2f3a4b5c",
    "EDGEPROXY_ACCESS_TOKEN": "a-token",
}


def loaded(toml: str = "", **environ: str) -> Settings:
    path = Path("shop.toml")
    path.write_text(toml)
    path.chmod(0o600)
    return load(path, {**SITE, **environ}, {})


def faults(toml: str = "", **environ: str) -> dict[str, str]:
    """What is wrong, by setting; nothing of a secret is in it."""
    with pytest.raises(ConfigError) as caught:
        loaded(toml, **environ)
    assert "CANARY" not in f"{caught.value} {caught.value!r} {caught.value.__context__!r}"
    return dict(caught.value.faults)


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_defaults_are_those_of_the_values() -> None:
    settings = loaded()

    assert (settings.alerts, settings.weights) == (Thresholds(), Weights())
    assert settings.alert_webhook is None
    assert set(WeightsTable.model_fields) == {field.name for field in fields(Weights)}
    known = {field.name for field in fields(Thresholds)} | {"webhook_url", "webhook_url_file"}
    assert set(AlertsTable.model_fields) == known


def test_a_file_and_the_environment_can_set_them() -> None:
    settings = loaded(
        f"[alerts]\nwebhook_url = '{URL}'\nbacklog_minutes = 5\n"
        "[quality.weights]\nemail = 70\nphone = 50.5\n",
        EDGEPROXY_ALERTS__DEAD_PER_HOUR="3",
        EDGEPROXY_QUALITY__WEIGHTS__PHONE="51",
    )

    assert settings.alert_webhook == Secret(URL)
    assert settings.alerts == Thresholds(backlog_minutes=5, dead_per_hour=3)
    assert settings.weights == Weights(email=70, phone=51)


def test_the_webhook_may_stand_in_a_file_of_its_own() -> None:
    secret = Path("hook.url")
    secret.write_text(f"{URL}\n")
    secret.chmod(0o600)

    settings = loaded(EDGEPROXY_ALERTS__WEBHOOK_URL_FILE=str(secret.absolute()))
    assert settings.alert_webhook == Secret(URL)
    both = faults(f"[alerts]\nwebhook_url = '{URL}'\nwebhook_url_file = '{secret.absolute()}'")
    assert "keep one" in both["alerts.webhook_url"]
    secret.write_text("http://hooks.example.com/CANARY")
    assert "https://" in next(
        iter(faults(EDGEPROXY_ALERTS__WEBHOOK_URL_FILE=str(secret.absolute())).values())
    )


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "https://10.0.0.7:8443/hook?key=x",
        "http://127.0.0.1:9000/hook",
        "http://localhost/hook",
        "http://[::1]:9/",
        f"  {URL}\n",
        "HTTPS://hooks.example.com/x",
    ],
)
def test_a_webhook_is_https_or_on_this_machine(url: str) -> None:
    assert webhook(url) == url.strip()


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/CANARY",
        "http://127.0.0.1.example.com/CANARY",
        "http://localhost.example.com/CANARY",
        "http://127.0.0.1@example.com/CANARY",
        "http://192.168.0.1/CANARY",
        "ftp://127.0.0.1/CANARY",
        "file:///etc/passwd#CANARY",
        "https:///CANARY",
        "https://a b/CANARY",
        "https://a/\x00CANARY",
        "https://[CANARY/",
        "https://a:b/CANARY",
        "CANARY",
        "",
    ],
)
def test_any_other_webhook_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ValueError, match=r"https://|URL") as caught:
        webhook(url)
    assert "CANARY" not in str(caught.value)
    if url and url.isprintable():
        assert "alerts.webhook_url" in faults(f"[alerts]\nwebhook_url = '{url}'")


@pytest.mark.parametrize(
    ("toml", "setting"),
    [
        ("[alerts]\nsuccess_percent = 101", "alerts.success_percent"),
        ("[alerts]\nbacklog_minutes = -1", "alerts.backlog_minutes"),
        ("[alerts]\ntoken_days = 1.5", "alerts.token_days"),
        ("[alerts]\nzero_expected = nan", "alerts.zero_expected"),
        ("[alerts]\ndead_per_hour = true", "alerts.dead_per_hour"),
        ("[quality.weights]\nemail = 100.1", "quality.weights.email"),
        ("[quality.weights]\nemial = 10", "quality.weights.emial"),
        ("[quality]\nweight = 1", "quality.weight"),
    ],
)
def test_what_is_out_of_range_is_named(toml: str, setting: str) -> None:
    assert set(faults(toml)) == {setting}


def test_the_settings_are_shown_with_the_webhook_masked() -> None:
    shown = {row.setting: row.value for row in rows(loaded(f"[alerts]\nwebhook_url = '{URL}'"))}

    assert shown["alerts.webhook_url"] == "••••"
    assert shown["alerts.success_percent"] == 95
    assert shown["quality.weights.email"] == 60
    assert {f"alerts.{name}" for name in asdict(Thresholds())} <= set(shown)
    assert "CANARY" not in repr(loaded(f"[alerts]\nwebhook_url = '{URL}'"))
    assert "weights" in json.dumps(schema())


def test_a_file_with_a_webhook_that_others_can_read_is_warned_of() -> None:
    path = Path("open.toml")
    path.write_text(f"[alerts]\nwebhook_url = '{URL}'\n")
    path.chmod(0o644)

    assert any("chmod 600" in warning for warning in load(path, SITE, {}).warnings)

"""[debugger]: what is kept to look at, and within which bounds."""

import pytest

from edgeproxy.config import load, rows
from edgeproxy.errors import ConfigError
from edgeproxy.settings import Debugger, Settings

SITE = {
    "EDGEPROXY_ORIGIN": "https://www.example.com",
    "EDGEPROXY_PIXEL_ID": "67d34640-b7a4-42a8-b821-6434d70f08a4",
    "EDGEPROXY_ACCESS_TOKEN": "token",
}


def loaded(**more: str) -> Settings:
    environ = {f"EDGEPROXY_DEBUGGER__{name}": value for name, value in more.items()}
    return load(None, {**SITE, **environ}, {})


def test_the_defaults_are_those_of_the_documentation() -> None:
    assert loaded().debugger == Debugger(
        enabled=True, events_per_second=200.0, keep_days=7, max_bytes=512 * 1024 * 1024
    )


def test_each_can_be_set_and_is_shown() -> None:
    settings = loaded(ENABLED="false", EVENTS_PER_SECOND="0.5", KEEP_DAYS="30", MAX_BYTES="8388608")
    assert settings.debugger == Debugger(
        enabled=False, events_per_second=0.5, keep_days=30, max_bytes=8_388_608
    )
    shown = {row.setting: row for row in rows(settings) if row.setting.startswith("debugger.")}
    assert shown["debugger.keep_days"].value == 30
    assert "EDGEPROXY_DEBUGGER__KEEP_DAYS" in shown["debugger.keep_days"].origin
    assert len(shown) == 4


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EVENTS_PER_SECOND", "-1"),
        ("KEEP_DAYS", "0"),
        ("KEEP_DAYS", "91"),
        ("MAX_BYTES", "1000"),
        ("ENABLED", "perhaps"),
        ("KEEP", "1"),
    ],
)
def test_what_cannot_be_is_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigError):
        loaded(**{name: value})

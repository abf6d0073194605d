"""What the forms of an integration ask the API for."""

import pytest

from edgeproxy.admin.api.integration_views import KnownConfig, KnownIntegration
from edgeproxy.admin.views.integration_forms import (
    LABELS,
    NewForm,
    SettingsForm,
    key_of,
    standing,
)
from edgeproxy.web import inputs

KNOWN = KnownIntegration(
    id="shop-1",
    source_id="shop",
    name="Shop",
    config=KnownConfig(pixel_id="p", access_token="••••"),
    events={"Quiz Finished": ("SAVE",)},
)


def form(text: str) -> SettingsForm:
    read: SettingsForm = inputs.form(text.encode(), SettingsForm)
    return read


def test_a_field_that_the_page_did_not_have_stays() -> None:
    assert form("version=3").patch(KNOWN) == {}


def test_what_differs_is_a_merge_patch() -> None:
    asked = form("name=Other&config.pixel_id=q&config.access_token=+new+&config.api=v2")
    assert asked.patch(KNOWN) == {
        "name": "Other",
        "config": {"pixel_id": "q", "access_token": "new"},
    }


@pytest.mark.parametrize("token", ["", "++"])
def test_a_blank_token_keeps_the_one_there_is(token: str) -> None:
    assert form(f"config.access_token={token}").patch(KNOWN) == {}


def test_everything_that_stands_there_has_a_label() -> None:
    assert set(standing(KNOWN)) == set(LABELS)
    assert standing(KNOWN)["config.rate_limit_rps"] == 50.0


def test_a_new_one_is_off_and_leaves_defaults_out() -> None:
    made = NewForm(source_id=" shop ", name=" ", pixel_id=" p ", access_token=" t ")
    assert made.document() == {
        "source_id": "shop",
        "enabled": False,
        "config": {"pixel_id": "p", "access_token": "t"},
    }


@pytest.mark.parametrize(
    ("own", "key"), [("quiz-finished", "Quiz Finished"), ("Quiz Begun", "Quiz Begun")]
)
def test_an_own_name_is_found_in_any_spelling(own: str, key: str) -> None:
    assert key_of(KNOWN, own) == key

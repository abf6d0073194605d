"""Sources and integrations as documents: the file's rules, and what a patch does."""

from typing import Any

import msgspec
import pytest

from edgeproxy.errors import Unfit
from edgeproxy.roster import documents
from edgeproxy.sites import Integration, Secret, Source

TOKEN = Secret("t")
PIXEL = "5a3e0c1d-7b2f-4c8e-9a6b-0d1e2f3a4b5c"


def integration(**changes: Any) -> Integration:
    config = {"pixel_id": PIXEL, **changes.pop("config", {})}
    document = {"id": "shop-1", "source_id": "shop", "config": config, **changes}
    return documents.integration(document, TOKEN)


def faults(work: Any, *args: Any, **more: Any) -> dict[str, str]:
    with pytest.raises(Unfit) as caught:
        work(*args, **more)
    return dict(caught.value.faults)


def test_a_source_that_says_nothing_has_the_defaults_of_the_file() -> None:
    assert documents.source({"id": "shop"}) == Source(id="shop")


def test_a_source_is_brought_into_its_normal_form() -> None:
    made = documents.source(
        {
            "id": "shop",
            "origins": ["https://WWW.Example.com:443/", "https://www.example.com"],
            "cookie_domain": ".Example.com",
            "consent": "IMPLIED",
            "default_country": "us",
            "click_id_days": 30,
            "click_id_readable": True,
        },
        digests=("ab",),
    )
    assert made == Source(
        id="shop",
        origins=("https://www.example.com",),
        cookie_domain="example.com",
        consent="implied",
        default_country="US",
        click_id_days=30,
        click_id_readable=True,
        write_key_digests=("ab",),
    )


def test_every_fault_of_a_source_at_once() -> None:
    found = faults(
        documents.source,
        {
            "orgins": [],
            "origins": ["http://www.example.com"],
            "cookie_domain": "com",
            "consent": "maybe",
            "default_country": "UK",
            "click_id_days": 0,
        },
    )
    assert set(found) == {
        "orgins",
        "id",
        "origins",
        "consent",
        "default_country",
        "click_id_days",
    }
    assert found["orgins"] == "is not known; did you mean origins?"
    assert found["origins"] == "[0] must be https; http is for localhost only"
    assert "required, implied" in found["consent"]


def test_a_cookie_domain_is_held_against_the_origins() -> None:
    document = {"id": "shop", "origins": ["https://a.example.com"], "cookie_domain": "example.org"}
    assert "is not in example.org" in faults(documents.source, document)["cookie_domain"]


def test_an_integration_has_the_defaults_of_the_file() -> None:
    made = integration()
    plain = Integration(id="shop-1", source="shop", access_token=TOKEN, pixel_id=PIXEL)
    assert made == plain


def test_what_belongs_to_the_vendor_stands_in_config() -> None:
    made = integration(
        name="Main",
        enabled=False,
        consent_categories=["advertising", "analytics"],
        events={"Quiz Finished": "CUSTOM_EVENT_1"},
        unknown_events="UPPERCASE",
        config={
            "api": "v3",
            "privacy": "strict",
            "limited_data_use": True,
            "rate_limit_rps": 5,
            "rate_limit_burst": 7,
            "rate_limit_per_minute": 1000,
            "batch_max": 100,
            "linger_ms": 0,
        },
    )
    assert msgspec.structs.asdict(made) == {
        "id": "shop-1",
        "source": "shop",
        "access_token": TOKEN,
        "vendor": "snapchat",
        "name": "Main",
        "enabled": False,
        "pixel_id": PIXEL,
        "snap_app_id": "",
        "app_id": "",
        "api": "v3",
        "privacy": "strict",
        "consent_categories": ("advertising", "analytics"),
        "events": {"Quiz Finished": ("CUSTOM_EVENT_1",)},
        "unknown_events": "uppercase",
        "limited_data_use": True,
        "rate_limit_rps": 5.0,
        "rate_limit_burst": 7,
        "rate_limit_per_minute": 1000,
        "batch_max": 100,
        "linger_ms": 0,
    }


def test_every_field_of_an_integration_can_be_given() -> None:
    """One that is added to the value must be added to the documents."""
    known = set(documents.INTEGRATION) | set(documents.CONFIG) | {"access_token", "source"}
    assert set(Integration.__struct_fields__) == known - {"source_id", "config"}
    sources = set(Source.__struct_fields__) - {"write_keys", "write_key_digests", "integrations"}
    assert sources == set(documents.SOURCE)


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"pixel_id": "x"}, "pixel_id", "did you mean config.pixel_id"),
        (
            {"config": {"enabled": True}},
            "config.enabled",
            "is not known here; did you mean enabled",
        ),
        ({"config": {"pixl_id": "x"}}, "config.pixl_id", "did you mean config.pixel_id"),
        ({"config": {"pixel_id": ""}}, "config.pixel_id", "give pixel_id, or snap_app_id"),
        ({"config": {"pixel_id": 7}}, "config.pixel_id", "must be a text"),
        ({"config": {"api": "v4"}}, "config.api", "one of v2, v3"),
        ({"source_id": "a/b"}, "source_id", "1 to 64 letters"),
        ({"vendor": "meta"}, "vendor", "is snapchat"),
        ({"consent_categories": []}, "consent_categories", "1 to 200"),
        ({"events": {"a b": "SAVE", "A_B": "SAVE"}}, "events", "one event twice"),
        ({"events": {"a": "SAEV"}}, "events", r"[a] [0] is none of Snap's event names; did you"),
        ({"unknown_events": "x"}, "unknown_events", "must be drop, uppercase"),
        ({"config": {"batch_max": 2001}}, "config.batch_max", "from 1 to 2000"),
    ],
)
def test_a_fault_of_an_integration_is_told_by_its_field(
    changes: dict[str, Any], field: str, said: str
) -> None:
    assert said in faults(integration, **changes)[field]


def test_a_config_that_is_none_is_told() -> None:
    found = faults(documents.integration, {"id": "a", "source_id": "b", "config": []}, TOKEN)
    assert found["config"] == "must be an object"


def test_a_patch_merges_objects_and_null_removes() -> None:
    before = {"name": "a", "config": {"api": "v3", "batch_max": 5}, "events": {"a": "SAVE"}}
    patch = {"name": None, "config": {"api": None, "linger_ms": 1}, "events": {"b": "SHARE"}}
    assert documents.merged(before, patch) == {
        "config": {"batch_max": 5, "linger_ms": 1},
        "events": {"a": "SAVE", "b": "SHARE"},
    }
    assert before["name"] == "a"
    assert documents.merged({"config": 7}, {"config": {"a": {"b": 1, "c": None}}}) == {
        "config": {"a": {"b": 1}}
    }

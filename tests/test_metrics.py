"""The metrics: what they say, and that nobody outside can make more of them."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from edgeproxy.meter import Label
from edgeproxy.metrics import DROP_REASONS, Snapshot, exposition, families
from edgeproxy.sites import Integration, Secret, Source
from edgeproxy.store.base import Counts, Gate

SHOP = Integration(id="shop-1", source="shop", access_token=Secret("t"))
SNAPSHOT = Snapshot(
    version="1.2.3",
    sources=(Source(id="shop", integrations=(SHOP,)),),
    stats=(Counts(integration="shop-1", accepted=9, delivered=4, pending=5, leased=2, oldest_s=7),),
    gates={"shop-1": Gate(integration="shop-1", state="paused_auth")},
    totals={
        ("in", "shop", "accepted", ""): 9,
        ("in", "shop", "dropped.bot", ""): 3,
        ("out", "shop-1", "delivered", "PURCHASE"): 4,
        ("out", "shop-1", "dead.expired", "PURCHASE"): 1,
        ("out", "shop-1", "retry", "PURCHASE"): 2,
        ("low", "shop-1", "", ""): 2,
        ("answer", "shop-1", "transient", "503"): 6,
        ("answer", "shop-1", "transient", "timeout"): 1,
        ("limited", "shop-1", "", ""): 8,
        ("wait", "shop-1", "100", ""): 3,
        ("wait", "shop-1", "inf", ""): 1,
        ("snap", "shop-1", "250", ""): 2,
        ("cover", "shop-1", "PURCHASE", "ce"): 4,
        ("out", "shop-1", "test", "PURCHASE"): 50,
        ("trace", "over_budget", "", ""): 11,
    },
)

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(snapshot: Snapshot = SNAPSHOT) -> Samples:
    text, _ = exposition(snapshot)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def value(name: str, **labels: str) -> float:
    return samples()[name, tuple(sorted(labels.items()))]


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("build_info", {"version": "1.2.3"}, 1),
        ("received_events_total", {"source": "shop", "outcome": "accepted"}, 9),
        ("received_events_total", {"source": "shop", "outcome": "dropped"}, 3),
        ("dropped_events_total", {"source": "shop", "reason": "bot"}, 3),
        ("delivered_events_total", {"integration": "shop-1", "event": "PURCHASE"}, 4),
        ("dead_events_total", {"integration": "shop-1", "reason": "expired"}, 1),
        ("retried_events_total", {"integration": "shop-1"}, 2),
        ("low_match_events_total", {"integration": "shop-1"}, 2),
        (
            "snap_requests_total",
            {"integration": "shop-1", "outcome": "transient", "status": "503"},
            6,
        ),
        (
            "snap_requests_total",
            {"integration": "shop-1", "outcome": "transient", "status": "timeout"},
            1,
        ),
        ("untraced_steps_total", {"reason": "over_budget"}, 11),
        ("limited_requests_total", {"integration": "shop-1"}, 8),
        ("delivery_seconds_bucket", {"integration": "shop-1", "le": "0.1"}, 3),
        ("delivery_seconds_bucket", {"integration": "shop-1", "le": "3600.0"}, 3),
        ("delivery_seconds_bucket", {"integration": "shop-1", "le": "+Inf"}, 4),
        ("snap_request_seconds_bucket", {"integration": "shop-1", "le": "0.1"}, 0),
        ("snap_request_seconds_bucket", {"integration": "shop-1", "le": "0.25"}, 2),
        ("ledger_events_total", {"integration": "shop-1", "entry": "accepted"}, 9),
        ("waiting_events", {"integration": "shop-1"}, 3),
        ("in_flight_events", {"integration": "shop-1"}, 2),
        ("oldest_event_age_seconds", {"integration": "shop-1"}, 7),
        ("dead_letters", {"integration": "shop-1"}, 0),
        ("ledger_balanced", {"integration": "shop-1"}, 1),
        ("gate", {"integration": "shop-1", "state": "paused_auth"}, 1),
        ("gate", {"integration": "shop-1", "state": "open"}, 0),
        ("integration_enabled", {"integration": "shop-1"}, 1),
    ],
)
def test_what_is_stored_is_what_is_said(
    name: str, labels: Mapping[str, str], expected: float
) -> None:
    assert value(f"edgeproxy_{name}", **labels) == expected


def test_test_events_are_neither_delivered_nor_dead() -> None:
    ends = ("edgeproxy_delivered_events_total", "edgeproxy_dead_events_total")
    found = {key: n for key, n in samples().items() if key[0] in ends}

    assert sorted(found.values()) == [1, 4]


def test_what_openmetrics_asks_for_is_what_it_gets() -> None:
    plain, media = exposition(SNAPSHOT)
    modern, modern_media = exposition(SNAPSHOT, "application/openmetrics-text; version=1.0.0")

    assert media.startswith("text/plain")
    assert modern_media.startswith("application/openmetrics-text")
    assert modern.endswith(b"# EOF\n")
    assert not plain.endswith(b"# EOF\n")


def test_every_metric_says_what_it_is_and_has_a_unit_or_counts_things() -> None:
    for family in families(SNAPSHOT):
        assert family.name.startswith("edgeproxy_")
        assert family.documentation.endswith(".")


def test_an_empty_proxy_has_metrics_too() -> None:
    empty = Snapshot(version="1", sources=(), stats=(), gates={}, totals={})

    assert samples(empty) == {("edgeproxy_build_info", (("version", "1"),)): 1}


def test_a_removed_integration_keeps_its_numbers_but_has_no_gate() -> None:
    names = {name for name, labels in samples(replace(SNAPSHOT, sources=())) for _ in labels}

    assert "edgeproxy_delivered_events_total" in names
    assert "edgeproxy_gate" not in names


TEXT = st.text(max_size=12)


@given(
    st.dictionaries(
        st.tuples(
            st.sampled_from(
                ["in", "out", "answer", "wait", "snap", "limited", "low", "cover", "trace"]
            ),
            TEXT,
            TEXT | TEXT.map("dropped.".__add__) | TEXT.map("dead.".__add__),
            TEXT,
        ),
        st.integers(1, 9),
        max_size=30,
    )
)
def test_whatever_was_counted_the_labels_come_from_closed_sets(totals: dict[Label, int]) -> None:
    """Row 71 of the fault matrix: random names and paths make no new series."""
    ours = {"other", "shop", "shop-1"}
    for (name, labels), _ in samples(replace(SNAPSHOT, totals=totals)).items():
        found: dict[str, Any] = dict(labels)
        assert {found.get("source", "other"), found.get("integration", "other")} <= ours
        if name == "edgeproxy_untraced_steps_total":
            assert found["reason"] in {"over_budget", "pushed_out", "not_written", "other"}
        if name == "edgeproxy_dropped_events_total":
            assert found["reason"] in DROP_REASONS | {"other"}
        if name == "edgeproxy_snap_requests_total":
            assert found["status"] in {"other", "1xx", "2xx", "3xx", "4xx", "5xx"} | STATUSES


STATUSES = {"200", "401", "404", "429", "500", "503", "timeout", "tls"}


def test_a_strange_status_is_counted_by_its_class() -> None:
    totals: dict[Label, int] = {
        ("answer", "shop-1", "transient", "599"): 1,
        ("answer", "shop-1", "transient", "520"): 1,
        ("answer", "shop-1", "transient", "1e3"): 1,
        ("answer", "shop-1", "transient", "999"): 1,
    }
    found = {
        dict(labels)["status"]: n
        for (name, labels), n in samples(replace(SNAPSHOT, totals=totals)).items()
        if name == "edgeproxy_snap_requests_total"
    }

    assert found == {"5xx": 2, "other": 2}

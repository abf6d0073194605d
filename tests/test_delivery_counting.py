"""What delivery counts: every row by its fate, every request, waits, and what was carried."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from edgeproxy.delivery.batch import Ready
from edgeproxy.delivery.census import Census
from edgeproxy.delivery.counting import bucket, delivered, mask
from edgeproxy.event import Device, Goods, Person
from edgeproxy.meter import Meter
from edgeproxy.snap import DIALECTS
from edgeproxy.tally import SNAP_MS, WAIT_MS
from edgeproxy.wire import WireResponse
from tests.desk import NO_ONE, Desk, Slow, refusing
from tests.fakes import Clock, event, integration, item, open_store, put, sealed

SHOP = "shop/pixel"
DOWN = WireResponse(status=503)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    clock = Clock()
    async with open_store(tmp_path, clock) as store:
        yield Desk(store, clock)


async def counted(desk: Desk, play: Any = None, **changes: Any) -> dict[tuple[str, ...], int]:
    """What one delivery counts, without the integration where it is the shop's."""
    meter = Meter()
    await desk.deliver(play, meter=meter, **changes)
    return {
        tuple(word for word in label if word and word != SHOP): n
        for label, n in meter.counts.items()
        if n
    }


async def test_delivered_rows_are_counted_by_name_wait_and_what_they_carried(desk: Desk) -> None:
    await put(desk.store, item(event(1)), item(event(2)), item(event(3, name="SHARE", scid="")))
    desk.clock.pass_s(0.7)
    answer = WireResponse(status=200, body=b'{"status":"SUCCESS"}', latency_ms=80.0)
    assert await counted(desk, [answer]) == {
        ("out", "delivered", "PAGE_VIEW"): 2,
        ("out", "delivered", "SHARE"): 1,
        ("cover", "PAGE_VIEW", "es"): 2,
        ("cover", "SHARE", "e"): 1,
        ("wait", "1000"): 3,
        ("answer", "delivered", "200"): 1,
        ("snap", "100"): 1,
    }


async def test_waits_are_sorted_into_their_buckets(desk: Desk) -> None:
    for number, pause_s in enumerate((4000, 59, 0.2, 0.0)):
        await put(desk.store, item(event(number)))
        desk.clock.pass_s(pause_s)
    waits = {key[1]: n for key, n in (await counted(desk)).items() if key[0] == "wait"}
    assert waits == {"inf": 1, "60000": 1, "250": 1, "100": 1}


async def test_a_wait_ends_with_the_answer_and_not_with_the_handing_out(desk: Desk) -> None:
    await put(desk.store, item(event(1)))
    desk.clock.pass_s(0.2)
    [row] = (await desk.claim()).rows
    wire = DIALECTS["v2"].encode(event(1), integration(), None)
    meter = Meter()
    batch = (Ready(row=row, event=event(1), wire=wire),)
    delivered(meter, batch, (0,), integration=SHOP, waited_s=0.9)
    assert meter.counts["wait", SHOP, "2500", ""] == 1


async def test_low_matches_are_counted(desk: Desk) -> None:
    await put(desk.store, item(event(1, who=Person())), item(event(2)))
    found = await counted(desk)
    assert found[("low",)] == 1
    assert found["cover", "PAGE_VIEW", "s"] == 1


async def test_test_events_count_as_such_and_nothing_else(desk: Desk) -> None:
    await put(desk.store, item(event(1, test=True)))
    found = await counted(desk)
    assert {key for key in found if key[0] not in ("answer", "snap")} == {
        ("out", "test", "PAGE_VIEW")
    }


async def test_dead_rows_are_counted_by_reason(desk: Desk) -> None:
    await put(
        desk.store,
        item(event(1, name="PURCHASE")),
        item(event(2), body=b"{"),
        item(event(3)),
        item(event(4)),
    )
    found = await counted(desk, refusing("e3"))
    assert {key: n for key, n in found.items() if key[0] == "out"} == {
        ("out", "dead.missing_price", "PURCHASE"): 1,
        ("out", "dead.unrenderable", "PAGE_VIEW"): 1,
        ("out", "dead.rejected", "PAGE_VIEW"): 1,
        ("out", "delivered", "PAGE_VIEW"): 1,
    }
    assert {key: n for key, n in found.items() if key[0] == "answer"} == {
        ("answer", "rejected", "400"): 2,
        ("answer", "delivered", "200"): 1,
    }


async def test_of_a_partly_refused_request_each_part_is_counted(desk: Desk) -> None:
    body = b'{"status":"SUCCESS","error_records":[{"reason":"Missing x","record_indexes":[2]}]}'
    desk.integration = integration(api="v3")
    await put(desk.store, item(event(1)), item(event(2)))
    found = await counted(desk, [WireResponse(status=200, body=body)])
    assert found["out", "delivered", "PAGE_VIEW"] == 1
    assert found["out", "dead.rejected", "PAGE_VIEW"] == 1
    assert found["cover", "PAGE_VIEW", "es"] == 1


async def test_a_request_of_which_all_is_refused_counts_no_delivery(desk: Desk) -> None:
    body = b'{"status":"SUCCESS","error_records":[{"reason":"Missing x","record_indexes":[1]}]}'
    desk.integration = integration(api="v3")
    await put(desk.store, item(event(1)))
    found = await counted(desk, [WireResponse(status=200, body=body)])
    assert found["out", "dead.rejected", "PAGE_VIEW"] == 1
    assert not {key[0] for key in found} & {"cover", "wait"}


async def test_rows_that_are_put_back_are_counted(desk: Desk) -> None:
    await put(desk.store, item(event(1)), item(event(2)))
    found = await counted(desk, [DOWN] * 4)
    assert found["out", "retry", "PAGE_VIEW"] == 2
    assert found["answer", "transient", "503"] == 4


async def test_a_request_without_an_answer_has_no_latency(desk: Desk) -> None:
    await put(desk.store, item(event(1)))
    found = await counted(desk, [WireResponse(status=None, fault="timeout")] * 4)
    assert found["answer", "transient", "timeout"] == 4
    assert not [key for key in found if key[0] == "snap"]


async def test_waits_for_the_limiter_are_counted(desk: Desk) -> None:
    await put(desk.store, item(event(1)))
    slow = Slow(desk.store)
    slow.refusals = [0.001, 0.001]
    assert (await counted(desk, store=slow))[("limited",)] == 2


async def test_rows_of_an_integration_that_is_gone_are_counted(desk: Desk) -> None:
    meter = Meter()
    await put(desk.store, item(event(1), to="gone"))
    desk.clock.pass_s(86_400)
    parts = desk.new_courier(
        meter=meter, schedule=replace(desk.schedule, removed_s=0.0, census_s=0.001)
    )._parts
    census = Census(parts, list, dead_max=10)
    await census.round()
    assert meter.counts["out", "gone", "dead.integration_removed", "PAGE_VIEW"] == 1
    assert NO_ONE.status == 400


@pytest.mark.parametrize("api", sorted(DIALECTS))
@pytest.mark.parametrize(
    ("letters", "changes"),
    [
        ("es", {}),
        ("ceps", {"click_id": "abc", "who": Person(email_sha256="a" * 64, phone_sha256="b" * 64)}),
        ("ens", {"who": Person(email_sha256="a" * 64, zip_sha256="b" * 64)}),
        ("ens", {"who": Person(email_sha256="a" * 64, first_name_sha256="b" * 64)}),
        ("estv", {"goods": Goods(price=Decimal(5), currency="USD", item_ids=("A",))}),
        ("es", {"goods": Goods(currency="USD", order_id="7"), "device": Device(model="X")}),
    ],
)
def test_the_letters_name_what_the_wire_carried(
    api: str, letters: str, changes: dict[str, Any]
) -> None:
    wire = DIALECTS[api].encode(event(1, **changes), integration(api=api), None)
    user = wire.fields.get("user_data")
    keys = tuple(wire.fields)
    if isinstance(user, dict):
        custom = wire.fields.get("custom_data", {})
        assert isinstance(custom, dict)
        keys = (*user, *custom)
    assert mask(keys) == letters


@pytest.mark.parametrize("api", sorted(DIALECTS))
@pytest.mark.parametrize("privacy", ["match", "strict"])
async def test_address_and_user_agent_count_in_every_form_in_which_they_go_out(
    desk: Desk, api: str, privacy: str
) -> None:
    desk.integration = integration(api=api, privacy=privacy)
    box = sealed(
        user_agent="X/1.0",
        address="203.0.113.7",
        address_sha256="c" * 64,
        mobile_ad_id="abcdef",
    )
    await put(desk.store, item(event(1), sealed=box))
    found = await counted(desk)
    [letters] = [key[2] for key in found if key[0] == "cover"]
    expected = {"v2": "eis", "v3": "eims" if privacy == "match" else "ems"}
    assert letters == expected[api]


@pytest.mark.parametrize(
    ("value_ms", "name"),
    [(0, "50"), (50, "50"), (50.1, "100"), (15_000, "15000"), (15_001, "inf")],
)
def test_a_bucket_is_named_by_its_upper_bound(value_ms: float, name: str) -> None:
    assert bucket(value_ms, SNAP_MS) == name
    assert len(WAIT_MS) == 10

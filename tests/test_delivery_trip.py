"""One lease on its way, with the real store and a Snap that answers as each test says."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from edgeproxy.delivery.backoff import Schedule
from edgeproxy.delivery.gate import THROTTLED
from edgeproxy.event import Goods, Person, encode_person
from edgeproxy.store.base import Binding, Gate, Item
from edgeproxy.wire import WireResponse
from tests.desk import NO_ONE, Desk, Slow, refusing
from tests.fakes import (
    SEALER,
    START_MS,
    TOKEN,
    YES,
    Clock,
    event,
    events_of,
    eventually,
    integration,
    item,
    open_store,
    put,
    sealed,
)

DOWN = WireResponse(status=503)
EMPTY = WireResponse(status=200)
DENIED = WireResponse(status=401, body=b'{"reason":"Authentication failed"}')
DAY_MS = 86_400_000


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    clock = Clock()
    async with open_store(tmp_path, clock) as store:
        yield Desk(store, clock)


# What is sent.


async def test_a_lease_goes_out_as_one_request_and_is_settled(desk: Desk) -> None:
    await put(desk.store, *(item(event(n)) for n in range(3)))
    await desk.deliver()
    assert desk.transport.sent == [["e0", "e1", "e2"]]
    assert desk.transport.requests[0].path == "/v2/conversion"
    assert await desk.ledger() == {"accepted": 3, "delivered": 3}
    assert not desk.line.closed


async def test_one_event_goes_out_as_an_object_and_test_events_apart(desk: Desk) -> None:
    await put(desk.store, item(event(1)), item(event(2, test=True)))
    await desk.deliver()
    bodies = {one.path: msgspec.json.decode(one.body) for one in desk.transport.requests}
    assert bodies["/v2/conversion"]["client_dedup_id"] == "e1"
    assert bodies["/v2/conversion/validate"]["client_dedup_id"] == "e2"
    assert await desk.ledger() == {"accepted": 2, "delivered": 2}


async def test_the_integrations_wire_version_and_batch_size_are_used(desk: Desk) -> None:
    desk.integration = integration(api="v3", batch_max=2)
    await put(desk.store, *(item(event(n)) for n in range(3)))
    await desk.deliver()
    assert desk.transport.sent == [["e0", "e1"], ["e2"]]
    assert desk.transport.requests[0].path == f"/v3/{desk.integration.pixel_id}/events"
    assert events_of(desk.transport.requests[1])[0]["event_time"] == START_MS // 1000


async def test_what_is_known_of_the_visitor_completes_the_event(desk: Desk) -> None:
    known = encode_person(Person(email_sha256="cd" * 32, phone_sha256="ef" * 32))
    bound = Item(binding=Binding(visitor=b"v" * 16, traits=known))
    own = event(1)
    await put(desk.store, bound, item(own), item(event(2, who=Person())))
    await desk.deliver()
    first, second = events_of(desk.transport.requests[0])
    assert (first["hashed_email"], first["hashed_phone_number"]) == ("ab" * 32, "ef" * 32)
    assert (second["hashed_email"], second["hashed_phone_number"]) == ("cd" * 32, "ef" * 32)


async def test_an_unreadable_identity_is_left_out(desk: Desk) -> None:
    bound = Item(binding=Binding(visitor=b"v" * 16, traits=b'{"email_sha256":"cd","x":[]}'))
    broken = Item(binding=Binding(visitor=b"v" * 16, traits=b'{"phone_sha256":7}'))
    await put(desk.store, bound, broken, item(event(1)))
    await desk.deliver()
    assert "hashed_phone_number" not in events_of(desk.transport.requests[0])[0]


async def test_sealed_extras_are_opened_for_the_wire(desk: Desk) -> None:
    box = sealed(user_agent="Mozilla/5.0 X", address_sha256="12" * 32)
    await put(desk.store, item(event(1), sealed=box))
    await desk.deliver()
    sent = events_of(desk.transport.requests[0])[0]
    assert (sent["user_agent"], sent["hashed_ip_address"]) == ("Mozilla/5.0 X", "12" * 32)


async def test_an_integration_made_strict_later_sends_digests_only(desk: Desk) -> None:
    """What was sealed under `match` holds raw values and not the digests that v2 wants."""
    box = sealed(user_agent="Mozilla/5.0 X", address="203.0.113.7")
    desk.integration = integration(privacy="strict")
    await put(desk.store, item(event(1), sealed=box))
    await desk.deliver()
    body = desk.transport.requests[0].body
    sent = events_of(desk.transport.requests[0])[0]
    assert b"Mozilla" not in body
    assert b"203.0.113.7" not in body
    assert len(sent["hashed_user_agent"]) == len(sent["hashed_ip_address"]) == 64


@pytest.mark.parametrize(
    "box",
    [
        pytest.param(b"no box at all", id="garbage"),
        pytest.param(SEALER.seal(b"{"), id="not what we seal"),
        pytest.param(sealed(to="other/pixel", user_agent="Mozilla/5.0 X"), id="of another pixel"),
        pytest.param(
            sealed(visitor=b"w" * 16, user_agent="Mozilla/5.0 X"), id="of another visitor"
        ),
    ],
)
async def test_a_box_that_does_not_open_for_its_row_is_left_out_and_told(
    desk: Desk, box: bytes
) -> None:
    await put(desk.store, item(event(1), sealed=box))
    await desk.deliver()
    assert b"Mozilla" not in desk.transport.requests[0].body
    assert desk.log.named("sealed_unreadable") == [{"integration": "shop/pixel", "events": 1}]
    assert await desk.ledger() == {"accepted": 1, "delivered": 1}


async def test_a_box_of_a_row_without_a_visitor_is_bound_to_its_key(desk: Desk) -> None:
    made = item(event(1), visitor=b"")
    entry = made.entries[0]
    box = sealed(visitor=entry.key, user_agent="Mozilla/5.0 X")
    await put(desk.store, Item(entries=(replace(entry, sealed=box),)))
    await desk.deliver()
    assert events_of(desk.transport.requests[0])[0]["user_agent"] == "Mozilla/5.0 X"


async def test_a_batch_beyond_a_megabyte_goes_out_in_halves(desk: Desk) -> None:
    """The size that counts is that of the request, which is known when it is made."""
    scid = "s" * 200  # stored once, on the wire twice; the id is even there three times
    await put(desk.store, *(item(event(f"{n:0200}", scid=scid)) for n in range(1200)))
    desk.integration = integration(batch_max=2000)
    lease = await desk.claim(limit=2000)
    assert sum(len(row.body) for row in lease.rows) < 1_000_000
    await desk.new_courier().deliver(lease, desk.integration, desk.line)
    assert [len(ids) for ids in desk.transport.sent] == [600, 600]
    assert max(len(request.body) for request in desk.transport.requests) <= 1_000_000
    assert await desk.ledger() == {"accepted": 1200, "delivered": 1200}


# What cannot be sent.


async def test_what_cannot_be_sent_is_dead_and_stops_nothing_else(desk: Desk) -> None:
    await put(
        desk.store,
        item(event(1), body=b'{"id":'),
        item(event(2, name="PURCHASE")),
        item(event(3, who=Person(), scid="")),
        item(event(4)),
    )
    await desk.deliver()
    assert desk.transport.sent == [["e4"]]
    assert [reason for reason, _ in await desk.dead()] == [
        "missing_price",
        "no_identifier",
        "unrenderable",
    ]
    assert await desk.ledger() == {"accepted": 4, "delivered": 1, "dead": 3}


@pytest.mark.parametrize(("channel", "days"), [("WEB", 7), ("MOBILE_APP", 7), ("OFFLINE", 37)])
async def test_an_event_that_is_too_old_is_never_sent(desk: Desk, channel: Any, days: int) -> None:
    desk.integration = integration(snap_app_id=desk.integration.pixel_id, app_id="1")
    limit_ms = START_MS - days * DAY_MS
    far = START_MS + DAY_MS
    await put(
        desk.store,
        item(event(1, channel=channel, time_ms=limit_ms), expires_ms=far),
        item(event(2, channel=channel, time_ms=limit_ms - 1), expires_ms=far),
    )
    await desk.deliver()
    assert desk.transport.sent == [["e1"]]
    assert [reason for reason, _ in await desk.dead()] == ["expired"]


async def test_an_event_that_the_dialect_fails_on_is_dead_and_told_once(desk: Desk) -> None:
    """An integration whose wire version is broken for one event must go on with the others."""
    endless = Goods(number_items=Decimal("Infinity"))
    odd = [event(n, goods=endless) for n in range(2)]
    await put(desk.store, *map(item, odd), item(event(2)))
    await desk.deliver()
    assert desk.transport.sent == [["e2"]]
    assert [reason for reason, _ in await desk.dead()] == ["unrenderable"] * 2
    assert [line["events"] for line in desk.log.named("render_fault")] == [2]


# What Snap answers.


async def test_a_partial_answer_buries_what_it_names(desk: Desk) -> None:
    body = b'{"status":"SUCCESS","error_records":[{"reason":"Missing x","record_indexes":[2]}]}'
    await put(desk.store, *(item(event(n)) for n in range(3)))
    await desk.deliver([WireResponse(status=200, body=body)])
    assert await desk.dead() == [("rejected", "Missing x")]
    assert await desk.ledger() == {"accepted": 3, "delivered": 2, "dead": 1}
    assert len(desk.transport.sent) == 1


@pytest.mark.parametrize("culprit", [0, 7, 19])
async def test_one_poison_of_twenty_is_isolated_and_the_others_arrive_once(
    desk: Desk, culprit: int
) -> None:
    await put(desk.store, *(item(event(n)) for n in range(20)))
    await desk.deliver(refusing(f"e{culprit}"))
    arrived = [ids for ids in desk.transport.sent if f"e{culprit}" not in ids]
    others = sorted(f"e{n}" for n in range(20) if n != culprit)
    assert sorted(id_ for ids in arrived for id_ in ids) == others
    assert len(desk.transport.sent) <= 1 + 2 * 5
    assert await desk.dead() == [("rejected", "Bad event")]
    assert await desk.ledger() == {"accepted": 20, "delivered": 19, "dead": 1}


async def test_one_poison_of_five_hundred_costs_eighteen_more_requests(desk: Desk) -> None:
    await put(desk.store, *(item(event(n)) for n in range(500)))
    await desk.deliver(refusing("e333"))
    assert len(desk.transport.sent) <= 1 + 18
    assert await desk.ledger() == {"accepted": 500, "delivered": 499, "dead": 1}


async def test_three_poisons_are_isolated(desk: Desk) -> None:
    await put(desk.store, *(item(event(n)) for n in range(100)))
    await desk.deliver(refusing("e3", "e50", "e51"))
    assert await desk.ledger() == {"accepted": 100, "delivered": 97, "dead": 3}
    assert (await desk.gate()).state == "open"


async def test_when_all_is_poison_twenty_die_and_the_rest_waits(desk: Desk) -> None:
    await put(desk.store, *(item(event(n)) for n in range(100)))
    await desk.deliver(lambda _: NO_ONE)
    assert await desk.ledger() == {"accepted": 100, "dead": 20, "pending": 80}
    assert (await desk.gate()).state == "paused_reject"
    assert desk.line.closed
    assert not await desk.claim()


async def test_refusals_are_counted_from_one_lease_to_the_next(desk: Desk) -> None:
    for n in range(21):
        await put(desk.store, item(event(n)))
        await desk.deliver(lambda _: NO_ONE)
    assert await desk.ledger() == {"accepted": 21, "dead": 20, "pending": 1}


async def test_an_index_that_cannot_be_trusted_is_taken_apart_too(desk: Desk) -> None:
    def snap(ids: list[str]) -> WireResponse:
        bad = b'{"status":"SUCCESS","error_records":[{"reason":"x","record_indexes":[0]}]}'
        return WireResponse(status=200, body=bad) if "e2" in ids else YES

    await put(desk.store, *(item(event(n)) for n in range(4)))
    await desk.deliver(snap)
    assert await desk.ledger() == {"accepted": 4, "delivered": 3, "dead": 1}


async def test_413_is_halved_and_a_single_one_is_dead_as_too_large(desk: Desk) -> None:
    def snap(ids: list[str]) -> WireResponse:
        return WireResponse(status=413) if len(ids) > 2 or "e1" in ids else YES

    await put(desk.store, *(item(event(n)) for n in range(5)))
    await desk.deliver(snap)
    assert [reason for reason, _ in await desk.dead()] == ["too_large"]
    assert await desk.ledger() == {"accepted": 5, "delivered": 4, "dead": 1}


async def test_a_failure_is_tried_again_three_times_at_once_with_the_same_bytes(desk: Desk) -> None:
    await put(desk.store, *(item(event(n)) for n in range(3)))
    await desk.deliver([DOWN, WireResponse(status=None, fault="reset"), DOWN])
    assert len(desk.transport.requests) == 4
    assert len({request.body for request in desk.transport.requests}) == 1
    assert await desk.ledger() == {"accepted": 3, "delivered": 3}


async def test_after_four_failures_the_rows_are_put_back_for_half_a_minute(desk: Desk) -> None:
    await put(desk.store, *(item(event(n)) for n in range(3)))
    await desk.deliver(lambda _: DOWN)
    assert len(desk.transport.sent) == 4
    assert await desk.ledger() == {"accepted": 3, "pending": 3}
    assert not await desk.claim()
    desk.clock.pass_s(29.9)
    assert not await desk.claim()
    desk.clock.pass_s(0.2)
    again = await desk.claim()
    assert [row.attempt for row in again.rows] == [2, 2, 2]


async def test_the_same_ids_and_times_go_out_after_a_day_of_failures(desk: Desk) -> None:
    await put(desk.store, item(event(1)))
    await desk.deliver(lambda _: DOWN)
    desk.clock.pass_s(86_400)
    await desk.deliver([YES])
    assert len({request.body for request in desk.transport.requests}) == 1
    assert await desk.ledger() == {"accepted": 1, "delivered": 1}


async def test_a_503_that_names_a_time_is_not_tried_before(desk: Desk) -> None:
    await put(desk.store, item(event(1)))
    await desk.deliver([WireResponse(status=503, retry_after="100")])
    assert len(desk.transport.sent) == 1
    desk.clock.pass_s(99)
    assert not await desk.claim()
    desk.clock.pass_s(2)
    assert await desk.claim()


async def test_the_fifth_failure_in_a_row_closes_the_gate_and_burns_no_more(desk: Desk) -> None:
    desk.integration = integration(batch_max=1)
    await put(desk.store, *(item(event(n)) for n in range(3)))
    await desk.deliver(lambda _: DOWN)
    assert desk.transport.sent == [["e0"]] * 4 + [["e1"]]
    gate = await desk.gate()
    assert (gate.state, gate.probe_in_s, gate.reason) == ("probing", 5.0, "HTTP 503")
    assert desk.line.closed
    assert not await desk.claim()
    desk.clock.pass_s(5)
    probe = await desk.claim()
    assert (probe.probe, [row.attempt for row in probe.rows]) == (True, [2])
    assert await desk.ledger() == {"accepted": 3, "pending": 3, "leased": 1}


async def test_what_closed_a_gate_once_does_not_close_it_again(desk: Desk) -> None:
    desk.integration = integration(batch_max=1)
    await put(desk.store, *(item(event(n)) for n in range(2)))
    await desk.deliver(lambda _: DOWN)
    assert (await desk.gate()).state == "probing"
    await desk.store.set_gate(Gate(integration=desk.integration.id))
    desk.line.closed = False
    await desk.deliver([DOWN])
    assert (await desk.gate()).state == "open"
    assert await desk.ledger() == {"accepted": 2, "delivered": 2}


async def test_what_was_not_tried_when_the_gate_closed_keeps_its_attempts(desk: Desk) -> None:
    desk.integration = integration(batch_max=1)
    await put(desk.store, *(item(event(n)) for n in range(3)))
    await desk.deliver(lambda _: DOWN)
    await desk.store.set_gate(Gate(integration=desk.integration.id))
    assert sorted(row.attempt for row in (await desk.claim()).rows) == [1, 2, 2]


async def test_a_200_without_a_meaning_is_tried_four_times_and_then_dead(desk: Desk) -> None:
    await put(desk.store, item(event(1)), item(event(2)))
    await desk.deliver(lambda _: EMPTY)
    assert len(desk.transport.sent) == 4
    assert len({request.body for request in desk.transport.requests}) == 1
    assert [reason for reason, _ in await desk.dead()] == ["ambiguous_200"] * 2
    assert (await desk.gate()).state == "open"


async def test_twenty_events_dead_of_answers_without_a_meaning_pause_the_rest(desk: Desk) -> None:
    desk.integration = integration(batch_max=20)
    await put(desk.store, *(item(event(n)) for n in range(50)))
    await desk.deliver(lambda _: EMPTY)
    assert await desk.ledger() == {"accepted": 50, "dead": 20, "pending": 30}
    assert (await desk.gate()).state == "paused_reject"


async def test_a_wrong_token_keeps_every_event_and_costs_no_attempt(desk: Desk) -> None:
    await put(desk.store, *(item(event(n)) for n in range(30)))
    await desk.deliver([DENIED])
    assert len(desk.transport.sent) == 1
    assert await desk.ledger() == {"accepted": 30, "pending": 30}
    gate = await desk.gate()
    assert (gate.state, gate.probe_in_s, gate.token_fp) == ("paused_auth", 900.0, f"fp {TOKEN}")
    assert "access token" in gate.reason
    assert not await desk.claim()
    desk.clock.pass_s(900)
    probe = await desk.claim()
    assert (probe.probe, [row.attempt for row in probe.rows]) == (True, [1])


async def test_429_keeps_every_event_waits_and_halves_the_rate(desk: Desk) -> None:
    await put(desk.store, *(item(event(n)) for n in range(3)))
    await desk.deliver([WireResponse(status=429, retry_after="3")])
    gate = await desk.gate()
    assert (gate.state, gate.reason, gate.probe_in_s) == ("probing", THROTTLED, 3.0)
    assert desk.line.pace is not None
    assert desk.line.pace.rate_rps == 5000
    assert await desk.ledger() == {"accepted": 3, "pending": 3}
    await desk.store.set_gate(Gate(integration=desk.integration.id))
    assert [row.attempt for row in (await desk.claim()).rows] == [1, 1, 1]


async def test_words_of_snap_that_quote_raw_values_are_masked(desk: Desk) -> None:
    box = sealed(user_agent="Mozilla/5.0 X", address="203.0.113.7")
    desk.integration = integration(api="v3")
    answer = b'{"status":"INVALID","reason":"bad ip 203.0.113.7 of Mozilla/5.0 X"}'
    await put(desk.store, item(event(1), sealed=box))
    await desk.deliver([WireResponse(status=400, body=answer)])
    assert await desk.dead() == [("rejected", "bad ip •••• of ••••")]
    assert "203.0.113.7" not in repr(desk.log.lines)


# Probes.


async def closed(desk: Desk, state: Any, *, reason: str = "x", good: int = 0) -> None:
    """Close the gate with a probe due now."""
    gate = Gate(
        integration=desk.integration.id,
        state=state,
        reason=reason,
        probe_in_s=0.0,
        backoff_s=60.0,
        good=good,
    )
    await desk.store.set_gate(gate)
    desk.line.closed = True


async def test_a_good_probe_is_delivered_and_counts(desk: Desk) -> None:
    await put(desk.store, *(item(event(n)) for n in range(5)))
    await closed(desk, "probing")
    for good in (1, 2):
        await desk.deliver()
        assert (await desk.gate()).good == good
        assert desk.line.closed
    await desk.deliver()
    assert (await desk.gate()).state == "open"
    assert not desk.line.closed
    assert [len(ids) for ids in desk.transport.sent] == [1, 1, 1]
    assert await desk.ledger() == {"accepted": 5, "delivered": 3, "pending": 2}


async def test_the_batches_after_a_good_probe_begin_slowly_until_one_does_well(desk: Desk) -> None:
    await put(desk.store, *(item(event(n)) for n in range(3)))
    paused = Gate(integration="shop/pixel", state="paused_auth", probe_in_s=0.0, backoff_s=900.0)
    await desk.store.set_gate(paused)
    await desk.deliver([YES])
    assert (desk.line.closed, desk.line.easing) == (False, True)
    await desk.deliver([WireResponse(status=503)] * 2 + [YES])
    assert desk.line.easing is False
    assert [len(request) for request in desk.transport.sent] == [1, 2, 2, 2]


async def test_a_failed_probe_is_one_request_and_doubles_the_wait(desk: Desk) -> None:
    await put(desk.store, item(event(1)))
    await closed(desk, "probing")
    await desk.deliver(lambda _: DOWN)
    assert len(desk.transport.sent) == 1
    assert (await desk.gate()).probe_in_s == 120
    assert await desk.ledger() == {"accepted": 1, "pending": 1}
    desk.clock.pass_s(120)
    assert (await desk.claim()).probe


@pytest.mark.parametrize("answer", [NO_ONE, EMPTY, WireResponse(status=413)])
async def test_a_refused_probe_of_a_paused_integration_goes_back(
    desk: Desk, answer: WireResponse
) -> None:
    await put(desk.store, item(event(1)))
    await closed(desk, "paused_reject")
    await desk.deliver([answer])
    assert await desk.ledger() == {"accepted": 1, "pending": 1}
    assert (await desk.gate()).state == "paused_reject"
    assert not await desk.claim()


async def test_a_refused_probe_of_a_broken_line_is_dead_and_the_next_comes_soon(desk: Desk) -> None:
    await put(desk.store, item(event(1)))
    await closed(desk, "probing")
    await desk.deliver([NO_ONE])
    assert await desk.ledger() == {"accepted": 1, "dead": 1}
    assert (await desk.gate()).probe_in_s == 5


async def test_a_probe_without_a_clear_answer_goes_back(desk: Desk) -> None:
    await put(desk.store, item(event(1)))
    await closed(desk, "probing")
    await desk.deliver([EMPTY])
    assert await desk.ledger() == {"accepted": 1, "pending": 1}


async def test_a_probe_that_cannot_be_sent_leaves_the_next_one_due(desk: Desk) -> None:
    """Or one unusable event would cost a quarter of an hour."""
    await put(desk.store, item(event(1, name="PURCHASE")), item(event(2)))
    await closed(desk, "paused_auth")
    await desk.deliver()
    assert desk.transport.sent == []
    await desk.deliver()
    assert desk.transport.sent == [["e2"]]
    assert (await desk.gate()).state == "open"
    assert await desk.ledger() == {"accepted": 2, "delivered": 1, "dead": 1}


async def test_a_probe_that_cannot_be_sent_does_not_close_a_gate_opened_meanwhile(
    desk: Desk,
) -> None:
    await put(desk.store, item(event(1, name="PURCHASE")))
    await closed(desk, "paused_auth")
    lease = await desk.claim()
    await desk.store.set_gate(Gate(integration=desk.integration.id))
    await desk.new_courier().deliver(lease, desk.integration, desk.line)
    assert (await desk.gate()).state == "open"


async def test_a_person_who_pauses_while_a_request_is_out_has_the_last_word(desk: Desk) -> None:
    manual = Gate(integration=desk.integration.id, state="paused_manual", reason="by hand")

    async def snap(_: list[str]) -> WireResponse:
        await desk.store.set_gate(manual)
        return DENIED

    await put(desk.store, item(event(1)))
    await desk.deliver(snap)
    assert (await desk.gate()).state == "paused_manual"
    assert await desk.ledger() == {"accepted": 1, "pending": 1}


# The limiter, the lease, the end.


async def test_every_request_asks_the_limiter_and_waits_for_it(desk: Desk) -> None:
    store = Slow(desk.store)
    store.refusals = [0.002, 0.001]
    desk.integration = integration(
        rate_limit_rps=40.0, rate_limit_burst=80, rate_limit_per_minute=900
    )
    await put(desk.store, *(item(event(n)) for n in range(4)))
    await desk.deliver(refusing("e0"), store=store)
    limits = {"rate": 40.0, "burst": 80, "per_minute": 900}
    assert store.asked == [limits] * (len(desk.transport.sent) + 2)
    assert len(desk.transport.sent) == 5


async def test_after_a_429_the_limiter_is_asked_for_half(desk: Desk) -> None:
    store = Slow(desk.store)
    desk.integration = integration(rate_limit_rps=40.0, rate_limit_burst=80)
    await put(desk.store, item(event(1)))
    await desk.deliver([WireResponse(status=429)], store=store)
    await desk.store.set_gate(Gate(integration=desk.integration.id))
    desk.line.closed = False
    await desk.deliver(store=store)
    assert [(asked["rate"], asked["burst"]) for asked in store.asked] == [(40.0, 80), (20.0, 40)]


async def test_nothing_is_sent_when_the_gate_closes_while_the_limiter_is_asked(
    desk: Desk,
) -> None:
    """Another request of the same integration was answered meanwhile."""

    class Late(Slow):
        async def acquire(self, integration_id: str, **limits: Any) -> float:
            desk.line.closed = True
            return 0.0

    await put(desk.store, item(event(1)))
    await desk.deliver(store=Late(desk.store))
    assert desk.transport.sent == []
    assert await desk.ledger() == {"accepted": 1, "pending": 1}


async def test_nothing_is_sent_once_work_stops(desk: Desk) -> None:
    await put(desk.store, item(event(1)))
    lease = await desk.claim()
    desk.stopping.set()
    await desk.new_courier().deliver(lease, desk.integration, desk.line)
    assert desk.transport.sent == []
    desk.stopping.clear()
    assert [row.attempt for row in (await desk.claim()).rows] == [1]


async def test_a_stop_ends_the_wait_for_the_limiter_and_between_attempts(desk: Desk) -> None:
    desk.schedule = Schedule(fast_s=(600.0,))
    await put(desk.store, item(event(1)))
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(desk.deliver(lambda _: DOWN))
        await eventually(lambda: desk.transport.sent, "an attempt was made")
        desk.stopping.set()
    desk.stopping.clear()
    lease = await desk.claim()
    assert [row.attempt for row in lease.rows] == [1]
    store = Slow(desk.store)
    store.refusals = [600.0]
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        courier = desk.new_courier(store=store)
        tasks.create_task(courier.deliver(lease, desk.integration, desk.line))
        await eventually(lambda: store.asked, "the limiter was asked")
        desk.stopping.set()
    assert await desk.ledger() == {"accepted": 1, "pending": 1}


async def test_a_log_or_a_watcher_that_fails_changes_nothing(desk: Desk) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError("disk full")

    await put(desk.store, item(event(1)))
    await desk.deliver(log=fails, watching=fails)
    assert await desk.ledger() == {"accepted": 1, "delivered": 1}


# What a watcher sees.


async def test_a_watcher_sees_what_was_sent_and_what_snap_said_without_raw_values(
    desk: Desk,
) -> None:
    desk.watched = True
    desk.integration = integration(api="v3")
    box = sealed(user_agent="Mozilla/5.0 X", address="203.0.113.7", mobile_ad_id="abc-def")
    body = b'{"status":"SUCCESS","error_records":[{"reason":"Missing x","record_indexes":[2]}]}'
    await put(desk.store, item(event(1), sealed=box), item(event(2)))
    await desk.deliver([WireResponse(status=200, body=body, latency_ms=12.34)])
    assert [(step.stage, step.event_id) for step in desk.steps] == [
        ("sent", "e1"), ("sent", "e2"), ("answered", "e1"), ("answered", "e2"), ("dead", "e2"),
    ]  # fmt: skip
    told = msgspec.json.decode(msgspec.json.encode(desk.steps))
    sent, answered = told[0]["data"], told[3]["data"]
    assert (sent["path"], sent["attempt"], sent["events"]) == (
        desk.transport.requests[0].path,
        1,
        2,
    )
    assert sent["fields"]["event_id"] == "e1"
    user = sent["fields"]["user_data"]
    assert [user[name] for name in ("client_ip_address", "client_user_agent", "madid")] == [
        "••••"
    ] * 3
    assert answered == {
        "outcome": "rejected", "status": 200, "message": "Missing x", "latency_ms": 12.3,
    }  # fmt: skip
    assert told[2]["data"]["outcome"] == "delivered"
    assert {step.integration for step in desk.steps} == {"shop/pixel"}
    for canary in ("Mozilla", "203.0.113.7", "abc-def", TOKEN):
        assert canary not in repr(told)


async def test_a_watcher_sees_why_an_event_is_not_sent(desk: Desk) -> None:
    desk.watched = True
    await put(desk.store, item(event(1, name="PURCHASE")), item(event(2), body=b"{"))
    await desk.deliver()
    told = {step.event_id: (step.stage, step.name, step.data["outcome"]) for step in desk.steps}
    assert told == {
        "e1": ("rejected", "PURCHASE", "missing_price"),
        "": ("rejected", "PAGE_VIEW", "unrenderable"),
    }
    assert {step.integration for step in desk.steps} == {"shop/pixel"}


async def test_a_watcher_sees_why_an_event_waits(desk: Desk) -> None:
    desk.watched = True
    await put(desk.store, item(event(1)))
    await desk.deliver([DENIED])
    answered = desk.steps[-1].data
    assert (answered["outcome"], answered["status"]) == ("paused_auth", 401)

"""One stored row and what becomes of it, without a store."""

import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from edgeproxy.delivery.batch import Batch, Ready
from edgeproxy.delivery.render import MAX_AGE_MS, Renderer, scrubbed
from edgeproxy.event import Event, Person, Sealed, encode_event, encode_person
from edgeproxy.outcome import DEAD_REASONS, Verdict
from edgeproxy.sites import Integration
from edgeproxy.snap import DIALECTS
from edgeproxy.snap.dialect import Dialect
from edgeproxy.store.base import Dead, Row
from edgeproxy.wire import WireEvent
from tests.fakes import START_MS, event, integration

VISITOR = b"v" * 16
BOUND = f"shop/pixel:{VISITOR.hex()}"


def row(made: Event | None = None, **changes: object) -> Row:
    plain = Row(
        id=7,
        key=b"k" * 16,
        visitor=VISITOR,
        name="PAGE_VIEW",
        body=encode_event(made or event()),
        sealed=b"",
        known=b"",
        attempt=1,
        event_time_ms=START_MS,
    )
    return replace(plain, **changes)


def box(**extras: str) -> bytes:
    return msgspec.json.encode(Sealed(bound_to=BOUND, **extras))


def rendered(one: Row, *, to: Integration | None = None, now_ms: int = START_MS) -> Ready | Dead:
    to = to or integration()
    return Renderer(to, DIALECTS[to.api], lambda sealed: sealed or None, now_ms=now_ms).render(one)


def fields(one: Row, *, to: Integration | None = None) -> dict[str, object]:
    ready = rendered(one, to=to)
    assert isinstance(ready, Ready)
    return ready.wire.fields


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_row_becomes_what_its_dialect_makes_of_it() -> None:
    ready = rendered(row())
    assert isinstance(ready, Ready)
    assert ready.event == event()
    assert ready.wire == DIALECTS["v2"].encode(event(), integration(), None)


@given(st.binary(max_size=60))
def test_any_body_at_all_is_rendered_or_dead(body: bytes) -> None:
    made = rendered(row(body=body))
    assert isinstance(made, Dead)
    assert (made.id, made.reason) == (7, "unrenderable")


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_box_and_any_identity_leave_the_event_as_it_is(sealed: bytes, known: bytes) -> None:
    assert fields(row(sealed=sealed, known=known)) == fields(row())


@pytest.mark.parametrize("channel", list(MAX_AGE_MS))
def test_too_old_is_one_millisecond_more_than_the_age_that_snap_takes(channel: str) -> None:
    one = row(replace(event(), channel=channel))
    to = integration(snap_app_id="a", app_id="1")
    age_ms = MAX_AGE_MS[channel]
    assert isinstance(rendered(one, to=to, now_ms=START_MS + age_ms), Ready)
    late = rendered(one, to=to, now_ms=START_MS + age_ms + 1)
    assert isinstance(late, Dead)
    assert late.reason == "expired"


def test_what_is_known_fills_gaps_only() -> None:
    known = encode_person(Person(email_sha256="cd" * 32, phone_sha256="ef" * 32))
    completed = fields(row(known=known))
    assert completed["hashed_email"] == "ab" * 32
    assert completed["hashed_phone_number"] == "ef" * 32
    same = encode_person(Person(email_sha256="cd" * 32))
    assert fields(row(known=same)) == fields(row())


def test_raw_extras_go_out_as_they_are_and_are_secrets() -> None:
    one = row(
        sealed=box(user_agent="Mozilla", address="203.0.113.7", mobile_ad_id="ad-1", idfv="v")
    )
    ready = rendered(one, to=integration(api="v3"))
    assert isinstance(ready, Ready)
    user = ready.wire.fields["user_data"]
    assert isinstance(user, dict)
    assert (user["client_user_agent"], user["client_ip_address"]) == ("Mozilla", "203.0.113.7")
    assert ready.secrets == ("Mozilla", "203.0.113.7", sha256("203.0.113.7"), "ad-1")


def test_a_missing_digest_is_made_from_the_raw_value_and_a_given_one_stays() -> None:
    strict = integration(privacy="strict")
    raw = fields(row(sealed=box(user_agent="Mozilla", address="203.0.113.7")), to=strict)
    assert raw["hashed_user_agent"] == sha256("Mozilla")
    assert raw["hashed_ip_address"] == sha256("203.0.113.7")
    given_ = box(user_agent="Mozilla", user_agent_sha256="12" * 32)
    assert fields(row(sealed=given_), to=strict)["hashed_user_agent"] == "12" * 32


def test_a_row_accepted_under_strict_stays_strict() -> None:
    one = row(replace(event(), privacy="strict"), sealed=box(user_agent="Mozilla"))
    assert "user_agent" not in fields(one)


def test_one_box_of_many_rows_is_opened_once_and_each_row_is_checked() -> None:
    opened: list[bytes] = []

    def open_box(sealed: bytes) -> bytes:
        opened.append(sealed)
        return sealed

    renderer = Renderer(integration(), DIALECTS["v2"], open_box, now_ms=START_MS)
    mine = row(sealed=box(user_agent="Mozilla"))
    foreign = replace(mine, visitor=b"w" * 16)
    made = [renderer.render(one) for one in (mine, mine, foreign)]
    assert len(opened) == 1
    assert renderer.unreadable == 1
    agents = [one.wire.fields.get("user_agent") for one in made if isinstance(one, Ready)]
    assert agents == ["Mozilla", "Mozilla", None]


def test_a_dialect_that_fails_costs_the_event_and_is_remembered() -> None:
    def fails(*_: object) -> WireEvent:
        raise ZeroDivisionError("canary")

    broken = Dialect(name="v9", max_batch=1, encode=fails, request=DIALECTS["v2"].request)
    renderer = Renderer(integration(), broken, lambda sealed: sealed, now_ms=START_MS)
    made = renderer.render(row())
    assert isinstance(made, Dead)
    assert (made.reason, "canary" in made.detail) == ("unrenderable", False)
    assert [type(error) for error in renderer.broken] == [ZeroDivisionError]


def test_an_event_that_cannot_be_mapped_is_dead_with_the_dialects_reason() -> None:
    made = rendered(row(event(1, name="PURCHASE")))
    assert isinstance(made, Dead)
    assert made.reason == "missing_price"
    assert made.reason in DEAD_REASONS
    assert made.detail


def batch(agent: str = "", address: str = "") -> Batch:
    ready = rendered(row())
    assert isinstance(ready, Ready)
    return (replace(ready, opened=Sealed(bound_to="", user_agent=agent, address=address)),)


def test_words_that_quote_what_we_sent_are_masked_everywhere_in_a_verdict() -> None:
    verdict = Verdict(kind="rejected", message="bad Mozilla", dead={0: "Mozilla at 203.0.113.7"})
    masked = scrubbed(verdict, batch("Mozilla", "203.0.113.7"))
    assert (masked.message, masked.dead) == ("bad ••••", {0: "•••• at ••••"})
    assert scrubbed(verdict, batch()) is verdict
    yes = Verdict(kind="delivered", delivered=(0,), message="Mozilla")
    assert scrubbed(yes, batch("Mozilla")) is yes


def test_the_digest_of_an_address_is_as_secret_as_the_address() -> None:
    """It can be found again by trying all of them."""
    digest = sha256("203.0.113.7")
    verdict = Verdict(kind="rejected", message=f"unknown {digest}")
    assert scrubbed(verdict, batch(address="203.0.113.7")).message == "unknown ••••"


def test_a_very_short_value_is_no_secret() -> None:
    """Masking every "1" would make any message unreadable."""
    ready = rendered(row(sealed=box(user_agent="X", idfv="1")))
    assert isinstance(ready, Ready)
    assert ready.secrets == ()

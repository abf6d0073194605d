"""Which events share a request."""

from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.delivery.batch import Batch, Ready, batches, halves
from edgeproxy.event import Event
from edgeproxy.store.base import Row
from edgeproxy.wire import WireEvent


def ready(
    number: int, *, test: bool = False, target: str = "", body: int = 10, sealed: int = 0
) -> Ready:
    return Ready(
        row=Row(
            id=number,
            key=b"k",
            visitor=b"",
            name="PAGE_VIEW",
            body=b"x" * body,
            sealed=b"x" * sealed,
            known=b"",
            attempt=1,
            event_time_ms=0,
        ),
        event=Event(id=str(number), name="PAGE_VIEW", time_ms=0, source="shop", test=test),
        wire=WireEvent(fields={}, low_match=False, target=target),
    )


def ids(batch: Batch) -> list[int]:
    return [each.row.id for each in batch]


def test_test_events_and_other_targets_travel_alone() -> None:
    rows = [ready(1), ready(2, test=True), ready(3, target="app"), ready(4), ready(5, test=True)]
    made = batches(rows, max_events=10)
    assert [ids(batch) for batch in made] == [[1, 4], [2, 5], [3]]
    assert [batch[0].endpoint for batch in made] == ["live", "validate", "live"]


def test_a_batch_ends_at_the_number_of_events() -> None:
    made = batches([ready(n) for n in range(7)], max_events=3)
    assert [ids(batch) for batch in made] == [[0, 1, 2], [3, 4, 5], [6]]


def test_a_batch_ends_at_the_number_of_bytes_what_is_sealed_included() -> None:
    rows = [ready(n, body=30, sealed=10) for n in range(5)]
    assert [ids(b) for b in batches(rows, max_events=10, max_bytes=80)] == [[0, 1], [2, 3], [4]]
    assert [ids(b) for b in batches(rows, max_events=10, max_bytes=79)] == [[n] for n in range(5)]


def test_one_event_is_never_too_large() -> None:
    rows = [ready(1), ready(2, body=500), ready(3)]
    assert [ids(b) for b in batches(rows, max_events=10, max_bytes=100)] == [[1], [2], [3]]


def test_nothing_makes_no_batch() -> None:
    assert batches([], max_events=10) == []


def test_the_halves_of_a_batch_are_the_batch() -> None:
    batch = tuple(ready(n) for n in range(5))
    first, second = halves(batch)
    assert (ids(first), ids(second)) == ([0, 1], [2, 3, 4])


@given(
    rows=st.lists(st.tuples(st.booleans(), st.sampled_from("ab"), st.integers(0, 50)), max_size=40),
    max_events=st.integers(1, 6),
    max_bytes=st.integers(1, 120),
)
def test_every_event_is_in_one_batch_and_no_batch_is_mixed_or_too_large(
    rows: list[tuple[bool, str, int]], max_events: int, max_bytes: int
) -> None:
    made = batches(
        [ready(n, test=t, target=g, body=size) for n, (t, g, size) in enumerate(rows)],
        max_events=max_events,
        max_bytes=max_bytes,
    )
    assert sorted(n for batch in made for n in ids(batch)) == list(range(len(rows)))
    for batch in made:
        assert len({(each.endpoint, each.wire.target) for each in batch}) == 1
        assert 1 <= len(batch) <= max_events
        assert len(batch) == 1 or sum(len(each.row.body) for each in batch) <= max_bytes
        assert ids(batch) == sorted(ids(batch))

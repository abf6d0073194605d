"""What delivery counts: rows by fate, requests by answer, waits in buckets, and identifiers sent.

Counted by the batch, because a full queue is drained at thousands of events a second.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

from edgeproxy.delivery.batch import Batch
from edgeproxy.meter import Meter
from edgeproxy.outcome import Verdict
from edgeproxy.store.base import Row
from edgeproxy.tally import SNAP_MS, WAIT_MS
from edgeproxy.wire import WireResponse

_LETTERS = {
    "c": (("click_id",), ("sc_click_id",)),
    "e": (("hashed_email",), ("em",)),
    "i": (
        ("hashed_ip_address", "user_agent"),
        ("hashed_ip_address", "hashed_user_agent"),
        ("client_ip_address", "client_user_agent"),
    ),
    "m": (("hashed_mobile_ad_id",), ("hashed_idfv",), ("madid",), ("idfv",)),
    "n": (
        *((f"hashed_{name}",) for name in ("first_name_sha", "last_name_sha", "city_sha")),
        *((name,) for name in ("hashed_state_sha", "hashed_zip", "fn", "ln", "ct", "st", "zp")),
    ),
    "p": (("hashed_phone_number",), ("ph",)),
    "s": (("uuid_c1",), ("sc_cookie1",)),
    "t": (("item_ids",), ("content_ids",), ("contents",)),
    "v": (("price", "currency"), ("value", "currency")),
    "x": (("external_id",),),
}
"""Letter → fields of the wire, any set of which counts: click id, e-mail, IP address with user
agent, mobile id, name or address, phone, `_scid`, items, value with currency, external id."""


def answered(meter: Meter, verdict: Verdict, response: WireResponse, *, integration: str) -> None:
    """Count one request."""
    status = response.fault if verdict.status is None else str(verdict.status)
    meter.add("answer", integration, verdict.kind, status)
    if not response.fault:
        meter.add("snap", integration, bucket(response.latency_ms, SNAP_MS))


def delivered(
    meter: Meter, batch: Batch, places: Sequence[int], *, integration: str, waited_s: float
) -> None:
    """Count the events that Snap took.

    Test events count as "test" and nothing else, as they do at Snap.

    Args:
        meter: Counts.
        batch: What was sent.
        places: Of what was taken.
        integration: Whose events.
        waited_s: How long ago the rows were handed out.
    """
    taken = batch if len(places) == len(batch) else [batch[place] for place in places]
    if not taken:
        return
    counts = meter.counts
    if batch[0].event.test:
        _rows(counts, integration, "test", [each.row for each in taken])
        return
    sent = Counter([(each.row.name, _keys(each.wire.fields)) for each in taken])
    for (name, keys), n in sent.items():
        counts["out", integration, "delivered", name] += n
        counts["cover", integration, name, mask(keys)] += n
    if low := sum([each.wire.low_match for each in taken]):
        counts["low", integration, "", ""] += low
    ages = sorted([each.row.age_s for each in taken])
    bounds = [0, *(bisect_left(ages, most / 1000 - waited_s) for most in WAIT_MS), len(ages)]
    for (first, last), name in zip(pairwise(bounds), (*map(str, WAIT_MS), "inf"), strict=True):
        if last > first:
            counts["wait", integration, name, ""] += last - first


def unsent(meter: Meter, rows: Iterable[Row], fate: str, *, integration: str) -> None:
    """Count rows that were not delivered: "retry" or "dead.<reason>"."""
    _rows(meter.counts, integration, fate, rows)


def _rows(
    counts: Counter[tuple[str, str, str, str]], integration: str, fate: str, rows: Iterable[Row]
) -> None:
    for name, n in Counter([row.name for row in rows]).items():
        counts["out", integration, fate, name] += n


def bucket(value_ms: float, bounds: Sequence[int]) -> str:
    """The name of the bucket: its upper bound, which is still in it, or "inf"."""
    place = bisect_left(bounds, value_ms)
    return str(bounds[place]) if place < len(bounds) else "inf"


def _keys(fields: Mapping[str, object]) -> tuple[str, ...]:
    """The names of fields that may identify; v3 has them one level down."""
    user = fields.get("user_data")
    if user is None:
        return tuple(fields)
    return (*user, *fields.get("custom_data", ()))  # type: ignore[misc]


@lru_cache(4096)
def mask(keys: tuple[str, ...]) -> str:
    """The sorted letters of what an event carried."""
    have = frozenset(keys)
    return "".join(
        letter for letter, ways in _LETTERS.items() if any(have.issuperset(way) for way in ways)
    )

"""What was sent and what was promised: kept in the harness, which no fault touches."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgeproxy.pii import sha256_hex

V2_PIXEL = "67d34640-b7a4-42a8-b821-6434d70f08a4"
V3_PIXEL = "0d0ee28b-8f1a-4f3d-9f43-1de4b6b2ae11"
PIXELS = (V2_PIXEL, V3_PIXEL)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """One event as a client meant it.

    Attributes:
        id: Its id, the same however often it is sent.
        group: What collapses: the order of a purchase, else the id.
        name: Snap's name for it.
        time_ms: When it happened.
        url: Of the page.
        email: Raw; only its digest may arrive.
        scid: The visitor's id.
        money: Price and currency, for a purchase.
    """

    id: str
    group: str
    name: str
    time_ms: int
    url: str
    email: str
    scid: str
    money: tuple[float, str] | None = None

    def wire(self, pixel: str, *, timed: bool = True) -> dict[str, Any]:
        """The fields that must arrive at a pixel, with dots for what is nested."""
        fields = self._v2() if pixel == V2_PIXEL else self._v3()
        if not timed:
            fields.pop("timestamp", None)
            fields.pop("event_time", None)
        return fields

    def _v2(self) -> dict[str, Any]:
        money: dict[str, Any] = {}
        if self.money:
            price, currency = self.money
            money = {"price": price, "currency": currency, "transaction_id": self.group}
        return {
            "pixel_id": V2_PIXEL,
            "event_type": self.name,
            "client_dedup_id": self.id,
            "timestamp": self.time_ms,
            "page_url": self.url,
            "hashed_email": sha256_hex(self.email),
            "uuid_c1": self.scid,
            **money,
        }

    def _v3(self) -> dict[str, Any]:
        money: dict[str, Any] = {}
        if self.money:
            price, currency = self.money
            money = {
                "custom_data.value": price,
                "custom_data.currency": currency,
                "custom_data.order_id": self.group,
            }
        return {
            "event_name": self.name,
            "event_id": self.id,
            "event_time": self.time_ms // 1000,
            "event_source_url": self.url,
            "user_data.em": [sha256_hex(self.email)],
            "user_data.sc_cookie1": self.scid,
            **money,
        }


@dataclass
class Oracle:
    """The sent events by id, and what became of the calls that carried them.

    Attributes:
        sent: Every good event that was ever sent, answered or not.
        acknowledged: Ids that came with a 2xx: each is an obligation.
        accepted, duplicates: Sums over all 2xx answers.
        posts, unknown, refused: Calls by what the caller learnt.
        wrong: Answers that must never be given.
    """

    sent: dict[str, Sent] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    accepted: int = 0
    duplicates: int = 0
    posts: int = 0
    unknown: int = 0
    refused: int = 0
    wrong: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def sending(self, events: Iterable[Sent]) -> None:
        """Note events before they leave: from now on they may arrive."""
        with self._lock:
            self.posts += 1
            self.sent.update((one.id, one) for one in events)

    def promised(self, events: Sequence[Sent], accepted: int, duplicates: int) -> None:
        """Note a 2xx for events."""
        with self._lock:
            self.acknowledged.update(one.id for one in events)
            self.accepted += accepted
            self.duplicates += duplicates
            if accepted + duplicates != len(events):
                self.wrong.append(f"{len(events)} events, but {accepted} + {duplicates} counted")

    def left_open(self) -> None:
        """Note a call whose outcome is not known, or that was put off with a 503."""
        with self._lock:
            self.unknown += 1

    def turned_down(self) -> None:
        """Note a call that was refused because of what it said."""
        with self._lock:
            self.refused += 1

    def complain(self, sentence: str) -> None:
        """Note what must never happen."""
        with self._lock:
            self.wrong.append(sentence)

    def promised_groups(self) -> set[str]:
        """What was acknowledged, after collapsing."""
        return {self.sent[id_].group for id_ in self.acknowledged}

    def sent_groups(self) -> set[str]:
        """All that may have been stored, after collapsing."""
        return {one.group for one in self.sent.values()}

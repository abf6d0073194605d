"""Clients: shoppers and servers who post, repeat themselves, and now and then send rubbish."""

import http.client
import json
import random
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from tests import canary
from tests.chaos.oracle import Oracle, Sent
from tests.edge import CONSENT, ORIGIN, Answer, Life, now_ms

REPEATED = 0.10
INVALID = 0.01
REORDERED = 0.03
"""A purchase under a new id with an order that was sent before: a shop's page was reloaded."""

NAMES = {
    "Product Viewed": "VIEW_CONTENT",
    "Product Added": "ADD_CART",
    "Page Viewed": "PAGE_VIEW",
    "Order Completed": "PURCHASE",
    "Signed Up": "SIGN_UP",
}
RUBBISH: tuple[tuple[bytes, dict[str, str | None]], ...] = (
    (b"{", {}),
    (b'{"v":1,"events":[]}', {}),
    (b'{"v":1,"events":[{"id":"%s"}]}', {}),
    (b'{"v":1,"events":[{"id":"%s","name":"\\u0000"}]}', {}),
    (b'{"v":1,"events":[{"id":"%s","name":"Page Viewed"}]}', {"Origin": "https://foreign.example"}),
    (b'{"v":1,"events":[{"id":"%s","name":"Page Viewed"}]}', {"Content-Encoding": "gzip"}),
    (b" " * 70_000, {}),
)
"""Bodies and headers that must be refused; what they name must never arrive."""

Post = tuple[bytes, list[Sent]]


class Producer(threading.Thread):
    """One client in a thread of its own.

    Args:
        name: Part of every id it makes.
        rng: What it draws from.
        oracle: Told of all that it does.
        life: The proxy to call now, None while there is none.
        pause_s: The longest pause between two calls.
    """

    def __init__(
        self,
        name: str,
        rng: random.Random,
        oracle: Oracle,
        life: Callable[[], Life | None],
        *,
        pause_s: float = 0.06,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._rng, self._oracle, self._life, self._pause_s = rng, oracle, life, pause_s
        self._ended = threading.Event()
        self._number = 0
        self._past: deque[Post] = deque(maxlen=200)
        self._orders: deque[str] = deque(maxlen=50)
        self._url = f"{ORIGIN}/page/{name}"
        self._scid = f"scid-{name}-0123456789"
        self.email = canary.EMAIL if rng.random() < 0.5 else f"shopper.{name}@example.com"

    def end(self) -> None:
        """Make no further call."""
        self._ended.set()

    def run(self) -> None:
        while not self._ended.is_set():
            life = self._life()
            if life is not None:
                self._call(life)
            self._ended.wait(self._rng.uniform(0.002, self._pause_s))

    def _call(self, life: Life) -> None:
        chance = self._rng.random()
        if chance < INVALID:
            self._send_rubbish(life)
        elif chance < INVALID + REPEATED and self._past:
            self.send(life, self._rng.choice(self._past))
        else:
            post = self.make()
            self._past.append(post)
            self.send(life, post)

    def make(self, count: int | None = None) -> Post:
        """A new batch of one to five events."""
        events = [self._event() for _ in range(count or self._rng.choice([1, 1, 1, 2, 5]))]
        return self._body([shape for _, shape in events]), [sent for sent, _ in events]

    def _body(self, events: list[dict[str, Any]]) -> bytes:
        body: dict[str, Any] = {
            "v": 1,
            "consent": self._rng.choice([CONSENT, {"categories": {"advertising": True}}]),
            "page": {"url": self._url},
            "user": {"email": self.email, "phone": canary.PHONE},
            "events": events,
        }
        return json.dumps(body).encode()

    def make_large(self) -> Post:
        """A batch that takes as much room in a store as a batch may."""
        events = [self._event("Product Added") for _ in range(4)]
        for _, shape in events:
            number = shape["id"]
            shape["properties"] = {
                "products": [{"product_id": f"{number}-{n:060}"} for n in range(150)]
            }
        return self._body([shape for _, shape in events]), [sent for sent, _ in events]

    def _event(self, own: str = "") -> tuple[Sent, dict[str, Any]]:
        self._number += 1
        id_ = f"{self.name}-{self._number}"
        own = own or self._rng.choice(list(NAMES))
        shape: dict[str, Any] = {"id": id_, "name": own, "time": now_ms()}
        group, money = id_, None
        if own == "Order Completed":
            group, money = self._order(id_)
            shape["properties"] = {
                "order_id": group,
                "total": money[0],
                "currency": money[1],
                "products": [{"product_id": f"SKU-{self._number}", "price": money[0]}],
            }
        sent = Sent(
            id=id_,
            group=group,
            name=NAMES[own],
            time_ms=shape["time"],
            url=self._url,
            email=self.email,
            scid=self._scid,
            money=money,
        )
        return sent, shape

    def _order(self, id_: str) -> tuple[str, tuple[float, str]]:
        if self._orders and self._rng.random() < REORDERED * len(NAMES):
            order = self._rng.choice(self._orders)
        else:
            order = f"order-{id_}"
            self._orders.append(order)
        # The price follows from the order, so that whichever copy arrives has the right one.
        return order, (round(10 + sum(order.encode()) % 9000 / 100, 2), "USD")

    def send(self, life: Life, post: Post) -> Answer | None:
        """Send a batch and tell the oracle what came of it."""
        body, events = post
        self._oracle.sending(events)
        answer = self._ask(life, body, {})
        if answer is None or answer.status == 503:
            self._oracle.left_open()
        elif answer.status == 202:
            said = answer.json()
            self._oracle.promised(events, said["accepted"], said["duplicates"])
        else:
            self._oracle.complain(f"a good batch was answered with {answer.status}")
        return answer

    def _send_rubbish(self, life: Life) -> None:
        self._number += 1
        body, headers = self._rng.choice(RUBBISH)
        answer = self._ask(life, body.replace(b"%s", b"rubbish-%d" % self._number), headers)
        if answer is None or answer.status == 503:
            self._oracle.left_open()
        elif 400 <= answer.status < 500:
            self._oracle.turned_down()
        else:
            self._oracle.complain(f"rubbish was answered with {answer.status}")

    def _ask(self, life: Life, body: bytes, headers: dict[str, str | None]) -> Answer | None:
        try:
            return life.post(body, cookie=f"_scid={self._scid}", headers=headers)
        except (OSError, http.client.HTTPException):
            self._ended.wait(0.2)
            return None  # an answer that was not seen is no promise
        except AssertionError as leak:
            self._oracle.complain(f"a secret in an answer: {leak}")
            return None

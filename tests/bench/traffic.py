"""The traffic of the benchmarks: bodies, a crowd of user agents, cookies of returning visitors."""

import http.client
import json
from pathlib import Path

from tests.bench import load
from tests.bench.server import HOST, ORIGIN

PAGE = {"url": f"{ORIGIN}/shoes/red?ScCid=7b3a7917-a82a-47e8-9728-e1b3b045abb2", "referrer": ""}


def body(name: str, properties: dict[str, object], user: dict[str, str] | None = None) -> str:
    """One batch of one event; EVENT_ID is replaced for each request."""
    batch: dict[str, object] = {
        "v": 1,
        "page": PAGE,
        "consent": {"ad": True},
        "events": [{"id": "EVENT_ID", "name": name, "properties": properties}],
    }
    if user:
        batch["user"] = user
    return json.dumps(batch)


PURCHASE = {
    "order_id": "EVENT_ID",
    "total": 129.99,
    "currency": "USD",
    "products": [
        {"product_id": "SKU-A", "price": 49.99, "quantity": 2},
        {"product_id": "SKU-B", "price": 30.01, "quantity": 1},
    ],
}
PRODUCT: dict[str, object] = {"product_id": "SKU-A", "price": 49.99, "currency": "USD"}

BODIES = [
    *[body("page", {}) for _ in range(5)],
    *[body("Product Viewed", PRODUCT) for _ in range(3)],
    body("Product Added", {**PRODUCT, "quantity": 2}),
    body("Order Completed", PURCHASE, {"email": "jane@example.com", "phone": "+1 555 123 4567"}),
]

AGENTS = [
    *[
        f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
        f"Chrome/{version}.0.0.0 Safari/537.36"
        for version in range(100, 150)
    ],
    *[
        f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_{minor} like Mac OS X) AppleWebKit/605.1.15 "
        f"(KHTML, like Gecko) Version/17.{minor} Mobile/15E148 Safari/604.1"
        for minor in range(50)
    ],
    *[
        f"Mozilla/5.0 (X11; Linux x86_64; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"
        for version in range(100, 150)
    ],
]


def returning_visitors(port: int, count: int = 200) -> list[str]:
    """`Cookie` headers as browsers bring them back, each from a first contact, among others."""
    cookies = []
    for number in range(count):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        headers = {
            "Origin": ORIGIN,
            "Host": HOST,
            "X-Forwarded-Proto": "https",
            "User-Agent": AGENTS[number % len(AGENTS)],
        }
        first = body("page", {}).replace("EVENT_ID", f"first-{number}")
        connection.request("POST", "/e", first, headers)
        answer = connection.getresponse()
        lines = answer.headers.get_all("Set-Cookie") or []
        answer.read()
        connection.close()
        ours = [line.partition(";")[0] for line in lines]
        others = ["_ga=GA1.1.1234567890.1706540000", "cart=af31c2", "session=b0c1d2e3f4", "lang=en"]
        cookies.append("; ".join([*others[:2], *ours, *others[2:]]))
    return cookies


def crowd(folder: Path, port: int) -> Path:
    """A wrk script that posts this traffic to the proxy on a port."""
    return load.post_script(
        folder,
        bodies=BODIES,
        cookies=returning_visitors(port),
        agents=AGENTS,
        origin=ORIGIN,
        host=HOST,
    )

"""A proxy whose source has write keys, and requests as Segment's SDKs write them."""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.edge import ORIGIN, PIXEL, Answer, Life, StartEdge

KEY = "wk_canary_Qm9yZWQtb2Ytd3JpdGluZy1rZXlz"
SNAP_TOKEN = "eyJ-of-the-shop"
OTHER_KEY = "wk_second_Qm9yZWQtb2Ytd3JpdGluZy1rZXlz"


class KeyedEdge(StartEdge):
    """Starts proxies of one shop, which stands in a file."""

    def settings(self) -> dict[str, str]:
        """The environment without the one-site settings."""
        alone = ("EDGEPROXY_ORIGIN", "EDGEPROXY_PIXEL_ID", "EDGEPROXY_ACCESS_TOKEN")
        return {name: value for name, value in super().settings().items() if name not in alone}

    def configure(
        self,
        *,
        consent: str = "implied",
        keys: tuple[str, ...] = (KEY,),
        integration: str = "",
        token: str = SNAP_TOKEN,
    ) -> None:
        """Write the configuration of the next start."""
        file = self.folder / "edgeproxy.toml"
        file.write_text(
            f"""
            [[sources]]
            id = "shop"
            origins = ["{ORIGIN}"]
            consent = "{consent}"
            default_country = "US"
            write_keys = {json.dumps(keys)}

            [[sources.integrations]]
            pixel_id = "{PIXEL}"
            access_token = "{token}"
            {integration}
            """
        )
        file.chmod(0o600)


@contextmanager
def serving_keyed(folder: Path, upstream: str, **settings: Any) -> Iterator[Life]:
    """One proxy with a write key for the length of the block, which has to end well.

    `settings` are those of `KeyedEdge.configure`.
    """
    edge = KeyedEdge(folder, upstream)
    edge.configure(**settings)
    try:
        life = edge.start()
        yield life
        assert life.stop() == 0
    finally:
        edge.stop_all()


def basic(key: str = KEY) -> str:
    """The credentials that Segment's SDKs send: the key is the user, there is no password."""
    return "Basic " + base64.b64encode(f"{key}:".encode()).decode()


def call(
    life: Life,
    path: str,
    body: object,
    *,
    key: str | None = KEY,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Post as a server does, with the key as Basic user name unless it is None."""
    sent = {"Content-Type": "application/json", "User-Agent": "python-requests/2.32"}
    if key is not None:
        sent["Authorization"] = basic(key)
    data = body if isinstance(body, (bytes, str)) else json.dumps(body)
    return life.request("POST", life.prefix + path, data, {**sent, **(headers or {})})

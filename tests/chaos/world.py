"""Everything of one run: the place, our Snap, the proxies, the clients, and what they are told."""

import asyncio
import random
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from edgeproxy.keys import load_keys
from edgeproxy.store import open_reader
from edgeproxy.store.base import Counts, DeadLetter
from tests import canary
from tests.chaos.control import Control
from tests.chaos.node import Node
from tests.chaos.oracle import V2_PIXEL, V3_PIXEL, Oracle
from tests.chaos.places import Place
from tests.chaos.producer import Producer
from tests.chaos.snap import NEXT_TOKEN, ChaoticSnap
from tests.edge import ORIGIN, Life, now_ms, running_snap
from tests.proxy import Proxy, proxy_thread

RPS = 20.0
BURST = 10
BATCH = 50
DRAIN_S = 5.0
"""What an end takes at most that nothing holds up: see `launch.SCHEDULE`."""

TOML = """
upstream = "{upstream}"

[server]
port = 0
admin_port = 0
flood_rps = 0

[store]
url = "{url}"
keys_dir = "{keys}"
reserve_bytes = 8388608

[log]
format = "json"
level = "debug"

[[sources]]
id = "shop"
origins = ["{origin}"]
default_country = "US"

[[sources.integrations]]
id = "v2"
pixel_id = "{v2}"
access_token_file = "{token}"
rate_limit_rps = {rps}
rate_limit_burst = {burst}
batch_max = {batch}

[[sources.integrations]]
id = "v3"
api = "v3"
pixel_id = "{v3}"
access_token_file = "{token}"
rate_limit_rps = {rps}
rate_limit_burst = {burst}
batch_max = {batch}
"""
INTEGRATIONS = {"v2": V2_PIXEL, "v3": V3_PIXEL}


class World:
    """One store, one Snap, some proxies and their clients.

    Args:
        folder: Where all that is written lies.
        place: Of the store.
        snap: In Snap's place.
        line: Where the proxies find it.
        secrets: A folder for the token, apart, because `folder` is searched for it.
        variants: Faults of the program itself.
    """

    def __init__(
        self,
        folder: Path,
        place: Place,
        snap: ChaoticSnap,
        line: Proxy,
        secrets: Path,
        *,
        variants: Sequence[str] = (),
    ) -> None:
        self.folder, self.place, self.snap, self.line = folder, place, snap, line
        self.oracle = Oracle()
        self.control = Control(folder / "control")
        self.clock_jumps = 0
        self.skipped = 0
        self._mortal = 0
        self._mortal_until_s = 0.0
        self.round = 0
        self._token = secrets / "token"
        self.write_token(canary.TOKEN)
        config = TOML.format(
            upstream=f"http://127.0.0.1:{line.port}",
            url=place.url,
            keys=folder / "keys",
            origin=ORIGIN,
            v2=V2_PIXEL,
            v3=V3_PIXEL,
            token=self._token,
            rps=RPS,
            burst=BURST,
            batch=BATCH,
        )
        load_keys(folder / "keys")  # made here, because each node of a database has a copy
        (folder / "edgeproxy.toml").write_text(config)
        environ = {
            "CHAOS_CONTROL": str(folder / "control"),
            "CHAOS_STORE": str(place.folders[0]),
        }
        self.nodes = [Node(f"node{n}", folder, environ, variants) for n in range(place.nodes)]
        self.producers: list[Producer] = []

    def write_token(self, token: str) -> None:
        """What the next start of a proxy sends to Snap."""
        self._token.touch(0o600)
        self._token.write_text(token)

    def rotate_token(self) -> None:
        """Snap takes only the other of two tokens from now on; the file still has the old one."""
        old = self._token.read_text()
        new = NEXT_TOKEN if old == canary.TOKEN else canary.TOKEN
        self.snap.tokens = frozenset({new})

    def take_token(self) -> None:
        """Write the token that Snap takes into the file; a proxy reads it when it starts."""
        assert self.snap.tokens is not None
        (token,) = self.snap.tokens
        self.write_token(token)

    def life(self) -> Life | None:
        """A proxy that can be called now."""
        lives = [life for node in self.nodes if (life := node.life)]
        return self.snap.rng.choice(lives) if lives else None

    def start(self) -> None:
        """Start all proxies at once and wait until they are ready."""
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            node.start()

    def tend(self) -> None:
        """The supervisor's round."""
        for node in self.nodes:
            node.tend()
            self._look_at_deaths(node)

    @contextmanager
    def mortal(self) -> Iterator[None]:
        """A process may end by itself in this block, and as long after as it takes to drain."""
        self._mortal += 1
        yield
        self._mortal -= 1
        self._mortal_until_s = time.monotonic() + DRAIN_S

    def stop(self) -> None:
        """End all proxies, as a supervisor that is told to stop."""
        for node in self.nodes:
            node.stop()
            self._look_at_deaths(node)

    def _look_at_deaths(self, node: Node) -> None:
        while node.deaths:
            at_s, status = node.deaths.pop()
            if not self._mortal and at_s > self._mortal_until_s:
                self.oracle.complain(f"{node.name} ended with status {status}")

    def clients(self, count: int, rng: random.Random, *, pause_s: float = 0.06) -> None:
        """Let so many clients begin."""
        self.round += 1
        for number in range(count):
            own = random.Random(rng.random())
            name = f"r{self.round}c{number}"
            producer = Producer(name, own, self.oracle, self.life, pause_s=pause_s)
            self.producers.append(producer)
            producer.start()

    def hush(self) -> None:
        """Let all clients end."""
        for producer in self.producers:
            producer.end()
        for producer in self.producers:
            producer.join(20)
            assert not producer.is_alive(), f"{producer.name} hangs"
        self.producers.clear()

    def counts(self) -> dict[str, Counts]:
        """The ledger and queue of each integration."""

        async def read() -> Sequence[Counts]:
            store = await open_reader(self.place.url, now_ms=now_ms)
            try:
                return await store.stats()
            finally:
                await store.close()

        return {each.integration: each for each in asyncio.run(read())}

    def letters(self) -> list[DeadLetter]:
        """All dead letters."""

        async def read() -> Sequence[DeadLetter]:
            store = await open_reader(self.place.url, now_ms=now_ms)
            try:
                return await store.dead_letters(limit=1_000_000)
            finally:
                await store.close()

        return list(asyncio.run(read()))

    def close(self) -> None:
        """End all that still runs."""
        for producer in self.producers:
            producer.end()
        for node in self.nodes:
            node.kill()
        self.control.close()


@contextmanager
def open_world(
    folder: Path, place: Place, rng: random.Random, *, variants: Sequence[str] = ()
) -> Iterator[World]:
    """A world for the length of the block; its files stay."""
    secrets = Path(tempfile.mkdtemp(prefix="chaos-token-"))
    snap = ChaoticSnap(rng)
    try:
        with running_snap(snap) as serving:
            host, _, port = serving.url.rpartition("/")[2].partition(":")
            with proxy_thread(host, int(port)) as line:
                world = World(folder, place, snap, line, secrets, variants=variants)
                try:
                    yield world
                finally:
                    world.close()
    finally:
        shutil.rmtree(secrets, ignore_errors=True)

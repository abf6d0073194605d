"""The rows of the admin API called as the listener calls them, on a real store, without HTTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from edgeproxy.addresses import TrustedProxies
from edgeproxy.admin.api import ENDPOINTS
from edgeproxy.admin.flash import Flashes
from edgeproxy.admin.state import AdminState
from edgeproxy.admin.throttle import Throttle
from edgeproxy.errors import Refused
from edgeproxy.keys import load_keys, new_id, new_token
from edgeproxy.live import Live
from edgeproxy.meter import Meter
from edgeproxy.noted import Noted
from edgeproxy.registry import Registry
from edgeproxy.seal import Sealer
from edgeproxy.settings import Settings
from edgeproxy.sites import Integration, Source
from edgeproxy.store.base import Store
from edgeproxy.trial import TestResult
from edgeproxy.web import inputs
from edgeproxy.web.endpoint import Call, Endpoint, Reply, Routes, Who
from edgeproxy.web.problem import problem
from tests.fakes import Clock, KeptLog, open_store

ROUTES: Routes[Endpoint] = Routes(ENDPOINTS)


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What came back: status, JSON, and headers by name."""

    status: int
    body: Any
    headers: dict[bytes, bytes]

    @property
    def faults(self) -> dict[str, str]:
        """Field → what is wrong with it."""
        return {one["field"]: one["message"] for one in self.body["faults"]}


class Caller:
    """Calls rows of the API by method and path; what was woken and probed is kept."""

    def __init__(self, folder: Path, store: Store, file: tuple[Source, ...]) -> None:
        self.store = store
        self.folder = folder
        self.clock = Clock()
        self.log = KeptLog()
        self.woken: list[str] = []
        self.probed: list[Integration] = []
        self.result = TestResult(
            integration="x", ok=True, status=200, latency_ms=12, message="Snap accepted it"
        )
        self.registry = Registry(file)
        self.state = self._state(file)

    def _state(self, file: tuple[Source, ...]) -> AdminState:
        keys = load_keys(self.folder / "keys")
        sealer = Sealer(keys.sealing)
        return AdminState(
            settings=Settings(sources=file),
            store=self.store,
            office=self.store.office,
            registry=self.registry,
            live=Live(self.store.office, self.registry, file, sealer=sealer, log=self.log),
            journal=None,
            catch_up=self._catch_up,
            meter=Meter(),
            sealer=sealer,
            keys=keys,
            token_digest="",
            token_strong=True,
            proxies=TrustedProxies(()),
            throttle=Throttle(lambda: 0.0),
            flashes=Flashes(),
            now_ms=self.clock,
            new_id=new_id,
            new_secret=new_token,
            probe=self._probe,
            snap_logs=self._snap_logs,
            wake=self.woken.append,
            log=self.log,
            stopping=lambda: False,
        )

    async def _catch_up(self) -> None:
        """Nothing is gathered here."""

    async def _probe(self, integration: Integration) -> TestResult:
        self.probed.append(integration)
        return self.result

    async def _snap_logs(self, integration: Integration) -> Noted:
        return Noted(message=f"asked for {integration.id}")

    async def call(
        self, method: str, path: str, body: object = None, *, if_match: str = ""
    ) -> Answered:
        """Call a row; what it refuses comes back as its problem."""
        found = ROUTES.find(path.encode())
        assert found is not None, path
        row = found.row(method)
        assert row is not None, (method, path)
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        try:
            call = Call(
                path=found.values,
                body=inputs.json(raw, row.body, b"application/json") if row.body else None,
                who=Who(name="jane", role="admin", via="token", token_id="t1"),
                state=self.state,
                headers={b"if-match": if_match.encode()} if if_match else {},
            )
            given = await row.handle(call)
        except Refused as refused:
            status, headers, said = problem(refused)
            return Answered(status=status, body=msgspec.json.decode(said), headers=dict(headers))
        reply = given if isinstance(given, Reply) else Reply(body=given)
        status = reply.status or row.status
        said = b"null" if reply.body is None else msgspec.json.encode(reply.body)
        if row.answer is not None and status < 300:
            msgspec.json.decode(said, type=row.answer)  # as documented
        return Answered(status=status, body=msgspec.json.decode(said), headers=dict(reply.headers))

    async def actions(self) -> list[tuple[str, str, str]]:
        """(who, action, id) of the audit log, oldest first."""
        found = await self.store.office.changes()
        return [(one.who, one.action, one.id) for one in reversed(found)]

    def written(self) -> bytes:
        """Everything that the store's files hold."""
        files = [one for one in self.folder.iterdir() if one.is_file()]
        return b"".join(one.read_bytes() for one in files)


@asynccontextmanager
async def calling(folder: Path, *file: Source) -> AsyncIterator[Caller]:
    """A caller of an admin API whose configuration file has these sources."""
    async with open_store(folder, Clock()) as store:
        made = Caller(folder, store, file)
        await made.state.live.begin()
        yield made


async def both(*work: Any) -> list[Any]:
    """Do several things at the same time."""
    return list(await asyncio.gather(*work))

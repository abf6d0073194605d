"""The whole admin listener under a real uvicorn, on a real store, and somebody who asks it."""

import dataclasses
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from edgeproxy.addresses import TrustedProxies
from edgeproxy.admin.api import ENDPOINTS
from edgeproxy.admin.app import admin_app
from edgeproxy.admin.openapi import openapi_endpoint
from edgeproxy.admin.pages import Action, Page
from edgeproxy.admin.state import AdminState
from edgeproxy.admin.throttle import Throttle
from edgeproxy.admin.views import ACTIONS, PAGES
from edgeproxy.keys import token_digest
from edgeproxy.public.endpoints import DESCRIBED
from edgeproxy.sites import Source
from edgeproxy.web.endpoint import Endpoint
from edgeproxy.web.listener import bind, listening
from tests.admin_calls import Caller, calling

TOKEN = "an-admin-token-that-nobody-would-guess"
PHRASE = re.compile(r'<meta name="csrf" content="([0-9a-f]*)">')


class Visitor:
    """A browser without JavaScript, or a program: keeps cookies, follows nothing."""

    def __init__(self, url: str, state: AdminState, caller: Caller) -> None:
        self.url = url
        self.state = state
        self.caller = caller
        self.client = httpx.AsyncClient(base_url=url, trust_env=False, timeout=20)

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """As somebody with the admin token."""
        return await self.ask("GET", path, bearer=TOKEN, **headers)

    async def ask(
        self, method: str, path: str, *, bearer: str | None = None, json: Any = None, **headers: str
    ) -> httpx.Response:
        """Any request; `X_Y` as a keyword is the header X-Y."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if bearer is not None:
            sent["Authorization"] = f"Bearer {bearer}"
        return await self.client.request(method, path, json=json, headers=sent)

    async def browse(self, path: str) -> httpx.Response:
        """A page, by the session."""
        return await self.client.get(path, headers={"Sec-Fetch-Site": "same-origin"})

    async def log_in(self, token: str = TOKEN, **form: str) -> httpx.Response:
        """Fill in the login page."""
        return await self.send("/login", {"token": token, **form})

    async def send(
        self, path: str, form: Mapping[str, str], *, site: str = "same-origin"
    ) -> httpx.Response:
        """A form, as a page of ours sends it."""
        headers = {"Sec-Fetch-Site": site, "Origin": "null"}
        return await self.client.post(path, data=dict(form), headers=headers)

    async def phrase(self) -> str:
        """The form token of the session."""
        page = await self.browse("/audit")
        found = PHRASE.search(page.text)
        assert found is not None, page.text
        return found[1]


@asynccontextmanager
async def admin(
    folder: Path,
    *file: Source,
    token: str = TOKEN,
    endpoints: Sequence[Endpoint] = (),
    pages: Sequence[Page] = (),
    actions: Sequence[Action] = (),
    **changes: Any,
) -> AsyncIterator[Visitor]:
    """The listener with all of its rows and some more, on a free port."""
    async with calling(folder, *file) as caller:
        state = dataclasses.replace(
            caller.state,
            **{
                "token_digest": token_digest(token),
                "proxies": TrustedProxies(("127.0.0.1",)),
                "throttle": Throttle(lambda: caller.clock() / 1000),
                **changes,
            },
        )
        rows = [*ENDPOINTS, openapi_endpoint([*DESCRIBED, *ENDPOINTS]), *endpoints]
        app = admin_app(state, rows, [*PAGES, *pages], [*ACTIONS, *actions])
        async with listening(app, bind("127.0.0.1", 0)) as listener:
            visitor = Visitor(listener.url, state, caller)
            async with visitor.client:
                yield visitor

"""A visitor without a browser: opens pages and posts what the tag would post, cookies included."""

from collections.abc import Callable, Mapping, Sequence
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlencode

import msgspec

from edgeproxy.demo.forward import PREFIX
from edgeproxy.errors import Failed
from edgeproxy.outbound import Answer, Outbound

AGENT = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
)
_FORM = "application/x-www-form-urlencoded"
_PAGE_BYTES = 1024 * 1024


class Happening(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event as the tag writes it: `call` is "page" for a page view, `id` "" for a new one."""

    name: str
    id: str = ""
    call: str = ""
    time: int = 0
    properties: dict[str, object] = {}


PAGE = Happening(name="page", call="page")


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """The proxy's answer to a batch."""

    accepted: int = 0
    duplicates: int = 0
    dropped: dict[str, int] = {}


class Visitor:
    """One browser's worth of state: cookies, the page that is open, the choice on it.

    Args:
        outbound: The HTTP client.
        url: Where the shop listens.
        origin: How pages name themselves; differs from `url` when a name stands for an address.
        now_ms: The clock.
        new_id: Mints event ids.
        agent: The user agent.
        extra: Headers of every request, such as `Sec-GPC`.

    Attributes:
        cookies: By name; the shop's host has one path and one domain.
        page: The address of the open page.
    """

    def __init__(
        self,
        outbound: Outbound,
        url: str,
        origin: str,
        *,
        now_ms: Callable[[], int],
        new_id: Callable[[], str],
        agent: str = AGENT,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        self.cookies: dict[str, str] = {}
        self.page = ""
        self._outbound = outbound
        self._url = url
        self._origin = origin
        self._now_ms = now_ms
        self._new_id = new_id
        self._headers = {
            "host": origin.partition("//")[2],
            "user-agent": agent,
            **(extra or {}),
        }
        self._referrer = ""
        self._choice: dict[str, bool] | None = None
        self._user: dict[str, str] = {}

    async def open(self, path: str) -> str:
        """Open a page of the shop and give its HTML; Failed when there is none.

        What the tag keeps in the page's memory is forgotten with the page before.
        """
        self._referrer, self.page = self.page, f"{self._origin}{path}"
        self._choice, self._user = None, {}
        answer = await self._ask("GET", path)
        if answer.status != 200:
            raise Failed(f"the page {path} answers {answer.status or answer.fault}")
        return answer.body.decode()

    async def submit(self, path: str, fields: Mapping[str, str]) -> str:
        """Send a form of the shop and give the path that it leads to."""
        body = urlencode(fields).encode()
        answer = await self._ask("POST", path, {"content-type": _FORM}, body)
        if answer.status != 303:
            raise Failed(f"the form {path} answers {answer.status or answer.fault}")
        return answer.header("location")

    async def leave(self) -> None:
        """Close everything and come back later by typing the address: no referrer, no page."""
        self.page = self._referrer = ""

    async def choose(self, *, ad: bool) -> None:
        """Press a button of the consent banner."""
        self._choice = {"ad": ad}
        await self._post("/consent", msgspec.json.encode(self._choice), 204)

    def identify(self, traits: Mapping[str, str]) -> None:
        """Let the page know who it is, for the events that follow on it."""
        self._user = dict(traits)

    async def tell(self, *events: Happening, click_id: str = "") -> Counted:
        """Post events of the open page as one batch, and give what became of them."""
        body = {
            "v": 1,
            "sent_at": self._now_ms(),
            "page": {"url": self.page, "referrer": self._referrer},
            "user": self._user,
            "events": [self._completed(event) for event in events],
            **({"consent": self._choice} if self._choice is not None else {}),
            **({"click_id": click_id} if click_id else {}),
        }
        answer = await self._post("/e", msgspec.json.encode(body), 202)
        return msgspec.json.decode(answer.body, type=Counted)

    def _completed(self, event: Happening) -> Happening:
        return msgspec.structs.replace(
            event, id=event.id or self._new_id(), time=event.time or self._now_ms()
        )

    async def _post(self, path: str, body: bytes, expected: int) -> Answer:
        headers = {
            "origin": self._origin,
            "referer": self.page,
            "content-type": "text/plain;charset=UTF-8",
            "sec-fetch-site": "same-origin",
            "sec-fetch-mode": "cors",
            "sec-fetch-dest": "empty",
        }
        answer = await self._ask("POST", PREFIX + path, headers, body)
        if answer.status != expected:
            said = answer.body.decode("utf-8", "replace").strip()[:300]
            raise Failed(f"POST {PREFIX}{path} answers {answer.status or answer.fault}: {said}")
        return answer

    async def _ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        answer = await self._outbound.request(
            method,
            f"{self._url}{path}",
            headers={**self._headers, **self._cookie(), **(headers or {})},
            body=body,
            limit_bytes=_PAGE_BYTES,
        )
        self._keep([value for name, value in answer.headers if name == "set-cookie"])
        return answer

    def _cookie(self) -> dict[str, str]:
        # Present even when empty: the client is shared and keeps cookies of other visitors.
        return {"cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}

    def _keep(self, lines: Sequence[str]) -> None:
        """Store what was set, delete what was expired."""
        for line in lines:
            try:
                read = SimpleCookie(line)
            except CookieError:
                continue
            for name, morsel in read.items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.coded_value

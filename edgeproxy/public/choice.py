"""`POST /consent`: a visitor's choice, and what follows from it at once."""

from typing import Any

import msgspec

from edgeproxy.errors import BadBatch
from edgeproxy.public.ask import read_ask
from edgeproxy.public.collect import BODY_BYTES, admitted
from edgeproxy.public.contact import cookies_of, meet, withdraw
from edgeproxy.public.state import State
from edgeproxy.useragent import read_agent
from edgeproxy.web.asgi import Header, Receive, Scope, Send, read_body, reply


class Page(msgspec.Struct, frozen=True):
    """Where the choice was made."""

    url: str = ""
    referrer: str = ""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The posted choice: `{"ad": bool}`, `{"categories": {…}}` or either under "consent"."""

    ad: bool | None = None
    categories: dict[str, Any] | None = None
    consent: dict[str, Any] | None = None
    click_id: Any = None
    page: Page = Page()

    def statement(self) -> dict[str, Any]:
        """The choice in the form that a batch has it."""
        if self.consent is not None:
            return self.consent
        if self.categories is not None:
            return {"categories": self.categories}
        return {"ad": self.ad}


_CHOICE = msgspec.json.Decoder(Choice)


async def choose(scope: Scope, receive: Receive, send: Send, state: State) -> None:
    """Record a choice: a yes sets the cookies, a no expires them and cancels what is queued.

    204  done    400  no choice    403  foreign origin    413, 415  as for batches
    429  too many requests of one caller    503  the queue could not be cleared now
    """
    ask = read_ask(scope, state.proxies)
    site = admitted(ask, state)
    body = await read_body(receive, BODY_BYTES, ask.content_length)
    choice = _read(body)
    contact = meet(
        ask,
        site,
        state,
        consent=choice.statement(),
        click_id=choice.click_id,
        page_url=choice.page.url,
        referrer=choice.page.referrer,
    )
    await withdraw(contact, site, state)
    robot = ask.speculative or read_agent(ask.user_agent).bot
    lines = [] if robot else cookies_of(contact, site, state)
    headers: list[Header] = [(b"cache-control", b"no-store"), *site.cors]
    await reply(scope, send, 204, [*headers, *((b"set-cookie", line) for line in lines)])


def _read(body: bytes) -> Choice:
    try:
        choice = _CHOICE.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _no_choice() from None
    if choice.ad is None and choice.categories is None and choice.consent is None:
        raise _no_choice()
    return choice


def _no_choice() -> BadBatch:
    return BadBatch(
        "no_choice",
        'the body is no choice; send {"ad": true}, {"ad": false} or {"categories": {…}}',
    )

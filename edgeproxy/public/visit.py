"""`GET /visit`: cookies that ride on the page itself, for the `auth_request` of the site's nginx.

nginx asks before it answers with a page and copies the cookies onto the page's answer, so that they
are there without any script. Nothing is stored or counted here.
"""

from edgeproxy.cookies import parse
from edgeproxy.identity import cookies_for, expire_lines
from edgeproxy.public.ask import Ask, read_ask
from edgeproxy.public.contact import Contact, meet
from edgeproxy.public.state import State
from edgeproxy.registry import Site
from edgeproxy.useragent import read_agent
from edgeproxy.web.asgi import Header, Receive, Scope, Send, reply

COOKIES_MAX = 4
"""Places for cookies in nginx's file: three are in use, one is kept free."""


async def visit(scope: Scope, receive: Receive, send: Send, state: State) -> None:
    """Answer with the cookies of a page's visitor, each as `Set-Cookie` and `X-Edge-Cookie-n`.

    204  always: nginx refuses the visitor or fails the page on anything else

    `Host` is the page's, `X-Original-URI` its path and query. nginx can copy only the first of
    several headers of one name, therefore the numbers.
    """
    headers: list[Header] = [(b"cache-control", b"no-store")]
    for number, line in enumerate(_lines(scope, state), 1):
        headers += [(b"set-cookie", line), (b"x-edge-cookie-%d" % number, line)]
    await reply(scope, send, 204, headers)


def _lines(scope: Scope, state: State) -> list[bytes]:
    """The `Set-Cookie` values; none for robots, for what is no page, and for who is no front.

    A script of the page can ask too where the proxy has a path of the page's host, and must not
    read what is hidden from scripts; it cannot forge `Sec-Fetch-Dest`.
    """
    given = dict(scope["headers"])
    client = scope.get("client")
    if not state.proxies.trusts(client[0] if client else None):
        return []
    if b"origin" in given or given.get(b"sec-fetch-dest", b"document") != b"document":
        return []
    ask = read_ask(scope, state.proxies)
    site = state.registry.by_host(ask.host)
    if site is None or ask.speculative or read_agent(ask.user_agent).bot:
        return []
    contact = meet(
        ask,
        site,
        state,
        consent=None,
        page_url=site.origin + given.get(b"x-original-uri", b"").decode("latin-1"),
        referrer=given.get(b"referer", b"").decode("latin-1"),
    )
    return _allowed(contact, ask, site, state)


def _allowed(contact: Contact, ask: Ask, site: Site, state: State) -> list[bytes]:
    """The cookies as consent has them; second copies of a cookie are left to `POST /e`."""
    if contact.decision.reason == "gpc" and parse(ask.cookies):
        return expire_lines(contact.cookie_site, thorough=False)
    if contact.decision.reason:
        return []
    return cookies_for(
        contact.visitor,
        site=contact.cookie_site,
        source=site.source,
        signer=state.signer,
        now_s=contact.now_s,
        consent=contact.decision.record,
        tidy=False,
    )

"""The ASGI application of the admin listener: who may, then what is asked, then one answer.

Everything is refused unless a row says otherwise: without a login there is the login page and the
files that it needs.
"""

from collections.abc import Sequence

import msgspec

from edgeproxy.admin import auth
from edgeproxy.admin.answers import guarded, send_file, send_html, send_reply
from edgeproxy.admin.pages import Action, Frame, Page, Show, files, html, menu_of
from edgeproxy.admin.state import AdminState
from edgeproxy.admin.visit import Row, Visit, read_visit
from edgeproxy.errors import Forbidden, Refused, Unfit
from edgeproxy.web import inputs
from edgeproxy.web.asgi import App, Gone, Header, Receive, Scope, Send, answer, read_body
from edgeproxy.web.endpoint import Call, Endpoint, Found, Reply, Routes
from edgeproxy.web.problem import not_allowed, not_found, our_fault, problem

_TITLES = {
    403: "This is not allowed",
    404: "There is nothing here",
    405: "This is not how it is done",
    409: "Somebody was faster",
    429: "Too many tries",
    500: "Something went wrong",
    503: "The store does not answer now",
}


def admin_app(
    state: AdminState,
    endpoints: Sequence[Endpoint],
    pages: Sequence[Page],
    actions: Sequence[Action],
) -> App:
    """The application of the admin listener, from its rows.

    Raises:
        ValueError: Two rows have the same method and path.
    """
    routes = Routes[Row]([*endpoints, *pages, *actions])
    by_path = {page.path: page for page in pages}
    menu = menu_of(pages)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        visit = read_visit(state, scope)
        guarding = guarded(send, secure=visit.secure)
        request = _Request(state, by_path, menu, visit, scope, receive, guarding)
        await request.answer(routes.find(scope["raw_path"]))

    return app


class _Request:
    """One request and its one answer."""

    def __init__(
        self,
        state: AdminState,
        pages: dict[str, Page],
        menu: tuple[Page, ...],
        visit: Visit,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        self._state = state
        self._pages = pages
        self._menu = menu
        self._visit = visit
        self._scope = scope
        self._receive = receive
        self._send = send

    async def answer(self, found: Found[Row] | None) -> None:
        """Answer, whatever happens."""
        method = self._visit.method
        file = files().get(self._visit.path)
        if file is not None and method in ("GET", "HEAD"):
            await send_file(self._scope, self._send, file)
            return
        row = found.row(method) if found is not None else None
        try:
            await self._answer(found, row)
        except Refused as refused:
            await self._refuse(row, found, refused)
        except Gone:
            return
        except Exception as error:
            place = row.path if row is not None else ""
            self._state.log("error", "admin_request_failed", path=place, exc_info=error)
            await self._refuse(row, found, our_fault())

    async def _answer(self, found: Found[Row] | None, row: Row | None) -> None:
        visit = self._visit
        await visit.identify()
        if visit.who is None and (row is None or row.role != "public"):
            raise auth.unauthorized()
        if found is None:
            raise not_found()
        if row is None:
            raise not_allowed(found.allow)
        if row.role == "admin" and (visit.who is None or not visit.who.may_change):
            raise Forbidden("read_only", "this token may look, not change; use one of role admin")
        raw = b""
        if row.method != "GET":
            declared = visit.headers.get(b"content-length")
            raw = await read_body(self._receive, inputs.BODY_MAX_BYTES, declared)
            visit.demand_own_form(row, raw)
        call = visit.call(found.values)
        if isinstance(row, Page):
            await self._show_page(row, call)
        elif isinstance(row, Action):
            await self._do(row, call, raw)
        else:
            await self._serve(row, call, raw)

    async def _serve(self, row: Endpoint, call: Call, raw: bytes) -> None:
        query, body = inputs.query(self._visit.query, row.query), None
        if row.body is not None:
            kind = self._visit.headers.get(b"content-type", b"")
            body = inputs.json(raw, row.body, kind)
        given = await row.handle(msgspec.structs.replace(call, query=query, body=body))
        await self._reply(given if isinstance(given, Reply) else Reply(body=given), row.status)

    async def _show_page(self, page: Page, call: Call) -> None:
        call = msgspec.structs.replace(call, query=inputs.query(self._visit.query, page.query))
        data = await page.load(call)
        if isinstance(data, Reply):
            await self._reply(data, 200)
            return
        say = self._state.flashes.take(call.who.session) if call.who is not None else ""
        frame = Frame(
            title=page.title,
            menu=page.menu,
            menu_pages=self._menu,
            say=say,
            twin=self._visit.twin(page, call),
        )
        await self._html(200, html(page.template, frame, call, data))

    async def _do(self, action: Action, call: Call, raw: bytes) -> None:
        try:
            done = await action.handle(
                msgspec.structs.replace(call, body=inputs.form(raw, action.form))
            )
        except Refused as refused:
            if action.back not in self._pages or refused.status >= 500:
                raise
            await self._show_again(self._pages[action.back], call, raw, refused)
            return
        if isinstance(done, Show):
            frame = Frame(title=done.title, menu=done.menu, menu_pages=self._menu)
            await self._html(done.status, html(done.template, frame, call, done.data))
            return
        if call.who is not None:
            self._state.flashes.say(call.who.session, done.say)
        location: Header = (b"location", done.to.encode())
        await answer(self._send, 303, [location, (b"cache-control", b"no-store"), *done.headers])

    async def _show_again(self, page: Page, call: Call, raw: bytes, refused: Refused) -> None:
        """The form's page with what was wrong and what was given; secrets have to be typed anew."""
        call = msgspec.structs.replace(call, query=inputs.query(b"", page.query))
        data = await page.load(call)
        faults = refused.faults if isinstance(refused, Unfit) else (("", refused.message),)
        given = inputs.harmless(raw)
        frame = Frame(
            title=page.title, menu=page.menu, menu_pages=self._menu, faults=faults, given=given
        )
        extra: list[Header] = []
        if refused.retry_after_s is not None:
            extra.append((b"retry-after", str(refused.retry_after_s).encode()))
        await self._html(refused.status, html(page.template, frame, call, data), extra)

    async def _refuse(self, row: Row | None, found: Found[Row] | None, refused: Refused) -> None:
        status, headers, body = problem(refused)
        extra = [one for one in headers if one[0] == b"retry-after"]
        if status == 405 and found is not None:
            extra.append((b"allow", found.allow.encode()))
        if self._visit.wants_page(row):
            await self._refuse_person(status, refused, extra)
            return
        if status == 401:
            extra.append((b"www-authenticate", b'Bearer realm="edgeproxy"'))
        plain = Reply(
            body=body, status=status, headers=tuple(extra), media="application/problem+json"
        )
        await self._reply(plain, status)

    async def _refuse_person(self, status: int, refused: Refused, extra: list[Header]) -> None:
        visit = self._visit
        if status == 401:
            location: Header = (b"location", visit.login.encode())
            await answer(self._send, 303, [location, (b"cache-control", b"no-store")])
            return
        frame = Frame(title=_TITLES.get(status, "This did not work"))
        await self._html(status, html("refused.html", frame, visit.call({}), refused), extra)

    async def _reply(self, reply: Reply, status: int) -> None:
        await send_reply(reply, self._scope, self._receive, self._send, status=status)

    async def _html(self, status: int, page: bytes, extra: Sequence[Header] = ()) -> None:
        await send_html(self._send, self._visit.method, status, page, extra)

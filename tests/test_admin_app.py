"""The admin listener from outside: nothing without a token, nothing by GET, nothing unguarded."""

import html.parser
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgeproxy.admin.api import ENDPOINTS
from edgeproxy.admin.api.changes import Changes
from edgeproxy.admin.pages import Action, Go, Page
from edgeproxy.admin.views import ACTIONS, PAGES
from edgeproxy.errors import Refused, Unfit
from edgeproxy.web.asgi import Receive, Scope, Send
from edgeproxy.web.endpoint import Call, Endpoint, Reply
from tests.admin_http import TOKEN, Visitor, admin

ROWS: list[Endpoint | Page | Action] = [*ENDPOINTS, *PAGES, *ACTIONS]
PLAIN = [page for page in PAGES if "{" not in page.path]  # the others need something to show
GUARDED = [row for row in ROWS if row.role != "public"]
GUARDS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """A form of the tests."""

    title: str = ""
    secret: str = ""


async def broken(call: Call) -> None:
    raise RuntimeError("a fault of ours")


async def unfit(call: Call) -> Go:
    raise Unfit([("title", "must be longer")])


async def done(call: Call) -> Go:
    return Go(to="/audit", say="It is done.")


async def one(call: Call) -> Changes:
    return Changes(changes=[], next=None)


async def whoever(call: Call) -> Reply:
    return Reply(body=b"plain", media="text/plain")


async def streamed(call: Call) -> Reply:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream"), (b"x-frame-options", b"ALLOWALL")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return Reply(app=app)


async def list_nothing(call: Call) -> dict[str, Any]:
    return {}


OWN_ENDPOINTS = (
    Endpoint(method="GET", path="/v1/broken", handle=broken, summary="x", role="viewer"),
    Endpoint(method="GET", path="/v1/live", handle=streamed, summary="x", role="viewer"),
    Endpoint(method="GET", path="/v1/open", handle=whoever, summary="x", role="public"),
)
OWN_PAGES = (
    Page(path="/broken", title="Broken", template="audit.html", load=broken),
    Page(
        path="/one/{id}",
        title="One",
        template="audit.html",
        load=one,
        twin="/v1/one/{id}",
    ),
    Page(path="/file", title="File", template="audit.html", load=whoever),
)
OWN_ACTIONS = (
    Action(path="/do", form=Form, handle=done),
    Action(path="/unfit", form=Form, handle=unfit, back="/access"),
    Action(path="/unfit-alone", form=Form, handle=unfit),
)


def place(row: Endpoint | Page | Action) -> str:
    """A path of the row with something for each name."""
    return re.sub(r"\{\w+\}", "x", row.path)


def label(row: Endpoint | Page | Action) -> str:
    return f"{row.method} {row.path}"


@pytest.fixture
async def visitor(tmp_path: Path) -> AsyncIterator[Visitor]:
    async with admin(
        tmp_path, endpoints=OWN_ENDPOINTS, pages=OWN_PAGES, actions=OWN_ACTIONS
    ) as one:
        yield one


async def viewer_token(visitor: Visitor) -> str:
    answer = await visitor.ask("POST", "/v1/admin/tokens", bearer=TOKEN, json={"name": "screen"})
    token: str = answer.json()["token"]
    return token


@pytest.mark.parametrize("bearer", [None, "wrong", "edp_00000000_" + "x" * 43])
async def test_no_route_opens_without_a_token(tmp_path: Path, bearer: str | None) -> None:
    async with admin(tmp_path) as visitor:
        for row in GUARDED:
            visitor.caller.clock.pass_s(60)  # nobody is throttled here
            answer = await visitor.ask(row.method, place(row), bearer=bearer)
            if isinstance(row, Endpoint):
                assert answer.status_code == 401, label(row)
                assert answer.json()["code"] == "unauthorized"
            else:
                assert answer.status_code == 303, label(row)
                assert answer.headers["location"].startswith("/login")
        for path in ("/v1/admin/nothing", "/nothing", "/metrics", "/openapi.json", "/v1/admin"):
            visitor.caller.clock.pass_s(60)
            answer = await visitor.ask("GET", path, bearer=bearer)
            assert answer.status_code in (401, 303), path


@pytest.mark.parametrize("query", ["access_token", "token", "api_key"])
async def test_a_token_in_a_query_opens_nothing(visitor: Visitor, query: str) -> None:
    answer = await visitor.ask("GET", f"/v1/admin/me?{query}={TOKEN}")
    assert answer.status_code == 401


async def test_a_viewer_changes_nothing(visitor: Visitor) -> None:
    token = await viewer_token(visitor)
    for row in ROWS:
        if row.role == "admin":
            answer = await visitor.ask(row.method, place(row), bearer=token)
            assert answer.status_code == 403, label(row)
    assert (await visitor.ask("GET", "/v1/admin/me", bearer=token)).json()["role"] == "viewer"


def test_what_changes_something_is_for_admins_alone() -> None:
    changing = {label(row) for row in ROWS if row.method != "GET" and row.role != "admin"}
    # What is posted to /events is looked up; posted, so that it stands in no address.
    assert changing == {"POST /login", "POST /logout", "POST /events"}


async def test_nothing_changes_by_get(visitor: Visitor) -> None:
    await visitor.log_in()
    office = visitor.state.office
    before = await office.changes(), await office.edition()
    for row in ROWS:
        if row.method == "GET" and not place(row).endswith("/stream"):
            await visitor.get(place(row))
        elif isinstance(row, Action) and row.path != "/login":
            answer = await visitor.get(place(row))
            assert answer.status_code in (200, 404, 405), label(row)
    assert (await office.changes(), await office.edition()) == before


@pytest.mark.parametrize("page", PLAIN, ids=label)
async def test_every_page_opens_and_has_its_json(visitor: Visitor, page: Page) -> None:
    await visitor.log_in()
    answer = await visitor.browse(page.path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert f"<title>{page.title}" in answer.text
    if page.twin:
        assert f'href="{page.twin}"' in answer.text
        assert (await visitor.get(page.twin)).json() is not None


class Watcher(html.parser.HTMLParser):
    """Finds what a page must not have: code and styles in it, and things of other hosts."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        names = [name for name in given if name.startswith("on") or name == "style"]
        self.wrong += [f"{tag} has {name}" for name in names]
        if tag == "style" or (tag == "script" and not given.get("src")):
            self.wrong.append(f"inline {tag}")
        for name in ("src", "href", "action"):
            value = given.get(name) or "/"
            if not value.startswith(("/", "?", "#", "data:image/svg+xml")) or value[:2] == "//":
                self.wrong.append(f"{tag} {name} {value}")


@pytest.mark.parametrize("page", PLAIN, ids=label)
async def test_no_page_has_code_in_it_or_asks_others(visitor: Visitor, page: Page) -> None:
    await visitor.log_in()
    watcher = Watcher()
    watcher.feed((await visitor.browse(page.path)).text)
    assert watcher.wrong == []


async def test_every_answer_is_guarded(visitor: Visitor) -> None:
    """Framing, sniffing, referrers, caches: also errors, redirects and files."""
    logged_in = await visitor.log_in()
    page = await visitor.browse("/access")
    asked = [
        logged_in,
        page,
        await visitor.get("/v1/admin/me"),
        await visitor.ask("GET", "/v1/admin/me", bearer="wrong"),
        await visitor.ask("GET", "/"),
        await visitor.get("/nothing"),
        await visitor.get("/v1/broken"),
        await visitor.get("/broken"),
        await visitor.ask("PUT", "/audit", bearer=TOKEN),
        await visitor.ask("POST", "/v1/admin/tokens", bearer=TOKEN),
        await visitor.ask("HEAD", "/v1/admin/me", bearer=TOKEN),
    ]
    assert {answer.status_code for answer in asked} >= {200, 303, 401, 404, 405, 415, 500} - {415}
    for answer in asked:
        found = {name: answer.headers.get(name) for name in GUARDS}
        assert found == GUARDS, answer.request.url
        assert answer.headers["cache-control"] == "no-store"
    files = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)
    assert len(files) >= 3
    for file in files:
        answer = await visitor.ask("GET", file)
        assert answer.status_code == 200
        assert {name: answer.headers.get(name) for name in GUARDS} == GUARDS
        assert "immutable" in answer.headers["cache-control"]


async def test_a_file_is_sent_without_its_body_for_head_and_by_name_only(visitor: Visitor) -> None:
    page = (await visitor.browse("/login")).text
    [sheet] = re.findall(r'href="(/static/dashboard\.[^"]+css)"', page)
    head = await visitor.ask("HEAD", sheet)
    whole = await visitor.ask("GET", sheet, Accept_Encoding="identity")
    assert (head.status_code, head.content) == (200, b"")
    assert whole.headers["content-type"] == "text/css; charset=utf-8"
    zipped = await visitor.ask("GET", sheet, Accept_Encoding="gzip")
    assert zipped.headers["content-encoding"] == "gzip"
    assert zipped.text == whole.text
    for path in ("/static/dashboard.css", "/static/../pyproject.toml", f"{sheet}/..", "/static/"):
        assert (await visitor.ask("GET", path)).status_code == 303, path


async def test_over_tls_the_browser_is_told_to_stay_there(visitor: Visitor) -> None:
    assert "strict-transport-security" not in (await visitor.get("/v1/admin/me")).headers
    answer = await visitor.get("/v1/admin/me", X_Forwarded_Proto="https")
    assert "strict-transport-security" in answer.headers


async def test_a_fault_of_ours_is_logged_and_not_shown(visitor: Visitor) -> None:
    for path in ("/v1/broken", "/broken"):
        answer = await visitor.get(path)
        assert answer.status_code == 500
        assert "RuntimeError" not in answer.text
        assert "a fault of ours" not in answer.text
    paths = [line["path"] for line in visitor.caller.log.named("admin_request_failed")]
    assert paths == ["/v1/broken", "/broken"]


async def test_a_wrong_method_is_told_the_right_ones(visitor: Visitor) -> None:
    answer = await visitor.ask("DELETE", "/v1/admin/tokens", bearer=TOKEN)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")
    answer = await visitor.ask("DELETE", "/audit", bearer=TOKEN)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_head_is_get_without_a_body(visitor: Visitor) -> None:
    for path in ("/v1/admin/me", "/audit", "/nothing", "/v1/admin/nothing", "/v1/broken"):
        head = await visitor.ask("HEAD", path, bearer=TOKEN)
        whole = await visitor.get(path)
        assert head.status_code == whole.status_code
        assert head.content == b""
        if path in ("/v1/admin/me", "/v1/admin/nothing"):
            assert head.headers["content-length"] == str(len(whole.content))


async def test_a_public_row_needs_nobody_and_a_page_may_be_a_file(visitor: Visitor) -> None:
    answer = await visitor.ask("GET", "/v1/open")
    assert (answer.status_code, answer.text) == (200, "plain")
    answer = await visitor.get("/file")
    assert (answer.text, answer.headers["content-type"]) == ("plain", "text/plain")


async def test_a_stream_has_the_headers_that_all_have(visitor: Visitor) -> None:
    answer = await visitor.get("/v1/live")
    assert (answer.text, answer.headers["content-type"]) == ("data: 1\n\n", "text/event-stream")
    assert {name: answer.headers.get(name) for name in GUARDS} == GUARDS
    assert (await visitor.ask("GET", "/v1/live")).status_code == 401


async def test_a_page_leads_to_its_json_with_the_same_words(visitor: Visitor) -> None:
    page = (await visitor.get("/one/a%2Fb%22")).text
    assert 'href="/v1/one/a%2Fb%22"' in page


async def test_a_body_has_a_limit(visitor: Visitor) -> None:
    answer = await visitor.ask(
        "POST", "/v1/admin/tokens", bearer=TOKEN, json={"name": "x" * 300_000}
    )
    assert answer.status_code == 413


async def test_a_form_leads_to_a_page_that_says_once_what_was_done(visitor: Visitor) -> None:
    await visitor.log_in()
    answer = await visitor.send("/do", {"csrf": await visitor.phrase(), "title": "x"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/audit")
    assert "It is done." in (await visitor.browse("/audit")).text
    assert "It is done." not in (await visitor.browse("/audit")).text


async def test_a_form_that_is_wrong_comes_back_with_what_was_given(visitor: Visitor) -> None:
    await visitor.log_in()
    form = {"csrf": await visitor.phrase(), "title": "short", "secret": "do-not-show"}
    answer = await visitor.send("/unfit", form)
    assert answer.status_code == 422
    assert "must be longer" in answer.text
    assert "<title>Tokens and sessions" in answer.text
    assert "do-not-show" not in answer.text
    alone = await visitor.send("/unfit-alone", form)
    assert alone.status_code == 422
    assert "title must be longer" in alone.text.lower()


async def test_a_program_may_send_forms_without_a_form_token(visitor: Visitor) -> None:
    answer = await visitor.ask("POST", "/do", bearer=TOKEN)
    assert answer.status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "SELF"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
    ],
)
async def test_a_form_of_another_page_is_refused(visitor: Visitor, headers: dict[str, str]) -> None:
    """CSRF: also with the right form token, which another page cannot know."""
    await visitor.log_in()
    phrase = await visitor.phrase()
    sent = {name: visitor.url if value == "SELF" else value for name, value in headers.items()}
    for path in ("/do", "/access/tokens", "/logout"):
        answer = await visitor.client.post(path, data={"csrf": phrase}, headers=sent)
        assert answer.status_code == 403, path
    answer = await visitor.client.post(
        "/v1/admin/tokens", json={"name": "x"}, headers={**sent, "X-CSRF-Token": phrase}
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "foreign_page")
    assert (await visitor.browse("/access")).status_code == 200
    login = await visitor.client.post("/login", data={"token": TOKEN}, headers=sent)
    assert login.status_code == 403
    assert "set-cookie" not in login.headers


@pytest.mark.parametrize("csrf", ["", "0" * 64, "é"])
async def test_a_form_without_its_token_is_refused(visitor: Visitor, csrf: str) -> None:
    await visitor.log_in()
    assert (await visitor.send("/do", {"csrf": csrf})).status_code == 403
    answer = await visitor.client.post(
        "/v1/admin/tokens",
        json={"name": "x"},
        headers={b"Sec-Fetch-Site": b"same-origin", b"X-CSRF-Token": csrf.encode()},
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "stale_form")


async def test_a_script_of_our_pages_may_change_by_the_session(visitor: Visitor) -> None:
    await visitor.log_in()
    headers = {"Sec-Fetch-Site": "same-origin", "X-CSRF-Token": await visitor.phrase()}
    answer = await visitor.client.post("/v1/admin/tokens", json={"name": "x"}, headers=headers)
    assert answer.status_code == 201
    old = {"Origin": visitor.url, "X-CSRF-Token": await visitor.phrase()}
    answer = await visitor.client.post("/v1/admin/tokens", json={"name": "y"}, headers=old)
    assert answer.status_code == 201


XSS = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'`{{7*7}}"


async def test_what_people_name_is_shown_as_text(visitor: Visitor) -> None:
    """Stored XSS: a token's name stands on three pages."""
    await visitor.log_in()
    phrase = await visitor.phrase()
    made = await visitor.send("/access/tokens", {"csrf": phrase, "name": XSS, "role": "viewer"})
    texts = [made.text, (await visitor.browse("/access")).text]
    texts += [(await visitor.browse("/audit")).text]
    for text in texts:
        assert "&lt;script&gt;alert(1)" in text
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert "{{7*7}}" in text


@pytest.mark.parametrize(
    "path",
    ["/<script>alert(1)</script>", "/login?next=%22%3E%3Cscript%3E", "/audit?before=<b>", "/%00"],
)
async def test_what_is_asked_is_not_written_into_the_answer(visitor: Visitor, path: str) -> None:
    await visitor.log_in()
    answer = await visitor.browse(path)
    assert answer.status_code in (200, 404, 422)
    assert "<script>" not in answer.text
    assert "<b>" not in answer.text


@pytest.mark.parametrize(
    "next",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/a\r\nSet-Cookie: x=1",
        "/\tevil",
        " /audit",
        "",
    ],
)
async def test_a_login_leads_to_no_other_site(visitor: Visitor, next: str) -> None:
    answer = await visitor.log_in(next=next)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_a_login_leads_back_to_where_one_was_going(visitor: Visitor) -> None:
    sent_away = await visitor.ask("GET", "/audit?limit=5")
    assert sent_away.headers["location"] == "/login?next=/audit%3Flimit%3D5"
    page = await visitor.ask("GET", sent_away.headers["location"])
    assert 'value="/audit?limit=5"' in page.text
    answer = await visitor.log_in(next="/audit?limit=5")
    assert answer.headers["location"] == "/audit?limit=5"


async def test_every_redirect_stays_here(visitor: Visitor) -> None:
    for query in ("", "?next=https://evil.example/", "?next=//evil.example", "?url=//evil"):
        for row in ROWS:
            for bearer in (None, TOKEN):
                if place(row).endswith("/stream") or row.path == "/logout":
                    continue
                answer = await visitor.ask("GET", place(row) + query, bearer=bearer)
                location = answer.headers.get("location", "/")
                assert location.startswith("/"), label(row)
                assert location[:2] not in ("//", "/\\"), label(row)


async def test_two_rows_of_one_place_are_a_fault_at_start(tmp_path: Path) -> None:
    again = Page(path="/audit", title="x", template="audit.html", load=list_nothing)
    with pytest.raises(ValueError, match="GET /audit has two rows"):
        async with admin(tmp_path, pages=[again]):
            raise AssertionError("it started")


async def test_a_refusal_of_a_busy_store_reaches_people(tmp_path: Path) -> None:
    async def busy(call: Call) -> None:
        raise Refused("busy", "the store is busy", status=503, retry_after_s=5)

    page = Page(path="/busy", title="Busy", template="audit.html", load=busy)
    act = Action(path="/act", form=Form, handle=busy, back="/access")  # type: ignore[arg-type]
    async with admin(tmp_path, pages=[page], actions=[act]) as visitor:
        for answer in (
            await visitor.get("/busy"),
            await visitor.ask("POST", "/act", bearer=TOKEN),
        ):
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            assert "The store is busy." in answer.text

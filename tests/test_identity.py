"""Who the visitor is, and which cookies the answer carries."""

import functools
import itertools
import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.cookie_site import cookie_site
from edgeproxy.cookies import (
    CLICK,
    DURABLE_S,
    MASTER,
    MASTER_HOST,
    MASTER_HTTP,
    OPTOUT,
    SCID,
    CookieSite,
    parse,
)
from edgeproxy.identity import (
    Visitor,
    cookies_for,
    expire_lines,
    optout_line,
    recognise,
    remember,
)
from edgeproxy.master import Master, MasterSigner, Signed
from edgeproxy.sites import Source

CASES = json.loads((Path(__file__).parent / "cases" / "click_ids.json").read_text("utf-8"))
NOW_S = 1_790_000_000
DAY_S = 86_400
SIGNER = MasterSigner([b"o" * 32, b"n" * 32])
SHOP = Source(id="shop", origins=("https://www.example.com",))
SITE = cookie_site("edge.example.com", scheme="https", source=SHOP)
HTTP = cookie_site("edge.shop.localhost:8000", scheme="http", source=SHOP)
HOST_ONLY = cookie_site("edge.example.com", scheme="https", source=Source(id="x"))
A, B = "34dd6077-e3a0-4b1c-9f91-a690ea0e335d", "OOd_8W0Y2ZnY0ZJQW_gILyv8O3ROGi_J"
NEW = "00000000-0000-4000-8000-000000000001"


def visit(
    header: str = "", *, source: Source = SHOP, site: CookieSite = SITE, **facts: Any
) -> Visitor:
    signer, now_s = facts.pop("signer", SIGNER), facts.pop("now_s", NOW_S)
    jar = parse([header.encode("latin-1")])
    return recognise(
        remember(jar, source=source.id, site=site, signer=signer, now_s=now_s),
        click_life_s=source.click_id_days * DAY_S,
        now_s=now_s,
        **{"new_scid": lambda: NEW, **facts},
    )


def master(*, signer: MasterSigner = SIGNER, signed_at_s: int = NOW_S, **content: Any) -> str:
    return signer.sign(Master(**{"scid": A, "source": "shop", **content}), signed_at_s)


def answer(
    visitor: Visitor, *, source: Source = SHOP, site: CookieSite = SITE, **facts: Any
) -> list[bytes]:
    return cookies_for(
        visitor, site=site, source=source, **{"signer": SIGNER, "now_s": NOW_S, **facts}
    )


def value(line: bytes) -> str:
    return line.partition(b"=")[2].partition(b";")[0].decode()


def names(lines: list[bytes]) -> list[str]:
    return [line.partition(b"=")[0].decode() for line in lines]


def opened(lines: list[bytes], *, now_s: int = NOW_S) -> Master:
    """The master that an answer sets."""
    [line] = [line for line in lines if b"edge=" in line and b"Max-Age=0" not in line]
    signed = SIGNER.read(value(line), "shop", now_s)
    assert signed is not None
    return signed.master


# --- who it is -----------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES["scid"], ids=lambda case: case["why"])
def test_any_safe_id_is_kept_and_anything_else_is_replaced(case: dict[str, Any]) -> None:
    visitor = visit(case["cookie_header"])
    assert visitor.scid == (case["expected"] or NEW)
    assert visitor.minted is (case["expected"] is None)


@pytest.mark.parametrize(
    ("header", "scid"),
    [
        (f"_scid={A}; {MASTER}={master(scid=A)}", A),
        (f"_scid={B}; _scid={A}; {MASTER}={master(scid=A)}", A),
        (f"_scid={B}; _scid={A}", B),
        (f"_scid=bad; _scid={B}; _scid={A}", B),
        (f"_scid={B}; {MASTER}={master(scid=A)}", B),
        (f"_scid=bad; {MASTER}={master(scid=A)}", A),
        (f"{MASTER}={master(scid=A)}", A),
        (f"_scid={B}; {MASTER}={master(scid=A)[:-2]}", B),
        (f"{MASTER}={master(scid=A)[:-2]}", NEW),
        (f"{MASTER}={master(scid=A, source='blog')}", NEW),
        (f"{MASTER}={master(scid=A, signed_at_s=NOW_S - DURABLE_S - 1)}", NEW),
        (f"{MASTER}=forged.x; {MASTER}={master(scid=A)}; {MASTER}={master(scid=B)}", A),
        (f"{MASTER_HOST}={master(scid=A)}", A),
        (f"{MASTER_HOST}={master(scid=A)}; {MASTER}={master(scid=B)}", B),
        (f"{MASTER_HTTP}={master(scid=A)}", NEW),
    ],
)
def test_the_id_is_the_masters_if_it_came_else_the_first_safe_one(header: str, scid: str) -> None:
    assert visit(header).scid == scid


def test_on_http_the_plain_name_counts_and_the_others_do_not() -> None:
    assert visit(f"{MASTER_HTTP}={master(scid=A)}", site=HTTP).scid == A
    assert visit(f"{MASTER}={master(scid=A)}", site=HTTP).scid == NEW


def test_a_host_only_site_prefers_its_own_master() -> None:
    header = f"{MASTER}={master(scid=B)}; {MASTER_HOST}={master(scid=A)}"
    assert visit(header, site=HOST_ONLY).scid == A


def test_a_new_id_is_drawn_only_when_it_is_needed() -> None:
    draws = itertools.count()

    def new_scid() -> str:
        return f"drawn-{next(draws)}"

    assert visit(f"_scid={A}", new_scid=new_scid).scid == A
    assert visit("", new_scid=new_scid).scid == "drawn-0"


@pytest.mark.parametrize(
    ("header", "consent", "optout"),
    [
        ("", None, False),
        (f"{MASTER}={master(consent=True)}", True, False),
        (f"{MASTER}={master(consent=False)}", False, False),
        (f"{MASTER}={master()}", None, False),
        (f"{MASTER}={master(consent=True)}x", None, False),
        (f"{MASTER}={master(consent=True, source='blog')}", None, False),
        ("edge_optout=1", None, True),
        ("edge_optout=0; edge_optout=1", None, True),
        ("edge_optout=", None, False),
    ],
)
def test_the_choice_comes_from_a_valid_master_and_from_the_optout(
    header: str, consent: bool | None, optout: bool
) -> None:
    visitor = visit(header)
    assert (visitor.consent, visitor.optout) == (consent, optout)


# --- the click id --------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES["click_ids"], ids=lambda case: case["name"])
def test_the_click_id_is_read_in_the_order_of_its_sources(case: dict[str, Any]) -> None:
    header = case.get("cookie_header", "")
    if held := case.get("master"):
        header += f"; {MASTER}={master(click_at_s=NOW_S - DAY_S, **held)}"
    visitor = visit(
        header,
        batch_click_id=case.get("batch_click_id"),
        page_url=case.get("page_url", ""),
        referrer_url=case.get("referrer_url", ""),
        properties=[{}, case.get("properties", {}), {"click_id": "later"}][:2],
    )
    assert visitor.click_id == (case["expected"] or "")


def test_of_several_events_the_first_with_a_click_id_counts() -> None:
    visitor = visit(properties=[{"value": 1}, {"click_id": "!"}, {"ScCid": "two"}, {"sclid": "x"}])
    assert visitor.click_id == "two"


DAY_3, DAY_89, DAY_90 = NOW_S - 3 * DAY_S, NOW_S - 90 * DAY_S + 1, NOW_S - 90 * DAY_S
URL = "https://www.example.com/?ScCid="


@pytest.mark.parametrize(
    ("held", "header", "page_url", "click"),
    [
        # no master: first seen now
        (None, "_scclid=c1", "", ("c1", NOW_S)),
        (None, "", URL + "c1", ("c1", NOW_S)),
        (None, "", "", ("", 0)),
        # the same as the master's keeps its time, from wherever it came
        (("c1", DAY_3), "", "", ("c1", DAY_3)),
        (("c1", DAY_3), "_scclid=c1", "", ("c1", DAY_3)),
        (("c1", DAY_3), "_scclid=c1", URL + "c1", ("c1", DAY_3)),
        (("c1", DAY_3), "_scclid=older; _scclid=c1", "", ("c1", DAY_3)),
        # another one starts anew
        (("c1", DAY_3), "_scclid=c1", URL + "c2", ("c2", NOW_S)),
        (("c1", DAY_3), "_scclid=c2", "", ("c2", NOW_S)),
        # the window
        (("c1", DAY_89), "_scclid=c1", "", ("c1", DAY_89)),
        (("c1", DAY_90), "", "", ("", 0)),
        (("c1", DAY_90), "_scclid=c1; ScCid=c1", "", ("", 0)),
        (("c1", DAY_90), "_scclid=c1; _scclid=c2", "", ("c2", NOW_S)),
        (("c1", DAY_90), "_scclid=c1; ScCid=c3", "", ("c3", NOW_S)),
        (("c1", DAY_90), "", URL + "c1", ("c1", NOW_S)),
        # a clock that was ahead
        (("c1", NOW_S + 500), "_scclid=c1", "", ("c1", NOW_S)),
    ],
)
def test_a_remembered_click_id_ends_with_its_window(
    held: tuple[str, int] | None, header: str, page_url: str, click: tuple[str, int]
) -> None:
    if held:
        header += f"; {MASTER}={master(click_id=held[0], click_at_s=held[1])}"
    visitor = visit(header, page_url=page_url)
    assert (visitor.click_id, visitor.click_at_s) == click


def test_the_window_is_the_sources() -> None:
    header = f"{MASTER}={master(click_id='c1', click_at_s=DAY_3)}"
    for days, click_id in ((3, ""), (4, "c1")):
        source = Source(id="shop", click_id_days=days)
        assert visit(header, source=source).click_id == click_id


def test_an_id_that_is_over_does_not_become_new_from_a_copy() -> None:
    """Another tag may keep `_scclid` for a year; the master remembers that it is over."""
    header = f"_scid={A}; _scclid=c1; {MASTER}={master(click_id='c1', click_at_s=DAY_90)}"
    for _ in range(3):
        visitor = visit(header)
        lines = answer(visitor)
        assert visitor.click_id == ""
        assert names(lines) == [SCID, MASTER]
        header = f"_scid={A}; _scclid=c1; {MASTER}={value(lines[1])}"


# --- the cookies of the answer -------------------------------------------------------------------


def test_a_first_visit_gets_three_cookies_word_for_word() -> None:
    visitor = visit(page_url=URL + "abc123def456")
    scid, click, held = answer(visitor, consent=True)
    common = b"; Domain=example.com; Path=/; Max-Age=%d; Secure; SameSite=Lax"
    assert scid == b"_scid=" + NEW.encode() + common % 34_128_000
    assert click == b"_scclid=abc123def456" + common % 7_776_000 + b"; HttpOnly"
    assert held.startswith(b"__Secure-edge=")
    assert held.endswith(common % 34_128_000 + b"; HttpOnly")
    assert opened([held]) == Master(
        scid=NEW, source="shop", click_id="abc123def456", click_at_s=NOW_S, consent=True
    )
    assert max(map(len, (scid, click, held))) < 512


@pytest.mark.parametrize(
    ("site", "name", "attributes"),
    [
        (HOST_ONLY, MASTER_HOST, "; Path=/; Max-Age=34128000; Secure; SameSite=Lax; HttpOnly"),
        (CookieSite(domain="shop.localhost", secure=False), MASTER_HTTP,
         "; Domain=shop.localhost; Path=/; Max-Age=34128000; SameSite=Lax; HttpOnly"),
    ],
)  # fmt: skip
def test_where_there_is_no_domain_or_no_tls_the_master_has_another_name(
    site: CookieSite, name: str, attributes: str
) -> None:
    *others, held = answer(visit(site=site), site=site)
    assert held.decode() == f"{name}={value(held)}{attributes}"
    assert others == [
        f"_scid={NEW}{attributes}".replace("; HttpOnly", "").encode(),
    ]


def test_a_return_visit_gets_the_same_values_with_a_fresh_life() -> None:
    text = master(click_id="c1", click_at_s=DAY_3, consent=True, signed_at_s=NOW_S - 3_600)
    visitor = visit(f"_scid={A}; _scclid=c1; {MASTER}={text}")
    lines = answer(visitor, consent=True)
    assert [value(line) for line in lines] == [A, "c1", text]
    assert b"Max-Age=34128000" in lines[0]
    assert b"Max-Age=34128000" in lines[2]


def test_the_click_ids_life_runs_on_from_its_first_sight() -> None:
    text = master(click_id="c1", click_at_s=DAY_3)
    lines = answer(visit(f"{MASTER}={text}"))
    assert f"Max-Age={87 * DAY_S};".encode() in lines[1]
    assert opened(lines).click_at_s == DAY_3


def test_a_script_can_read_the_click_id_only_where_the_source_says_so() -> None:
    for readable in (False, True):
        source = Source(id="shop", click_id_readable=readable)
        line = answer(visit(page_url=URL + "c1"), source=source)[1]
        assert (b"HttpOnly" in line) is not readable


@pytest.mark.parametrize(
    ("recorded", "decided", "kept"),
    [(None, None, None), (None, True, True), (True, None, True), (True, False, False)],
)
def test_the_choice_is_recorded_and_kept(
    recorded: bool | None, decided: bool | None, kept: bool | None
) -> None:
    visitor = visit(f"{MASTER}={master(consent=recorded)}")
    assert opened(answer(visitor, consent=decided)).consent is kept


@pytest.mark.parametrize(
    "text",
    [
        master(signed_at_s=NOW_S - DAY_S),
        master(signer=MasterSigner([b"o" * 32])),
        master(scid=B),
        master(source="blog"),
        master()[:-1],
    ],
)
def test_an_outdated_or_unusable_master_is_issued_again_without_changing_the_id(text: str) -> None:
    lines = answer(visit(f"_scid={A}; {MASTER}={text}"))
    assert names(lines) == [SCID, MASTER]
    assert value(lines[0]) == A
    assert value(lines[1]) != text
    assert opened(lines) == Master(scid=A, source="shop")


def test_a_later_yes_deletes_the_remembered_refusal() -> None:
    lines = answer(visit("edge_optout=1"), consent=True)
    deleted = [line for line in lines if line.startswith(b"edge_optout=;")]
    assert (
        deleted[0] == b"edge_optout=; Domain=example.com; Path=/; Max-Age=0; Secure; SameSite=Lax"
    )
    assert len(deleted) == 3
    assert len(lines) == 5


@pytest.mark.parametrize(
    ("header", "site", "deleted"),
    [
        (f"_scid={A}", SITE, []),
        (f"_scid={A}; _scid={A}", SITE, []),
        (f"_scid={A}; _scid={B}", SITE,
         ["_scid=; Path=/", "_scid=; Domain=edge.example.com; Path=/"]),
        (f"_scclid=c1; _scclid=!; {MASTER}={master(click_id='c1', click_at_s=1)}", SITE,
         ["_scclid=; Path=/", "_scclid=; Domain=edge.example.com; Path=/"]),
        (f"{MASTER}={master(scid=A)}; {MASTER}={master(scid=B)}", SITE,
         ["__Secure-edge=; Path=/", "__Secure-edge=; Domain=edge.example.com; Path=/"]),
        (f"{MASTER}={master()}; {MASTER_HOST}={master()}", SITE, ["__Host-edge=; Path=/"]),
        (f"_scid={A}; _scid={B}", HOST_ONLY,
         ["_scid=; Domain=edge.example.com; Path=/", "_scid=; Domain=example.com; Path=/"]),
        (f"{MASTER_HOST}=a.b; {MASTER_HOST}=c.d", HOST_ONLY, []),
    ],
)  # fmt: skip
def test_a_cookie_that_came_twice_is_deleted_where_we_do_not_keep_it(
    header: str, site: CookieSite, deleted: list[str]
) -> None:
    lines = answer(visit(header, site=site), site=site)
    assert [line.partition(b"; Max-Age=0")[0].decode() for line in lines[2:]] == deleted
    assert names(lines[:2]) == [SCID, site.master]
    assert len(answer(visit(header, site=site), site=site, tidy=False)) == 2


def attribute(line: bytes, name: str) -> str:
    found = re.search(rf"; {name}=([^;]*)", line.decode())
    return found[1] if found else ""


def test_a_refusal_deletes_every_cookie_that_names_the_visitor_in_each_variant() -> None:
    lines = expire_lines(SITE)
    assert {(value(line), attribute(line, "Max-Age")) for line in lines} == {("", "0")}
    places = ["example.com", "", "edge.example.com"]
    found = zip(names(lines), (attribute(line, "Domain") for line in lines), strict=True)
    assert list(found) == [
        *((SCID, place) for place in places),
        *((CLICK, place) for place in places),
        *((MASTER, place) for place in places),
        (MASTER_HOST, ""),
    ]
    assert all(b"; Secure; " in line for line in lines), "a prefixed cookie is refused without it"


@pytest.mark.parametrize("site", [SITE, HOST_ONLY, HTTP])
def test_a_refusal_fits_in_three_lines_where_slots_are_few(site: CookieSite) -> None:
    lines = expire_lines(site, thorough=False)
    assert names(lines) == [SCID, CLICK, site.master]
    assert {attribute(line, "Domain") for line in lines} == {site.domain or ""}


def test_the_remembered_refusal_holds_no_id_and_scripts_may_read_it() -> None:
    line = optout_line(SITE)
    assert (
        line == b"edge_optout=1; Domain=example.com; Path=/; Max-Age=34128000; Secure; SameSite=Lax"
    )


def test_lists_of_lines_may_be_changed_by_who_gets_them() -> None:
    expire_lines(SITE).clear()
    assert expire_lines(SITE)


# --- whatever comes in ---------------------------------------------------------------------------

poison = st.sampled_from(
    [A, B, "c1", "\r\nSet-Cookie: x=1", "a;b", "a,b", "\x00", "é" * 9, "x" * 5_000, '"q"', ""]
) | st.text(max_size=20)
shapes = st.sampled_from([SCID, CLICK, MASTER, MASTER_HOST, MASTER_HTTP, OPTOUT, "ScCid", "other"])


@functools.cache
def line_shape() -> re.Pattern[bytes]:
    return re.compile(
        rb"(_scid|_scclid|__Secure-edge|edge_optout|__Host-edge)=[A-Za-z0-9._~-]{0,900}"
        rb"(; Domain=[a-z0-9.]+)?; Path=/; Max-Age=\d+; Secure; SameSite=Lax(; HttpOnly)?"
    )


@given(
    st.lists(st.tuples(shapes, poison), max_size=12),
    poison,
    poison,
    poison,
    st.dictionaries(st.sampled_from(["click_id", "ScCid", "click_ids"]), poison),
)
def test_nothing_that_comes_in_adds_or_breaks_a_header(
    cookies: list[tuple[str, str]], batch: str, page: str, referrer: str, properties: dict[str, str]
) -> None:
    header = "; ".join(f"{name}={text}" for name, text in cookies).encode("utf-8", "replace")
    visitor = recognise(
        remember(parse([header]), source=SHOP.id, site=SITE, signer=SIGNER, now_s=NOW_S),
        click_life_s=SHOP.click_id_days * DAY_S,
        now_s=NOW_S,
        new_scid=lambda: NEW,
        batch_click_id=batch,
        page_url=f"https://www.example.com/?ScCid={page}",
        referrer_url=f"https://www.example.com/?ScCid={referrer}",
        properties=[properties],
    )
    lines = answer(visitor)
    kept = [line for line in lines if b"Max-Age=0" not in line]
    assert names(kept) == [SCID, *([CLICK] if visitor.click_id else []), MASTER]
    assert len(lines) - len(kept) <= 8
    assert all(line_shape().fullmatch(line) for line in lines)


def test_a_visitor_holds_the_master_as_it_arrived() -> None:
    text = master(click_id="c1", click_at_s=DAY_3)
    held = visit(f"{MASTER}={text}").held
    assert held == Signed(
        master=Master(scid=A, source="shop", click_id="c1", click_at_s=DAY_3),
        text=text,
        signed_at_s=NOW_S,
        newest=True,
    )
    assert msgspec.structs.replace(held.master, consent=True) != held.master

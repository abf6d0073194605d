"""The jar and the `Set-Cookie` lines."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.cookies import (
    CLICK,
    COOKIES,
    MASTER,
    MASTER_HOST,
    MASTER_HTTP,
    OPTOUT,
    SCID,
    CookieSite,
    expire,
    parse,
    template,
    valid_scid,
)

NOW_S = 1_790_000_000
DAY_S = 86_400
EXAMPLE = CookieSite(domain="example.com", others=(None, "edge.example.com"))

# --- the jar -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "jar"),
    [
        ([], {}),
        ([b""], {}),
        ([b"a=b; c=d"], {}),
        ([b"_scid=one"], {SCID: ["one"]}),
        ([b"a=b; _scid=one; c=d; _scid=two"], {SCID: ["one", "two"]}),
        ([b"_scid=one", b"x=y; _scid=two"], {SCID: ["one", "two"]}),
        ([b"_scid=one;_scclid=two;  edge_optout=1 ;\tScCid=w"],
         {SCID: ["one"], CLICK: ["two"], OPTOUT: ["1"], "ScCid": ["w"]}),
        ([b"__Secure-edge=a.b; __Host-edge=c.d; edge=e.f"],
         {MASTER: ["a.b"], MASTER_HOST: ["c.d"], MASTER_HTTP: ["e.f"]}),
        ([b'prefs={"a":1,"b":[2]}; foo[bar]=1; _scclid=c5; bad name=2'], {CLICK: ["c5"]}),
        ([b'_scid="quoted"; _scclid=a%20b'], {SCID: ['"quoted"'], CLICK: ["a%20b"]}),
        ([b"_scid=a=b=c"], {SCID: ["a=b=c"]}),
        ([b"_scid="], {SCID: [""]}),
        ([b"edge; _scid; =_scid; ; ;;"], {}),
        ([b"_SCID=one; sccid=x; Edge=y; _scid_r=z; u_sclid=v; _scsrid=2|w; edges=q"], {}),
        ([b"_scid=\xff\x00\xe9"], {SCID: ["ÿ\x00é"]}),
    ],
)  # fmt: skip
def test_the_jar_holds_our_cookies_as_they_came(
    lines: list[bytes], jar: dict[str, list[str]]
) -> None:
    assert parse(lines) == jar


def test_no_more_than_8_kib_of_our_cookies_are_kept() -> None:
    jar = parse([b"_scid=first; " + b"; ".join([b"_scclid=" + b"x" * 100] * 200)])
    assert jar[SCID] == ["first"]
    assert len(jar[CLICK]) == (8_192 - 10) // 107


def test_no_more_than_64_kib_of_headers_are_read_and_no_value_is_cut_in_two() -> None:
    filler = b"x" * 65_510
    assert parse([b"a=" + filler + b"; _scid=0123456789"]) == {SCID: ["0123456789"]}
    assert parse([b"a=" + filler + b"; _scid=0123456789abcdef0123456789"]) == {}
    assert parse([b"a=" + filler, b"_scid=01", b"_scid=0123456789a"]) == {SCID: ["01"]}
    assert parse([b"x" * 70_000, b"_scid=0123456789"]) == {SCID: ["0123456789"]}


def test_ours_are_found_among_thousands_of_others() -> None:
    assert parse([b"a=b; " * 6_000 + b"_scid=one; " + b"c=d; " * 6_000]) == {SCID: ["one"]}


pieces = st.sampled_from(
    [b"_scid", b"_scclid", b"edge", b"__Secure-edge", b"=", b";", b" ", b",", b'"', b"\r\n", b"x"]
) | st.binary(max_size=8)
lines_of_pieces = st.lists(st.lists(pieces, max_size=30).map(b"".join), max_size=4)


@given(lines_of_pieces)
def test_no_header_whatever_breaks_the_jar(lines: list[bytes]) -> None:
    known = {SCID, CLICK, OPTOUT, MASTER, MASTER_HOST, MASTER_HTTP, "ScCid"}
    jar = parse(lines)
    assert set(jar) <= known
    assert not any(";" in value for values in jar.values() for value in values)
    assert parse([b"odd[]={}; " + b"; ".join(lines)]) == jar


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("a1b2c3d4-e5f6-7890-abcd-ef1234567890", True),
        ("OOd_8W0Y2ZnY0ZJQW_gILyv8O3ROGi_J", True),
        ("a.b~c_d-", True),
        ("a" * 8, True),
        ("a" * 7, False),
        ("a" * 200, True),
        ("a" * 201, False),
        ("abcdefgh\n", False),
        ("abcd efgh", False),
        ("abcdefgé", False),
        ("abcd;efgh", False),
        ('"abcdefgh"', False),
        ("", False),
    ],
)
def test_an_id_of_a_safe_shape_may_be_kept(text: str, valid: bool) -> None:
    assert valid_scid(text) is valid


# --- the lines -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "site", "line"),
    [
        (SCID, EXAMPLE,
         b"_scid=v; Domain=example.com; Path=/; Max-Age=34128000; Secure; SameSite=Lax"),
        (CLICK, EXAMPLE,
         b"_scclid=v; Domain=example.com; Path=/; Max-Age=7776000; Secure; SameSite=Lax; HttpOnly"),
        (MASTER, EXAMPLE,
         b"__Secure-edge=v; Domain=example.com; Path=/; Max-Age=34128000; Secure; SameSite=Lax;"
         b" HttpOnly"),
        (MASTER_HOST, CookieSite(),
         b"__Host-edge=v; Path=/; Max-Age=34128000; Secure; SameSite=Lax; HttpOnly"),
        (MASTER_HTTP, CookieSite(secure=False),
         b"edge=v; Path=/; Max-Age=34128000; SameSite=Lax; HttpOnly"),
        (OPTOUT, EXAMPLE,
         b"edge_optout=v; Domain=example.com; Path=/; Max-Age=34128000; Secure; SameSite=Lax"),
        (SCID, CookieSite(domain="shop.localhost", secure=False),
         b"_scid=v; Domain=shop.localhost; Path=/; Max-Age=34128000; SameSite=Lax"),
    ],
)  # fmt: skip
def test_a_cookie_is_set_word_for_word(name: str, site: CookieSite, line: bytes) -> None:
    life_s = {row.name: row.max_age_s for row in COOKIES}[name]
    assert template(name, site) % (b"v", life_s) == line


def test_the_click_id_can_be_made_readable() -> None:
    assert b"HttpOnly" not in template(CLICK, EXAMPLE, readable=True)


def test_only_cookies_of_the_table_can_be_set() -> None:
    with pytest.raises(KeyError):
        template("_ga", EXAMPLE)


def test_the_table_says_what_is_set() -> None:
    everywhere = "Path=/; Max-Age=34128000; Secure; SameSite=Lax"
    on_domain = f"Domain=<registrable domain>; {everywhere}"
    click = f"{on_domain}; HttpOnly".replace("34128000", "7776000")
    assert {row.name: row.attributes for row in COOKIES} == {
        "_scid": on_domain,
        "_scclid": click,
        "__Secure-edge": f"{on_domain}; HttpOnly",
        "__Host-edge": f"{everywhere}; HttpOnly",
        "edge": f"{on_domain}; HttpOnly".replace("Secure; ", ""),
        "edge_optout": on_domain,
    }
    assert all(row.why for row in COOKIES)
    assert {row.name for row in COOKIES if row.readable} == {"_scid", "edge_optout"}


def domains(lines: Iterable[bytes]) -> list[str]:
    found = [line.partition(b"Domain=")[2].partition(b";")[0].decode() for line in lines]
    return [domain or "host-only" for domain in found]


def test_a_cookie_is_deleted_wherever_this_host_may_have_set_it() -> None:
    lines = expire(SCID, EXAMPLE)
    assert domains(lines) == ["example.com", "host-only", "edge.example.com"]
    assert lines[0] == b"_scid=; Domain=example.com; Path=/; Max-Age=0; Secure; SameSite=Lax"
    assert domains(expire(SCID, EXAMPLE, ours=False)) == ["host-only", "edge.example.com"]


def test_the_host_only_master_is_never_given_a_domain() -> None:
    assert domains(expire(MASTER_HOST, EXAMPLE)) == ["host-only"]
    host_only = CookieSite(others=("edge.example.com", "example.com"))
    assert domains(expire(MASTER_HOST, host_only)) == ["host-only"]
    assert expire(MASTER_HOST, host_only, ours=False) == []

"""The nginx configurations as texts: one source for all, and nothing left to fill in."""

import re
from collections.abc import Callable

import pytest

from edgeproxy.front import MODES, Front, address, configuration, host, path
from edgeproxy.public.visit import COOKIES_MAX
from tests.edge import ROOT

SHAPES = {
    "subdomain": Front(),
    "path": Front(mode="path", domain="www.example.com"),
    "html": Front(mode="html", domain="www.example.com"),
    "html beside": Front(mode="html", site="www.example.com"),
}


def directives(text: str) -> str:
    """The text without comments."""
    return re.sub(r"(?m)(?:^|[ ]+)#.*$", "", text)


def test_the_shipped_file_is_the_subdomain_s() -> None:
    assert (ROOT / "nginx.conf").read_text() == configuration(Front())


def test_every_mode_has_its_shape() -> None:
    assert {front.mode for front in SHAPES.values()} == set(MODES)


@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_is_left_to_fill_in_and_braces_are_balanced(shape: str) -> None:
    text = configuration(SHAPES[shape])
    assert "{{" not in text
    assert "{%" not in text
    assert "undefined" not in text.lower()
    assert text.endswith("}\n")
    bare = re.sub(r"'[^']*'|\"[^\"]*\"", "", directives(text))
    assert bare.count("{") == bare.count("}")
    assert not re.search(r"\n{3}|[ \t]\n", text)


@pytest.mark.parametrize("shape", SHAPES)
def test_values_given_replace_the_examples_everywhere(shape: str) -> None:
    given = {
        "domain": "e.shop.test",
        "upstream": "10.0.0.7:9000",
        "backend": "10.0.0.8:9001",
        "prefix": "/px/in",
    }
    front = SHAPES[shape]
    site = "www.shop.test" if front.site else ""
    text = configuration(Front(mode=front.mode, site=site, **given))
    assert "example.com" not in text
    assert "/edge/" not in text
    assert "127.0.0.1:8" not in text
    assert given["upstream"] in text
    assert (given["backend"] in text) == (shape != "subdomain")
    assert (given["prefix"] + "/" in text) == (shape in ("path", "html"))


def test_a_site_beside_the_proxy_has_pages_of_its_own_and_no_path_of_ours() -> None:
    text = configuration(SHAPES["html beside"])
    assert re.findall(r"server_name (\S+);", text) == [
        "_",
        *["edge.example.com"] * 2,
        *["www.example.com"] * 2,
    ]
    assert "proxy_pass http://edgeproxy/visit;" in text


def test_a_path_lies_on_the_only_host_there_is() -> None:
    text = configuration(SHAPES["path"])
    assert re.findall(r"server_name (\S+);", text) == ["_", *["www.example.com"] * 2]
    assert "auth_request" not in text


def test_there_is_a_place_for_every_cookie() -> None:
    text = configuration(SHAPES["html"])
    assert text.count("add_header Set-Cookie") == COOKIES_MAX
    for number in range(1, COOKIES_MAX + 1):
        assert f"$asked_cookie_{number} $upstream_http_x_edge_cookie_{number};" in text
        assert f"add_header Set-Cookie $page_cookie_{number} always;" in text


@pytest.mark.parametrize(
    ("check", "text", "value"),
    [
        (host, "Edge.Example.COM", "edge.example.com"),
        (host, "xn--bcher-kva.example", "xn--bcher-kva.example"),
        (path, "/edge/", "/edge"),
        (path, "/a/b-c_d~e", "/a/b-c_d~e"),
        (address, "127.0.0.1:8000", "127.0.0.1:8000"),
        (address, "[::1]:8000", "[::1]:8000"),
        (address, "edge-1.internal:80", "edge-1.internal:80"),
    ],
)
def test_what_is_fine_is_normalised(check: Callable[[str], str], text: str, value: str) -> None:
    assert check(text) == value


@pytest.mark.parametrize(
    ("check", "text"),
    [
        *(
            (host, text)
            for text in (
                *("", "a b", "edge.example.com:8443", "https://a.example", "a.example/", "*.a.b"),
                *(
                    "a;b",
                    'a"b',
                    "a{b}",
                    "$host",
                    "a\nb",
                    "user@a.example",
                    "bücher.example",
                    "a.b?",
                ),
            )
        ),
        *(
            (path, text)
            for text in ("", "/", "edge", "/a//b", "/a b", "/a;", "/$uri", "/a.b", "/{")
        ),
        *(
            (address, text)
            for text in ("", "8000", "a:b", "a:1;", "http://a:1", "a:123456", "[::1]")
        ),
    ],
)
def test_what_nginx_would_read_otherwise_is_refused(check: Callable[[str], str], text: str) -> None:
    with pytest.raises(ValueError, match="must "):
        check(text)

"""Which row a path leads to."""

import msgspec
import pytest

from edgeproxy.web.endpoint import Call, Endpoint, Routes, Who


async def nothing(call: Call) -> None:
    """The handler of all rows here."""


def row(method: str, path: str) -> Endpoint:
    return Endpoint(method=method, path=path, handle=nothing, summary="x")


ROUTES = Routes(
    [
        row("GET", "/"),
        row("GET", "/things"),
        row("POST", "/things"),
        row("GET", "/things/new"),
        row("GET", "/things/{id}"),
        row("DELETE", "/things/{id}"),
        row("GET", "/things/{id}/parts/{part}"),
    ]
)


@pytest.mark.parametrize(
    ("path", "leads_to", "values"),
    [
        (b"/", "/", {}),
        (b"/things", "/things", {}),
        (b"/things/new", "/things/new", {}),
        (b"/things/7", "/things/{id}", {"id": "7"}),
        (b"/things/a%2Fb", "/things/{id}", {"id": "a/b"}),
        (b"/things/..%2f..", "/things/{id}", {"id": "../.."}),
        (b"/things/%C3%A9", "/things/{id}", {"id": "é"}),
        (b"/things/{id}", "/things/{id}", {"id": "{id}"}),
        (b"/things/7/parts/8", "/things/{id}/parts/{part}", {"id": "7", "part": "8"}),
    ],
)
def test_a_path_leads_to_its_row(path: bytes, leads_to: str, values: dict[str, str]) -> None:
    found = ROUTES.find(path)
    assert found is not None
    assert found.values == values
    assert {one.path for one in found.methods.values()} == {leads_to}


@pytest.mark.parametrize(
    "path",
    [
        b"",
        b"/thing",
        b"/things/",
        b"/things//parts/8",
        b"/things/7/",
        b"/things/7/parts",
        b"/things/7/part/8",
        b"/things/%00",
        b"/things/a%0d%0ab",
        b"/things/%ff",
        b"/things/%C3%A",
        b"/things/" + b"x" * 201,
        b"/" + b"x" * 3000,
        b"//things",
        b"/%74hings",
        b"\xff",
    ],
)
def test_no_other_path_leads_anywhere(path: bytes) -> None:
    assert ROUTES.find(path) is None


def test_head_is_answered_as_get() -> None:
    found = ROUTES.find(b"/things")
    assert found is not None
    assert found.allow == "GET, HEAD, POST"
    assert found.row("HEAD") is found.row("GET") is not None
    assert found.row("PUT") is None


def test_without_get_there_is_no_head() -> None:
    found = Routes([row("POST", "/x")]).find(b"/x")
    assert found is not None
    assert (found.allow, found.row("HEAD")) == ("POST", None)


def test_one_place_has_one_row() -> None:
    with pytest.raises(ValueError, match=r"GET /x/\{id\} has two rows"):
        Routes([row("GET", "/x/{id}"), row("GET", "/x/{id}")])


def test_a_call_knows_its_caller() -> None:
    assert Call().by == "nobody"
    who = Who(name="jane", role="viewer", via="token", token_id="t")
    assert Call(who=who).by == "jane"
    assert not who.may_change
    assert msgspec.structs.replace(who, role="admin").may_change


def test_a_row_has_the_names_of_its_path() -> None:
    assert row("GET", "/a/{b}/c/{d}").names == ("b", "d")

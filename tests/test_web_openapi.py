"""The document of rows: what it says of each, and that it is one."""

from typing import Annotated, Any

import msgspec
import pytest
from openapi_spec_validator import validate

from edgeproxy.web.endpoint import Call, Endpoint
from edgeproxy.web.openapi import document


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    """A thing."""

    name: str
    size: Annotated[int, msgspec.Meta(ge=1)] = 1
    more: object = None


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Which things."""

    word: str
    limit: int | None = None


async def find(call: Call) -> None:
    """Find things.

    By their word.

    Raises:
        Refused: Never.
    """


async def plain(call: Call) -> None:
    pass


ROWS = (
    Endpoint(
        method="GET",
        path="/v1/things",
        handle=find,
        summary="Find things",
        role="viewer",
        query=Query,
        answer=list[Thing],
        tag="things",
    ),
    Endpoint(
        method="PUT",
        path="/v1/things/{id}",
        handle=plain,
        summary="Change a thing",
        body=Thing,
        status=204,
        refusals=(409,),
    ),
    Endpoint(
        method="GET",
        path="/s.js",
        handle=plain,
        summary="A file",
        role="public",
        media="text/javascript",
    ),
)


@pytest.fixture
def made() -> dict[str, Any]:
    return document(ROWS, title="things", version="1.2.3", about="About things.")


def test_it_is_a_valid_document(made: dict[str, Any]) -> None:
    validate(msgspec.json.decode(msgspec.json.encode(made)))


def test_a_row_says_what_it_takes_and_answers(made: dict[str, Any]) -> None:
    row = made["paths"]["/v1/things"]["get"]
    assert row["operationId"] == "get_v1_things"
    assert row["description"] == "Find things.\n\n    By their word."
    assert [(one["name"], one["required"]) for one in row["parameters"]] == [
        ("word", True),
        ("limit", False),
    ]
    assert row["parameters"][0]["schema"] == {"type": "string"}
    assert row["parameters"][1]["schema"]["anyOf"][1] == {"const": ""}
    assert row["responses"]["200"]["content"]["application/json"]["schema"] == {
        "type": "array",
        "items": {"$ref": "#/components/schemas/Thing"},
    }
    assert (row["security"], row["x-role"], row["tags"]) == (
        [{"adminToken": []}],
        "viewer",
        ["things"],
    )
    assert set(row["responses"]) == {"200", "400", "401", "403", "414", "422", "429", "503"}


def test_a_change_says_what_can_be_wrong_with_it(made: dict[str, Any]) -> None:
    row = made["paths"]["/v1/things/{id}"]["put"]
    assert row["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Thing"
    }
    [id] = row["parameters"]
    assert (id["name"], id["in"], id["required"]) == ("id", "path", True)
    assert row["responses"]["204"] == {"description": "No Content"}
    assert {"400", "401", "403", "404", "409", "413", "415", "422"} < set(row["responses"])
    assert row["responses"]["409"]["content"]["application/problem+json"]["schema"] == {
        "$ref": "#/components/schemas/Problem"
    }


def test_what_everybody_may_ask_needs_no_token(made: dict[str, Any]) -> None:
    row = made["paths"]["/s.js"]["get"]
    assert row["security"] == []
    assert "x-role" not in row
    assert set(row["responses"]["200"]["content"]) == {"text/javascript"}


def test_a_type_without_a_schema_is_a_fault_of_ours() -> None:
    class Odd:
        pass

    row = msgspec.structs.replace(ROWS[0], answer=Odd)
    with pytest.raises(TypeError, match="schema"):
        document([row], title="x", version="1", about="x")

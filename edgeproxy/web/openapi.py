"""The OpenAPI document of rows: the schemas are those of the structs that read and write. Pure.

Source: OpenAPI Specification 3.1.1; JSON Schema 2020-12.
"""

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec

from edgeproxy.web.endpoint import Endpoint
from edgeproxy.web.problem import Problem

_REF = "#/components/schemas/{name}"
_BEARER = "adminToken"
_PROBLEM = "application/problem+json"
_ANY = (429, 503)
"""What every route may answer: too many tries, or no store."""


class _Types(NamedTuple):
    """Schemas by type, and the components that they refer to."""

    schemas: dict[Any, Any]
    components: dict[str, Any]


def document(rows: Sequence[Endpoint], *, title: str, version: str, about: str) -> dict[str, Any]:
    """The document of all rows, ready for JSON."""
    types = _types(rows)
    paths: dict[str, dict[str, Any]] = {}
    for row in rows:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row, types)
    return {
        "openapi": "3.1.1",
        "info": {"title": title, "version": version, "description": about},
        "tags": [{"name": tag} for tag in dict.fromkeys(row.tag for row in rows if row.tag)],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(types.components.items())),
            "securitySchemes": {_BEARER: {"type": "http", "scheme": "bearer"}},
        },
    }


def _types(rows: Iterable[Endpoint]) -> _Types:
    wanted: list[Any] = [Problem]
    for row in rows:
        wanted += [one for one in (row.body, row.answer) if one is not None]
        if row.query is not None:
            wanted += [field.type for field in msgspec.structs.fields(row.query)]
    distinct = list({repr(one): one for one in wanted}.values())
    schemas, components = msgspec.json.schema_components(
        distinct, schema_hook=_anything, ref_template=_REF
    )
    return _Types(
        {repr(one): schema for one, schema in zip(distinct, schemas, strict=True)}, components
    )


def _anything(kind: type) -> dict[str, Any]:
    """The schema of what has none: a value of any kind."""
    if kind is object:
        return {"description": "Any value"}
    raise NotImplementedError(f"{kind} has no schema")


def _operation(row: Endpoint, types: _Types) -> dict[str, Any]:
    words = [part.strip("{}") for part in row.path.split("/") if part]
    found: dict[str, Any] = {
        "operationId": "_".join([row.method.lower(), *words]).replace(".", "_").replace("-", "_"),
        "summary": row.summary,
        "responses": _responses(row, types),
        "security": [] if row.role == "public" else [{_BEARER: []}],
    }
    if row.tag:
        found["tags"] = [row.tag]
    if row.handle.__doc__:
        found["description"] = row.handle.__doc__.strip().partition("\n\n    Raises:")[0]
    if parameters := [*_in_path(row), *_in_query(row, types)]:
        found["parameters"] = parameters
    if row.body is not None:
        found["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": types.schemas[repr(row.body)]}},
        }
    if row.role != "public":
        found["x-role"] = row.role
    return found


def _in_path(row: Endpoint) -> list[dict[str, Any]]:
    schema = {"type": "string", "minLength": 1, "maxLength": 200}
    return [{"name": name, "in": "path", "required": True, "schema": schema} for name in row.names]


def _in_query(row: Endpoint, types: _Types) -> list[dict[str, Any]]:
    if row.query is None:
        return []
    return [
        {
            "name": field.encode_name,
            "in": "query",
            "required": field.required,
            "schema": _or_nothing(field, types.schemas[repr(field.type)]),
        }
        for field in msgspec.structs.fields(row.query)
    ]


def _or_nothing(field: msgspec.structs.FieldInfo, schema: Any) -> Any:
    """What a query may give: a field that may be missing may be empty too, as forms send it."""
    return schema if field.required else {"anyOf": [schema, {"const": ""}]}


def _responses(row: Endpoint, types: _Types) -> dict[str, Any]:
    success: dict[str, Any] = {"description": HTTPStatus(row.status).phrase}
    if row.answer is not None:
        success["content"] = {row.media: {"schema": types.schemas[repr(row.answer)]}}
    elif row.status != 204 and row.media != "application/json":
        text = {"schema": {"type": "string"}}
        success["content"] = dict.fromkeys(row.media.split(", "), text)
    found = {str(row.status): success}
    for status in sorted({*row.refusals, *_usual(row)} - {row.status}):
        found[str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": {_PROBLEM: {"schema": types.schemas[repr(Problem)]}},
        }
    return found


def _usual(row: Endpoint) -> set[int]:
    """The statuses that reading and checking a request of this row can end in."""
    found = set(_ANY)
    if row.role != "public":
        found |= {401, 403}
    if row.names:
        found.add(404)
    if row.query is not None:
        found |= {400, 414, 422}
    if row.method != "GET":
        found.add(413)
    if row.body is not None:
        found |= {400, 415, 422}
    return found

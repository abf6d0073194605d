"""Errors as HTTP answers: a code, a sentence, and nothing that was sent."""

import json

import pytest

from edgeproxy.errors import BadBatch, Forbidden, Refused, StoreBusy, Unfit
from edgeproxy.web.problem import not_allowed, not_found, our_fault, problem


@pytest.mark.parametrize(
    ("refused", "status", "title"),
    [
        (BadBatch("unreadable", "the body is no batch"), 400, "Bad Request"),
        (BadBatch("compressed", "send it plain", status=415), 415, "Unsupported Media Type"),
        (Forbidden("foreign_origin", "not yours"), 403, "Forbidden"),
        (Refused("flood", "slower", status=429), 429, "Too Many Requests"),
        (StoreBusy("busy", "later"), 503, "Service Unavailable"),
        (not_found(), 404, "Not Found"),
        (not_allowed("GET, HEAD"), 405, "Method Not Allowed"),
        (our_fault(), 500, "Internal Server Error"),
    ],
    ids=lambda value: value.code if isinstance(value, Refused) else str(value),
)
def test_a_refusal_is_a_problem_document(refused: Refused, status: int, title: str) -> None:
    answered, headers, body = problem(refused)
    assert answered == status
    assert json.loads(body) == {
        "type": "about:blank",
        "title": title,
        "status": status,
        "code": refused.code,
        "detail": refused.message,
    }
    assert dict(headers)[b"content-type"] == b"application/problem+json"
    assert dict(headers)[b"cache-control"] == b"no-store"
    assert dict(headers)[b"x-content-type-options"] == b"nosniff"


def test_patience_is_asked_for_in_a_header() -> None:
    _, headers, _ = problem(StoreBusy("busy", "later", retry_after_s=30))
    assert dict(headers)[b"retry-after"] == b"30"
    _, headers, _ = problem(Refused("flood", "now", status=429, retry_after_s=0))
    assert dict(headers)[b"retry-after"] == b"0"


def test_nobody_is_asked_to_come_back_with_a_bad_batch() -> None:
    _, headers, _ = problem(BadBatch("unreadable", "the body is no batch"))
    assert b"retry-after" not in dict(headers)


def test_a_known_path_says_which_methods_it_takes() -> None:
    assert "GET, HEAD" in not_allowed("GET, HEAD").message


def test_our_own_fault_tells_no_reason() -> None:
    assert our_fault().message == "something went wrong on our side; it is logged"


def test_every_field_that_is_wrong_is_named() -> None:
    status, _, body = problem(Unfit([("config.api", "must be v2 or v3"), ("", "is odd")]))
    told = json.loads(body)
    assert status == 422
    assert told["code"] == "unfit"
    assert told["detail"] == "config.api must be v2 or v3; is odd"
    assert told["faults"] == [
        {"field": "config.api", "message": "must be v2 or v3"},
        {"field": "", "message": "is odd"},
    ]

"""The fault matrix names every fault, and tests that exist."""

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.fault_matrix import ROWS, Row

TESTS = Path(__file__).parent


@cache
def functions(file: str) -> frozenset[str]:
    tree = ast.parse((TESTS / file).read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


def test_no_fault_is_left_out() -> None:
    assert [row.number for row in ROWS] == list(range(1, 75))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.number} {row.fault}")
def test_a_fault_has_tests_or_a_reason(row: Row) -> None:
    assert row.tests or row.why_not
    for name in row.tests:
        file, _, function = name.partition("::")
        assert function in functions(file), f"{name} is not there"

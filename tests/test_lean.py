"""What is installed beside the product is not loaded by its libraries, and comes to no harm."""

import importlib
import subprocess
import sys
from importlib.util import find_spec

import pytest

from edgeproxy.lean import without
from tests.edge import ROOT

UNUSED = ("rich", "greenlet", "trio")
"""The checks and the browser tests bring them along."""

PROXY = f"""
import sys
import edgeproxy.service
from edgeproxy.outbound import Outbound
Outbound()
print(*[name for name in {UNUSED} if name in sys.modules])
"""


@pytest.mark.parametrize("name", UNUSED)
def test_there_is_something_to_load(name: str) -> None:
    assert find_spec(name) is not None


def test_a_proxy_loads_none_of_it() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", PROXY], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert loaded.split() == []


def test_in_the_block_a_package_is_not_there() -> None:
    with without("wave", "no_such_package"), pytest.raises(ModuleNotFoundError):
        importlib.import_module("wave")
    assert importlib.import_module("wave").__name__ == "wave"
    assert "no_such_package" not in sys.modules


def test_what_was_loaded_before_is_there_again_whatever_happens() -> None:
    json = importlib.import_module("json")
    with pytest.raises(ModuleNotFoundError), without("json"):
        importlib.import_module("json")
    assert sys.modules["json"] is json

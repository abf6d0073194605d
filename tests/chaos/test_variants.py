"""Each known way of being wrong is noticed, and the program as it is passes the same attacks."""

import random
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.chaos.places import SqlitePlace
from tests.chaos.scenarios import SCENARIOS, attack
from tests.chaos.variants import VARIANTS
from tests.chaos.world import open_world
from tests.edge import ROOT

BY_ATTACK = {
    "acknowledge_early": ("crash", "I2"),
    "trim": ("outage", "I2"),
    "append_without_ledger": ("outage", "I1"),
    "invert_ttl": ("outage", "I4"),
    "believe_any_answer": ("outage", "I2"),
    "new_time": ("outage", "I3"),
    "leak": ("outage", "I8"),
    "no_limiter": ("poison", "I6"),
    "drop_expired": ("expiry", "I2"),
    "no_reserve": ("full", "I5"),
}
"""Variant → the attack, and the promise that it breaks."""

BY_CONTRACT = {
    "no_fence_for_delivered": "TestLease",
    "no_fence_for_retry": "TestLease",
    "no_fence_for_dead": "TestLease",
    "claim_leased": "TestClaim",
    "probe_twice": "TestGate",
}
"""Variant → the part of the store's contract suite that it fails."""


def found(tmp_path: Path, scenario: str, *variants: str) -> list[str]:
    place, rng = SqlitePlace(tmp_path), random.Random(0)
    with open_world(tmp_path, place, rng, variants=variants) as world:
        return attack(world, scenario).broken


@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_the_program_as_it_is_survives_every_attack(tmp_path: Path, scenario: str) -> None:
    assert found(tmp_path, scenario) == []


@pytest.mark.parametrize("variant", sorted(BY_ATTACK))
def test_the_judge_notices_a_program_that_is_wrong(variant: str) -> None:
    scenario, promise = BY_ATTACK[variant]
    # Apart from pytest's folder, which must hold no secret: one variant leaks.
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        broken = found(Path(folder), scenario, variant)
    assert any(sentence.startswith(promise) for sentence in broken), broken


def in_contract(*variants: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "tests.chaos.contract", *variants],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_store_as_it_is_passes_its_contract() -> None:
    assert in_contract().returncode == 0


@pytest.mark.parametrize("variant", sorted(BY_CONTRACT))
def test_the_contract_notices_a_store_that_is_wrong(variant: str) -> None:
    done = in_contract(variant)
    assert done.returncode == 1, done.stdout
    assert f"::{BY_CONTRACT[variant]}::" in done.stdout.partition("FAILED")[2]


def test_every_variant_is_tried() -> None:
    assert BY_ATTACK.keys() | BY_CONTRACT.keys() == VARIANTS.keys()

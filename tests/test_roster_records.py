"""What stands in the store: tokens only sealed, and bound to where they belong."""

import base64
import os

import msgspec
import pytest

from edgeproxy.roster import records
from edgeproxy.roster.records import KeptIntegration, WriteKey
from edgeproxy.seal import Sealer
from edgeproxy.sites import Secret
from edgeproxy.store.office import Record
from tests import canary

SEALER = Sealer([base64.urlsafe_b64encode(os.urandom(32))])
DOCUMENT = {"source_id": "shop", "config": {"pixel_id": "p1"}}
TOKEN = Secret(canary.TOKEN)


def record(body: bytes, kind: str = "integration") -> Record:
    return Record(kind=kind, id="shop-1", body=body, version=1, changed_ms=0)


def kept(**changes: object) -> KeptIntegration:
    box = records.sealed_token(TOKEN, "shop-1", DOCUMENT, SEALER.seal)
    return msgspec.structs.replace(KeptIntegration(document=DOCUMENT, box=box), **changes)


def test_a_token_comes_back_for_its_own_integration_only() -> None:
    assert records.opened_token(kept(), "shop-1", SEALER.open) == TOKEN
    assert records.opened_token(kept(), "shop-2", SEALER.open) is None


@pytest.mark.parametrize("config", [{"pixel_id": "p2"}, {}, {"snap_app_id": "p1"}, "p1"])
def test_a_box_does_not_open_for_another_pixel(config: object) -> None:
    other = kept(document={**DOCUMENT, "config": config})
    assert records.opened_token(other, "shop-1", SEALER.open) is None


@pytest.mark.parametrize("box", ["", "no base64!", "AAAA", base64.b64encode(b"x" * 64).decode()])
def test_a_spoilt_box_is_no_token_and_no_error(box: str) -> None:
    assert records.opened_token(kept(box=box), "shop-1", SEALER.open) is None


def test_another_key_opens_nothing() -> None:
    other = Sealer([base64.urlsafe_b64encode(os.urandom(32))])
    assert records.opened_token(kept(), "shop-1", other.open) is None


def test_what_is_sealed_but_no_token_of_ours_is_none() -> None:
    box = base64.b64encode(SEALER.seal(b"[]")).decode()
    assert records.opened_token(kept(box=box), "shop-1", SEALER.open) is None


def test_a_record_holds_its_token_only_sealed() -> None:
    made = kept()
    body = msgspec.json.encode(made)
    assert not canary.leaks_in(body)
    assert records.kept_integration(record(body)) == made


def test_a_source_keeps_digests_of_its_keys() -> None:
    key = WriteKey(id="k1", sha256="ab", made_ms=5)
    made = records.KeptSource(document={"origins": []}, keys=(key,), made_ms=5)
    assert records.kept_source(record(msgspec.json.encode(made), "source")) == made


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b'{"document": 3}', b"[" * 100_000])
def test_a_record_that_cannot_be_read_says_so(body: bytes) -> None:
    for read in (records.kept_source, records.kept_integration):
        with pytest.raises(ValueError, match="cannot be read"):
            read(record(body))

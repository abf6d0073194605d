"""The words of the commands about the store."""

import pytest

from edgeproxy.cli.lookup import age, event_id, instant, require_known
from edgeproxy.errors import Failed
from edgeproxy.event import encode_event
from tests.fakes import event


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1, ""), (0, ""), (0.4, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "60 min"),
        (3600, "1 h"), (86_400, "1 d"), (7 * 86_400, "7 d"),
    ],
)  # fmt: skip
def test_a_duration_is_short(seconds: float, said: str) -> None:
    assert age(seconds) == said


def test_a_moment_is_in_utc() -> None:
    assert instant(1_706_540_000_000) == "2024-01-29 14:53:20Z"


def test_the_id_of_a_stored_event_is_found_and_rubbish_has_none() -> None:
    assert event_id(encode_event(event(7))) == "e7"
    assert event_id(b"\xff{") == ""


def test_a_wrong_name_is_answered_with_the_one_that_was_meant() -> None:
    require_known(None, [])
    require_known("shop-1", ["shop-1"])
    with pytest.raises(Failed, match=r"no integration 'shop-2'; did you mean 'shop-1'\?"):
        require_known("shop-2", ["shop-1", "other"])
    with pytest.raises(Failed, match="there is a, b"):
        require_known("zzzzzz", ["b", "a"])
    with pytest.raises(Failed, match="there is none"):
        require_known("shop", [])

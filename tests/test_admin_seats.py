"""How many streams may be open."""

import pytest

from edgeproxy.admin.seats import Seats
from edgeproxy.errors import Refused


def test_a_person_has_a_few_and_gets_them_back() -> None:
    seats = Seats(each=2)
    with seats.one("jane"), seats.one("jane"):
        with pytest.raises(Refused, match="in 2 places; close one") as refused, seats.one("jane"):
            pytest.fail("there was a third one")
        assert refused.value.status == 429
        assert refused.value.retry_after_s == 5
        with seats.one("john"):
            assert seats.taken == 3
    assert seats.taken == 0
    with seats.one("jane"):
        assert seats.taken == 1


def test_all_together_have_no_more_than_there_are() -> None:
    seats = Seats(each=2, most=2)
    with seats.one("a"), seats.one("b"):
        with pytest.raises(Refused, match="close some") as refused, seats.one("c"):
            pytest.fail("there was a third one")
        assert refused.value.status == 429
    assert seats.taken == 0


def test_one_that_breaks_is_given_back() -> None:
    seats = Seats()
    with pytest.raises(OSError, match="gone"), seats.one("jane"):
        raise OSError("gone")
    assert seats.taken == 0

"""Who is let in: bounds in all and for each address, and room for who has something to say."""

import pytest

from edgeproxy.web.door import CONNECTIONS, CONNECTIONS_EACH, IDLE_DIRECT_S, IDLE_S, Door


class Visitor:
    """A connection that notes that it was ended."""

    def __init__(self) -> None:
        self.gone = False

    def hang_up(self) -> None:
        self.gone = True


def strangers(door: Door, count: int, address: str) -> list[Visitor]:
    """So many come in one after another and say something; those who are left."""
    stay = []
    for _ in range(count):
        visitor = Visitor()
        door.enter(visitor, address)
        door.heard(visitor)
        if visitor.gone:
            door.leave(visitor, address)
        else:
            stay.append(visitor)
    return stay


def proxies(address: str) -> bool:
    return address == "10.0.0.1"


def test_one_address_has_fifty_and_all_have_two_thousand() -> None:
    door = Door(proxies)
    assert len(strangers(door, 60, "203.0.113.7")) == CONNECTIONS_EACH == 50
    assert len(strangers(door, 60, "203.0.113.8")) == CONNECTIONS_EACH
    assert len(strangers(door, 2500, "10.0.0.1")) == CONNECTIONS - 100
    assert CONNECTIONS == 2000


def test_an_ipv6_network_of_64_bits_counts_as_one_address() -> None:
    door = Door(proxies, most_each=2)
    assert len(strangers(door, 1, "2001:db8::1")) == 1
    assert len(strangers(door, 1, "2001:db8::ffff:2")) == 1
    assert strangers(door, 1, "2001:DB8:0:0:1::1") == []
    assert len(strangers(door, 1, "2001:db8:0:1::1")) == 1
    assert len(strangers(door, 3, "::ffff:203.0.113.7")) == 2
    assert strangers(door, 1, "203.0.113.7") == []


def test_who_leaves_makes_room() -> None:
    door = Door(proxies, most=2, most_each=1)
    [one] = strangers(door, 1, "203.0.113.7")
    assert strangers(door, 1, "203.0.113.7") == []
    door.leave(one, "203.0.113.7")
    [one] = strangers(door, 1, "203.0.113.7")
    [other] = strangers(door, 1, "10.0.0.1")
    assert strangers(door, 1, "10.0.0.1") == []
    door.leave(other, "10.0.0.1")
    assert len(strangers(door, 1, "10.0.0.1")) == 1
    assert not one.gone


def test_the_longest_silent_makes_room_for_who_comes() -> None:
    door = Door(most=3)
    callers = [Visitor() for _ in range(5)]
    for caller in callers[:3]:
        door.enter(caller, "")
    door.heard(callers[0])
    door.enter(callers[3], "")
    assert [one.gone for one in callers] == [False, True, False, False, False]
    door.enter(callers[4], "")
    assert [one.gone for one in callers] == [False, True, True, False, False]


def test_who_has_left_is_not_sent_away() -> None:
    door = Door(most=2)
    left, silent, new, newer = [Visitor() for _ in range(4)]
    door.enter(left, "")
    door.leave(left, "")
    for caller in (silent, new, newer):
        door.enter(caller, "")
    assert (left.gone, silent.gone, new.gone) == (False, True, False)


@pytest.mark.parametrize(
    ("address", "idle_s"), [("10.0.0.1", IDLE_S), ("203.0.113.7", IDLE_DIRECT_S), ("", 15.0)]
)
def test_a_proxy_of_ours_may_be_idle_longer(address: str, idle_s: float) -> None:
    assert Door(proxies).enter(Visitor(), address) == idle_s


def test_everybody_is_a_proxy_unless_they_are_told_apart() -> None:
    assert len(strangers(Door(), 100, "203.0.113.7")) == 100

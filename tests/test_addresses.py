"""Promises of `edgeproxy.addresses`: one spelling, and no forged client."""

import doctest
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy import addresses
from edgeproxy.addresses import TrustedProxies, canonical, is_visitor

LOOPBACK = TrustedProxies(["127.0.0.1", "::1"])
CHAIN = TrustedProxies(["127.0.0.1", "10.0.0.0/8", "2001:db8:1::/48"])


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("  203.0.113.7\t", "203.0.113.7"),
        ("203.0.113.7:54321", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("[::FFFF:cb00:7107]:443", "203.0.113.7"),
        ("2001:DB8:0:0:0:0:0:7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:443", "2001:db8::7"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25eth0]:80", "fe80::1"),
        ("2001:db8::7:443", "2001:db8::7:443"),
    ],
)
def test_an_address_has_one_spelling(text: str, spelling: str) -> None:
    assert canonical(text) == spelling


NO_ADDRESSES = [
    "",
    " ",
    "-",
    "unknown",
    "<script>",
    "localhost",
    "example.com",
    "1.2.3",
    "1.2.3.4.5",
    "01.2.3.4",
    "1.2.3.256",
    "1.2.3.4:port",
    "1.2.3.4%eth0",
    "1.2.3.4/24",
    "[1::2",
    "[]",
    "[]:443",
    "1.2.3.4, 5.6.7.8",
    "１.2.3.4",
    "3405803783",
    "0x7f000001",
    "\ud800",
    "\x00",
    "1" * 10_000,
    "8.8.8.8" + " " * 200,
    "2606:4700::1%" + "z" * 200,
    "[" + " " * 10_000 + "]",
]


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_what_is_no_address_has_no_spelling(text: str) -> None:
    assert canonical(text) == ""
    assert not is_visitor(text)


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "100.63.255.255",
        "100.128.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.2.1",
        "198.51.100.1",
        "203.0.113.7",
        "223.255.255.255",
        "2001:db8::7",
        "2606:4700::1111",
        "3fff::1",
        "::ffff:8.8.8.8",
    ],
)
def test_public_and_documentation_addresses_are_visitors(address: str) -> None:
    assert is_visitor(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.1.2.3",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "169.254.1.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "192.0.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:10.0.0.1",
        "fc00::1",
        "fd12::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "4000::1",
    ],
)
def test_other_addresses_are_nobody(address: str) -> None:
    assert not is_visitor(address)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        # An untrusted peer says nothing about others.
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("203.0.113.9", "", "203.0.113.9"),
        # The right-most untrusted hop; what is left of it may be forged.
        ("127.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.7, 10.1.2.3, 10.0.0.1", "203.0.113.7"),
        ("::ffff:127.0.0.1", " [2001:DB8::7]:443 ", "2001:db8::7"),
        ("127.0.0.1", "203.0.113.7,2001:db8:1::5", "203.0.113.7"),
        ("127.0.0.1", "::ffff:203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "192.168.1.5", "192.168.1.5"),
        ("127.0.0.1", "203.0.113.7, ,", "203.0.113.7"),
        # A hop that cannot be read hides what is left of it.
        ("127.0.0.1", "203.0.113.7, <script>", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.7, unknown, 10.0.0.1", "127.0.0.1"),
        # Nobody but proxies: the peer.
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", " , ", "127.0.0.1"),
        ("127.0.0.1", "10.0.0.2, 10.0.0.1", "127.0.0.1"),
        # No peer, no address.
        (None, "203.0.113.7", ""),
        ("", "203.0.113.7", ""),
        ("unix", "203.0.113.7", ""),
        ("1" * 1000, "203.0.113.7", ""),
    ],
)
def test_the_client_is_the_right_most_untrusted_hop(
    peer: str | None, forwarded: str, client: str
) -> None:
    assert CHAIN.client(peer, forwarded) == client


def test_a_very_long_header_is_read_from_its_right_end() -> None:
    """Whoever needs more than a kilobyte of proxies has forged most of them."""
    forged = "198.51.100.1, " * 5000
    assert CHAIN.client("127.0.0.1", "203.0.113.7" + ", 10.0.0.1" * 200) == "127.0.0.1"
    assert CHAIN.client("127.0.0.1", forged + "203.0.113.7, 10.0.0.1") == "203.0.113.7"


def test_a_hop_that_was_cut_in_half_is_not_read() -> None:
    """The last 1024 characters begin in the middle of a hop that is no address."""
    trusted = (", 10.0.0.1" * 101).ljust(1024 - len("203.0.113.7"))
    assert CHAIN.client("127.0.0.1", "x1203.0.113.7" + trusted) == "127.0.0.1"
    assert CHAIN.client("127.0.0.1", "9" * 5000) == "127.0.0.1"


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("[::1]:40000", True),
        ("127.0.0.2", False),
        ("203.0.113.7", False),
        ("testclient", False),
        ("", False),
        (None, False),
    ],
)
def test_only_named_peers_are_trusted(peer: str | None, trusted: bool) -> None:
    assert LOOPBACK.trusts(peer) is trusted


def test_without_proxies_nobody_is_trusted() -> None:
    nobody = TrustedProxies([])
    assert not nobody.trusts("127.0.0.1")
    assert nobody.client("127.0.0.1", "203.0.113.7") == "127.0.0.1"


@pytest.mark.parametrize(
    ("cidr", "says"),
    [
        ("*", "must name the proxies"),
        ("", "an address or a network"),
        ("10.0.0.0/33", "an address or a network"),
        ("10.0.0", "an address or a network"),
        ("nginx", "an address or a network"),
        ("10.1.2.3/8", "did you mean 10.0.0.0/8"),
    ],
)
def test_a_mistyped_network_is_refused_with_a_sentence(cidr: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        TrustedProxies([cidr])


@given(st.text() | st.ip_addresses().map(str) | st.text(alphabet="0123456789abcdef:.[]% ,"))
def test_any_text_is_an_address_in_one_spelling_or_none(text: str) -> None:
    spelling = canonical(text)
    if spelling:
        assert str(ipaddress.ip_address(spelling)) == spelling
        assert canonical(spelling) == spelling
    else:
        assert not is_visitor(text)


hops = st.lists(
    st.text(max_size=12) | st.ip_addresses().map(str) | st.sampled_from(["10.0.0.1", "::1", ""])
)


@given(hops, st.ip_addresses(v=4).map(str) | st.sampled_from(["127.0.0.1", "10.0.0.1"]))
def test_any_header_gives_the_peer_or_one_of_its_hops(header: list[str], peer: str) -> None:
    forwarded = ",".join(header)
    client = CHAIN.client(peer, forwarded)
    readable = {canonical(hop) for hop in forwarded.split(",")} - {""}
    assert client in readable | {peer}
    if not CHAIN.trusts(peer):
        assert client == peer


@given(hops, st.ip_addresses(v=4).filter(lambda address: str(address) not in ("127.0.0.1",)))
def test_what_a_client_writes_itself_never_becomes_its_address(
    forged: list[str], real: ipaddress.IPv4Address
) -> None:
    """The proxy appends the address it saw; nothing before that counts."""
    forwarded = ",".join([*forged, str(real)])
    assert LOOPBACK.client("127.0.0.1", forwarded) == str(real)


def test_the_examples_in_the_docstrings_hold() -> None:
    outcome = doctest.testmod(addresses)
    assert outcome.attempted > 0
    assert outcome.failed == 0

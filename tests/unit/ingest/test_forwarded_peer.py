"""Whose address a refusal names: believed from trusted proxies alone."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripeline.ingest.forwarded_peer import MAX_HOPS, address_of, client_of

TRUSTED = tuple(ipaddress.ip_network(text) for text in ("10.0.0.0/8", "2001:db8:1::/48"))


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),  # not a trusted proxy: never believed
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),  # the client wrote the first one itself
        ("10.0.0.1", ["1.1.1.1", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8::7]:4711"], "2001:db8::7"),
        ("10.0.0.1", ["2001:db8::7"], "2001:db8::7"),
        ("::ffff:10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("2001:db8:1::5", ["198.51.100.1"], "198.51.100.1"),
        ("2001:db8:2::5", ["198.51.100.1"], "2001:db8:2::5"),
        ("fe80::1%eth0", ["198.51.100.1"], "fe80::1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),  # all of them trusted: the farthest
        ("10.0.0.1", ["198.51.100.1, nobody, 10.0.0.2"], "10.0.0.2"),  # who wrote it is not known
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("unknown", ["198.51.100.1"], "unknown"),
    ],
)
def test_the_client_is_the_rightmost_untrusted_hop(peer: str, forwarded_for: list[str], client: str):
    assert client_of(peer, forwarded_for, [], TRUSTED) == client


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        (["for=198.51.100.1"], "198.51.100.1"),
        (['for=1.1.1.1, For="[2001:db8::7]:4711";proto=https'], "2001:db8::7"),
        (["proto=https;for=198.51.100.1;by=10.0.0.1"], "198.51.100.1"),
        (["for=_hidden"], "10.0.0.1"),
        (["for=unknown"], "10.0.0.1"),
        (["proto=https"], "10.0.0.1"),
    ],
)
def test_forwarded_is_read_where_there_is_no_other(forwarded: list[str], client: str):
    assert client_of("10.0.0.1", [], forwarded, TRUSTED) == client
    assert client_of("10.0.0.1", ["198.51.100.9"], forwarded, TRUSTED) == "198.51.100.9"
    assert client_of("203.0.113.9", [], forwarded, TRUSTED) == "203.0.113.9"


@given(st.lists(st.text(max_size=60), max_size=5), st.lists(st.text(max_size=60), max_size=5))
def test_any_headers_give_an_address(forwarded_for: list[str], forwarded: list[str]):
    ipaddress.ip_address(client_of("10.0.0.1", forwarded_for, forwarded, TRUSTED))
    assert client_of("203.0.113.9", forwarded_for, forwarded, TRUSTED) == "203.0.113.9"


@given(st.lists(st.ip_addresses().map(str), max_size=6), st.ip_addresses())
def test_what_a_client_writes_moves_nothing_behind_it(written: list[str], client):
    seen = address_of(str(client))
    if any(seen in network for network in TRUSTED):
        return
    assert client_of("10.0.0.1", [", ".join([*written, str(client)])], [], TRUSTED) == str(seen)


def test_a_header_of_endless_hops_is_read_so_far():
    hops = ["198.51.100.1", *["10.0.0.2"] * (2 * MAX_HOPS)]
    assert client_of("10.0.0.1", [",".join(hops)], [], TRUSTED) == "10.0.0.2"


@pytest.mark.parametrize("text", ["", "x", "1.2.3", "[::1", "1.2.3.4:x", "[1.2.3.4]x", "1.2.3.4:123456", "::1]"])
def test_what_is_no_address_is_none(text: str):
    assert address_of(text) is None

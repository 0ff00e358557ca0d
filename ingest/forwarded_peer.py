"""Whose request it is: the connection's own peer, or what trusted proxies say that they forwarded. Pure.

Anybody can send these headers, so they count only on a connection from a trusted proxy. Each proxy appends the peer
that it saw, so the hops are read from the right, and the first one that is no trusted proxy is the client. A hop that
is no address ends the reading: what stands left of it was written by who could not be named.

`X-Forwarded-For` is read before `Forwarded` (RFC 7239): most proxies set the former alone, and pass the latter on as
the client sent it.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_HOPS: Final = 32
_PORT: Final = re.compile(r"(?:\[([^\]]*)\]|([^:]*))(?::[0-9]{1,5})?")
_FOR: Final = re.compile(r'(?:^|;)\s*for=(?:"([^"]*)"|([^;"]*))', re.IGNORECASE)


def client_of(peer: str, forwarded_for: Sequence[str], forwarded: Sequence[str], trusted: Sequence[Network]) -> str:
    """The client's address. `peer`: of the connection. The headers: every line of each, in order."""
    nearest = address_of(peer)
    if nearest is None:
        return peer
    hops = _hops(forwarded_for) if forwarded_for else _named(forwarded)
    for hop in hops:
        if not _among(nearest, trusted):
            break
        before = address_of(hop)
        if before is None:
            break
        nearest = before
    return str(nearest)


def address_of(text: str) -> Address | None:
    """An address, without its port, brackets and zone; an IPv4 address that was mapped to IPv6 as itself."""
    text = text.strip()
    bare = text if text.count(":") > 1 and not text.startswith("[") else _without_port(text)
    try:
        found = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, ipaddress.IPv6Address) else found


def _without_port(text: str) -> str:
    parts = _PORT.fullmatch(text)
    return "" if parts is None else parts[1] or parts[2] or ""


def _among(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _hops(lines: Sequence[str]) -> Iterator[str]:
    """The hops of a header, the last one first."""
    found = 0
    for line in reversed(lines):
        for hop in reversed(line.rsplit(",", MAX_HOPS)):
            found += 1
            if found > MAX_HOPS:
                return
            yield hop


def _named(lines: Sequence[str]) -> Iterator[str]:
    """What each element of `Forwarded` says in `for`, the last one first; empty where it says nothing."""
    for element in _hops(lines):
        found = _FOR.search(element.strip())
        yield "" if found is None else found[1] or found[2] or ""

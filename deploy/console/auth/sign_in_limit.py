"""How often somebody may try to sign in: of each address, and in total. Pure; time comes in as an argument.

An address is that of the connection. Of IPv6 it is the network of 64 bits, which a single machine usually has.
Invariant: it holds at most 4,096 addresses; the least recently seen is forgotten, and the total holds for it too.
"""

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

_MOST_ADDRESSES: Final = 4_096


@dataclass(frozen=True, slots=True)
class Allowance:
    """burst: attempts at once. interval_s: for each further one."""

    burst: int
    interval_s: float

    def wait_s(self, full_s: float, now_s: float) -> float:
        """How long to wait, where `full_s` is when everything will have been paid back."""
        return max(0.0, full_s - (self.burst - 1) * self.interval_s - now_s)


@dataclass(slots=True)
class SignInLimit:
    """Attempts, as when all of an address' attempts will have been paid back."""

    address: Allowance = Allowance(burst=10, interval_s=6)
    total: Allowance = Allowance(burst=60, interval_s=1)
    _addresses: OrderedDict[str, float] = field(default_factory=OrderedDict)
    _total_s: float = 0.0

    def attempt(self, peer: str, now_s: float) -> float:
        """Count an attempt. 0 where it may be made, else the seconds to wait; one that must wait is not counted."""
        network = _network(peer)
        wait_s = max(
            self.address.wait_s(self._addresses.get(network, 0.0), now_s), self.total.wait_s(self._total_s, now_s)
        )
        if wait_s > 0:
            return wait_s
        self._addresses[network] = max(self._addresses.get(network, 0.0), now_s) + self.address.interval_s
        self._addresses.move_to_end(network)
        self._total_s = max(self._total_s, now_s) + self.total.interval_s
        while len(self._addresses) > _MOST_ADDRESSES:
            self._addresses.popitem(last=False)
        return 0.0

    def succeeded(self, peer: str) -> None:
        """An attempt that signed somebody in costs nothing."""
        network = _network(peer)
        if network in self._addresses:
            self._addresses[network] -= self.address.interval_s
        self._total_s -= self.total.interval_s


def _network(peer: str) -> str:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return peer[:100]
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped or ipaddress.ip_network((int(address) >> 64 << 64, 64)))
    return str(address)

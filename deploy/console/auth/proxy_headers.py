"""Whom a proxy says it has signed in, decided from the connection's address and the request's headers. Pure.

Invariants:
- Only the address of the connection counts, never what a header says of it.
- Without the shared secret no header is believed: a process beside the proxy, or one that reaches the console past it,
  has the proxy's address but not its secret.
- Of a header that is there twice, or names two users, nobody knows which one the proxy wrote: it is refused.
"""

import hmac
import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr

from stripeline.contracts.operator.operator_vocabulary import SignInRefusal
from stripeline.deploy.console.auth.identity import Identity
from stripeline.deploy.console.auth.role_grants import RoleGrant, role_of

SECRET_HEADER: Final = "X-Stripeline-Proxy-Secret"  # noqa: S105  (a header's name)
_MAX_USER: Final = 256
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyRules:
    """Which proxies are believed, what they must know, where they write, and who may what."""

    trusted: Sequence[Network]
    secret: SecretStr
    user_header: str
    groups_header: str
    grants: Sequence[RoleGrant]


def proxied(rules: ProxyRules, peer: str, headers: Callable[[str], Sequence[str]]) -> Identity | SignInRefusal:
    """Who asks. peer: the connection's address. headers: all values of a name."""
    if not _is_trusted(rules.trusted, peer):
        return SignInRefusal.UNTRUSTED_PEER
    secrets = headers(SECRET_HEADER)
    if len(secrets) != 1 or not _same(secrets[0], rules.secret.get_secret_value()):
        return SignInRefusal.WRONG_SECRET
    users, groups = headers(rules.user_header), headers(rules.groups_header)
    if len(users) != 1 or len(groups) > 1 or not _is_user(users[0]):
        return SignInRefusal.BAD_USER
    role = role_of(rules.grants, {group.strip() for one in groups for group in one.split(",")})
    return SignInRefusal.NO_ROLE if role is None else Identity(user=users[0], role=role)


def _is_trusted(trusted: Sequence[Network], peer: str) -> bool:
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in trusted)


def _same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode(errors="surrogateescape"), secret.encode())


def _is_user(text: str) -> bool:
    """One user, who can be shown and recorded. A comma is what a proxy puts between a client's header and its own."""
    return 0 < len(text) <= _MAX_USER and text == text.strip() and text.isprintable() and "," not in text

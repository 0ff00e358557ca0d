"""Decides whose request it is: reads the Authorization header, names the account, refuses what Stripe refuses.

- A key belongs to one account and one mode; an account has any number of keys.
- `Stripe-Account` names a connected account of the key's own account: all that follows is of that account.
- A restricted key (`rk_…`) may do what every key may, but not ask whose it is, until the control API lists what it may
  do. Stripe's dashboard leaves that permission out too.
- Never shows a key: an error and a listing carry its kind and its last four characters.
"""

import base64
import binascii
import hashlib
import math
import re
from dataclasses import dataclass
from operator import itemgetter

from stripeline.deploy.sandbox.api.stripe_errors import account_invalid, unauthorised
from stripeline.deploy.sandbox.api.values import SandboxAnswer

SECRET_KEY = re.compile(r"(sk|rk)_(test|live)_[A-Za-z0-9_-]+")
ACCOUNT_PERMISSION = "accounts_kyc_basic_read"
NO_KEY = (
    "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth "
    "(e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for details."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, and for which account. `permissions` are those of a restricted key; None may do everything."""

    account: str  # whose objects, keys and limits these are: the key's own account, or a connected one
    livemode: bool
    masked: str  # sk_test_…last4
    own_account: str
    permissions: frozenset[str] | None = None

    @property
    def scope(self) -> str:
        """Objects, idempotency keys and limits of the two modes never meet."""
        return scope_of(self.account, livemode=self.livemode)

    def may(self, permission: str) -> bool:
        if self.permissions is None:
            return permission != ACCOUNT_PERMISSION or self.masked.startswith("sk_")
        return permission in self.permissions


@dataclass(slots=True)
class _Key:
    """What the control API said about a key."""

    account: str
    permissions: frozenset[str] | None = None
    revoked_from_ms: float = math.inf


def masked(key: str) -> str:
    shape = SECRET_KEY.fullmatch(key)
    return f"{shape[1]}_{shape[2]}_…{key[-4:]}" if shape else "…"


def own_account(key: str) -> str:
    return "acct_" + hashlib.sha256(key.encode()).hexdigest()[:16]


def scope_of(account: str, *, livemode: bool) -> str:
    return f"{account} live" if livemode else account


def is_live(key: str) -> bool:
    return "_live_" in key[:8]


class Accounts:
    """Keys in clear stay in here. A key that the control API never named is the only one of an account of its own."""

    def __init__(self) -> None:
        self._keys: dict[str, _Key] = {}
        self._connected: dict[tuple[str, str], int] = {}  # platform and connected account: since which second

    def caller(
        self, authorization: str | None, *, stripe_account: str | None = None, now_ms: int = 0
    ) -> Caller | SandboxAnswer:
        key = _key_of(authorization or "")
        if key is None:
            return unauthorised(NO_KEY)
        if not SECRET_KEY.fullmatch(key):
            hint = " This is a webhook signing secret, not an API key." if key.startswith("whsec_") else ""
            return unauthorised(f"Invalid API Key provided: {masked(key)}.{hint}")
        known = self._meet(key)
        if known.revoked_from_ms <= now_ms:
            return unauthorised(f"Expired API Key provided: {masked(key)}", code="api_key_expired")
        account = stripe_account or known.account
        if account != known.account and (known.account, account) not in self._connected:
            return account_invalid(masked(key), account)
        return Caller(
            account=account,
            livemode=is_live(key),
            masked=masked(key),
            own_account=known.account,
            permissions=known.permissions,
        )

    def account_of(self, key: str) -> str:
        known = self._keys.get(key)
        return own_account(key) if known is None else known.account

    def platforms_of(self, account: str) -> frozenset[str]:
        return frozenset(platform for platform, connected in self._connected if connected == account)

    def assign(self, key: str, account: str) -> None:
        """Let several keys share an account, or give a key to another account."""
        self._meet(key).account = account

    def permit(self, key: str, permissions: frozenset[str]) -> None:
        """What a restricted key may do, and nothing else."""
        self._meet(key).permissions = permissions

    def roll(self, key: str, new_key: str, *, revoked_from_ms: int) -> None:
        """The new key is of the same account, with the same permissions; the old one works until then."""
        old = self._meet(key)
        self._keys[new_key] = _Key(old.account, old.permissions)
        old.revoked_from_ms = revoked_from_ms

    def revoke(self, key: str) -> None:
        self._meet(key).revoked_from_ms = 0

    def restore(self, key: str) -> None:
        self._meet(key).revoked_from_ms = math.inf

    def connect(self, platform: str, account: str, at_s: int = 0) -> None:
        self._connected[platform, account] = at_s

    def disconnect(self, platform: str, account: str) -> None:
        self._connected.pop((platform, account), None)

    def connected_to(self, platform: str) -> list[tuple[str, int]]:
        """The connected accounts of a platform, and since when they are; the oldest first."""
        found = [(account, at_s) for (of, account), at_s in self._connected.items() if of == platform]
        return sorted(found, key=itemgetter(1))

    def listing(self, now_ms: int = 0) -> list[dict[str, object]]:
        return [
            {"key": masked(name), "account": key.account, "revoked": key.revoked_from_ms <= now_ms}
            | ({} if key.permissions is None else {"permissions": sorted(key.permissions)})
            for name, key in sorted(self._keys.items())
        ]

    def connections(self) -> list[dict[str, str]]:
        return [{"platform": platform, "account": account} for platform, account in sorted(self._connected)]

    def _meet(self, key: str) -> _Key:
        known = self._keys.get(key)
        if known is None:
            known = self._keys[key] = _Key(own_account(key))
        return known


def _key_of(authorization: str) -> str | None:
    scheme, _, value = authorization.partition(" ")
    match scheme.lower():
        case "bearer":
            return value.strip() or None
        case "basic":
            return _basic_user(value.strip())
        case _:
            return None


def _basic_user(encoded: str) -> str | None:
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[0] or None
    except (binascii.Error, UnicodeDecodeError):
        return None

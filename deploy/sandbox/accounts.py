"""Decides whose request it is: reads the Authorization header, names the account, refuses what Stripe refuses.

Never shows a key: an error and a listing carry its kind and its last four characters.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from stripeline.deploy.sandbox.api.stripe_errors import unauthorised
from stripeline.deploy.sandbox.api.values import SandboxAnswer

SECRET_KEY = re.compile(r"(sk|rk)_(test|live)_[A-Za-z0-9_-]+")
NO_KEY = (
    "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth "
    "(e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for details."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    account: str
    livemode: bool
    masked: str  # sk_test_…last4


def masked(key: str) -> str:
    shape = SECRET_KEY.fullmatch(key)
    return f"{shape[1]}_{shape[2]}_…{key[-4:]}" if shape else "…"


def own_account(key: str) -> str:
    return "acct_" + hashlib.sha256(key.encode()).hexdigest()[:16]


class Accounts:
    """Keys in clear stay in here; each key is its own account until it is mapped to another."""

    def __init__(self) -> None:
        self._mapped: dict[str, str] = {}
        self._revoked: set[str] = set()
        self._known: dict[str, Caller] = {}

    def caller(self, authorization: str | None) -> Caller | SandboxAnswer:
        key = _key_of(authorization or "")
        if key is None:
            return unauthorised(NO_KEY)
        if not SECRET_KEY.fullmatch(key):
            hint = " This is a webhook signing secret, not an API key." if key.startswith("whsec_") else ""
            return unauthorised(f"Invalid API Key provided: {masked(key)}.{hint}")
        if key in self._revoked:
            return unauthorised(f"Expired API Key provided: {masked(key)}", code="api_key_expired")
        return self._known.get(key) or self._meet(key)

    def account_of(self, key: str) -> str:
        return self._mapped.get(key) or own_account(key)

    def assign(self, key: str, account: str) -> None:
        """Let several keys share an account, as after a key was rolled."""
        self._mapped[key] = account
        self._known.pop(key, None)

    def revoke(self, key: str) -> None:
        self._revoked.add(key)

    def restore(self, key: str) -> None:
        self._revoked.discard(key)

    def listing(self) -> list[dict[str, object]]:
        keys = sorted({*self._known, *self._mapped, *self._revoked})
        return [{"key": masked(k), "account": self.account_of(k), "revoked": k in self._revoked} for k in keys]

    def _meet(self, key: str) -> Caller:
        caller = Caller(account=self.account_of(key), livemode="_live_" in key[:8], masked=masked(key))
        self._known[key] = caller
        return caller


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

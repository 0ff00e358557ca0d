"""Decides whether a request is Stripe's: the `Stripe-Signature` header against the trigger's live secrets. Pure.

The scheme: https://docs.stripe.com/webhooks#verify-manually. A body is not decoded, parsed or kept here.

What is decided where Stripe's own libraries differ:
- The MAC comes first and the age second, so that an answer about age is only ever given to a holder of a secret.
- The age is counted in whole seconds, as `t` is, and both ways: 300 passes, 301 does not. Stripe's libraries let any
  future time pass.
- An item that is no `t` or `v1`, `v0` and junk without `=` included, is ignored, as an unknown scheme must be.
- Blanks around an item mean nothing: a proxy that reformats the header writes `, ` between them, and stripe-ruby splits
  there. Blanks inside an item do.
- Two `t`, a `t` that is not plain ASCII digits, and any byte outside ASCII are refused.
"""

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from msgspec import Struct

from stripeline.contracts.deliveries.delivery_vocabulary import SignatureReason

TOLERANCE_S: Final = 300
MAX_HEADER_BYTES: Final = 4096
MAX_ITEMS: Final = 64
_MAX_T_DIGITS: Final = 12
_BLANKS: Final = b" \t"  # https://www.rfc-editor.org/rfc/rfc9110#name-whitespace
_USUAL: Final = re.compile(rb"t=([0-9]{1,12}),v1=([0-9a-f]{64})")
"""What Stripe sends, but while a secret is rolled. Nothing that follows would refuse it, or read it otherwise."""

Key = hmac.HMAC
"""A keyed hash that nothing was fed to yet. It is copied, never used up."""


class Verified(Struct, frozen=True, gc=False):
    """Stripe's. `secret_index` tells which secret of the ring signed, `signed_at` when, in epoch seconds."""

    secret_index: int
    signed_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Not Stripe's, or not now. `skew_s` is how far `t` lies behind our clock where the MAC was right."""

    reason: SignatureReason
    skew_s: int | None = None


class Signature(Struct, frozen=True, gc=False):
    """A header that can be checked: `t` as it was written, since that is what was signed."""

    t: bytes
    v1: tuple[bytes, ...]


def keyed(secret: bytes) -> Key:
    """A secret as it is used. To key a hash costs more than to hash 4 kB with it."""
    return hmac.new(secret, digestmod="sha256")


def verify(header: bytes, body: bytes, secrets: Sequence[bytes], now_s: float) -> Verified | Refused:
    """Whether one of `secrets` signed exactly this body, and lately."""
    signature = parse(header)
    if isinstance(signature, Refused):
        return signature
    return check(signature, body, [keyed(secret) for secret in secrets], now_s)


def check(signature: Signature, body: bytes, keys: Sequence[Key], now_s: float) -> Verified | Refused:
    """The same, for a header that was parsed before the body was there."""
    index = _signer(signature, body, keys)
    if index is None:
        return Refused(reason=SignatureReason.MISMATCH)
    signed_at = int(signature.t)
    skew_s = int(now_s) - signed_at
    if abs(skew_s) > TOLERANCE_S:
        return Refused(reason=SignatureReason.TOO_OLD if skew_s > 0 else SignatureReason.IN_THE_FUTURE, skew_s=skew_s)
    return Verified(secret_index=index, signed_at=signed_at)


def parse(header: bytes) -> Signature | Refused:
    """The header's parts, in bounded time whatever was sent."""
    usual = _USUAL.fullmatch(header)
    return _taken_apart(header) if usual is None else Signature(t=usual[1], v1=(usual[2],))


def _taken_apart(header: bytes) -> Signature | Refused:
    if not header:
        return Refused(reason=SignatureReason.MISSING)
    if len(header) > MAX_HEADER_BYTES:
        return Refused(reason=SignatureReason.TOO_LONG)
    if not header.isascii():
        return Refused(reason=SignatureReason.NOT_ASCII)
    items = [item.strip(_BLANKS) for item in header.split(b",", MAX_ITEMS)]
    if len(items) > MAX_ITEMS:
        return Refused(reason=SignatureReason.TOO_MANY_ITEMS)
    times = [item[2:] for item in items if item.startswith(b"t=")]
    signatures = tuple(item[3:] for item in items if item.startswith(b"v1="))
    if len(times) != 1 or not times[0].isdigit() or len(times[0]) > _MAX_T_DIGITS:
        return Refused(reason=SignatureReason.BAD_TIMESTAMP)
    return Signature(t=times[0], v1=signatures) if signatures else Refused(reason=SignatureReason.NO_SIGNATURE)


def _signer(signature: Signature, body: bytes, keys: Sequence[Key]) -> int | None:
    """The index of the key that made one of the `v1`. During a roll Stripe sends one per live secret, in any order.

    https://docs.stripe.com/webhooks#roll-endpoint-secrets
    """
    for index, key in enumerate(keys):
        mac = key.copy()
        mac.update(b"%b." % signature.t)
        mac.update(body)
        expected = mac.hexdigest().encode()
        for given in signature.v1:
            # On bytes: compare_digest raises on a str that is not ASCII.
            if hmac.compare_digest(expected, given):
                return index
    return None

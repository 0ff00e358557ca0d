"""The error table: the code of each Stripe status, and whether the call is retryable.

Only this table gives a status its meaning; a new meaning is one row. A status that the card does not list gets the
nearest of its seven codes, and the result keeps the raw status beside the code. A status has its meaning only in
Stripe's own answer; in any other it is `NOT_STRIPES`.
Statuses: https://docs.stripe.com/api/errors · https://docs.stripe.com/error-low-level
"""

from enum import Enum, auto

from msgspec import Struct

from stripeline.contracts.vocabulary import Code, Fault


class Meaning(Struct, frozen=True, kw_only=True):
    """The meaning of a failure.

    code: the normalised code.
    retryable: whether the same call may succeed later.
    effect_possible: whether a POST that failed this way may still have had its effect.
    decisive: whether it also settles earlier attempts with the same Idempotency-Key. Stripe gives some answers before
        it reads the key; these settle nothing.
    """

    code: Code
    retryable: bool
    effect_possible: bool = False
    decisive: bool = True


CARD: dict[int, Meaning] = {
    400: Meaning(code=Code.VALIDATION_ERROR, retryable=False),
    401: Meaning(code=Code.AUTH_EXPIRED, retryable=False, decisive=False),
    402: Meaning(code=Code.PAYMENT_REQUIRED, retryable=False),
    404: Meaning(code=Code.NOT_FOUND, retryable=False),
    409: Meaning(code=Code.CONFLICT, retryable=False),
    429: Meaning(code=Code.RATE_LIMITED, retryable=True, decisive=False),
    500: Meaning(code=Code.PROVIDER_ERROR, retryable=True, effect_possible=True),
}
"""The statuses that the card names."""

BESIDE_THE_CARD: dict[int, Meaning] = {
    # The key lacks a permission: a person must replace the key or extend its permissions.
    403: Meaning(code=Code.AUTH_EXPIRED, retryable=False, decisive=False),
    408: Meaning(code=Code.PROVIDER_ERROR, retryable=True, effect_possible=True),
    424: Meaning(code=Code.PROVIDER_ERROR, retryable=True, effect_possible=True),  # Stripe's own dependency failed
    425: Meaning(code=Code.PROVIDER_ERROR, retryable=True, decisive=False),
    502: Meaning(code=Code.PROVIDER_ERROR, retryable=True, effect_possible=True),
    503: Meaning(code=Code.PROVIDER_ERROR, retryable=True, effect_possible=True),
    504: Meaning(code=Code.PROVIDER_ERROR, retryable=True, effect_possible=True),
}
"""Statuses outside the card."""


FAULTS: dict[Fault, Meaning] = {
    Fault.REFUSED: Meaning(code=Code.PROVIDER_ERROR, retryable=True, decisive=False),
    Fault.LOST: Meaning(code=Code.PROVIDER_ERROR, retryable=True, effect_possible=True),
    Fault.UNREADABLE: Meaning(code=Code.PROVIDER_ERROR, retryable=True, effect_possible=True),
}

NOT_STRIPES = Meaning(code=Code.PROVIDER_ERROR, retryable=True, effect_possible=True, decisive=False)
"""An answer of something on the way, whatever its status: it may have let the request pass, and hidden the answer."""

KEY_IN_USE = Meaning(code=Code.CONFLICT, retryable=True, effect_possible=True)
"""409 `idempotency_key_in_use`: our earlier attempt is still running, so the call is retried with the same key."""


class StripeRefusal(Enum):
    """What Stripe refuses for more than the one command."""

    KEY = auto()
    ACCOUNT = auto()  # the key may not act for the connected account that was named


def refusal_of(status: int, stripe_code: object) -> StripeRefusal | None:
    """What Stripe's answer refuses. Any other 403 is a permission that the one command needs."""
    if status == 401:  # noqa: PLR2004
        return StripeRefusal.KEY
    return StripeRefusal.ACCOUNT if (status, stripe_code) == (403, "account_invalid") else None


_OTHER = (
    (600, Meaning(code=Code.PROVIDER_ERROR, retryable=True, effect_possible=True)),
    (500, Meaning(code=Code.PROVIDER_ERROR, retryable=True, effect_possible=True)),
    (400, Meaning(code=Code.VALIDATION_ERROR, retryable=False)),
    (0, Meaning(code=Code.PROVIDER_ERROR, retryable=True, effect_possible=True)),  # 1xx and 3xx: not from Stripe's API
)


def meaning_of(status: int) -> Meaning:
    """The meaning of any status other than a success."""
    listed = CARD.get(status) or BESIDE_THE_CARD.get(status)
    return listed or next(meaning for floor, meaning in _OTHER if status >= floor)

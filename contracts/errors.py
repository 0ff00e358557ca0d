"""The error table: which code a Stripe answer gets, and whether it is worth another attempt.

This is the one place where a status gets its meaning; a new meaning is one row. Statuses that the card does not list
get the nearest of its seven codes, and the raw status is kept beside the code.
Statuses: https://docs.stripe.com/api/errors · https://docs.stripe.com/error-low-level
"""

from msgspec import Struct

from stripeline.contracts.vocabulary import Code, Fault


class Meaning(Struct, frozen=True, kw_only=True):
    """What a failure means.

    code: the normalised code.
    retryable: whether the same call may succeed later.
    effect_possible: whether a POST that failed like this may have had its effect all the same.
    decisive: whether it also decides what became of earlier attempts with the same Idempotency-Key. An answer that
        Stripe gives before it looks at the key decides nothing.
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
    # The key lacks a permission: a person must mend the key.
    403: Meaning(code=Code.AUTH_EXPIRED, retryable=False, decisive=False),
    408: Meaning(code=Code.PROVIDER_ERROR, retryable=True, effect_possible=True),
    424: Meaning(code=Code.PROVIDER_ERROR, retryable=True, effect_possible=True),  # Stripe's own dependency failed
    425: Meaning(code=Code.PROVIDER_ERROR, retryable=True, decisive=False),
    502: Meaning(code=Code.PROVIDER_ERROR, retryable=True, effect_possible=True),
    503: Meaning(code=Code.PROVIDER_ERROR, retryable=True, effect_possible=True),
    504: Meaning(code=Code.PROVIDER_ERROR, retryable=True, effect_possible=True),
}
"""Statuses that Stripe, or something between us and Stripe, sends as well."""


FAULTS: dict[Fault, Meaning] = {
    Fault.REFUSED: Meaning(code=Code.PROVIDER_ERROR, retryable=True, decisive=False),
    Fault.LOST: Meaning(code=Code.PROVIDER_ERROR, retryable=True, effect_possible=True),
    Fault.UNREADABLE: Meaning(code=Code.PROVIDER_ERROR, retryable=True, effect_possible=True),
}

KEY_IN_USE = Meaning(code=Code.CONFLICT, retryable=True, effect_possible=True)
"""409 `idempotency_key_in_use`: an earlier attempt of ours still runs, so the same key must be asked again."""

_OTHER = (
    (600, Meaning(code=Code.PROVIDER_ERROR, retryable=True, effect_possible=True)),
    (500, Meaning(code=Code.PROVIDER_ERROR, retryable=True, effect_possible=True)),
    (400, Meaning(code=Code.VALIDATION_ERROR, retryable=False)),
    (0, Meaning(code=Code.PROVIDER_ERROR, retryable=True, effect_possible=True)),  # 1xx and 3xx: not Stripe's API
)


def meaning_of(status: int) -> Meaning:
    """The meaning of any status that is not a success."""
    listed = CARD.get(status) or BESIDE_THE_CARD.get(status)
    return listed or next(meaning for floor, meaning in _OTHER if status >= floor)

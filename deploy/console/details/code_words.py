"""What each error code means for an operator, in a sentence. Pure."""

from collections.abc import Mapping
from typing import Final

from stripeline.contracts.vocabulary import Code, RunCode

WORDS: Final[Mapping[Code | RunCode, str]] = {
    Code.VALIDATION_ERROR: "Stripe, or Stripeline before it, refused the input: correct the workflow or the command.",
    Code.AUTH_EXPIRED: (
        "Stripe refused the connection's key, or its permission, and nothing was done: replace the key, or extend it."
    ),
    Code.PAYMENT_REQUIRED: "The payment was declined: the payer needs another payment method.",
    Code.NOT_FOUND: "Stripe has no such object in this account.",
    Code.CONFLICT: "The object is not in a state that allows this, or another request changes it.",
    Code.RATE_LIMITED: "Stripe limited the rate, and every retry too: retry it later.",
    Code.PROVIDER_ERROR: "Stripe failed, or did not answer, and every retry too: retry it later.",
    Code.EXPIRED: "It was not done before the time that its producer allowed.",
    Code.INDETERMINATE: (
        "It may have been done, and was not found at Stripe: look there before anything else is done about it."
    ),
    Code.ACCOUNT_CHANGED: (
        "The connection's key is of another account or mode than when the command was sent, so it is not tried again."
    ),
    Code.CANCELLED: "It was withdrawn without an attempt, because its run was cancelled.",
    RunCode.HELD_LATE: (
        "Its event was missed and found later, and nothing was done: see whether it is still to be done, then retry the"
        " run, which starts its first step, or cancel it."
    ),
    Code.RETRY_REFUSED: "The retry was not begun, because the step's former command had not failed.",
}


def words_of(code: str | None) -> str:
    """Empty for no code, and for one of a newer version."""
    return next((words for known, words in WORDS.items() if known == code), "")

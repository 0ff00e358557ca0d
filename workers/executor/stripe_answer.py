"""Turns Stripe's answer, or the lack of one, into an outcome. Pure, and the only place that reads an answer.

The order of judgement: a 2xx whose body is the object the card promises is a success; an answer that is not Stripe's
judges nothing; else `Stripe-Should-Retry` overrules the table; else the table of `contracts/errors.py`.
https://docs.stripe.com/error-low-level · https://docs.stripe.com/rate-limits
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from pydantic import ValidationError

from stripeline.contracts.action import Action
from stripeline.contracts.errors import FAULTS, KEY_IN_USE, NOT_STRIPES, Meaning, StripeRefusal, meaning_of, refusal_of
from stripeline.contracts.masking import mask_text
from stripeline.contracts.vocabulary import Code, Fault
from stripeline.workers.executor.answer_origin import json_object, not_stripes, stripe_error

MAX_MESSAGE = 500
MAX_RETRY_AFTER_S = 24 * 3600


class StripeAnswer(Struct, frozen=True, kw_only=True):
    """An HTTP answer. Header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NoKey(Struct, frozen=True, kw_only=True):
    """Nothing was sent: the key of this connection can't be opened, or is of another owner than the call's."""

    connection: str


CallReply = StripeAnswer | Fault | NoKey
"""What comes back for a request."""


class Succeeded(Struct, frozen=True, kw_only=True):
    """The card's output fields."""

    output: Mapping[str, Any]


class Failed(Struct, frozen=True, kw_only=True):
    """A failure. `error` is the result's `error`.

    unknown: the call may have had its effect.
    decisive: it also says that earlier attempts with the same key had none.
    stored: Stripe has kept this failure under the key, and will answer nothing else.
    refuses: what Stripe refuses beyond this call.
    """

    error: Mapping[str, Any]
    retryable: bool
    unknown: bool
    decisive: bool = True
    stored: bool = False
    retry_after_ms: int = 0
    refuses: StripeRefusal | None = None


Outcome = Succeeded | Failed


def classify(action: Action, answer: StripeAnswer | Fault) -> Outcome:
    """The outcome of one call."""
    if isinstance(answer, Fault):
        return failed(action, FAULTS[answer], _FAULT_MESSAGES[answer])
    if 200 <= answer.status < 300:  # noqa: PLR2004
        return _success(action, answer)
    error = stripe_error(json_object(answer.body))
    if error is None:
        message = not_stripes(answer.status, answer.headers)
        found = failed(action, NOT_STRIPES, message, http_status=answer.status)
        return replace(found, retry_after_ms=_retry_after_ms(answer.headers.get("retry-after", "")))
    return _failure(action, answer, error)


def failed(action: Action, meaning: Meaning, message: str, **details: Any) -> Failed:
    """A failure of one meaning, with a message for people."""
    text = mask_text(message)[:MAX_MESSAGE]
    error = {"code": meaning.code.value, "message": text, "retryable": meaning.retryable, **details}
    unknown = meaning.effect_possible and action.method == "POST"
    return Failed(error=error, retryable=meaning.retryable, unknown=unknown, decisive=meaning.decisive)


_FAULT_MESSAGES = {
    Fault.REFUSED: "no connection to Stripe; nothing was sent",
    Fault.LOST: "the call was sent and no whole answer came back in time",
    Fault.UNREADABLE: "Stripe's answer is too large, or not the object that it should be",
}


def _success(action: Action, answer: StripeAnswer) -> Outcome:
    try:
        return Succeeded(output=action.output.model_validate_json(answer.body).model_dump())
    except ValidationError:
        stripes = isinstance((json_object(answer.body) or {}).get("object"), str)
        message = _FAULT_MESSAGES[Fault.UNREADABLE] if stripes else not_stripes(answer.status, answer.headers)
        return failed(action, FAULTS[Fault.UNREADABLE], message, **_raw(answer, {}))


def _failure(action: Action, answer: StripeAnswer, error: Mapping[str, Any]) -> Failed:
    meaning = _meaning(answer, error)
    # Stripe's message may repeat what was sent, a key in the wrong field too: `failed` masks it. The embedded
    # payment_intent, which has its client_secret, is left out.
    message = error.get("message")
    text = message if isinstance(message, str) and message else f"Stripe answered {answer.status}"
    found = failed(action, meaning, text, **_raw(answer, error))
    return replace(
        found,
        stored=answer.headers.get("idempotent-replayed") == "true",
        retry_after_ms=_retry_after_ms(answer.headers.get("retry-after", "")),
        refuses=refusal_of(answer.status, error.get("code")),
    )


def _meaning(answer: StripeAnswer, error: Mapping[str, Any]) -> Meaning:
    table = _special(answer.status, error) or meaning_of(answer.status)
    match answer.headers.get("stripe-should-retry"):
        case "true":
            return replace(table, retryable=True)
        case "false":
            return replace(table, retryable=False)
        case _:
            return table


def _special(status: int, error: Mapping[str, Any]) -> Meaning | None:
    match status, error.get("type"), error.get("code"):
        case 409, _, "idempotency_key_in_use":
            return KEY_IN_USE
        case 400, _, "rate_limit":  # an old form of 429: stripe-python `_api_requestor.py`
            return meaning_of(429)
        case 400, "idempotency_error", _:
            # The key was used with other parameters, such as another partition: the command may have been done.
            return replace(meaning_of(400), effect_possible=True, decisive=False)
        case _:
            return None


def _raw(answer: StripeAnswer, error: Mapping[str, Any]) -> Mapping[str, Any]:
    """Stripe's own words beside our code."""
    given = {"stripe_code": error.get("code"), "decline_code": error.get("decline_code")}
    given["request_id"] = answer.headers.get("request-id")
    return {"http_status": answer.status, **{k: mask_text(v)[:255] for k, v in given.items() if isinstance(v, str)}}


def _retry_after_ms(text: str) -> int:
    """`Retry-After` in seconds; garbage and dates are ignored, a long one is capped."""
    if not text.isascii() or not text.isdigit():
        return 0
    return min(int(text[:9]), MAX_RETRY_AFTER_S) * 1000


def refusal(action_key: str, message: str, code: Code = Code.VALIDATION_ERROR) -> Failed:
    """What we refuse ourselves before a call: final, and without an effect."""
    text = mask_text(f"{action_key}: {message}")[:MAX_MESSAGE]
    error = {"code": code.value, "message": text, "retryable": False}
    return Failed(error=error, retryable=False, unknown=False, decisive=False)

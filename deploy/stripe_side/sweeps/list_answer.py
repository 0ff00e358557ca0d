"""Judges Stripe's answer to a list request: a page, or what to do next. Pure.

https://docs.stripe.com/api/errors · https://docs.stripe.com/rate-limits · https://docs.stripe.com/error-low-level
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, Final, NamedTuple

from stripeline.contracts.deliveries.delivery_vocabulary import SweepTrouble
from stripeline.contracts.errors import StripeRefusal, refusal_of
from stripeline.contracts.masking import mask_text
from stripeline.contracts.vocabulary import Fault
from stripeline.workers.executor.answer_origin import json_object, not_stripes, stripe_error
from stripeline.workers.executor.stripe_answer import StripeAnswer

_MAX_WORDS: Final = 300
_MAX_WAIT_S: Final = 60
_OK, _BAD, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _TOO_MANY, _SERVER = 200, 400, 401, 403, 404, 429, 500


class SweepError(Exception):
    """Events can't be compared now: why, for a person."""

    def __init__(self, trouble: SweepTrouble, words: str) -> None:
        super().__init__(words)
        self.trouble = trouble


class AnswerFate(Enum):
    """What an answer means for its request."""

    PAGE = auto()
    AGAIN = auto()  # it says nothing: ask again, a little later
    SLOWER = auto()  # a 429
    SHORTER = auto()  # a page is too large to be read
    RESTART = auto()  # the page's anchor is unknown
    ACCOUNT_GONE = auto()  # the key may not act for the connected account any more
    REFUSED = auto()


class JudgedAnswer(NamedTuple):
    """page: of a PAGE. words: of all others, for a person. wait_s: what Stripe asked for."""

    fate: AnswerFate
    page: Mapping[str, Any] = {}
    words: str = ""
    wait_s: int = 0


def judged(answer: StripeAnswer | Fault, *, anchored: bool, account: str | None) -> JudgedAnswer:
    """anchored: the request named an event, or a page, of an earlier answer."""
    if isinstance(answer, Fault):
        if answer is Fault.UNREADABLE:
            return JudgedAnswer(AnswerFate.SHORTER, words="a page of Stripe's list is too large")
        return JudgedAnswer(AnswerFate.AGAIN, words="Stripe did not answer")
    body = json_object(answer.body)
    if answer.status == _OK and body is not None:
        return JudgedAnswer(AnswerFate.PAGE, page=body)
    error = stripe_error(body)
    if error is None:
        return JudgedAnswer(AnswerFate.AGAIN, words=not_stripes(answer.status, answer.headers))
    words = mask_text(str(error.get("message", "")))[:_MAX_WORDS] or f"status {answer.status}"
    fate = _fate(answer.status, error, anchored=anchored, account=account)
    return JudgedAnswer(fate, words=words, wait_s=_wait_s(answer.headers))


def _fate(status: int, error: Mapping[str, Any], *, anchored: bool, account: str | None) -> AnswerFate:
    if status == _TOO_MANY:
        return AnswerFate.SLOWER
    if status >= _SERVER:
        return AnswerFate.AGAIN
    if account is not None and refusal_of(status, error.get("code")) is StripeRefusal.ACCOUNT:
        return AnswerFate.ACCOUNT_GONE
    if anchored and status in {_BAD, _NOT_FOUND}:
        return AnswerFate.RESTART
    return AnswerFate.REFUSED


def refused(answer: StripeAnswer, connection: str, words: str, what: str = "events") -> SweepError:
    """Why Stripe gives a connection's key no list."""
    match answer.status:
        case 401:
            why = f"Stripe refuses the key of connection {connection}"
            return SweepError(SweepTrouble.NOT_ALLOWED, f"{why}: apply a new one, or correct it at Stripe")
        case 403:
            return SweepError(
                SweepTrouble.NOT_ALLOWED,
                f"the key of connection {connection} may not list {what}: give the restricted key the permission to"
                f" read {what} at Stripe",
            )
        case _:
            return SweepError(SweepTrouble.NO_ANSWER, f"Stripe refuses its list of {what} ({answer.status}): {words}")


def _wait_s(headers: Mapping[str, str]) -> int:
    asked = headers.get("retry-after", "")
    return min(int(asked), _MAX_WAIT_S) if asked.isdecimal() else 0

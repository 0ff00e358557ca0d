"""The answers of the receiver other than 200, as values: status, metric reason, and text for the client. Pure.

The texts are fixed, so that an answer never holds a word of the request.
"""

from dataclasses import dataclass
from typing import Final

from stripeline.contracts.deliveries.delivery_vocabulary import EventReason, RefusalReason, SignatureReason


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer other than 200. `reason` is for metrics, `text` for the client."""

    status: int
    reason: RefusalReason | SignatureReason | EventReason
    text: str


UNKNOWN_PATH: Final = Refusal(404, RefusalReason.UNKNOWN_PATH, "there is nothing here: POST /webhooks/{trigger}")
UNKNOWN_TRIGGER: Final = Refusal(404, RefusalReason.UNKNOWN_TRIGGER, "there is no such trigger")
NOT_POST: Final = Refusal(405, RefusalReason.METHOD, "send a POST")
ENCODED: Final = Refusal(415, RefusalReason.CONTENT_ENCODING, "send the body as it was signed, not encoded")
NOT_JSON: Final = Refusal(415, RefusalReason.CONTENT_TYPE, "send application/json")
TOO_LARGE: Final = Refusal(413, RefusalReason.TOO_LARGE, "the body is too large")
TOO_SLOW: Final = Refusal(408, RefusalReason.SLOW_BODY, "the body did not arrive in time")
CUT_OFF: Final = Refusal(400, RefusalReason.CUT_OFF, "the body ended too early")
NOT_HTTP: Final = Refusal(400, RefusalReason.NOT_HTTP, "the request is not HTTP")
TWO_SIGNATURES: Final = Refusal(400, RefusalReason.TWO_SIGNATURES, "send one Stripe-Signature header")
FAILED: Final = Refusal(500, RefusalReason.FAILED, "the receiver failed, send it again")
NO_SECRET: Final = Refusal(503, RefusalReason.NO_SECRET, "there is no signing secret yet for this path")
SEALED_SECRET: Final = Refusal(
    503, RefusalReason.SEALED_SECRET, "the signing secret of this path can't be opened by this process, send it again"
)
NO_TRIGGER: Final = Refusal(503, EventReason.NO_TRIGGER, "a trigger of this endpoint is not defined, send it again")
NOT_TAKEN: Final = Refusal(503, RefusalReason.NOT_TAKEN, "the event could not be stored, send it again")
BUSY: Final = Refusal(503, RefusalReason.BUSY, "too many bodies at a time, send it again")


_THIN: Final = (
    "this is a thin event, and its trigger takes snapshot events: set `payload: both` on the trigger, or at Stripe"
    " create an event destination with this URL and the payload style Snapshot, and remove this one; nothing was stored"
)


def not_signed(reason: SignatureReason) -> Refusal:
    """One text for every reason: it must not tell a forger which check failed."""
    text = "the signature is not valid: check this trigger's signing secret (whsec_…, not the API key) and the clock"
    return Refusal(400, reason, text)


def not_an_event(reason: EventReason) -> Refusal:
    if reason is EventReason.NO_TRIGGER:
        return NO_TRIGGER
    if reason is EventReason.WRONG_MODE:
        return Refusal(400, reason, "the event is of the other mode (live or test) than this trigger")
    if reason is EventReason.THIN_EVENT:
        return Refusal(400, reason, _THIN)
    return Refusal(400, reason, f"the body is no Stripe event: {reason}")

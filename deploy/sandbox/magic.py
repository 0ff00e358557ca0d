"""The magic values: what a client asks for to meet a fault without any control call.

A number from the table below works as the `amount` of a PaymentIntent, as `[sandbox:NUMBER]` anywhere in a
`description`, and as the charge id `ch_sandbox_NUMBER`.

| number | what happens |
|---|---|
| 4002 | 402 `card_declined`, decline code `insufficient_funds`; kept by the idempotency layer |
| 4003 | 403, the key lacks the permission; always |
| 4009 | 409 `idempotency_key_in_use` once, then as usual |
| 4029 | 429 once, then as usual |
| 5001 | 500 once *before* the effect, not kept, `Stripe-Should-Retry: true`; the same key then succeeds |
| 5002 | 500 *after* the effect, kept and replayed for ever |
| 5003 | the connection is dropped once *after* the effect; the same key then replays the success |
| 5004 | as 5002, with `Stripe-Should-Retry: false` |
| 5020 | 502 with an HTML body once, before the effect |
| 5100 | the answer takes 2 s, once |

"Once" is once for an Idempotency-Key; without one, once for the same request.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from stripeline.deploy.sandbox.api.values import Params
from stripeline.deploy.sandbox.faults import InjectedFault

SEEDED_CHARGES = ("succeeded", "pending", "failed", "refunded")
CHARGE_PREFIX, SEEDED_CUSTOMER = "ch_sandbox_", "cus_sandbox"
IN_TEXT = re.compile(r"\[sandbox:(\d{4})\]")
SERVER_ERROR = "Sorry! There was an error while talking to one of our backends."


@dataclass(frozen=True, slots=True, kw_only=True)
class Magic:
    says: str
    fault: InjectedFault
    once: bool = True


MAGIC: Mapping[int, Magic] = {
    4002: Magic(
        says="402 card_declined (insufficient_funds), kept",
        fault=InjectedFault(status=402, message="Your card has insufficient funds.", stored=True),
        once=False,
    ),
    4003: Magic(
        says="403, always",
        fault=InjectedFault(
            status=403, message="The provided key does not have the required permissions for this endpoint."
        ),
        once=False,
    ),
    4009: Magic(
        says="409 idempotency_key_in_use once",
        fault=InjectedFault(
            status=409,
            code="idempotency_key_in_use",
            message="There is currently another in-progress request using this Idempotent Key. Please try again later.",
        ),
    ),
    4029: Magic(
        says="429 once",
        fault=InjectedFault(
            status=429,
            message="Request rate limit exceeded.",
            headers={"Stripe-Rate-Limited-Reason": "endpoint-rate"},
        ),
    ),
    5001: Magic(
        says="500 once before the effect, not kept, Stripe-Should-Retry: true",
        fault=InjectedFault(status=500, message=SERVER_ERROR, headers={"Stripe-Should-Retry": "true"}),
    ),
    5002: Magic(
        says="500 after the effect, kept and replayed for ever",
        fault=InjectedFault(status=500, message=SERVER_ERROR, when="after", stored=True),
        once=False,
    ),
    5003: Magic(
        says="connection dropped once after the effect; the same key replays the success",
        fault=InjectedFault(when="after", drop=True),
    ),
    5004: Magic(
        says="500 after the effect, kept, Stripe-Should-Retry: false",
        fault=InjectedFault(
            status=500, message=SERVER_ERROR, when="after", stored=True, headers={"Stripe-Should-Retry": "false"}
        ),
        once=False,
    ),
    5020: Magic(
        says="502 with an HTML body once, before the effect",
        fault=InjectedFault(status=502, body="<html><body><h1>502 Bad Gateway</h1></body></html>"),
    ),
    5100: Magic(says="the answer takes 2 s, once", fault=InjectedFault(delay_s=2.0)),
}


def magic_number(params: Params, object_id: str | None) -> int | None:
    number = _asked_for(params, object_id)
    return number if number in MAGIC else None


def _asked_for(params: Params, object_id: str | None) -> int | None:
    if object_id is not None:
        tail = object_id.removeprefix(CHARGE_PREFIX)
        return int(tail) if tail != object_id and tail.isdecimal() else None
    description = params.get("description")
    if isinstance(description, str) and (found := IN_TEXT.search(description)):
        return int(found[1])
    amount = params.get("amount")
    return int(amount) if isinstance(amount, str) and len(amount) == len("4002") and amount.isdecimal() else None


class MagicBook:
    """Remembers who has met a fault that strikes once."""

    def __init__(self) -> None:
        self._met: set[tuple[str, str, int]] = set()

    def choose(self, number: int, account: str, once_for: str, *, fresh: bool) -> InjectedFault | None:
        magic = MAGIC[number]
        if not magic.once:
            return magic.fault if fresh or not magic.fault.fails else None
        met = (account, once_for, number)
        if met in self._met:
            return None
        self._met.add(met)
        return magic.fault

"""When a login token is used, renewed, or asked for again after a failure. Pure.

Invariants:
- A token is never used in its last seconds: Kafka would refuse it, or end the session at once.
- An endpoint that fails is asked less and less often, whatever the number of connections that want a token.
- While a former token holds, a failure of the endpoint keeps no connection from logging in.
"""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

RENEWED_AFTER: Final = 0.8
"""Of a token's life, as Kafka's own clients do."""
UNUSED_S: Final = 5.0
"""The end of a token's life that is not used; a tenth of a life shorter than 50 s."""
RETRY_S: Final = (1.0, 2.0, 5.0)
"""Pauses after failures that may pass, the last one for all further ones."""
REFUSED_RETRY_S: Final = (2.0, 5.0, 10.0, 30.0)
"""Pauses after refusals: a wrong secret that is tried every second locks the client out at some providers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    value: str = field(repr=False)
    renew_at_s: float
    ends_at_s: float

    @classmethod
    def lasting(cls, value: str, lifetime_s: float, *, now_s: float) -> "Token":
        unused_s = min(UNUSED_S, lifetime_s / 10)
        return cls(
            value=value,
            renew_at_s=now_s + min(lifetime_s * RENEWED_AFTER, lifetime_s - unused_s),
            ends_at_s=now_s + lifetime_s - unused_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The last of `count` failures in a row."""

    reason: str
    count: int
    retry_at_s: float

    @classmethod
    def after(cls, former: "Failure | None", reason: str, *, refused: bool, now_s: float) -> "Failure":
        count = former.count + 1 if former else 1
        pauses = REFUSED_RETRY_S if refused else RETRY_S
        return cls(reason=reason, count=count, retry_at_s=now_s + pauses[min(count, len(pauses)) - 1])


class TokenStep(Enum):
    USE = auto()
    USE_AND_RENEW = auto()  # in the background
    RENEW = auto()
    FAIL = auto()  # the endpoint has just failed, and is not asked yet


def next_token_step(token: Token | None, failure: Failure | None, now_s: float) -> TokenStep:
    """What a connection that logs in now does."""
    usable = token is not None and now_s < token.ends_at_s
    if token is not None and now_s < token.renew_at_s:
        return TokenStep.USE
    if failure is not None and now_s < failure.retry_at_s:
        return TokenStep.USE if usable else TokenStep.FAIL
    return TokenStep.USE_AND_RENEW if usable else TokenStep.RENEW

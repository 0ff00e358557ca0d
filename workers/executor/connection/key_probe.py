"""When a refused key is tried again, and what the answer says. Pure.

One call an hour, and one for each time that a person asks: `GET /v1/account`, never a command. A refusal ends nothing.
https://docs.stripe.com/api/accounts/retrieve
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from stripeline.contracts.errors import StripeRefusal, refusal_of
from stripeline.contracts.operator.control_records import KeyRefusal, Probe
from stripeline.contracts.vocabulary import Fault
from stripeline.workers.executor.answer_origin import json_object, stripe_error
from stripeline.workers.executor.stripe_answer import StripeAnswer

PATH: Final = "/v1/account"
HOUR_MS: Final = 3_600_000
AGAIN_MS: Final = 300_000
"""After an answer that says nothing of the key."""


class ProbeVerdict(Enum):
    ACCEPTED = auto()
    REFUSED = auto()
    UNKNOWN = auto()  # no answer, or none of Stripe's


def verdict(answer: StripeAnswer | Fault, account: str | None) -> ProbeVerdict:
    """A 403 for a missing permission still says that the key is accepted."""
    if isinstance(answer, Fault):
        return ProbeVerdict.UNKNOWN
    body = json_object(answer.body)
    if answer.status == 200 and body is not None and body.get("object") == "account":  # noqa: PLR2004
        return ProbeVerdict.ACCEPTED
    error = stripe_error(body)
    if error is None:
        return ProbeVerdict.UNKNOWN
    match refusal_of(answer.status, error.get("code")):
        case StripeRefusal.KEY:
            return ProbeVerdict.REFUSED
        case StripeRefusal.ACCOUNT if account is not None:
            return ProbeVerdict.REFUSED
        case _:
            return ProbeVerdict.ACCEPTED if answer.status == 403 else ProbeVerdict.UNKNOWN  # noqa: PLR2004


@dataclass(slots=True)
class ProbePlan:
    """What was tried. A process that takes over has tried nothing, and knows of no person's wish."""

    _next_ms: dict[str, int] = field(default_factory=dict)
    _answered: dict[str, Probe] = field(default_factory=dict)

    def due(
        self, refusals: Mapping[str, KeyRefusal], probes: Mapping[str, Probe], paused: Mapping[str, object], now_ms: int
    ) -> Iterator[str]:
        """The names (`NAME` or `NAME/ACCOUNT`) of the refusals to try now. `paused`: by a person, by control name."""
        for gone in self._next_ms.keys() - refusals.keys():
            del self._next_ms[gone]
            self._answered.pop(gone, None)
        for name, refusal in refusals.items():
            connection = name.partition("/")[0]
            asked = probes.get(connection)
            wanted = asked is not None and self._answered.get(name) != asked
            late = now_ms >= self._next_ms.setdefault(name, refusal.since_ms + HOUR_MS)
            if (wanted or late) and f"connection/{connection}" not in paused:
                yield name

    def tried(self, name: str, probes: Mapping[str, Probe], found: ProbeVerdict, now_ms: int) -> None:
        self._next_ms[name] = now_ms + (AGAIN_MS if found is ProbeVerdict.UNKNOWN else HOUR_MS)
        asked = probes.get(name.partition("/")[0])
        if asked is not None:
            self._answered[name] = asked

"""Decides which request meets which fault. A fault is a value; carrying it out is the flow's and the adapter's work.

A rule matches on what the client sent, strikes a number of times or always, and with a probability drawn from a seeded
generator, so that a run can be repeated.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from stripeline.deploy.sandbox.api.stripe_errors import error_answer
from stripeline.deploy.sandbox.api.values import EMPTY, SandboxAnswer

API_ERROR_FROM = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectedFault:
    """What happens to a request.

    `when` says whether the effect comes about: "before" it or "after" it. `stored` says whether the fault's answer is
    what the idempotency layer keeps and replays (Stripe's own 500), or whether it happens outside of that layer (a
    limiter or gateway in front, a lost answer on the way back). With neither `status` nor `body` the answer stays.
    `hop`: a proxy, gateway or login page answers for Stripe, before the key is looked at, and without Stripe's headers.
    """

    status: int | None = None
    code: str | None = None
    message: str | None = None
    body: str | None = None
    content_type: str = "text/html"  # of `body`
    headers: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    hop: bool = False
    delay_s: float = 0.0
    when: Literal["before", "after"] = "before"
    stored: bool = False
    drop: bool = False
    cut_body: bool = False

    @property
    def answers(self) -> bool:
        return self.status is not None or self.body is not None

    @property
    def gates(self) -> bool:
        """Refuses in front of the idempotency layer: nothing runs, nothing is kept."""
        return self.when == "before" and not self.stored and (self.answers or self.drop)

    @property
    def fails(self) -> bool:
        """Is the outcome of the execution, kept and replayed."""
        return self.stored and self.answers

    def answer(self) -> SandboxAnswer:
        status = self.status or 200
        if self.body is not None:
            return SandboxAnswer(
                status=status, body=self.body.encode(), headers=self.headers, content_type=self.content_type
            )
        message = self.message or f"The sandbox was told to answer {status}."
        kind, code = _KINDS.get(status, (_kind(status), None))
        return error_answer(status, message, kind=kind, code=self.code or code, headers=self.headers)


_KINDS: Mapping[int, tuple[str, str | None]] = {
    402: ("card_error", "card_declined"),
    429: ("invalid_request_error", "rate_limit"),
}


def _kind(status: int) -> str:
    return "api_error" if status >= API_ERROR_FROM else "invalid_request_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What rules look at."""

    method: str
    path: str
    key_last4: str
    idempotency_key: str | None
    account: str | None = None  # to a hop: only what `Stripe-Account` names
    texts: tuple[str, ...] = ()  # metadata values and the description


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """None matches everything; `path` is a prefix, `contains` a part of the description or of a metadata value."""

    method: str | None = None
    path: str | None = None
    key_last4: str | None = None
    idempotency_key: str | None = None
    account: str | None = None
    contains: str | None = None
    probability: float = 1.0

    def fits(self, subject: Subject) -> bool:
        return (
            self.method in (None, subject.method)
            and (self.path is None or subject.path.startswith(self.path))
            and self.key_last4 in (None, subject.key_last4)
            and self.idempotency_key in (None, subject.idempotency_key)
            and self.account in (None, subject.account)
            and (self.contains is None or any(self.contains in text for text in subject.texts))
        )


@dataclass(slots=True, kw_only=True)
class FaultRule:
    match: Match
    fault: InjectedFault
    times: int | None = 1  # left; None is always
    struck: int = 0


class FaultBook:
    """The rules in the order in which they were added; the first that fits strikes, alone."""

    def __init__(self, rng: random.Random) -> None:
        self.rules: list[FaultRule] = []
        self.rng = rng

    def add(self, rule: FaultRule) -> None:
        self.rules.append(rule)

    def clear(self) -> None:
        self.rules.clear()

    def choose(self, subject: Subject, *, fresh: bool, hop: bool = False) -> InjectedFault | None:
        """A stored fault strikes only a request that executes: for others its answer is already kept."""
        for rule in self.rules:
            if rule.fault.hop is not hop or rule.times == 0 or (rule.fault.fails and not fresh):
                continue
            if not rule.match.fits(subject):
                continue
            if rule.match.probability < 1 and self.rng.random() >= rule.match.probability:
                continue
            rule.struck += 1
            if rule.times is not None:
                rule.times -= 1
            return rule.fault
        return None

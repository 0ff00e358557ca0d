"""What the receiver answers, and when: the checks of a head, of a body, and what Kafka said. It holds no connection.

It never answers 2xx for an event that Kafka has not acknowledged, never logs a request, and never echoes one.
The order of checks is the order of their cost; what the head alone decides is decided before the body is read.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from aiohttp import hdrs
from aiohttp.http import RawRequestMessage
from multidict import istr

from stripeline.contracts.vocabulary import NotTakenReason
from stripeline.ingest import refusals
from stripeline.ingest.http.body import MAX_BODY, MAX_HELD, Bodies
from stripeline.ingest.observer import Observer, Unobserved
from stripeline.ingest.publish_result import Done, NotTaken, Published
from stripeline.ingest.refusals import Refusal, not_an_event, not_signed
from stripeline.ingest.routing import Publication, Rejected, route
from stripeline.ingest.signature import Refused, Signature, check, parse
from stripeline.ingest.traceparent import ENTROPY_BYTES, traceparent
from stripeline.ingest.trigger import TriggerView

PATH: Final = "/webhooks/"
_SIGNATURE: Final = istr("Stripe-Signature")
_TRACEPARENT: Final = istr("traceparent")
_JSON: Final = "application/json; charset=utf-8"
"""What Stripe sends. Others are taken apart."""

Triggers = Callable[[str], TriggerView | None]


class Publishes(Protocol):
    def publish(self, publication: Publication, done: Done) -> None: ...


class Admitted(NamedTuple):
    """A request whose head is in order."""

    trigger: TriggerView
    signature: Signature
    traceparent: str | None


class Delivery(NamedTuple):
    """An event to write, and what the verdict on it needs."""

    publication: Publication
    trigger: str
    trace: bytes
    began_s: float


class Accepted(NamedTuple):
    """200."""


ACCEPTED: Final = Accepted()


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """The receiver's decisions with what they need; `stripeline.ingest.http.server.serve` runs them."""

    triggers: Triggers
    publisher: Publishes
    bodies: Bodies
    clock: Callable[[], float]
    observe: Observer
    # Ids of traces need to be distinct, not secret, and asking the system for each costs a system call.
    entropy: Callable[[int], bytes] = field(default_factory=lambda: random.Random().randbytes)  # noqa: S311

    def head(self, message: RawRequestMessage) -> Admitted | Refusal:
        """What the head alone decides."""
        trigger = self._trigger(message)
        if isinstance(trigger, Refusal):
            return self.refused(None, trigger)
        signature = self._signature(message, trigger)
        if isinstance(signature, Refusal):
            return self.refused(trigger.name, signature)
        return Admitted(trigger, signature, message.headers.get(_TRACEPARENT))

    def body(self, admitted: Admitted, body: bytes) -> Delivery | Accepted | Refusal:
        """What the body decides."""
        trigger, signature, sent = admitted
        now_s = self.clock()
        verdict = check(signature, body, trigger.keys, now_s)
        if isinstance(verdict, Refused):
            if verdict.skew_s is not None:
                self.observe.clock_skew(trigger.name, verdict.skew_s)
            return self.refused(trigger.name, not_signed(verdict.reason))
        self.observe.verified(trigger.name, verdict.secret_index)
        trace = self.observe.traced(trigger.name, sent) or traceparent(sent, self.entropy(ENTROPY_BYTES))
        routed = route(body, trigger=trigger, received_at_ms=int(now_s * 1000), traceparent=trace)
        if isinstance(routed, Publication):
            return Delivery(routed, trigger.name, trace, time.perf_counter())
        if isinstance(routed, Rejected):
            return self.refused(trigger.name, not_an_event(routed.reason), trace)
        self.observe.ignored(trigger.name, routed.reason, trace)
        return ACCEPTED

    def settled(self, delivery: Delivery, outcome: Published | NotTaken) -> Accepted | Refusal:
        """What Kafka's word on a delivery is to its sender."""
        if isinstance(outcome, Published):
            took_s = time.perf_counter() - delivery.began_s
            self.observe.published(delivery.trigger, delivery.publication.topic, outcome, took_s, delivery.trace)
            return ACCEPTED
        if outcome.reason is NotTakenReason.TOO_LARGE:
            # Numbers may grow when they are written anew; sending it again would not help.
            return self.refused(delivery.trigger, refusals.TOO_LARGE, delivery.trace)
        self.observe.not_taken(delivery.trigger, outcome.reason, delivery.trace)
        return refusals.NOT_TAKEN

    def refused(self, trigger: str | None, refusal: Refusal, trace: bytes | None = None) -> Refusal:
        """Count a refusal, and give it back."""
        if trigger is not None and refusal.status == refusals.NOT_TAKEN.status:
            self.observe.not_taken(trigger, refusal.reason, trace)
        else:
            self.observe.refused(trigger, refusal.status, refusal.reason, trace)
        return refusal

    def _trigger(self, message: RawRequestMessage) -> TriggerView | Refusal:
        path = message.url.path
        name = path.removeprefix(PATH)
        if name == path or not name or "/" in name:
            return refusals.UNKNOWN_PATH
        if message.method != "POST":
            return refusals.NOT_POST
        return self.triggers(name) or refusals.UNKNOWN_TRIGGER

    def _signature(self, message: RawRequestMessage, trigger: TriggerView) -> Signature | Refusal:
        """The signature to check."""
        headers = message.headers
        if not trigger.secrets:
            return refusals.NO_SECRET
        if hdrs.CONTENT_ENCODING in headers:
            return refusals.ENCODED
        kind = headers.get(hdrs.CONTENT_TYPE, "")
        if kind != _JSON and kind.partition(";")[0].strip().lower() != "application/json":
            return refusals.NOT_JSON
        if int(headers.get(hdrs.CONTENT_LENGTH, "0")) > self.bodies.max_body:
            return refusals.TOO_LARGE
        sent = headers.getall(_SIGNATURE, [""])
        if len(sent) > 1:
            return refusals.TWO_SIGNATURES
        # aiohttp decodes headers so that every byte comes back, valid UTF-8 or not.
        signature = parse(sent[0].encode("utf-8", "surrogateescape"))
        return not_signed(signature.reason) if isinstance(signature, Refused) else signature


def make_app(
    *,
    triggers: Triggers,
    publisher: Publishes,
    max_body: int = MAX_BODY,
    read_deadline_s: float = 10.0,
    max_held: int = MAX_HELD,
    clock: Callable[[], float] = time.time,
    observe: Observer | None = None,
) -> App:
    """The receiver. `triggers` is asked on every request, so that a change needs no restart."""
    bodies = Bodies(max_body=max_body, deadline_s=read_deadline_s, max_held=max_held)
    return App(triggers=triggers, publisher=publisher, bodies=bodies, clock=clock, observe=observe or Unobserved())

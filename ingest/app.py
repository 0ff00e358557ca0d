"""The HTTP side of the receiver: one request in, one answer out. Verifies before it parses, and publishes before 200.

It never answers 2xx for an event that Kafka has not acknowledged, never logs a request, and never echoes one.
The order of checks is the order of their cost; what the head alone decides is decided before the body is read.
"""

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Protocol, assert_never

from aiohttp import web

from ingest import answers
from ingest.answers import Refusal, accepted, not_an_event, not_signed, refused
from ingest.body import BodyReader
from ingest.observer import Observer, Unobserved
from ingest.outcome import NotTaken, Published, Reason
from ingest.routing import Ignored, Publication, Rejected, route
from ingest.signature import Refused, Signature, check, parse
from ingest.trace import ENTROPY_BYTES, traceparent
from ingest.trigger import TriggerView

PATH: Final = "/webhooks/"
MAX_BODY: Final = 900 * 1024
MAX_HELD: Final = 256 * 1024 * 1024

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Triggers = Callable[[str], TriggerView | None]


class Publishes(Protocol):
    async def publish(self, publication: Publication) -> Published | NotTaken: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """A low-level aiohttp handler with what it needs; `ingest.server.serve` runs it.

    One route needs no router, and without one a request costs a tenth less.
    """

    triggers: Triggers
    publisher: Publishes
    bodies: BodyReader
    clock: Callable[[], float]
    observe: Observer
    # Ids of traces need to be distinct, not secret, and asking the system for each costs a system call.
    entropy: Callable[[int], bytes] = field(default_factory=lambda: random.Random().randbytes)  # noqa: S311

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        found = self._trigger(request)
        if isinstance(found, Refusal):
            return self._refused(None, found, request)
        head = self._head(request, found)
        if isinstance(head, Refusal):
            return self._refused(found, head, request)
        body = await self.bodies.read(request)
        if isinstance(body, Refusal):
            return self._refused(found, body, request)
        return await self._deliver(request, found, head, body)

    def _trigger(self, request: web.BaseRequest) -> TriggerView | Refusal:
        path = request.path
        name = path.removeprefix(PATH)
        if name == path or not name or "/" in name:
            return answers.UNKNOWN_PATH
        if request.method != "POST":
            return answers.NOT_POST
        return self.triggers(name) or answers.UNKNOWN_TRIGGER

    def _head(self, request: web.BaseRequest, trigger: TriggerView) -> Signature | Refusal:
        """The signature to check, or what the head alone decides."""
        headers = request.headers
        if not trigger.secrets:
            return answers.NO_SECRET
        if "Content-Encoding" in headers:
            return answers.ENCODED
        if headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/json":
            return answers.NOT_JSON
        if self.bodies.declared_too_large(request):
            return answers.TOO_LARGE
        sent = headers.getall("Stripe-Signature", [""])
        if len(sent) > 1:
            return answers.TWO_SIGNATURES
        # aiohttp decodes headers so that every byte comes back, valid UTF-8 or not.
        signature = parse(sent[0].encode("utf-8", "surrogateescape"))
        return not_signed(signature.reason) if isinstance(signature, Refused) else signature

    async def _deliver(
        self, request: web.BaseRequest, trigger: TriggerView, signature: Signature, body: bytes
    ) -> web.StreamResponse:
        now_s = self.clock()
        verdict = check(signature, body, trigger.secrets, now_s)
        if isinstance(verdict, Refused):
            if verdict.skew_s is not None:
                self.observe.clock_skew(trigger.name, verdict.skew_s)
            return self._refused(trigger, not_signed(verdict.reason), request)
        self.observe.verified(trigger.name, verdict.secret_index)
        sent = request.headers.get("traceparent")
        trace = self.observe.traced(trigger.name, sent) or traceparent(sent, self.entropy(ENTROPY_BYTES))
        match route(body, trigger=trigger, received_at_ms=int(now_s * 1000), traceparent=trace):
            case Rejected(reason=problem):
                return self._refused(trigger, not_an_event(problem), request)
            case Ignored(reason=reason):
                self.observe.ignored(trigger.name, reason)
                return accepted(request)
            case Publication() as publication:
                return await self._publish(request, trigger, publication)
            case unreachable:
                assert_never(unreachable)

    async def _publish(
        self, request: web.BaseRequest, trigger: TriggerView, publication: Publication
    ) -> web.StreamResponse:
        started = time.perf_counter()
        match await self.publisher.publish(publication):
            case Published():
                self.observe.published(trigger.name, publication.topic, time.perf_counter() - started)
                return accepted(request)
            case NotTaken(reason=Reason.TOO_LARGE):
                # Numbers may grow when they are written anew; sending it again would not help.
                return self._refused(trigger, answers.TOO_LARGE, request)
            case NotTaken(reason=reason):
                self.observe.not_taken(trigger.name, reason)
                return refused(answers.NOT_TAKEN)
            case unreachable:
                assert_never(unreachable)

    def _refused(self, trigger: TriggerView | None, refusal: Refusal, request: web.BaseRequest) -> web.Response:
        name = trigger.name if trigger else None
        if trigger is not None and refusal.status == answers.NOT_TAKEN.status:
            self.observe.not_taken(trigger.name, refusal.reason)
        else:
            self.observe.refused(name, refusal.status, refusal.reason)
        return refused(refusal, close=not request.content.is_eof())


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
    bodies = BodyReader(max_body=max_body, deadline_s=read_deadline_s, max_held=max_held)
    return App(triggers=triggers, publisher=publisher, bodies=bodies, clock=clock, observe=observe or Unobserved())

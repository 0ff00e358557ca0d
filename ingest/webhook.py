"""Decides what a webhook request becomes: from its head, from its body, and from Kafka's word. Pure.

Invariants:
- 200 is never the answer to an event that Kafka has not acknowledged.
- What the head alone decides is decided before the body is read; checks are in the order of their cost.
- A published event counts under its trigger; what is refused before its family is known, under the name of its path.
- A delivery whose signature was verified gets exactly one verdict, in the counters and in its span.
- Nothing of a request is repeated in an answer. An unknown name is never counted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from msgspec import Struct

from stripeline.contracts.deliveries.delivery_vocabulary import DeliveryVerdict, NotTakenReason, SignatureReason
from stripeline.ingest import refusals
from stripeline.ingest.delivery_counters import PUBLISH_S, Counters
from stripeline.ingest.publish_result import NotTaken, Published
from stripeline.ingest.refusals import Refusal, not_an_event, not_signed
from stripeline.ingest.routing import Publication, Rejected, route
from stripeline.ingest.signature import Refused, Signature, check, parse
from stripeline.ingest.traceparent import traceparent
from stripeline.ingest.webhook_path import PathView

PATH: Final = "/webhooks/"
REACHED: Final = "stripeline_trigger_reached_timestamp_seconds"
MAX_BODY: Final = 900 * 1024
_JSON: Final = "application/json; charset=utf-8"
"""What Stripe sends. Other values are parsed."""

Paths = Callable[[str], PathView | None]


class RequestHead(Struct, frozen=True, gc=False):
    """What the decisions need of a request's head. `path` is decoded; `content_length` is None where it has none.

    encoded: the body is not as Stripe signed it.
    """

    method: str
    path: str
    content_type: str
    content_length: int | None
    encoded: bool
    signatures: Sequence[bytes]
    traceparent: str | None


class Admitted(Struct, frozen=True, gc=False):
    """A request whose head is in order."""

    path: PathView
    signature: Signature
    traceparent: str | None


class Delivery(Struct, frozen=True, gc=False):
    """An event to publish, with what its verdict needs."""

    publication: Publication
    trace: bytes


class Accepted(NamedTuple):
    """200."""


ACCEPTED: Final = Accepted()


class Spans(Protocol):
    """The spans of verified deliveries, by the `traceparent` that the record carries on."""

    def begin(self, path: str, received: str | None) -> bytes:
        """Start the span of a delivery below the `traceparent` that came with it."""
        ...

    def sent(self, trace: bytes, publication: Publication, where: Published) -> None:
        """Kafka has the event."""
        ...

    def not_sent(self, trace: bytes, verdict: DeliveryVerdict, reason: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """The decisions of one receiver. `paths` is asked on every request, so that a change needs no restart."""

    paths: Paths
    counters: Counters = field(default_factory=Counters)
    spans: Spans | None = None
    max_body: int = MAX_BODY

    def head(self, head: RequestHead) -> Admitted | Refusal:
        """What the head alone decides."""
        path = self._path(head)
        if isinstance(path, Refusal):
            return self.refused("", path)
        signature = self._signature(head, path)
        if isinstance(signature, Refusal):
            return self.refused(path.name, signature)
        return Admitted(path, signature, head.traceparent)

    def body(self, admitted: Admitted, body: bytes, *, now_s: float, entropy: bytes) -> Delivery | Accepted | Refusal:
        """What the body decides. `entropy` becomes the ids of a new trace."""
        path, received = admitted.path, admitted.traceparent
        verdict = check(admitted.signature, body, path.keys, now_s)
        if isinstance(verdict, Refused):
            if verdict.skew_s is not None:
                self.counters.set("stripeline_delivery_clock_skew_seconds", verdict.skew_s, path.name)
            return self.refused(path.name, _not_verified(path, verdict.reason))
        self.counters.count("stripeline_signatures_total", path.name, path.places[verdict.secret_index])
        self.counters.set(REACHED, int(now_s), path.name)
        trace = traceparent(received, entropy) if self.spans is None else self.spans.begin(path.name, received)
        routed = route(body, path=path, received_at_ms=int(now_s * 1000), traceparent=trace)
        if isinstance(routed, Publication):
            return Delivery(routed, trace)
        if isinstance(routed, Rejected):
            return self.refused(path.name, not_an_event(routed.reason), trace)
        self._not_published(path.name, DeliveryVerdict.IGNORED, routed.reason, trace)
        return ACCEPTED

    def settled(self, delivery: Delivery, outcome: Published | NotTaken, took_s: float) -> Accepted | Refusal:
        """What Kafka's word on a delivery is to its sender. `took_s` is from the whole body to that word."""
        publication, trace = delivery.publication, delivery.trace
        trigger = publication.trigger
        if isinstance(outcome, Published):
            self.counters.count("stripeline_deliveries_total", trigger, DeliveryVerdict.PUBLISHED, "")
            self.counters.observe("stripeline_publish_seconds", PUBLISH_S, took_s, publication.topic)
            if self.spans is not None:
                self.spans.sent(trace, publication, outcome)
            return ACCEPTED
        if outcome.reason is NotTakenReason.TOO_LARGE:
            # Numbers may be longer when we write them than when Stripe did; a retry would not help.
            return self.refused(trigger, refusals.TOO_LARGE, trace)
        self._not_published(trigger, DeliveryVerdict.NOT_TAKEN, outcome.reason, trace)
        return refusals.NOT_TAKEN

    def known_name(self, path: str) -> str:
        """The trigger or endpoint that a path names, if there is one; else empty."""
        known = self.paths(_name(path))
        return "" if known is None else known.name

    def refused(self, name: str, refusal: Refusal, trace: bytes | None = None) -> Refusal:
        """Count a refusal, and return it. `name` is empty where the request names none that exists."""
        taken_later = refusal.status == refusals.NOT_TAKEN.status
        verdict = DeliveryVerdict.NOT_TAKEN if taken_later else DeliveryVerdict.REFUSED
        self._not_published(name, verdict, refusal.reason, trace)
        return refusal

    def _not_published(self, name: str, verdict: DeliveryVerdict, reason: str, trace: bytes | None) -> None:
        self.counters.count("stripeline_deliveries_total", name, verdict, reason)
        if self.spans is not None and trace is not None:
            self.spans.not_sent(trace, verdict, reason)

    def _path(self, head: RequestHead) -> PathView | Refusal:
        name = _name(head.path)
        if not head.path.startswith(PATH) or not name or "/" in name:
            return refusals.UNKNOWN_PATH
        if head.method != "POST":
            return refusals.NOT_POST
        return self.paths(name) or refusals.UNKNOWN_TRIGGER

    def _signature(self, head: RequestHead, path: PathView) -> Signature | Refusal:
        """The signature to check."""
        if not path.secrets:
            return refusals.SEALED_SECRET if path.sealed else refusals.NO_SECRET
        if head.encoded:
            return refusals.ENCODED
        kind = head.content_type
        if kind != _JSON and kind.partition(";")[0].strip().lower() != "application/json":
            return refusals.NOT_JSON
        if head.content_length is not None and head.content_length > self.max_body:
            return refusals.TOO_LARGE
        if len(head.signatures) > 1:
            return refusals.TWO_SIGNATURES
        signature = parse(head.signatures[0] if head.signatures else b"")
        return not_signed(signature.reason) if isinstance(signature, Refused) else signature


def _name(path: str) -> str:
    # With a trailing slash or without: it is pasted both ways, and Stripe follows no redirect to the other.
    return path.removeprefix(PATH).removesuffix("/")


def _not_verified(path: PathView, reason: SignatureReason) -> Refusal:
    """A signature that no secret made which can be opened here may be that of another one: Stripe sends it again."""
    if reason is SignatureReason.MISMATCH and path.sealed:
        return refusals.SEALED_SECRET
    return not_signed(reason)

"""The span of a delivery: from the verified body to Kafka's acknowledgement. It is the first one of an event's trace.

It waits for its verdict under the trace that the record carries on. No payload, key or secret goes into it.
https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
"""

from collections.abc import Callable

from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer

from stripeline.contracts.deliveries.delivery_vocabulary import DeliveryVerdict
from stripeline.ingest.publish_result import Published
from stripeline.ingest.routing import Publication
from stripeline.ingest.webhook import Spans
from stripeline.workers.spans import parent_of, sending, traceparent_of


class DeliverySpans(Spans):
    """The spans of one receiver. `topic`: the whole name of a family's topic."""

    def __init__(self, tracer: Tracer, topic: Callable[[str], str]) -> None:
        self._tracer, self._topic = tracer, topic
        self._open: dict[bytes, Span] = {}

    def begin(self, path: str, received: str | None) -> bytes:
        """Start it, below the span that a proxy in front of us sent. Returns the trace that the record carries on."""
        parent = parent_of(None if received is None else received.encode())
        attributes = {"stripeline.trigger": path}
        span = self._tracer.start_span("webhook", context=parent, kind=SpanKind.PRODUCER, attributes=attributes)
        trace = traceparent_of(span)
        self._open[trace] = span
        return trace

    def sent(self, trace: bytes, publication: Publication, where: Published) -> None:
        """Kafka has it."""
        span = self._open.pop(trace, None)
        if span is not None:
            name = self._topic(publication.topic)
            span.update_name(f"send {name}")
            span.set_attributes(sending(name))
            span.set_attribute("stripeline.trigger", publication.trigger)
            span.set_attribute("messaging.destination.partition.id", str(where.partition))
            span.set_attribute("messaging.kafka.offset", where.offset)
            span.end()

    def not_sent(self, trace: bytes, verdict: DeliveryVerdict, reason: str) -> None:
        span = self._open.pop(trace, None)
        if span is not None:
            span.set_attributes({"stripeline.verdict": verdict, "stripeline.reason": reason})
            if verdict is DeliveryVerdict.NOT_TAKEN:
                span.set_status(StatusCode.ERROR, reason)
            span.end()

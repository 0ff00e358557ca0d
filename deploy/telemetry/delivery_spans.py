"""The span of a delivery: from the verified body to Kafka's acknowledgement. It is the first one of an event's trace.

A request has one context of its own, so the span waits there for its verdict. No payload, key or secret goes into it.
https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
"""

from contextvars import ContextVar
from typing import Final

from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer

from workers.adapters.tracing import parent_of, sending, traceparent_of

_current: Final[ContextVar[Span | None]] = ContextVar("delivery", default=None)


class DeliverySpans:
    """The spans of one receiver."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def begin(self, trigger: str, received: str | None) -> bytes:
        """Start it, below the span that a proxy in front of us sent. Returns the trace that the record carries on."""
        left = _current.get()
        if left is not None:
            left.end()  # a request whose client went away has no verdict
        parent = parent_of(None if received is None else received.encode())
        attributes = {"stripeline.trigger": trigger}
        span = self._tracer.start_span("webhook", context=parent, kind=SpanKind.PRODUCER, attributes=attributes)
        _current.set(span)
        return traceparent_of(span)

    def sent(self, topic: str) -> None:
        """Kafka has it."""
        span = self._taken()
        if span is not None:
            span.update_name(f"send {topic}")
            span.set_attributes(sending(topic))
            span.end()

    def not_sent(self, verdict: str, reason: str) -> None:
        span = self._taken()
        if span is not None:
            span.set_attributes({"stripeline.verdict": verdict, "stripeline.reason": reason})
            if verdict == "not_taken":
                span.set_status(StatusCode.ERROR, reason)
            span.end()

    @staticmethod
    def _taken() -> Span | None:
        span = _current.get()
        _current.set(None)
        return span

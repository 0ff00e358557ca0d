"""A job's records, calls and outputs as OpenTelemetry spans, with the conventions for messaging. API only.

    … send (event) ─► process (router) ─► send (command) ─► process (executor) ─► send (result or retry) ─► …
                                                                └─► POST /v1/… (client)

It wraps a job, so that without a tracer nothing of it exists. A span carries names, places and codes: never a payload,
a record's key, a secret or an id of Stripe's. https://opentelemetry.io/docs/specs/semconv/messaging/kafka/
"""

import time
from collections.abc import Iterable
from typing import Generic, TypeVar

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from stripeline.contracts import headers as h
from stripeline.contracts.action import Request
from stripeline.contracts.frozen import frozen, replace
from stripeline.contracts.vocabulary import Fault, Verdict
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.stripe_answer import Answer
from stripeline.workers.executor.stripe_lookup import Sight
from stripeline.workers.roles import Job
from stripeline.workers.task.decision import Decision, InputRecord, Output, State

S = TypeVar("S", bound=State)
_W3C = TraceContextTextMapPropagator()
_TRACE = frozenset({h.TRACEPARENT})
Attributes = dict[str, str | int]


def traced(job: Job[S], tracer: Tracer) -> Job[S]:
    """The job, with spans."""
    spans = _Spans(job, tracer)
    return replace(
        job, take=spans.take, settle=spans.settle, broken=spans.broken, carry_out=spans.carry_out,
        committed=spans.committed,
    )  # fmt: skip


def parent_of(traceparent: bytes | None) -> Context:
    """The context that a `traceparent` names; an empty one where there is none, or no good one."""
    carrier = {} if traceparent is None else {"traceparent": traceparent.decode("latin-1")}
    return _W3C.extract(carrier, context=Context())


def traceparent_of(span: Span) -> bytes:
    found = span.get_span_context()
    return f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags:02x}".encode()


def sending(topic: str) -> Attributes:
    return _messaging("send", topic)


def _messaging(operation: str, topic: str) -> Attributes:
    return {
        "messaging.system": "kafka",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": topic,
    }


@frozen(kw_only=False)
class _Sending(Output):
    """An output whose span ends when Kafka has committed it. A transaction that fails leaves no span."""

    span: Span = trace.INVALID_SPAN


class _Spans(Generic[S]):
    """The spans of one job. `_open`: of the records that are at work, by where they stand."""

    def __init__(self, job: Job[S], tracer: Tracer) -> None:
        self._job, self._tracer = job, tracer
        self._open: dict[tuple[str, int, int], Span] = {}

    def take(self, state: S, record: InputRecord, now_ms: int, again: bool) -> Decision | Call:
        self._end(record)  # a task that was opened anew takes its records again
        parent = parent_of(h.read(record.headers).get(h.TRACEPARENT))
        self._open[_place(record)] = self._tracer.start_span(
            f"process {record.topic}", context=parent, kind=SpanKind.CONSUMER, attributes=self._about(record)
        )
        return self._decided(record, self._job.take(state, record, now_ms, again))

    def settle(self, state: S, call: Call, outcome: Sight, now_ms: int) -> Decision | Call:
        return self._decided(call.work.ticket.record, self._job.settle(state, call, outcome, now_ms))

    def broken(self, state: S, record: InputRecord, error: Exception) -> Decision:
        span = self._open.get(_place(record))
        if span is not None:
            span.set_status(StatusCode.ERROR, type(error).__name__)  # its message may quote the record
        return self._finished(record, self._job.broken(state, record, error))

    async def carry_out(self, call: Call) -> Sight:
        """The call with its record's span as the current one, so that what the call starts lies below it."""
        record = call.work.ticket.record
        span = self._open.get(_place(record), trace.INVALID_SPAN)
        done = False
        try:
            with trace.use_span(span, record_exception=False, set_status_on_exception=False):
                outcome = await self._job.carry_out(call)
            done = True
        finally:
            if not done:  # cut short: whoever comes next takes the record again
                self._end(record)
        return outcome

    def committed(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            if isinstance(output, _Sending):
                output.span.end()

    def _decided(self, record: InputRecord, decided: Decision | Call) -> Decision | Call:
        return self._finished(record, decided) if isinstance(decided, Decision) else decided

    def _finished(self, record: InputRecord, decision: Decision) -> Decision:
        span = self._open.pop(_place(record), None)
        if span is None:
            return decision
        span.set_attribute("stripeline.verdict", decision.verdict)
        if decision.ended is not None:
            span.set_attributes({"stripeline.action": decision.ended.action, "stripeline.code": decision.ended.code})
        outputs = tuple(self._sending(span, record, output) for output in decision.outputs)
        span.end()
        return replace(decision, outputs=outputs)

    def _sending(self, span: Span, record: InputRecord, output: Output) -> Output:
        partition = record.partition if output.partition is None else output.partition
        attributes = {**sending(output.topic), "messaging.destination.partition.id": str(partition)}
        below = trace.set_span_in_context(span, Context())
        mine = self._tracer.start_span(
            f"send {output.topic}", context=below, kind=SpanKind.PRODUCER, attributes=attributes
        )
        headers = (*h.without(output.headers, _TRACE), (h.TRACEPARENT, traceparent_of(mine)))
        return _Sending(output.topic, output.key, output.value, headers, output.partition, mine)

    def _end(self, record: InputRecord) -> None:
        span = self._open.pop(_place(record), None)
        if span is not None:
            span.set_attribute("stripeline.verdict", Verdict.CUT_SHORT)
            span.end()

    def _about(self, record: InputRecord) -> Attributes:
        return {
            **_messaging("process", record.topic),
            "messaging.destination.partition.id": str(record.partition),
            "messaging.kafka.offset": record.offset,
            "messaging.consumer.group.name": self._job.group,
        }


def _place(record: InputRecord) -> tuple[str, int, int]:
    return record.topic, record.partition, record.offset


@frozen(kw_only=False)
class CallSpans:
    """The client span of each request to Stripe, made when its answer is there."""

    tracer: Tracer
    server: str

    def __call__(self, call: Call, request: Request, answer: Answer | Fault, seconds: float) -> None:
        ended_ns = time.time_ns()
        attributes: Attributes = {
            "http.request.method": request.method,
            "server.address": self.server,
            "url.template": call.endpoint,  # the path itself may hold an id
            "http.request.resend_count": call.work.ticket.attempts,
        }
        span = self.tracer.start_span(
            f"{request.method} {call.endpoint}", kind=SpanKind.CLIENT, attributes=attributes,
            start_time=ended_ns - int(seconds * 1e9),
        )  # fmt: skip
        if isinstance(answer, Answer):
            span.set_attribute("http.response.status_code", answer.status)
        if isinstance(answer, Fault) or answer.status >= 400:  # noqa: PLR2004
            problem = answer.value if isinstance(answer, Fault) else str(answer.status)
            span.set_attribute("error.type", problem)
            span.set_status(StatusCode.ERROR)
        span.end(ended_ns)

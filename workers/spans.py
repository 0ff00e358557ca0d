"""A role's records, calls and outputs as OpenTelemetry spans, with the conventions for messaging. API only.

    … send (event) ─► process (router) ─► send (command) ─► process (executor) ─► send (result or retry) ─► …
                                                                └─► POST /v1/… (client)

It wraps a role, so that without a tracer nothing of it exists. A span carries names, places and codes: never a payload,
a record's key, a secret or an id of Stripe's. https://opentelemetry.io/docs/specs/semconv/messaging/kafka/
"""

import time
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

from msgspec import Struct
from msgspec.structs import replace
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from stripeline.contracts import headers as h
from stripeline.contracts.vocabulary import Fault, Verdict
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.stripe_answer import CallReply, StripeAnswer
from stripeline.workers.roles import Role, RoleCall
from stripeline.workers.task.decision import Decision, InputRecord, OutputRecord, StateChange, TaskState, Waits

S = TypeVar("S", bound=TaskState)
_W3C = TraceContextTextMapPropagator()
_TRACE = frozenset({h.TRACEPARENT})
Attributes = dict[str, str | int]
Position = tuple[str, int, int]


def traced(role: Role[S], tracer: Tracer) -> Role[S]:
    """The role, with spans."""
    return _TracedRole(role, tracer)


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


class _OutputWithSpan(OutputRecord, frozen=True):
    """An output whose span ends when Kafka has committed it. A transaction that fails leaves no span."""

    span: Span = trace.INVALID_SPAN


class _TracedRole(Role[S]):
    """`_open`: the spans of the records that are not decided yet, by position."""

    def __init__(self, role: Role[S], tracer: Tracer) -> None:
        self.name, self.group, self.inputs, self.grows = role.name, role.group, role.inputs, role.grows
        self.stays = role.stays
        self.original = role.original
        self.changelog, self.dead_letters, self.concurrency = role.changelog, role.dead_letters, role.concurrency
        self._role, self._tracer = role, tracer
        self._open: dict[Position, Span] = {}

    def new_state(self) -> S:
        return self._role.new_state()

    def lane(self, record: InputRecord) -> Hashable:
        return self._role.lane(record)

    def due_ms(self, record: InputRecord) -> int:
        return self._role.due_ms(record)

    def waits(self, state: S, record: InputRecord, now_ms: int) -> Waits | None:
        return self._role.waits(state, record, now_ms)

    def turn(self, state: S, lane: Hashable) -> int | None:
        return self._role.turn(state, lane)

    def lets(self, gate: Hashable, now_ms: int) -> int:
        return self._role.lets(gate, now_ms)

    def expired(self, state: S, now_ms: int) -> Iterable[StateChange]:
        return self._role.expired(state, now_ms)

    def calls_cut_short(self, partition: int) -> None:
        self._role.calls_cut_short(partition)

    def take(
        self, state: S, record: InputRecord, now_ms: int, maybe_attempted: bool, *, crowded: bool = False
    ) -> Decision | RoleCall[S]:
        self.cut_short(record)  # a task that was opened again takes its records again
        parent = parent_of(h.read(record.headers).get(h.TRACEPARENT))
        self._open[_position(record)] = self._tracer.start_span(
            f"process {record.topic}", context=parent, kind=SpanKind.CONSUMER, attributes=self._about(record)
        )
        return self.decided(record, self._role.take(state, record, now_ms, maybe_attempted, crowded=crowded))

    def broken(self, state: S, record: InputRecord, error: Exception) -> Decision:
        self.span_of(record).set_status(StatusCode.ERROR, type(error).__name__)  # its message may quote the record
        return self._finished(record, self._role.broken(state, record, error))

    def committed(self, outputs: Iterable[OutputRecord]) -> None:
        for output in outputs:
            if isinstance(output, _OutputWithSpan):
                output.span.end()

    def decided(self, record: InputRecord, decided: Decision | RoleCall[S]) -> Decision | RoleCall[S]:
        return self._finished(record, decided) if isinstance(decided, Decision) else _TracedCall(self, record, decided)

    def span_of(self, record: InputRecord) -> Span:
        return self._open.get(_position(record), trace.INVALID_SPAN)

    def cut_short(self, record: InputRecord) -> None:
        span = self._open.pop(_position(record), None)
        if span is not None:
            span.set_attribute("stripeline.verdict", Verdict.CUT_SHORT)
            span.end()

    def _finished(self, record: InputRecord, decision: Decision) -> Decision:
        span = self._open.pop(_position(record), None)
        if span is None:
            return decision
        span.set_attribute("stripeline.verdict", decision.verdict)
        if decision.ended is not None:
            span.set_attributes({"stripeline.action": decision.ended.action, "stripeline.code": decision.ended.code})
        outputs = tuple(self._with_span(span, record, output) for output in decision.outputs)
        span.end()
        return replace(decision, outputs=outputs)

    def _with_span(self, span: Span, record: InputRecord, output: OutputRecord) -> OutputRecord:
        partition = record.partition if output.partition is None else output.partition
        attributes = {**sending(output.topic), "messaging.destination.partition.id": str(partition)}
        below = trace.set_span_in_context(span, Context())
        mine = self._tracer.start_span(
            f"send {output.topic}", context=below, kind=SpanKind.PRODUCER, attributes=attributes
        )
        headers = (*h.without(output.headers, _TRACE), (h.TRACEPARENT, traceparent_of(mine)))
        return _OutputWithSpan(output.topic, output.key, output.value, headers, output.partition, mine)

    def _about(self, record: InputRecord) -> Attributes:
        return {
            **_messaging("process", record.topic),
            "messaging.destination.partition.id": str(record.partition),
            "messaging.kafka.offset": record.offset,
            "messaging.consumer.group.name": self._role.group,
        }


class _TracedCall(Generic[S]):
    """A call with its record's span as the current one, so that what the call starts lies below it."""

    __slots__ = ("_call", "_record", "_role", "continues", "delay_ms")

    def __init__(self, role: _TracedRole[S], record: InputRecord, call: RoleCall[S]) -> None:
        self._role, self._record, self._call = role, record, call
        self.delay_ms, self.continues = call.delay_ms, call.continues

    async def carry_out(self) -> CallReply:
        done = False
        try:
            span = self._role.span_of(self._record)
            with trace.use_span(span, record_exception=False, set_status_on_exception=False):
                reply = await self._call.carry_out()
            done = True
        finally:
            if not done:  # cut short: the next owner takes the record again
                self._role.cut_short(self._record)
        return reply

    def settle(self, state: S, reply: CallReply, now_ms: int) -> Decision | RoleCall[S]:
        return self._role.decided(self._record, self._call.settle(state, reply, now_ms))


def _position(record: InputRecord) -> Position:
    return record.topic, record.partition, record.offset


class CallSpans(Struct, frozen=True):
    """The client span of each request to Stripe, made when its answer is there."""

    tracer: Tracer
    server: str

    def __call__(self, call: Call, answer: StripeAnswer | Fault, seconds: float) -> None:
        ended_ns, request = time.time_ns(), call.request
        attributes: Attributes = {
            "http.request.method": request.method,
            "server.address": self.server,
            "url.template": call.endpoint,  # the path itself may hold an id
            "http.request.resend_count": call.state.record.attempts,
        }
        span = self.tracer.start_span(
            f"{request.method} {call.endpoint}", kind=SpanKind.CLIENT, attributes=attributes,
            start_time=ended_ns - int(seconds * 1e9),
        )  # fmt: skip
        if isinstance(answer, StripeAnswer):
            span.set_attribute("http.response.status_code", answer.status)
        if isinstance(answer, Fault) or answer.status >= 400:  # noqa: PLR2004
            problem = answer.value if isinstance(answer, Fault) else str(answer.status)
            span.set_attribute("error.type", problem)
            span.set_status(StatusCode.ERROR)
        span.end(ended_ns)

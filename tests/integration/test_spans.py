"""Spans through every topic, as a user's exporter would get them; nothing in them that must not leave the house."""

import itertools
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from stripeline.contracts import headers as h
from stripeline.deploy.telemetry.tracer import installed_tracer
from tests.integration.test_telemetry import SECRETS, paid, send
from tests.integration.test_worker_task import until
from tests.support.broker import Broker
from tests.support.end_state import read_topic
from tests.support.in_process_stack import in_process_stack


class Exporter(InMemorySpanExporter):
    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.get_finished_spans())

    def path(self, last: ReadableSpan) -> list[ReadableSpan]:
        """A span with all that it lies below, the first one first."""
        by_id = {span.context.span_id: span for span in self.spans}
        found = [last]
        while found[0].parent is not None:
            found.insert(0, by_id[found[0].parent.span_id])
        return found


@pytest.fixture
def exporter() -> Exporter:
    return Exporter()


@pytest.fixture
def tracer(exporter: Exporter):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider.get_tracer("test")


def test_without_an_sdk_nothing_is_traced():
    assert installed_tracer() is None


async def test_one_trace_from_the_webhook_through_every_topic(
    broker: Broker, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exporter: Exporter, tracer
):
    async with in_process_stack(broker.bootstrap_servers, prefix, tmp_path, monkeypatch, tracer=tracer) as found:
        assert await send(found, paid(1, amount=4029), paid(2, type="x"), paid(3, amount=10)) == [200, 200, 200]
        assert await send(found, b"{}") == [400]
        run = f"process {prefix}action-result"
        await until(lambda: sum(span.name == run for span in exporter.spans) >= 4)
        results = await read_topic(broker.bootstrap_servers, f"{prefix}action-result", 2)
    deposit = next(one for one in results if orjson.loads(one.value)["command_id"].endswith("1:two-steps:deposit"))
    carried = h.read(deposit.headers)[h.TRACEPARENT].decode()
    (sent,) = [span for span in exporter.spans if f"-{span.context.span_id:016x}-" in carried]
    path = exporter.path(sent)
    names = [span.name.removeprefix("process ").removeprefix("send ").removeprefix(prefix) for span in path]
    assert [name for name, _ in itertools.groupby(names)] == [
        "payment-event", "action-command", "action-result", "action-command", "action-retry.200ms", "action-result",
    ]  # fmt: skip
    kinds = [span.kind for span in path]
    assert kinds == [SpanKind.PRODUCER, *(SpanKind.CONSUMER, SpanKind.PRODUCER) * 5]
    assert {f"{span.context.trace_id:032x}" for span in path} == {carried.split("-")[1]}
    for span in path:
        assert span.attributes["messaging.system"] == "kafka"
        operation, topic = span.name.split(" ")
        assert span.attributes["messaging.operation.type"] == operation
        assert span.attributes["messaging.destination.name"] == topic
        assert span.attributes["messaging.destination.partition.id"] in {"0", "1"}
    delivery, processed = path[:2]
    for place in ("messaging.destination.partition.id", "messaging.kafka.offset"):
        assert delivery.attributes[place] == processed.attributes[place]
    assert processed.attributes["messaging.kafka.offset"] == 0
    assert processed.attributes["messaging.consumer.group.name"] == f"{prefix}router"


async def test_a_call_to_stripe_is_a_client_span_below_its_record(
    broker: Broker, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exporter: Exporter, tracer
):
    async with in_process_stack(broker.bootstrap_servers, prefix, tmp_path, monkeypatch, tracer=tracer) as found:
        assert await send(found, paid(1, amount=4029)) == [200]
        await until(lambda: sum(span.name == f"process {prefix}action-result" for span in exporter.spans) == 2)
    calls = [span for span in exporter.spans if span.kind is SpanKind.CLIENT]
    assert [span.name for span in calls] == ["POST /v1/customers", *["POST /v1/payment_intents"] * 2]
    assert [span.attributes["http.response.status_code"] for span in calls] == [200, 429, 200]
    assert [span.status.status_code for span in calls] == [StatusCode.UNSET, StatusCode.ERROR, StatusCode.UNSET]
    assert {span.attributes["server.address"] for span in calls} == {"127.0.0.1"}
    assert [span.attributes["http.request.resend_count"] for span in calls] == [0, 0, 1]
    for call in calls:
        above = exporter.path(call)[-2]
        assert above.name.startswith(f"process {prefix}action-")
        assert above.start_time <= call.start_time <= call.end_time <= above.end_time
    ends = [span for span in exporter.spans if "stripeline.code" in span.attributes]
    assert {span.attributes["stripeline.code"] for span in ends} == {"OK"}
    told = " ".join(f"{span.to_json()}" for span in exporter.spans)
    assert SECRETS.findall(told) == []


def test_with_an_sdk_set_up_there_is_a_tracer():
    """As `opentelemetry-instrument` does; in a process of its own, because a provider is set once and for all."""
    code = (
        "from opentelemetry import trace; from opentelemetry.sdk.trace import TracerProvider;"
        "trace.set_tracer_provider(TracerProvider(shutdown_on_exit=False));"
        "from stripeline.deploy.telemetry.tracer import installed_tracer;"
        "assert installed_tracer().start_span('x').is_recording()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

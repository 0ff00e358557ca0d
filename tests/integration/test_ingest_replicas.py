"""A partition that has lost too many of its replicas: nothing is acknowledged until they are back.

One broker cannot be in that state (it asks for no more copies than there are replicas), so its answer is put in place
of the broker's where the client receives it.
"""

import asyncio
import time

import orjson
import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import NotEnoughReplicasError
from aiokafka.protocol.produce import ProduceRequest, ProduceResponse_v8

from stripeline.contracts.topics import Topics
from stripeline.ingest.kafka.publisher import Publisher
from stripeline.ingest.kafka.session import InFlightBounds
from stripeline.ingest.publish_result import NotTaken, Published
from stripeline.ingest.routing import Publication
from tests.support.broker import Broker, create_topics
from tests.support.end_state import read_topic
from tests.support.publish_futures import published
from tests.support.scripted_workers import until

DEADLINE_S = 0.5


def publication(number: int) -> Publication:
    value = orjson.dumps({"id": f"evt_{number}"})
    return Publication(
        topic="payment-event", key=b"pi_1", value=value, headers=(), timestamp_ms=1_790_000_000_000, trigger="pay"
    )


async def test_not_enough_replicas_is_503_until_they_return(
    broker: Broker, prefix: str, monkeypatch: pytest.MonkeyPatch
):
    await create_topics(broker.bootstrap_servers, dict.fromkeys(Topics(prefix=prefix).events, 1))
    replicas, send = asyncio.Event(), AIOKafkaClient.send
    replicas.set()

    async def answered(self, node_id, request, **options):
        if replicas.is_set() or not isinstance(request, ProduceRequest):
            return await send(self, node_id, request, **options)
        code = NotEnoughReplicasError.errno
        refused = [
            (topic, [(number, code, -1, -1, -1, [], "") for number, _ in batches]) for topic, batches in request._topics
        ]
        return ProduceResponse_v8(topics=refused, throttle_time_ms=0)

    monkeypatch.setattr(AIOKafkaClient, "send", answered)
    async with Publisher(
        {"bootstrap_servers": broker.bootstrap_servers}, prefix, bounds=InFlightBounds(deadline_s=DEADLINE_S)
    ) as publisher:
        await until(lambda: publisher.ready, "a producer")
        assert isinstance(await published(publisher, publication(1)), Published)
        replicas.clear()
        began = time.monotonic()
        assert isinstance(await published(publisher, publication(2)), NotTaken)
        assert time.monotonic() - began < DEADLINE_S + 1
        replicas.set()

        async def taken() -> bool:
            return isinstance(await published(publisher, publication(2)), Published)

        await until(taken, "a publication")
    there = [
        orjson.loads(r.value)["id"] for r in await read_topic(broker.bootstrap_servers, f"{prefix}payment-event", 1)
    ]
    assert there[0] == "evt_1"
    assert set(there) == {"evt_1", "evt_2"}

"""Every event type that Stripe's webhook endpoints offer of our families: signed, over HTTP, onto a real Kafka."""

import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest

from stripeline.contracts.headers import read
from stripeline.contracts.topics import Topics
from stripeline.deploy.contract.channels import channel_by_topic
from stripeline.deploy.contract.judge import Contract
from stripeline.deploy.local.example_events import example_event, sign
from stripeline.deploy.operations.topics import apply
from stripeline.ingest.http.server import serve
from stripeline.ingest.kafka.publisher import Publisher
from stripeline.ingest.kafka.session import InFlightBounds
from stripeline.ingest.webhook import Webhook
from tests.support.broker import Broker
from tests.support.end_state import read_topic
from tests.support.scripted_workers import until
from tests.support.stripe_events import EVENT_TYPES, EVERY_TYPE
from tests.support.webhook_paths import own_path

SECRET = "whsec_test"
PARTITIONS = 2


@pytest.fixture
async def topics(broker: Broker, prefix: str) -> Topics:
    topics = Topics(prefix=prefix)
    await apply(topics, PARTITIONS, {"bootstrap_servers": broker.bootstrap_servers})
    return topics


@pytest.fixture
async def http(broker: Broker, topics: Topics) -> AsyncIterator[aiohttp.ClientSession]:
    triggers = {
        name: own_path(
            name=name, family_kind=f"stripe/{name}", connection="acme", livemode=False, secrets=(SECRET.encode(),)
        )
        for name in EVENT_TYPES
    }
    async with Publisher(
        {"bootstrap_servers": broker.bootstrap_servers}, topics.prefix, bounds=InFlightBounds(deadline_s=10)
    ) as publisher:
        await until(lambda: publisher.ready, "producers")
        webhook = Webhook(paths=triggers.get)
        async with (
            await serve(webhook, publisher, host="127.0.0.1", port=0) as running,
            aiohttp.ClientSession(f"http://127.0.0.1:{running.port}") as client,
        ):
            yield client


def trigger_output(body: dict[str, Any]) -> dict[str, Any]:
    kept = ("id", "type", "api_version", "created", "livemode", "request")
    return {name: body[name] for name in kept} | {"data": body["data"]["object"]}


async def test_each_type_is_one_record_on_its_familys_topic(
    http: aiohttp.ClientSession, broker: Broker, topics: Topics
) -> None:
    sent: dict[str, dict[str, dict[str, Any]]] = {topic: {} for topic in EVENT_TYPES}
    for topic, event_type in EVERY_TYPE:
        body = example_event(event_type)
        headers = {"Content-Type": "application/json", "Stripe-Signature": sign(body, SECRET, int(time.time()))}
        async with http.post(f"/webhooks/{topic}", data=body, headers=headers) as answer:
            assert answer.status == 200, event_type
        sent[topic][event_type] = trigger_output(orjson.loads(body))
    assert sum(map(len, sent.values())) == 42
    channels = channel_by_topic(topics)
    for topic, outputs in sent.items():
        name = topics.event(topic)
        contract = Contract(channels[name])
        records = await read_topic(broker.bootstrap_servers, name, PARTITIONS)
        values = [orjson.loads(record.value) for record in records]
        assert len(values) == len(outputs)
        assert {value["type"]: value for value in values} == outputs
        for record in records:
            assert contract.judge(record.key, record.value, read(record.headers)).problems == []

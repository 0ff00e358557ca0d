"""Every codec is read by every reader: tasks, restores, the control table and the command line; and ingest writes.

Another team's client (librdkafka) chooses the codec of what it sends; the broker's own `compression.type` that of all.
"""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.structs import TopicPartition
from confluent_kafka import Producer

from stripeline.contracts.definitions import Trigger, encode_definition
from stripeline.contracts.topics import Topics
from stripeline.deploy.contract.channels import channel_by_topic
from stripeline.deploy.contract.judge import Contract
from stripeline.deploy.contract.verify import Span, verify
from stripeline.deploy.operations import topics as admin_topics
from stripeline.deploy.operations.reading.topic_reader import Wanted, newest
from stripeline.ingest.kafka.publisher import Publisher
from stripeline.ingest.publish_result import Published
from stripeline.ingest.routing import Publication
from stripeline.workers.kafka.batch_header import batch_header
from stripeline.workers.kafka.control_table import ControlTable, publish, read_all
from stripeline.workers.roles import RouterRole
from stripeline.workers.router.router import Router
from tests.support.broker import Broker, admin
from tests.support.publish_futures import published
from tests.support.record_examples import EVENT_HEADERS, first
from tests.support.records import installation
from tests.support.scripted_workers import ScriptedStripe, ScriptedWorkers, customers, scripted_workers, until

CODECS = ["gzip", "snappy", "lz4", "zstd"]
COUNT = 20


async def compress_all(topics: Topics, client: Mapping[str, Any], codec: str) -> None:
    """As a broker whose own `compression.type` is the codec: it stores what any client sends in it."""
    async with admin(client["bootstrap_servers"]) as kafka:
        resources = [
            ConfigResource(ConfigResourceType.TOPIC, topic.name, {**topic.config, "compression.type": codec})
            for topic in topics.all(1)
        ]
        for answer in await kafka.alter_configs(resources):
            assert all(code == 0 for code, *_ in answer.resources)


def of_another_team(workers: ScriptedWorkers, codec: str, topic: str, *values: Mapping[str, Any]) -> None:
    """Big enough to be worth compressing: librdkafka sends what does not shrink as it is."""
    producer = Producer({"bootstrap.servers": workers.bootstrap, "compression.type": codec, "linger.ms": 100})
    for value in values:
        producer.produce(topic, json.dumps(value), "k", headers=dict(EVENT_HEADERS) if "data" in value else None)
    assert producer.flush(30) == 0


async def codec_of(workers: ScriptedWorkers, topic: str, offset: int = 0) -> str:
    found = await batch_header(TopicPartition(topic, 0), offset, workers.client)
    assert found is not None
    return found.codec


async def all_readers_read(workers: ScriptedWorkers, sent: list[str]) -> None:
    topics, client = workers.topics, workers.client
    # Tasks: the executor's and the router's inputs; and the changelog, by a second owner.
    stripe = ScriptedStripe()
    running = workers.start(stripe)
    await workers.all_have_results(*sent)
    await running.end()
    again = workers.start(stripe)
    await again.ready()
    await workers.send(*customers(sent[0]), key="k")
    await workers.no_lag(topics.command)
    await again.end()
    assert sorted(stripe.commands) == sorted(sent), "the restored ledger knows what was done"
    routing = workers.start(
        ScriptedStripe(),
        role=RouterRole(topics, Router(topics=topics, installation=installation, workflows=lambda _: {})),
    )
    await workers.no_lag(topics.events[0], topics.result, group="router")
    await routing.end()
    # The control table, whole and followed.
    trigger = Trigger(kind="stripe/payment-event", connection="acme", signing_secrets=())
    await publish(topics.control, client, {"trigger/pay": encode_definition(trigger)})
    assert dict((await read_all(topics.control, client)).triggers) == {"pay": trigger}
    table = ControlTable(topics.control, client)
    await table.start()
    await until(lambda: dict(table.triggers) == {"pay": trigger}, "the table is read")
    await table.stop()
    # The command line.
    for topic, count in ((topics.command, COUNT + 1), (topics.result, COUNT), (topics.events[0], COUNT)):
        page = await newest(topic, client, Wanted(keep=lambda _: True, limit=100))
        assert len(page.records) == count
    for topic in (topics.command, topics.result, topics.events[0]):
        contract = Contract(channel_by_topic(topics)[topic])
        report = await verify(Span(topic=topic), contract, client)
        assert report.judged > 0
        assert report.outside == []


@pytest.mark.parametrize("codec", CODECS)
async def test_what_another_client_compresses_is_read(broker: Broker, prefix: str, codec: str) -> None:
    async with scripted_workers(broker.bootstrap_servers, prefix) as workers:
        sent = [f"of-them-{number:03}" for number in range(COUNT)]
        of_another_team(workers, codec, workers.topics.command, *customers(*sent))
        of_another_team(workers, codec, workers.topics.events[0], *[first("charge-event")] * COUNT)
        assert await codec_of(workers, workers.topics.command) == codec
        assert await codec_of(workers, workers.topics.events[0]) == codec
        await all_readers_read(workers, sent)


@pytest.mark.parametrize("codec", CODECS)
async def test_what_the_broker_compresses_is_read(broker: Broker, prefix: str, codec: str) -> None:
    async with scripted_workers(broker.bootstrap_servers, prefix) as workers:
        topics = workers.topics
        await compress_all(topics, workers.client, codec)
        assert await admin_topics.check(topics, 1, workers.client) == []
        async with Publisher(workers.client, topics.prefix) as publisher:
            await until(lambda: publisher.ready, "ingest is connected")
            made = Publication(
                topic="payment-event",
                key=b"pi_1",
                value=b'{"id":"evt_1"}' * 20,
                headers=(),
                timestamp_ms=1,
                trigger="pay",
            )

            async def compressed() -> bool:
                """The broker takes a moment to follow a topic's setting."""
                taken = await published(publisher, made)
                assert isinstance(taken, Published)
                return await codec_of(workers, topics.event("payment-event"), taken.offset) == codec

            await until(compressed, "the broker compresses")
        sent = [f"of-ours-{number:03}" for number in range(COUNT)]
        of_another_team(workers, "none", topics.command, *customers(*sent))
        of_another_team(workers, "none", topics.events[0], *[first("charge-event")] * COUNT)
        await all_readers_read(workers, sent)
        for topic in (topics.command, topics.result, topics.ledger):
            assert await codec_of(workers, topic) == codec
        assert await codec_of(workers, topics.control, 1) == codec  # the installation's record is older

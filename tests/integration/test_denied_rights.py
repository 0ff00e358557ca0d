"""Each ACL that a part of Stripeline may lack, on a real Kafka: the client's own error names the right to grant."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import pytest
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from confluent_kafka.admin import AclOperation, ResourceType

from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import WorkerEvent
from stripeline.deploy.operations import topics as admin
from stripeline.deploy.operations.rights import Purpose
from stripeline.deploy.runtime.process.kafka_errors import KafkaErrors
from stripeline.deploy.settings.kafka_options import kafka_client_options
from stripeline.deploy.settings.settings import Settings, load_settings
from stripeline.ingest.kafka.publisher import Publisher
from stripeline.workers.kafka.consumer import group_consumer, stop_consumer
from stripeline.workers.kafka.control_table import ControlTable
from stripeline.workers.task.assignment import Sharing
from tests.support.scripted_workers import ScriptedStripe, ScriptedWorkers, customers, until
from tests.support.secured_kafka import Rights, SecuredKafka

USER = "plain-user"
READY_S = 90.0  # the first group of a broker waits for __consumer_offsets
PLAIN = {"kafka_sasl_mechanism": "PLAIN"}
Client = Mapping[str, Any]
Act = Callable[[Client, Topics], Awaitable[None]]


async def join(client: Client, topics: Topics) -> None:
    sharing = Sharing(original=frozenset({topics.command}))
    consumer = group_consumer(client, f"{topics.prefix}executor", None, sharing, session_s=6, poll_s=300, drain_s=1)
    try:
        await consumer.start()
        consumer.subscribe([topics.command])
        while True:
            await consumer.getmany(timeout_ms=100)
    finally:
        await stop_consumer(consumer)


async def fetch(client: Client, topics: Topics) -> None:
    consumer, tp = AIOKafkaConsumer(**client, group_id=None), TopicPartition(topics.command, 0)
    try:
        await consumer.start()
        consumer.assign([tp])
        consumer.seek(tp, 0)
        while True:
            await consumer.getmany(timeout_ms=100)
    finally:
        await stop_consumer(consumer)


async def write_result(client: Client, topics: Topics) -> None:
    producer = AIOKafkaProducer(**client, enable_idempotence=True)
    try:
        await producer.start()
        await producer.send_and_wait(topics.result, b"{}")
    finally:
        await producer.stop()


async def begin_transaction(client: Client, topics: Topics) -> None:
    producer = AIOKafkaProducer(**client, transactional_id=f"{topics.prefix}executor-0")
    try:
        await producer.start()
    finally:
        await producer.stop()


def topic(operation: AclOperation, *suffixes: str) -> tuple[tuple[ResourceType, str, AclOperation], ...]:
    return tuple((ResourceType.TOPIC, suffix, operation) for suffix in suffixes)


GROUP_READ = (ResourceType.GROUP, "executor", AclOperation.READ)
CASES: dict[str, tuple[Act, tuple[Rights, ...], str]] = {
    "group Describe": (join, topic(AclOperation.READ, "action-command"), "grant Read on group {}executor to"),
    "group Read": (
        join, (*topic(AclOperation.READ, "action-command"), (ResourceType.GROUP, "executor", AclOperation.DESCRIBE)),
        "grant Read on group {}executor to",
    ),
    "topic Read": (
        fetch, topic(AclOperation.DESCRIBE, "action-command"),
        "grant Read and DescribeConfigs on topic {}action-command to",
    ),
    "topic Write": (
        write_result, topic(AclOperation.DESCRIBE, "action-result") + topic(AclOperation.WRITE, "action-dead-letter"),
        "grant Write and DescribeConfigs on topic {}action-result to",
    ),
    "cluster IdempotentWrite": (
        write_result, topic(AclOperation.DESCRIBE, "action-result"), "grant IdempotentWrite on the cluster to",
    ),
    "transactional id Describe": (begin_transaction, (), "Write on transactional ids that start with {}executor- to"),
    "transactional id Write": (
        begin_transaction, ((ResourceType.TRANSACTIONAL_ID, "executor-0", AclOperation.DESCRIBE),),
        "grant Write on transactional ids that start with {}executor- to",
    ),
}  # fmt: skip


@pytest.fixture
async def settings(secured_kafka: SecuredKafka, prefix: str) -> Settings:
    super_user = kafka_client_options(load_settings(secured_kafka.settings("PLAINTEXT")))
    await admin.apply(Topics(prefix=prefix), 1, super_user, replication=1)
    return load_settings({**secured_kafka.settings("LOGIN", USER, **PLAIN), "topic_prefix": prefix})


@pytest.fixture(autouse=True)
def no_rights(secured_kafka: SecuredKafka) -> Iterator[None]:
    yield
    secured_kafka.forget_rights(USER)


@pytest.mark.parametrize("name", CASES)
async def test_each_missing_right_is_named(secured_kafka: SecuredKafka, settings: Settings, name: str) -> None:
    act, allowed, words = CASES[name]
    topics, client = settings.topics, kafka_client_options(settings)
    if allowed:
        secured_kafka.allow(USER, *((kind, f"{topics.prefix}{suffix}", may) for kind, suffix, may in allowed))
    with pytest.raises(KafkaError) as caught:
        async with asyncio.timeout(30):
            await act(client, topics)
    text = KafkaErrors(settings, client, [Purpose.EXECUTOR])(caught.value)
    assert words.format(topics.prefix) in text
    assert f"to User:{USER}. Run kafka-acls.sh --bootstrap-server {settings.kafka_bootstrap_servers}" in text


async def test_the_control_table_names_the_right(settings: Settings) -> None:
    client = kafka_client_options(settings)
    words = KafkaErrors(settings, client, [Purpose.INGEST])
    table = ControlTable(settings.topics.control, client, words)
    with structlog.testing.capture_logs() as lines:
        await table.start()
        try:
            async with asyncio.timeout(30):
                while "grant Read and DescribeConfigs on topic" not in str(table.missing()):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        finally:
            await table.stop()
            await words.close()
    assert any(f"topic {settings.topics.control} to User:{USER}" in str(line.get("reason")) for line in lines)


async def test_ingest_names_the_right_of_each_topic(settings: Settings, secured_kafka: SecuredKafka) -> None:
    dead_letters = f"{settings.topic_prefix}action-dead-letter"
    secured_kafka.allow(USER, (ResourceType.TOPIC, dead_letters, AclOperation.WRITE))  # so that the producer starts
    client = kafka_client_options(settings)
    words = KafkaErrors(settings, client, [Purpose.INGEST])
    with structlog.testing.capture_logs() as lines:
        async with Publisher(client, settings.topic_prefix, words=words) as publisher, asyncio.timeout(30):
            while not publisher.ready:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    await words.close()
    unavailable = {line["topic"]: line["error"] for line in lines if line["event"] == "topic_unavailable"}
    for name in settings.topics.events:
        assert f"grant Write and DescribeConfigs on topic {name} to User:{USER}" in unavailable[name]


async def test_ingest_names_why_kafka_is_out_of_reach(secured_kafka: SecuredKafka) -> None:
    settings = load_settings(secured_kafka.settings("LOGIN", USER, **PLAIN, kafka_sasl_password="wrong"))
    client = kafka_client_options(settings)
    words = KafkaErrors(settings, client, [Purpose.INGEST])
    with structlog.testing.capture_logs() as lines:
        async with Publisher(client, settings.topic_prefix, words=words) as publisher, asyncio.timeout(30):
            while "refuses the login of the user plain-user" not in str(publisher.missing()):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    await words.close()
    reasons = {str(line.get("reason")) for line in lines if line["event"] == "kafka_unreachable"}
    assert any("Correct STRIPELINE_KAFKA_SASL_USERNAME or STRIPELINE_KAFKA_SASL_PASSWORD" in one for one in reasons)


async def test_a_topic_that_may_not_be_read_holds_itself_only(secured_kafka: SecuredKafka, settings: Settings) -> None:
    topics, client = settings.topics, kafka_client_options(settings)
    secured_kafka.give_rights(USER, topics, Purpose.EXECUTOR)
    tier = topics.retry(topics.tiers[0])
    secured_kafka.deny(USER, (ResourceType.TOPIC, tier, AclOperation.READ))
    words = KafkaErrors(settings, client, [Purpose.EXECUTOR])
    super_user = load_settings(secured_kafka.settings("PLAINTEXT"))
    workers = ScriptedWorkers(super_user.kafka_bootstrap_servers, topics, 1)
    running = workers.start(ScriptedStripe(), client=client, words=words)
    try:
        denied = f"{tier} is not read: "
        await until(lambda: denied in str(running.worker.missing()), "the topic is named", within_s=READY_S)
        assert f"grant Read, Write and DescribeConfigs on topic {tier} to User:{USER}" in str(running.worker.missing())
        await workers.send(*customers("c1", "c2"), key="k")
        assert await workers.all_have_results("c1", "c2", within_s=READY_S) == ["c1", "c2"]
        secured_kafka.forget_denials(USER)
        await until(lambda: running.worker.missing() is None, "the topic is read", within_s=READY_S)
        assert running.worker.counts.events[WorkerEvent.SESSION_FAILED] == 0
    finally:
        await workers.close()
        await words.close()

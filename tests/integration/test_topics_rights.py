"""`topics check` of a user without rights: what may not be seen is no missing topic, and the right is named."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AclOperation, ResourceType

from stripeline.contracts.topics import Topics
from stripeline.deploy.failure import FailureError
from stripeline.deploy.local.kafka import KafkaSpec, LocalKafka, free_port
from stripeline.deploy.operations import topics as admin
from stripeline.deploy.operations.topics_admin import AdminError, connected
from stripeline.deploy.settings.kafka_options import kafka_client_options
from stripeline.deploy.settings.settings import load_settings
from tests.support.secured_kafka import SecuredKafka

USER = "plain-user"
PLAIN = {"kafka_sasl_mechanism": "PLAIN"}


@pytest.fixture
def topics(prefix: str) -> Topics:
    return Topics(prefix=prefix)


def client(kafka: SecuredKafka, listener: str, user: str | None = None) -> Mapping[str, Any]:
    return kafka_client_options(load_settings(kafka.settings(listener, user, **(PLAIN if user else {}))))


@pytest.fixture
async def user(secured_kafka: SecuredKafka, topics: Topics) -> Mapping[str, Any]:
    """The options of a user without any right, where every topic is as it must be."""
    await admin.apply(topics, 1, client(secured_kafka, "PLAINTEXT"), replication=1)
    return client(secured_kafka, "LOGIN", USER)


@pytest.fixture(autouse=True)
def no_rights(secured_kafka: SecuredKafka) -> Iterator[None]:
    yield
    secured_kafka.forget_rights(USER)


async def test_a_user_without_any_right(topics: Topics, user: Mapping[str, Any]) -> None:
    problems = await admin.check(topics, 1, user)
    assert len(problems) == len(topics.all(1))
    assert problems[0].sentence == (
        f"{topics.events[0]} may not be seen, if it exists, by User:{USER}: grant Describe and DescribeConfigs on"
        f" topic {topics.events[0]} to User:{USER}"
    )
    assert not any("does not exist" in problem.sentence or problem.missing for problem in problems)
    with pytest.raises(admin.TopicsError, match=f"grant Describe and DescribeConfigs on topic {topics.events[0]}, t"):
        await admin.require(topics, 1, user)
    with pytest.raises(admin.TopicsError, match="Nothing was changed"):
        await admin.apply(topics, 1, user)


async def test_a_user_without_describe_configs(
    secured_kafka: SecuredKafka, topics: Topics, user: Mapping[str, Any]
) -> None:
    secured_kafka.allow(USER, (ResourceType.TOPIC, topics.prefix, AclOperation.DESCRIBE), prefixed=True)
    problems = await admin.check(topics, 1, user)
    assert problems[0].sentence == (
        f"{topics.events[0]} has settings that may not be seen, by User:{USER}: grant DescribeConfigs on topic"
        f" {topics.events[0]} to User:{USER}"
    )
    secured_kafka.allow(USER, (ResourceType.TOPIC, topics.prefix, AclOperation.DESCRIBE_CONFIGS), prefixed=True)
    assert await admin.check(topics, 1, user) == []


async def test_a_topic_that_does_not_exist_is_told_apart(secured_kafka: SecuredKafka, topics: Topics) -> None:
    for operation in (AclOperation.DESCRIBE, AclOperation.DESCRIBE_CONFIGS):
        secured_kafka.allow(USER, (ResourceType.TOPIC, topics.prefix, operation), prefixed=True)
    user = client(secured_kafka, "LOGIN", USER)
    assert all(problem.missing for problem in await admin.check(topics, 1, user))
    with pytest.raises(AdminError, match=f"User:{USER} may not create the topic .*: grant Create on topic"):
        await admin.apply(topics, 1, user, replication=1)


async def test_settings_that_may_not_be_changed(
    secured_kafka: SecuredKafka, topics: Topics, user: Mapping[str, Any]
) -> None:
    for operation in (AclOperation.DESCRIBE, AclOperation.DESCRIBE_CONFIGS):
        secured_kafka.allow(USER, (ResourceType.TOPIC, topics.prefix, operation), prefixed=True)
    found = (await admin.survey(topics, 1, user))[0].found
    async with connected(user) as cluster:
        with pytest.raises(
            AdminError, match=f"may not configure the topic .*: grant AlterConfigs on topic .*User:{USER}"
        ):
            await cluster.set({topics.events[0]: found}, {topics.events[0]: {"retention.ms": "1"}})


async def test_reading_a_topic_that_may_not_be_seen(topics: Topics, user: Mapping[str, Any]) -> None:
    async with connected(user) as cluster:
        with pytest.raises(FailureError, match=f"may not see the topic {topics.run}, if it exists: grant Read on"):
            await cluster.partitions(topics.run)


async def test_a_check_creates_no_topic(topics: Topics, tmp_path: Path) -> None:
    """Asking by name creates topics on a broker with auto.create.topics.enable, unless the request forbids it."""
    port = free_port()
    kafka = LocalKafka(KafkaSpec(port=port, data_dir=tmp_path, settings={"auto.create.topics.enable": "true"}))
    await kafka.start()
    try:
        options = {"bootstrap_servers": f"127.0.0.1:{port}"}
        assert await admin.auto_creates(options)
        assert all(problem.missing for problem in await admin.check(topics, 1, options))
        await admin.apply(
            Topics(prefix="later."), 1, options, replication=1
        )  # what was begun before it is done by then
        assert all(problem.missing for problem in await admin.check(topics, 1, options))
    finally:
        await kafka.stop()

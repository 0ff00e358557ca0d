"""Topics on a real Kafka: created as the contract has them, mended, and refused where mending would lose order."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from stripeline.contracts.internal_records import encode
from stripeline.contracts.operator.control_records import Installation
from stripeline.contracts.topics import Topics
from stripeline.deploy.definitions.installation import InstallationError
from stripeline.deploy.operations import topics as admin
from stripeline.deploy.operations.topics_admin import AdminError
from stripeline.workers.kafka.control_table import FormatError, publish
from tests.support.broker import Broker


@pytest.fixture
def client(broker: Broker) -> Mapping[str, Any]:
    return {"bootstrap_servers": broker.bootstrap_servers}


@pytest.fixture
def topics(prefix: str) -> Topics:
    return Topics(prefix=prefix)


async def configure(client: Mapping[str, Any], name: str, config: Mapping[str, str]) -> None:
    """Replace all settings of a topic, as another tool might."""
    kafka = AIOKafkaAdminClient(**client)
    await kafka.start()
    try:
        await kafka.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, dict(config))])
    finally:
        await kafka.close()


async def shown(topics: Topics, partitions: int, client: Mapping[str, Any], words: str) -> None:
    """Wait until the broker shows what it was told: it takes a moment."""
    async with asyncio.timeout(30):
        while not any(words in one.sentence for one in await admin.check(topics, partitions, client)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_creates_all_topics_and_then_finds_nothing_to_do(topics: Topics, client: Mapping[str, Any]) -> None:
    wanted = [topic.name for topic in topics.all(3)]
    missing = await admin.check(topics, 3, client)
    assert [problem.topic for problem in missing] == wanted
    applied = await admin.apply(topics, 3, client)
    assert list(applied.created) == wanted
    assert await admin.check(topics, 3, client) == []
    await admin.require(topics, 3, client)
    again = await admin.apply(topics, 3, client)
    assert (again.created, again.changed) == ((), {})
    states = {state.wanted.name: state for state in await admin.survey(topics, 3, client)}
    control, commands = states[topics.control].found, states[topics.command].found
    assert control is not None
    assert commands is not None
    assert (control.partitions, control.config["cleanup.policy"]) == (1, "compact")
    assert (commands.partitions, commands.config["message.timestamp.type"]) == (3, "LogAppendTime")


async def test_topics_get_an_installation_once(topics: Topics, client: Mapping[str, Any]) -> None:
    first = (await admin.apply(topics, 1, client)).installation
    assert first.written
    assert await admin.installation_problem(topics, client) is None
    for wanted in (None, first.id):
        again = (await admin.apply(topics, 1, client, wanted=wanted)).installation
        assert (again.id, again.written) == (first.id, False)
    with pytest.raises(InstallationError, match=f"belong to the installation {first.id}, and not to other1"):
        await admin.apply(topics, 1, client, wanted="other1")


async def test_an_installation_moves_to_new_topics(topics: Topics, client: Mapping[str, Any]) -> None:
    first = (await admin.apply(topics, 1, client)).installation
    moved = (await admin.apply(Topics(prefix=f"{topics.prefix}new."), 2, client, wanted=first.id)).installation
    assert (moved.id, moved.written) == (first.id, True)


async def test_a_lost_id_is_not_made_up_again(topics: Topics, client: Mapping[str, Any]) -> None:
    first = (await admin.apply(topics, 1, client)).installation
    await put(client, topics.command, b"{}")
    await publish(topics.control, client, {"installation": None})
    problem = await admin.installation_problem(topics, client)
    assert problem is not None
    assert problem.sentence == (f"{topics.control} has no installation record: write it with `stripeline topics apply`")
    with pytest.raises(InstallationError, match="but commands were sent to these topics"):
        await admin.apply(topics, 1, client)
    assert (await admin.apply(topics, 1, client, wanted=first.id)).installation.written


async def test_a_foreign_format_is_named(topics: Topics, client: Mapping[str, Any]) -> None:
    await admin.apply(topics, 1, client)
    await publish(topics.control, client, {"installation": encode(Installation(id="k3v9x2", format=2))})
    problem = await admin.installation_problem(topics, client)
    assert problem is not None
    assert "have format 2" in problem.sentence
    with pytest.raises(FormatError, match="have format 2"):
        await admin.apply(topics, 1, client)


async def put(client: Mapping[str, Any], topic: str, value: bytes) -> None:
    async with AIOKafkaProducer(**client) as producer:
        await producer.send_and_wait(topic, value, partition=0)


async def test_mends_settings_and_keeps_those_of_others(topics: Topics, client: Mapping[str, Any]) -> None:
    await admin.apply(topics, 1, client)
    await configure(client, topics.run, {"cleanup.policy": "delete", "segment.ms": "123456"})
    await shown(topics, 1, client, "has cleanup.policy=delete")
    with pytest.raises(admin.TopicsError, match=r"has cleanup\.policy=delete, not compact"):
        await admin.require(topics, 1, client)
    applied = await admin.apply(topics, 1, client)
    assert set(applied.changed) == {topics.run}
    assert await admin.check(topics, 1, client) == []
    found = {state.wanted.name: state.found for state in await admin.survey(topics, 1, client)}[topics.run]
    assert found is not None
    assert found.own["segment.ms"] == "123456"


async def test_refuses_another_number_of_partitions_before_any_change(
    topics: Topics, client: Mapping[str, Any]
) -> None:
    kafka = AIOKafkaAdminClient(**client)
    await kafka.start()
    await kafka.create_topics([NewTopic(topics.command, 2, 1)])
    await kafka.close()
    await shown(topics, 4, client, "has 2 partitions, not 4")
    with pytest.raises(admin.TopicsError, match=r"Nothing was changed.*set STRIPELINE_PARTITIONS=2") as caught:
        await admin.apply(topics, 4, client)
    assert "keys that change partition lose their order" in str(caught.value)
    assert len([one for one in await admin.check(topics, 4, client) if one.missing]) == len(topics.all(4)) - 1


async def test_asks_for_the_wanted_number_of_copies(topics: Topics, client: Mapping[str, Any]) -> None:
    with pytest.raises(AdminError, match=r"Kafka refused to create the topic .*replication factor"):
        await admin.apply(topics, 1, client, replication=30)
    await admin.apply(topics, 1, client, replication=1)


async def test_tells_whether_topics_are_created_by_mistake(client: Mapping[str, Any], broker: Broker) -> None:
    assert await admin.auto_creates(client) is False or broker.kind == "environment"

"""A command is produced as another team would, and its own result is waited for, whoever else's comes first."""

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from stripeline.contracts import headers
from stripeline.contracts.records import Command, parse_command
from stripeline.contracts.topics import Topics
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations import topics as admin
from stripeline.deploy.operations.reading.topic_reader import Wanted, newest, partitions_of
from stripeline.deploy.operations.send_command import NewCommand, produce, produce_and_wait
from stripeline.workers.kafka.partition_reader import partition_reader
from stripeline.workers.router.run_outputs import COMMAND_TYPE
from tests.support.broker import Broker


@pytest.fixture
def client(broker: Broker) -> Mapping[str, Any]:
    return {"bootstrap_servers": broker.bootstrap_servers}


@pytest.fixture
async def topics(client: Mapping[str, Any], prefix: str) -> Topics:
    topics = Topics(prefix=prefix)
    await admin.apply(topics, 2, client)
    return topics


def order(command_id: str, key: str | None = "k") -> NewCommand:
    return NewCommand(
        command_id=command_id,
        action="stripe/create-customer",
        connection="acme",
        input={"name": "Ada"},
        key=key,
        at_ms=1_000,
    )


def result(command_id: str) -> bytes:
    return orjson.dumps(
        {
            "command_id": command_id,
            "revision": 0,
            "action": "stripe/create-customer",
            "connection": "acme",
            "status": "succeeded",
            "output": {"id": "cus_1"},
            "attempts": 1,
            "started_at": 1,
            "finished_at": 2,
        }
    )


async def answer(topics: Topics, client: Mapping[str, Any]) -> None:
    """An executor's part: for the first command, an unreadable result, another's, and then its own."""
    async with partition_reader(client) as reader, AIOKafkaProducer(**client) as producer:
        reader.seek(await reader.first_offsets(await partitions_of(topics.command, client)))
        while not (records := await reader.poll()):
            pass
        [record] = records
        command = parse_command(record.value)
        assert isinstance(command, Command)
        for value in (b"{", result("another"), result(command.command_id)):
            await producer.send_and_wait(topics.result, value, partition=record.partition)


async def test_a_command_carries_its_key_and_cloud_event_headers(topics: Topics, client: Mapping[str, Any]) -> None:
    await produce(topics, 1, client, order("c1"))
    await produce(topics, 1, client, order("c2", key=None))
    page = await newest(topics.command, client, Wanted(keep=lambda _: True, limit=10))
    by_key = {read.key: read for read in page.records}
    assert set(by_key) == {b"k", None}
    assert headers.text(by_key[b"k"].headers, "ce_id") == "c1"
    assert headers.text(by_key[b"k"].headers, "ce_type") == COMMAND_TYPE
    assert isinstance(parse_command(by_key[None].value), Command)


async def test_waits_for_its_own_result(topics: Topics, client: Mapping[str, Any]) -> None:
    executor = asyncio.create_task(answer(topics, client))
    found = await produce_and_wait(topics, 1, client, order("c1"), timeout_s=30)
    assert (found.command_id, found.output) == ("c1", {"id": "cus_1"})
    await executor


async def test_says_so_when_no_result_comes(topics: Topics, client: Mapping[str, Any]) -> None:
    with pytest.raises(FailureError, match=r"c1 was produced, but has no result after 0\.1 s"):
        await produce_and_wait(topics, 1, client, order("c1"), timeout_s=0.1)


async def test_a_missing_topic_is_named_before_anything_is_produced(client: Mapping[str, Any], prefix: str) -> None:
    with pytest.raises(FailureError, match="action-result does not exist"):
        await produce_and_wait(Topics(prefix=prefix), 1, client, order("c1"), timeout_s=1)


async def test_an_id_without_a_key_meets_the_task_that_knows_it(topics: Topics, client: Mapping[str, Any]) -> None:
    for command_id in ("a", "b", "c", "d", "e"):
        first, again = [await produce(topics, 2, client, order(command_id, key=None)) for _ in range(2)]
        assert first.partition == again.partition

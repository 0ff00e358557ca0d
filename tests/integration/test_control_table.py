"""The control table on a real Kafka: whole at the start, current ever after, and unmoved by what it can't read."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest

from stripeline.contracts.definitions import Connection, Definitions, Trigger, encode_definition
from stripeline.contracts.topics import Topics
from stripeline.deploy.local.kafka import LocalKafka
from stripeline.deploy.operations import topics as admin
from stripeline.workers.kafka.control_table import ControlError, ControlTable, publish, read_all
from tests.support.broker import Broker

WAIT_S = 30.0


def connection(hint: str = "sk_test_…1234") -> Connection:
    return Connection(secret_key="sealed:v1:k:x", mode="test", hint=hint)


TRIGGER = Trigger(kind="stripe/charge-event", connection="acme")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110  (the table has no event for every condition)
            await asyncio.sleep(0.02)


@pytest.fixture
def client(broker: Broker) -> Mapping[str, Any]:
    return {"bootstrap_servers": broker.bootstrap_servers}


@pytest.fixture
async def topic(client: Mapping[str, Any], prefix: str) -> str:
    topics = Topics(prefix=prefix)
    await admin.apply(topics, 1, client)
    return topics.control


@pytest.fixture
async def table(client: Mapping[str, Any], topic: str) -> AsyncIterator[ControlTable]:
    table = ControlTable(topic, client)
    yield table
    await table.stop()


async def test_reads_the_whole_topic_then_follows(table: ControlTable, topic: str, client: Mapping[str, Any]) -> None:
    first = {"connection/acme": encode_definition(connection()), "trigger/pay": encode_definition(TRIGGER)}
    await publish(topic, client, {**first, "connection/gone": encode_definition(connection())})
    await publish(topic, client, {"connection/gone": None})
    assert table.missing() == f"{topic} has not been read yet"
    await table.start()
    async with asyncio.timeout(WAIT_S):
        await table.loaded()
    assert table.ready
    assert table.missing() is None
    assert (dict(table.connections), dict(table.triggers)) == ({"acme": connection()}, {"pay": TRIGGER})
    before = table.definitions
    await publish(
        topic, client, {"connection/acme": encode_definition(connection("rk_live_…9999")), "trigger/pay": None}
    )
    await until(lambda: table.connections["acme"].hint == "rk_live_…9999" and not table.triggers)
    assert before.connections["acme"].hint == "sk_test_…1234", "a snapshot is never altered"


async def test_what_can_not_be_read_leaves_the_last_good_one(
    table: ControlTable, topic: str, client: Mapping[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    await publish(topic, client, {"connection/acme": encode_definition(connection()), "nonsense": b"{}"})
    await publish(topic, client, {"connection/acme": b'{"secret_key": "sk_live_inclear"}', "trigger/bad": b"\xff"})
    await table.start()
    async with asyncio.timeout(WAIT_S):
        await table.loaded()
    assert dict(table.connections) == {"acme": connection()}
    await publish(topic, client, {"connection/acme": b"{", "connection/next": encode_definition(connection())})
    await until(lambda: "next" in table.connections)
    assert table.connections["acme"] == connection()
    assert "connection/acme" in caplog.text
    assert "inclear" not in caplog.text


async def test_reading_all_of_a_new_topic_is_its_installation(topic: str, client: Mapping[str, Any]) -> None:
    found = await read_all(topic, client)
    assert found == Definitions(installation=found.installation, places=found.places)
    assert [*found.places] == ["installation"]


async def test_a_missing_topic_is_named_and_waited_for(client: Mapping[str, Any], prefix: str) -> None:
    topics = Topics(prefix=prefix)
    with pytest.raises(ControlError, match="stripeline topics apply"):
        await read_all(topics.control, client)
    table = ControlTable(topics.control, client)
    await table.start()
    try:
        await until(lambda: "does not exist" in str(table.missing()))
        await admin.apply(topics, 1, client)
        async with asyncio.timeout(WAIT_S):
            await table.loaded()
    finally:
        await table.stop()


async def test_outlives_the_broker(own_broker: LocalKafka, prefix: str) -> None:
    client = {"bootstrap_servers": own_broker.bootstrap_servers}
    topics = Topics(prefix=prefix)
    await admin.apply(topics, 1, client)
    await publish(topics.control, client, {"connection/acme": encode_definition(connection())})
    table = ControlTable(topics.control, client)
    await table.start()
    try:
        async with asyncio.timeout(WAIT_S):
            await table.loaded()
        own_broker.kill()
        assert table.connections["acme"] == connection()
        assert table.ready
        await own_broker.start()
        await publish(topics.control, client, {"connection/next": encode_definition(connection())})
        await until(lambda: "next" in table.connections)
        own_broker.kill()
    finally:
        started = asyncio.get_running_loop().time()
        await table.stop()
        assert asyncio.get_running_loop().time() - started < 10


async def test_stops_without_a_broker() -> None:
    table = ControlTable("stripe.control", {"bootstrap_servers": "127.0.0.1:1"})
    await table.stop()
    await table.start()
    await until(lambda: "Unable to bootstrap" in str(table.missing()))
    await table.stop()

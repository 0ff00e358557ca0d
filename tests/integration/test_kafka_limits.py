"""A Kafka whose defaults lose records, or whose limits are below ours, is named at start with the setting."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from stripeline.contracts.topics import PINNED, Topics
from stripeline.deploy.local.kafka import KafkaSpec, LocalKafka, free_port
from stripeline.deploy.local.kafka_warm_up import warm_up
from stripeline.deploy.operations import kafka_frames as frames
from stripeline.deploy.operations.kafka_abilities import lacking
from stripeline.deploy.operations.topics import NotYetError, TopicsError, apply, check, require, survey
from tests.support.broker import Broker

Client = Mapping[str, Any]
LOSES = {"log.retention.bytes": "200000", "unclean.leader.election.enable": "true"}
LIMITS = {
    "transaction.max.timeout.ms": "5000",
    "offset.metadata.max.bytes": "1000",
    "group.min.session.timeout.ms": "9000",
}


@contextlib.asynccontextmanager
async def kafka(folder: Path, note: Callable[[str], None], settings: Mapping[str, str]) -> AsyncIterator[Client]:
    await warm_up(progress=note)
    broker = LocalKafka(KafkaSpec(port=free_port(), data_dir=folder, settings=settings))
    await broker.start(note)
    try:
        yield {"bootstrap_servers": broker.bootstrap_servers}
    finally:
        broker.kill()


async def made_before(topics: Topics, client: Client) -> None:
    """Topics as they were made before they were pinned."""
    admin = AIOKafkaAdminClient(**client)
    await admin.start()
    await admin.create_topics(
        [
            NewTopic(
                topic.name, topic.partitions, 1,
                topic_configs={name: value for name, value in topic.config.items() if name not in PINNED},
            )
            for topic in topics.all(1)
        ]
    )  # fmt: skip
    await admin.close()


async def test_a_clusters_defaults_that_lose_records(tmp_path: Path, note: Callable[[str], None]) -> None:
    topics = Topics()
    async with kafka(tmp_path, note, LOSES) as client:
        await made_before(topics, client)
        async with asyncio.timeout(20):
            while len(sentences := [one.sentence for one in await check(topics, 1, client)]) < 20:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert any(f"{topics.command} has retention.bytes=200000, not -1" in one for one in sentences)
        assert any(f"{topics.ledger} has unclean.leader.election.enable=true, not false" in one for one in sentences)
        with pytest.raises(TopicsError, match="`stripeline topics apply` sets it"):
            await require(topics, 1, client)
        await apply(topics, 1, client)
        assert await check(topics, 1, client) == []


async def test_limits_below_ours_are_one_sentence_each(tmp_path: Path, note: Callable[[str], None]) -> None:
    topics = Topics()
    async with kafka(tmp_path, note, LIMITS) as client:
        await apply(topics, 1, client)
        with pytest.raises(TopicsError) as caught:
            await require(topics, 1, client, session_timeout_ms=6_000)
        for name, value in LIMITS.items():
            assert f"{name}={value}" in str(caught.value)
        assert "set STRIPELINE_SESSION_TIMEOUT to 9000ms at least" in str(caught.value)
        assert len((await require(topics, 1, client)).problems) == 2  # ingest starts, and warns


async def test_too_few_brokers_for_transactions_are_waited_for(tmp_path: Path, note: Callable[[str], None]) -> None:
    topics = Topics()
    async with kafka(tmp_path, note, {"transaction.state.log.replication.factor": "3"}) as client:
        await apply(topics, 1, client)
        with pytest.raises(
            NotYetError, match=r"replication\.factor=3 and one broker is alive, so no transaction can begin"
        ):
            await require(topics, 1, client, session_timeout_ms=6_000)
        found = await require(topics, 1, client)  # ingest makes no transactions, and starts
        assert [one.waits for one in found.problems] == [True]


async def test_our_own_kafka_serves_us(broker: Broker, prefix: str) -> None:
    topics, client = Topics(prefix=prefix), {"bootstrap_servers": broker.bootstrap_servers}
    await apply(topics, 2, client)
    assert (await require(topics, 2, client, session_timeout_ms=6_000)).problems == []
    pinned = {state.wanted.name: state.found.own for state in await survey(topics, 2, client) if state.found}
    assert all(own["unclean.leader.election.enable"] == "false" for own in pinned.values())
    assert pinned[topics.command]["retention.bytes"] == "-1"


async def test_topics_that_were_made_before_are_pinned(broker: Broker, prefix: str) -> None:
    topics, client = Topics(prefix=prefix), {"bootstrap_servers": broker.bootstrap_servers}
    await made_before(topics, client)
    async with asyncio.timeout(20):
        while await check(topics, 1, client):  # noqa: ASYNC110  the broker shows them after a moment
            await asyncio.sleep(0.05)
    applied = await apply(topics, 1, client)
    assert applied.changed[topics.command] == {"retention.bytes": "-1", "unclean.leader.election.enable": "false"}
    async with asyncio.timeout(20):
        while (await apply(topics, 1, client)).changed:  # noqa: ASYNC110  the broker shows the pins after a moment
            await asyncio.sleep(0.05)


async def test_a_service_without_transactions_is_found() -> None:
    knows = {key: version for key, version in frames.NEEDED.values() if key not in {24, 25, 26, 28}}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))
        body = struct.pack(">ihi", 1, 0, len(knows)) + b"".join(struct.pack(">hhh", k, 0, v) for k, v in knows.items())
        writer.write(struct.pack(">i", len(body)) + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        found = await lacking({"bootstrap_servers": f"127.0.0.1:1,127.0.0.1:{port}"})
    assert len(found) == 4
    assert all("(transactions)" in one for one in found)
    assert await lacking({"bootstrap_servers": "127.0.0.1:1"}) == ()

"""The console's index while it follows a real Kafka: what tests write for it, and how they wait for what it makes."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaProducer
from sqlalchemy import Table

from stripeline.contracts.topics import Topics
from stripeline.deploy.console.index import tables
from stripeline.deploy.console.index.topic_index import TopicIndex, topic_index
from stripeline.deploy.operations.reading.topic_reader import Read
from tests.support.index_facts import contents

WINDOW_MS = 7 * 86_400_000
_END_S = 30.0
ALL = (tables.event, tables.run, tables.command, tables.letter, tables.audit, tables.tally)


async def publish(topics: Topics, client: Mapping[str, Any], records: Sequence[Read], **options: Any) -> None:
    """Of other prefixes and more partitions, onto these topics."""
    async with AIOKafkaProducer(**client, **options) as producer:
        for record in records:
            await producer.send(
                record.topic.replace("stripe.", topics.prefix, 1), record.value, key=record.key,
                partition=record.partition % 2, headers=[*record.headers.items()],
            )  # fmt: skip
        await producer.flush()


@asynccontextmanager
async def running(where: str | None, topics: Topics, client: Mapping[str, Any]) -> AsyncIterator[TopicIndex]:
    async with topic_index(where, topics, client, window_ms=WINDOW_MS, plan_every_s=0.5) as index:
        task = asyncio.create_task(index.run())
        try:
            yield index
        finally:
            task.cancel()
            await asyncio.wait([task], timeout=_END_S)
            assert task.done(), f"the index did not end within {_END_S} s: {task.get_stack()}"


async def rows(index: TopicIndex, table: Table) -> list[dict[str, Any]]:
    return await index.ask(lambda db: contents(db, table))


async def contents_of(index: TopicIndex) -> dict[str, Any]:
    """All rows, by table."""
    return {table.name: await rows(index, table) for table in ALL}


async def until(index: TopicIndex, holds: Callable[[], Any], within_s: float = 30) -> Any:
    """What it returns once it is true of the index."""
    version, ends_s = 0, time.monotonic() + within_s
    while not (found := await holds()):
        assert time.monotonic() < ends_s, index.catch_up()
        async with asyncio.timeout(within_s):
            version = await changed(index, version)
    return found


async def changed(index: TopicIndex, version: int) -> int:
    """Wait until the version is another one, as a live stream does."""
    while index.version() == version:  # noqa: ASYNC110  (it has no notice)
        await asyncio.sleep(0.05)
    return index.version()


async def caught_up(index: TopicIndex) -> bool:
    return index.catch_up().caught_up


async def command_ids(index: TopicIndex) -> set[str]:
    return {row["command_id"] for row in await rows(index, tables.command)}


async def has_commands(index: TopicIndex, wanted: set[str]) -> bool:
    return await command_ids(index) == wanted

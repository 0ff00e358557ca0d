"""Follows topics live, without a consumer group: from now, or from a time on."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from stripeline.deploy.operations.reading.topic_reader import Read, partitions_of, read_of
from stripeline.workers.kafka.partition_reader import FOLLOW_WAIT_MS, partition_reader

BEGINNING = 0


async def follow(topics: Sequence[str], client: Mapping[str, Any], since_ms: int | None) -> AsyncGenerator[Read]:
    """Yield each committed record since a time, or from now on, for ever. Close it.

    What comes together is in order of time.

    Raises FailureError for a missing topic, KafkaError, and TimeoutError when Kafka is silent.
    """
    partitions = [partition for topic in topics for partition in await partitions_of(topic, client)]
    async with partition_reader(client, fetch_wait_ms=FOLLOW_WAIT_MS) as reader:
        ends = await reader.end_offsets(partitions)
        since = {} if since_ms is None else await reader.offsets_at(partitions, since_ms)
        reader.seek({**ends, **since})
        while True:
            for record in sorted(await reader.poll(), key=lambda one: one.timestamp):
                yield read_of(record)

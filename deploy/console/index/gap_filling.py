"""Looks again at what the index left out, and reads what can be read by now.

Rows are merged by rank, whatever the order in which records are read, so that what is read late makes the same index.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import CorruptRecordException
from sqlalchemy import Row

from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.console.index.batch_writing import BatchWriting
from stripeline.deploy.console.index.gap_rows import drop_gap, kept_gaps
from stripeline.deploy.console.index.index_store import IndexStore
from stripeline.deploy.operations.reading.topic_reader import Read, read_of
from stripeline.workers.kafka.partition_reader import partition_reader
from stripeline.workers.kafka.unread.unreadable_batch import unreadable_batch

_SILENT_S = 10.0
log = structlog.get_logger(__name__)


async def fill_gaps(
    store: IndexStore, topics: Topics, client: Mapping[str, Any], since_ms: Callable[[], int]
) -> int:  # fmt: skip
    """How many gaps are gone: filled, or of offsets that Kafka has removed.

    Raises KafkaError, TimeoutError, OtherWriterError, and SQLAlchemy's errors.
    """
    gone = 0
    for gap in await store.ask(kept_gaps):
        records = await _readable(gap, client)
        if records is None:
            continue
        await BatchWriting(store, topics, since_ms).fill(records, partial(drop_gap, gap=gap))
        log.info(
            LogEvent.INDEX_GAP_FILLED, topic=gap.topic, partition=gap.number, offset=gap.first, last=gap.last,
            count=len(records),
        )  # fmt: skip
        gone += 1
    return gone


async def _readable(gap: Row[Any], client: Mapping[str, Any]) -> list[Read] | None:
    """The records of a gap, none where Kafka has removed them; None while they can't be read."""
    tp = TopicPartition(gap.topic, gap.number)
    async with partition_reader(client) as reader:
        first = max(gap.first, (await reader.first_offsets([tp]))[tp])
        end = min(gap.last + 1, (await reader.end_offsets([tp]))[tp])
        if first > gap.last:
            return []
        try:
            if end <= gap.last or await unreadable_batch(tp, first, client) is not None:
                return None
        except CorruptRecordException:
            return None
        reader.seek({tp: first})
        found: list[Read] = []
        async for records in reader.read_to({tp: end}, silent_s=_SILENT_S):
            found += [read_of(record) for record in records if record.offset <= gap.last]
    return found

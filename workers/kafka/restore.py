"""Where a task goes on: the committed offsets with the finished ranges beside them, and the state of its changelog."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import orjson
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from stripeline.workers.kafka.aiokafka_internals import committed_offsets
from stripeline.workers.task.decision import State
from stripeline.workers.task.watermark import Watermark, decode

S = TypeVar("S", bound=State)


@dataclass(slots=True)
class Kept(Generic[S]):
    """A state, and the offset of its changelog up to which it holds."""

    state: S
    upto: int


async def watermarks(
    group: str, partitions: Sequence[TopicPartition], client: Mapping[str, Any]
) -> Mapping[TopicPartition, Watermark]:
    """The watermark of each input partition as it was last committed; partitions without a commit are left out.

    Raises KafkaError unless the group's coordinator answers for every partition.
    """
    committed = await committed_offsets(group, partitions, client)
    return {
        tp: Watermark(found.offset, decode(found.offset, found.metadata))
        for tp, found in committed.items()
        if found.offset >= 0
    }


async def restore(
    tp: TopicPartition, kept: Kept[Any], inputs: Sequence[TopicPartition], client: Mapping[str, Any]
) -> Mapping[TopicPartition, int]:
    """Apply what a changelog partition has beyond what is kept, and tell where the inputs end now.

    Read committed: what an aborted transaction wrote never was.
    """
    consumer = AIOKafkaConsumer(
        **client,
        group_id=None,
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=8_388_608,
        fetch_max_wait_ms=50,
    )
    try:
        await consumer.start()
        ends: Mapping[TopicPartition, int] = await consumer.end_offsets(list(inputs))
        first = (await consumer.beginning_offsets([tp]))[tp]
        end = (await consumer.end_offsets([tp]))[tp]
        # In one go: between the two it would fetch 8 MB from the beginning, for nothing. aiokafka 0.14 throws them away
        # as a generator that holds itself, and there they stay for as long as the collector does not look.
        consumer.assign([tp])
        consumer.seek(tp, max(kept.upto, first))
        while await consumer.position(tp) < end:
            for records in (await consumer.getmany(tp, timeout_ms=500, max_records=5_000)).values():
                for record in records:
                    kept.state.apply(record.key.decode(), None if record.value is None else orjson.loads(record.value))
        kept.upto = int(end)
        return ends
    finally:
        await consumer.stop()

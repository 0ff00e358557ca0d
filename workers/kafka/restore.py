"""Where a task goes on: the committed offsets with the finished ranges beside them, and the state of its changelog."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from aiokafka.structs import ConsumerRecord, TopicPartition

from stripeline.contracts.internal_records import UnreadableRecordError
from stripeline.workers.kafka.aiokafka_internals import committed_offsets
from stripeline.workers.kafka.partition_reader import partition_reader
from stripeline.workers.task.decision import TaskState
from stripeline.workers.task.watermark import Watermark, decode

S = TypeVar("S", bound=TaskState)
_FETCH_BYTES: Final = 8_388_608
"""A changelog is read whole: larger fetches than aiokafka's 1 MB."""


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
    """Apply what a changelog partition has beyond what is kept. Returns where the inputs end now.

    Raises UnreadableRecordError, with the place of the record.
    """
    async with partition_reader(client, max_partition_fetch_bytes=_FETCH_BYTES) as reader:
        input_ends = await reader.end_offsets(inputs)
        first, end = (await reader.first_offsets([tp]))[tp], (await reader.end_offsets([tp]))[tp]
        reader.seek({tp: max(kept.upto, first)})
        async for records in reader.read_to({tp: end}):
            for record in records:
                _apply(kept.state, record)
        kept.upto = int(end)
        return input_ends


def _apply(state: TaskState, record: ConsumerRecord) -> None:
    try:
        state.restore(record.key.decode(), record.value)
    except UnreadableRecordError as error:
        raise UnreadableRecordError(f"{record.topic}-{record.partition} offset {record.offset}: {error}") from None

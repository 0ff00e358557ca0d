"""Where a task goes on: the committed offsets with the finished ranges beside them, and the state of its changelog."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import orjson
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.structs import TopicPartition

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
    """The watermark of each input partition as it was last committed; those that never were are left out.

    Raises KafkaError unless the group's coordinator says of each of them where it stands.
    """
    admin = AIOKafkaAdminClient(**client)
    try:
        await admin.start()
        committed = await _committed(admin, group, partitions)
    finally:
        await admin._client.close()  # noqa: SLF001  (its own `close` does nothing when its start was cut short)
    if missing := set(partitions) - committed.keys():
        raise KafkaError(f"the coordinator of {group} did not say where {_names(missing)} stand")
    return {tp: mark for tp, mark in committed.items() if mark is not None}


async def _committed(
    admin: Any, group: str, partitions: Sequence[TopicPartition]
) -> Mapping[TopicPartition, Watermark | None]:
    """Not by aiokafka's own `list_consumer_group_offsets`: that of 0.14 looks at no error of the whole answer.

    A group whose coordinator was just loading its offsets looked like one that had never committed, and everything
    was read again from the beginning.
    """
    numbers: dict[str, list[int]] = defaultdict(list)
    for tp in partitions:
        numbers[tp.topic].append(tp.partition)
    request = OffsetFetchRequest(group, list(numbers.items()))
    answer = await admin._send_request(request, await admin.find_coordinator(group))  # noqa: SLF001
    found: dict[TopicPartition, Watermark | None] = {}
    _raise_for(answer.error_code, f"the offsets of {group}")
    for topic, places in answer.topics:
        for partition, offset, metadata, error_code in places:
            _raise_for(error_code, f"the offset of {group} in {topic}-{partition}")
            mark = Watermark(offset, decode(offset, metadata)) if offset >= 0 else None
            found[TopicPartition(topic, partition)] = mark
    return found


def _raise_for(error_code: int, what: str) -> None:
    if error_code:
        raise for_code(error_code)(f"{what}: not told by the coordinator")


def _names(tps: Iterable[TopicPartition]) -> str:
    return ", ".join(sorted(f"{tp.topic}-{tp.partition}" for tp in tps))


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

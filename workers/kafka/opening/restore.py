"""Where a task goes on: the committed offsets with the finished ranges beside them, and the state of its changelog.

A state is restored whole or not at all: up to the end that the log has after the fence. What keeps it from there is
said in words, and the restore goes on by itself when that is over. `RestoredState.upto` moves while it is read, so a
restore that is cut short goes on from there.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord, TopicPartition

from stripeline.contracts.internal_records import UnreadableRecordError
from stripeline.workers.kafka.aiokafka_internals import committed_offsets
from stripeline.workers.kafka.partition_reader import Offsets, PartitionReader, partition_reader
from stripeline.workers.kafka.watch.open_transactions import bootstrap_servers, open_transaction
from stripeline.workers.packed.state_proof import ChangelogNow
from stripeline.workers.task.decision import StateChange, TaskState
from stripeline.workers.task.open_transaction import words
from stripeline.workers.task.restore_progress import Standing
from stripeline.workers.task.watermark import Watermark, decode, mark_in

S = TypeVar("S", bound=TaskState)
_SILENT_S: Final = 3.0
_FETCH_BYTES: Final = 8_388_608
"""A changelog is read whole: larger fetches than aiokafka's 1 MB."""


@dataclass(slots=True)
class RestoredState(Generic[S]):
    """A state, and the offset of its changelog up to which it holds."""

    state: S
    upto: int

    def apply(self, changes: Iterable[StateChange]) -> None:
        """Changes of now, which go to the changelog with the next commit."""
        for change in changes:
            self.state.apply(change.key, change.record)


class ChangelogReplacedError(Exception):
    """A changelog partition ends before what was restored from it: the state is of another log, and counts no more."""


@dataclass(frozen=True, kw_only=True)
class Restoring:
    """What a restore needs beside its changelog.

    turn: bounds how many partitions of a process are read at a time; one that waits for a transaction has no turn.
    waits: called with what the restore waits for, None when it goes on; it says how long, whenever it is asked.
    append: appends a record without meaning behind the end of the changelog, and returns the end after it.
    now_ms: the broker's time.
    ends: asks where logs end now, open transactions included.
    """

    client: Mapping[str, Any]
    turn: asyncio.Semaphore
    waits: Callable[[Callable[[], str] | None], None]
    append: Callable[[], Awaitable[int]]
    now_ms: Callable[[], int]
    ends: Callable[[Collection[TopicPartition]], Awaitable[Offsets]]


async def watermarks(
    group: str, partitions: Sequence[TopicPartition], client: Mapping[str, Any]
) -> Mapping[TopicPartition, Watermark]:
    """The watermark of each input partition as it was last committed; partitions without a commit are left out.

    Raises KafkaError unless the group's coordinator answers for every partition.
    """
    committed = await committed_offsets(group, partitions, client)
    return {
        tp: Watermark(found.offset, decode(found.offset, found.metadata), mark_in(found.metadata))
        for tp, found in committed.items()
        if found.offset >= 0
    }


async def changelog_now(
    tp: TopicPartition, upto: int, client: Mapping[str, Any], now_ms: Callable[[], int]
) -> ChangelogNow:
    """What a file with the state up to an offset has to be proved by. Raises KafkaError, TimeoutError."""
    async with partition_reader(client) as reader:
        first, end = (await reader.first_offsets([tp]))[tp], (await reader.end_offsets([tp]))[tp]
        last = await reader.record_at(tp, upto - 1, silent_s=_SILENT_S) if first < upto <= end else None
    return ChangelogNow(first=first, end=end, last_ms=None if last is None else last.timestamp, now_ms=now_ms())


async def restore(
    tp: TopicPartition, restored: RestoredState[Any], inputs: Sequence[TopicPartition], restoring: Restoring
) -> Offsets:
    """Apply all that a changelog partition has beyond what is restored. Returns where the inputs end now.

    Call it after the fence. Raises KafkaError, TimeoutError, ChangelogReplacedError, and UnreadableRecordError with the
    place of the record.
    """
    ends = await restoring.ends([tp, *inputs])
    if restored.upto > ends[tp]:
        raise ChangelogReplacedError(f"{tp.topic}-{tp.partition} ends at {ends[tp]}, before {restored.upto}")
    async with partition_reader(restoring.client, max_partition_fetch_bytes=_FETCH_BYTES, bare=True) as reader:
        first = (await reader.first_offsets([tp]))[tp]
        restored.upto = max(restored.upto, first)
        reader.seek({tp: restored.upto})
        await _read(reader, tp, restored, ends[tp], restoring)
    return {one: ends[one] for one in inputs}


async def _read(
    reader: PartitionReader, tp: TopicPartition, restored: RestoredState[Any], end: int, restoring: Restoring
) -> None:
    def take(records: Sequence[ConsumerRecord], position: int) -> None:
        apply = restored.state.restore
        for record in records:
            try:
                apply(record.key.decode(), record.value)
            except UnreadableRecordError as error:
                raise UnreadableRecordError(f"{tp.topic}-{tp.partition} offset {record.offset}: {error}") from None
        restored.upto = position

    appended = False
    while True:
        async with restoring.turn:
            reached = await reader.read_stable(tp, end, take)
        match reached:
            case Standing.HELD:
                await _wait_for_transaction(reader, tp, restoring)
            case Standing.EMPTY if not appended:
                restoring.waits(_nothing_before_the_end(tp, restored.upto, end))
                end, appended = await restoring.append(), True
            case Standing.EMPTY:
                raise KafkaError(f"{tp.topic}-{tp.partition}: Kafka returns no record from offset {restored.upto} on")
            case _:
                return


async def _wait_for_transaction(reader: PartitionReader, tp: TopicPartition, restoring: Restoring) -> None:
    held_at, servers = reader.last_stable_offset(tp) or 0, bootstrap_servers(restoring.client)
    found = await open_transaction(tp, held_at, restoring.client)
    restoring.waits(lambda: words(found, restoring.now_ms(), servers))
    await reader.more_is_stable(tp, held_at)
    restoring.waits(None)


def _nothing_before_the_end(tp: TopicPartition, upto: int, end: int) -> Callable[[], str]:
    return lambda: (
        f"{tp.topic}-{tp.partition} has neither a record nor a marker from offset {upto} to its end {end}; a record is"
        " appended, to read up to it"
    )

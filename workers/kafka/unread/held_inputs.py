"""The input partitions of one worker that are held, each at a batch that no client can read, and how they go on.

A partition that Kafka does not let this user read is held too, until it does.

- A hold is of one position: a task that goes on elsewhere, such as from its last commit, is not held by it.
- It is looked at again from time to time: another replica may have the batch whole.
- A person's skip is of these very bytes: at the same offsets of a topic created again it skips nothing.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import structlog
from aiokafka.errors import CorruptRecordException, KafkaError, TopicAuthorizationFailedError
from aiokafka.structs import TopicPartition
from msgspec import Struct

from stripeline.contracts.operator.control_records import BatchSkip
from stripeline.contracts.topics import RECORD_MAX_BYTES
from stripeline.contracts.vocabulary import LogEvent
from stripeline.workers.kafka.unread.unreadable_batch import UnreadableBatch, unreadable_batch
from stripeline.workers.task import gaps
from stripeline.workers.task.gaps import Gap, missing
from stripeline.workers.task.watermark import Range

LOOK_AGAIN_S: Final = 30.0
_ASK_AGAIN_S: Final = 2.0
_EXAMINE_S: Final = 5.0
BROKER_CANNOT: Final = (
    "its broker can't read its own log there, so nobody knows where the batch ends; let another replica lead the"
    " partition, or restore the broker's disk"
)
Skips = Callable[[], Mapping[str, BatchSkip]]
"""What persons skipped, by `TOPIC/PARTITION`."""

log = structlog.get_logger()


class HeldAt(Struct, frozen=True, kw_only=True):
    """position: the next offset to read. batch: None while Kafka did not answer what is there, or must not (denied)."""

    position: int
    batch: UnreadableBatch | None
    why: str
    since_s: float
    again_s: float
    denied: bool = False


class Past(Struct, frozen=True):
    """Where a held partition goes on, and the gap that is passed; none where all of it was finished before."""

    position: int
    gap: Gap | None


class HeldInputs:
    """The holds of one worker, by partition."""

    def __init__(
        self, client: Mapping[str, Any], skips: Skips, role: str, words: Callable[[BaseException], str] = repr
    ) -> None:
        """words: says what an error of Kafka's means."""
        self._client, self._skips, self._words = client, skips, words
        self._holds: dict[TopicPartition, HeldAt] = {}
        self._log = log.bind(role=role)

    def __len__(self) -> int:
        return len(self._holds)

    def __iter__(self) -> Iterator[TopicPartition]:
        return iter(self._holds)

    def __contains__(self, tp: object) -> bool:
        return tp in self._holds

    def keeps(self, tp: TopicPartition, position: int, now_s: float) -> bool:
        """Whether a partition is not to be read now. A hold of another position ends here."""
        hold = self._holds.get(tp)
        if hold is None:
            return False
        if hold.position != position:
            del self._holds[tp]
            return False
        return now_s < hold.again_s

    async def examine(self, tp: TopicPartition, position: int, error: Exception | None) -> bool:
        """A read failed at this position, or brings nothing (None): hold the partition there.

        False where Kafka has nothing unreadable there.
        """
        if isinstance(error, TopicAuthorizationFailedError):
            self._hold(tp, position, None, self._words(error), _ASK_AGAIN_S, denied=True)
            return True
        try:
            async with asyncio.timeout(_EXAMINE_S):
                batch = await unreadable_batch(tp, position, self._client, ahead=True)
        except CorruptRecordException:
            self._hold(tp, position, None, BROKER_CANNOT, LOOK_AGAIN_S)
            return True
        except (KafkaError, OSError, TimeoutError):
            if error is None:
                return False
            self._hold(tp, position, None, f"a read fails: {type(error).__name__}", _ASK_AGAIN_S)
            return True
        if batch is None:
            return False
        self._hold(tp, position, batch, batch.why, LOOK_AGAIN_S)
        return True

    def _hold(
        self, tp: TopicPartition, position: int, batch: UnreadableBatch | None, why: str, again_s: float,
        *, denied: bool = False,
    ) -> None:  # fmt: skip
        before, now_s = self._holds.get(tp), time.monotonic()
        if before is not None and before.position == position and (batch is None or _same(before.batch, batch)):
            batch, why, since_s = before.batch, before.why, before.since_s
        else:
            since_s = now_s
            self._tell(tp, position, batch, why)
        self._holds[tp] = HeldAt(
            position=position, batch=batch, why=why, since_s=since_s, again_s=now_s + again_s, denied=denied
        )

    def _tell(self, tp: TopicPartition, position: int, batch: UnreadableBatch | None, why: str) -> None:
        place = {"topic": tp.topic, "partition": tp.partition, "reason": why}
        if batch is None:
            self._log.error(LogEvent.INPUT_HELD, offset=position, **place)
            return
        self._log.error(
            LogEvent.BATCH_UNREADABLE, offset=batch.first, last=batch.last, codec=batch.header.codec,
            producer_id=batch.header.producer_id, advice=_skip_command(tp, batch), **place,
        )  # fmt: skip

    def past(self, tp: TopicPartition, position: int, finished: Iterable[Range], dead_letters: str) -> Past | None:
        """Where a held partition goes on: a person skipped the batch, or an earlier owner had finished all of it."""
        hold = self._holds.get(tp)
        if hold is None or hold.position != position or hold.batch is None:
            return None
        batch = hold.batch
        lacks = missing(max(batch.first, position), batch.last, finished)
        if lacks is None:
            return Past(batch.last + 1, None)
        skip = self._skips().get(f"{tp.topic}/{tp.partition}")
        if skip is None or (skip.first, skip.digest) != (batch.first, batch.digest):
            return None
        why = f"{batch.why}; skipped by {skip.by}: {skip.why}"
        self._log.warning(
            LogEvent.BATCH_SKIPPED, topic=tp.topic, partition=tp.partition, offset=batch.first, last=batch.last,
            by=skip.by, why=skip.why,
        )  # fmt: skip
        data = batch.data if len(batch.data) <= RECORD_MAX_BYTES else b""
        return Past(
            batch.last + 1,
            gaps.skipped(
                dead_letters, tp.topic, tp.partition, batch.last, lacks, why=why, batch=data,
                at_ms=batch.header.max_timestamp_ms,
            ),
        )  # fmt: skip

    def end(self, tp: TopicPartition) -> bool:
        """A partition goes on. False where it was not held."""
        return self._holds.pop(tp, None) is not None

    def goes_on(self, tp: TopicPartition) -> None:
        """A record was read of a partition."""
        if self.end(tp):
            self._log.info(LogEvent.BATCH_READABLE, topic=tp.topic, partition=tp.partition)

    def clear(self) -> None:
        """The partitions are somebody else's."""
        self._holds.clear()

    def ages_s(self) -> Mapping[TopicPartition, float]:
        """How long each partition has been held."""
        now_s = time.monotonic()
        return {tp: now_s - hold.since_s for tp, hold in self._holds.items()}

    def is_denied(self, tp: TopicPartition) -> bool:
        hold = self._holds.get(tp)
        return hold is not None and hold.denied

    def words(self) -> Sequence[str]:
        """What is held though it may be read: where, why, and what to do."""
        return [_words(tp, hold) for tp, hold in sorted(self._holds.items()) if not hold.denied]

    def denied(self) -> Sequence[str]:
        """The topics that this user may not read, each with the right to grant."""
        return sorted({f"{tp.topic} is not read: {hold.why}" for tp, hold in self._holds.items() if hold.denied})


def _same(one: UnreadableBatch | None, other: UnreadableBatch) -> bool:
    return one is not None and (one.first, one.digest) == (other.first, other.digest)


def _words(tp: TopicPartition, hold: HeldAt) -> str:
    if hold.batch is None:
        return f"{tp.topic}-{tp.partition} is held at offset {hold.position}: {hold.why}"
    return (
        f"{tp.topic}-{tp.partition} is held at offset {hold.batch.first}: no client can read the batch of offsets"
        f" {hold.batch.first} to {hold.batch.last} ({hold.why}); {_skip_command(tp, hold.batch)}"
    )


def _skip_command(tp: TopicPartition, batch: UnreadableBatch) -> str:
    return f"`stripeline topics skip {tp.topic} {tp.partition} {batch.first} --why …` moves past it"

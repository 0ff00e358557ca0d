"""Finds out where a task goes on: the state of its changelog, and the watermark of each input partition.

First the task's producer fences its former owner, so nobody can add to what is read then. Until the state is whole the
task is not open, and says what it waits for. Last it appends a record of its own, so that the broker's time is known
before the first decision: the host's clock may be hours wrong.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from aiokafka.errors import CorruptRecordException
from aiokafka.structs import TopicPartition

from stripeline.contracts.vocabulary import LogEvent
from stripeline.workers.disk.state_cache import StateCache
from stripeline.workers.kafka.broker_clock import BrokerClock
from stripeline.workers.kafka.opening.openings import Openings
from stripeline.workers.kafka.opening.restore import RestoredState, Restoring, changelog_now, restore
from stripeline.workers.kafka.partition_reader import Offsets
from stripeline.workers.kafka.transaction import Transactions
from stripeline.workers.kafka.unread.losses import lost_gap, tell_expired_commits
from stripeline.workers.kafka.unread.unreadable_batch import UnreadableBatchError
from stripeline.workers.packed.state_proof import ChangelogNow
from stripeline.workers.roles import Role
from stripeline.workers.task.gaps import Gap
from stripeline.workers.task.pending import Pending
from stripeline.workers.task.topic_marks import is_of_another_changelog, is_of_another_topic, mark_of
from stripeline.workers.task.watermark import Watermark

Beginnings = Callable[[Sequence[TopicPartition]], Awaitable[Mapping[TopicPartition, int]]]
"""Asks for the first offsets of partitions."""

_LOOK_AGAIN_S: Final = 5.0
_STATE_LOST: Final = (
    "{changelog} was deleted and created again, so its state is lost: a command that was done would be done again if it"
    " were sent again after 24 h. See docs/operations.md (A changelog was created again) for how to accept that for the"
    " group {group}"
)
"""No state has this key: a ledger's have a slash, a run's a colon."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Start:
    """Where an input partition goes on, and where it ended when the task began.

    read_from: behind what was committed, or at the log's first offset where that is later.
    lost: what was removed in between, and nobody had finished.
    """

    watermark: Watermark
    end: int
    read_from: int
    lost: Sequence[Gap] = ()


class Opening:
    """The opening of one task."""

    def __init__(
        self, role: Role[Any], partition: int, transactions: Transactions, *, openings: Openings, clock: BrokerClock,
        cache: StateCache | None = None,
    ) -> None:  # fmt: skip
        self._dead_letters, self._clock = role.dead_letters, clock
        self._cache, self._new_state = cache, role.new_state
        self._group, self._changelog = role.group, TopicPartition(role.changelog, partition)
        self._transactions, self._openings, self.took_s = transactions, openings, 0.0
        self._restoring = Restoring(
            client=openings.client, turn=openings.turn, waits=self._wait_for, append=self._append,
            now_ms=clock.now_ms, ends=openings.ends.of,
        )  # fmt: skip
        self._waits: Callable[[], str] | None = None
        self._log = log.bind(task=f"{role.name}-{partition}")

    @property
    def waits(self) -> str | None:
        """What the restore waits for, in words; None where it goes on."""
        return None if self._waits is None else self._waits()

    async def starts(
        self, restored: RestoredState[Any], inputs: Sequence[TopicPartition], beginnings: Beginnings
    ) -> Mapping[TopicPartition, Start]:
        """Open the producer, restore the state, and return where each input goes on.

        Raises KafkaError, TimeoutError, ChangelogReplacedError, UnreadableRecordError.
        """
        began_s = time.monotonic()
        await self._transactions.open()
        if self._cache is not None:
            await self._begin_with_file(self._cache, restored)
        ends = await self._restore(restored, inputs)
        found, marks = await self._committed(inputs)
        restored.upto = await self._learn_the_time()
        if self._cache is not None and (keep := self._cache.image(restored.state, restored.upto)) is not None:
            keep(restored.upto)
        firsts = await beginnings(inputs)
        if not found and any(restored.state.sizes.values()):
            tell_expired_commits(self._group, ((tp, first) for tp, first in firsts.items() if first > 0))
        self.took_s = time.monotonic() - began_s
        starts = {tp: self._start(tp, found.get(tp), firsts[tp], ends[tp]) for tp in inputs}
        for tp, start in starts.items():
            start.watermark.mark = marks[tp]
        return starts

    async def _begin_with_file(self, cache: StateCache, restored: RestoredState[Any]) -> None:
        """Where nothing is restored yet, begin with the state in the task's file, if there is one that is proved."""
        changelog = self._changelog
        cache.topic_id = (await self._openings.topic_ids.of([changelog.topic])).get(changelog.topic)
        if restored.upto == 0:
            async with self._restoring.turn:
                found = await cache.load(self._new_state, self._changelog_now)
            if found is not None:
                restored.state, restored.upto = found

    async def _changelog_now(self, upto: int) -> ChangelogNow:
        await self._learn_the_time()  # the host's clock can't tell how old a file is
        return await changelog_now(self._changelog, upto, self._restoring.client, self._clock.now_ms)

    async def _committed(
        self, inputs: Sequence[TopicPartition]
    ) -> tuple[Mapping[TopicPartition, Watermark], Mapping[TopicPartition, str]]:
        """What was committed of the topics that are there now, and the marks of the next commits.

        Waits while the changelog is not the one that was committed with: its state is lost.
        """
        asked, changelog = self._openings, self._changelog.topic
        while True:
            found = await asked.watermarks.of(inputs)
            ids = await asked.topic_ids.of({changelog, *(tp.topic for tp in inputs)})
            marks = {tp: mark_of(ids.get(tp.topic), ids.get(changelog)) for tp in inputs}
            if not any(is_of_another_changelog(known.mark, marks[tp]) for tp, known in found.items()):
                self._waits = None
                return {tp: known for tp, known in found.items() if self._is_there(tp, known, marks[tp])}, marks
            if self._waits is None:
                self._wait_for(lambda: _STATE_LOST.format(changelog=changelog, group=self._group))
            await asyncio.sleep(_LOOK_AGAIN_S)

    def _is_there(self, tp: TopicPartition, committed: Watermark, mark: str) -> bool:
        """Whether the topic that was committed is there; a new one of its name is read from its beginning."""
        if not is_of_another_topic(committed.mark, mark):
            return True
        place = {"topic": tp.topic, "partition": tp.partition, "committed": committed.position}
        self._log.warning(LogEvent.TOPIC_RECREATED, **place)
        return False

    async def _restore(self, restored: RestoredState[Any], inputs: Sequence[TopicPartition]) -> Offsets:
        """Wait at a batch that no client can read: another replica may have it whole, and no other task is concerned.

        Without it the state would have a hole: commands that were done would be done again.
        """
        named: str | None = None
        while True:
            try:
                ends = await restore(self._changelog, restored, inputs, self._restoring)
            except (UnreadableBatchError, CorruptRecordException) as error:  # the latter: it was whole at a second look
                words = str(error)
                if words != named:
                    named = words
                    self._wait_for(lambda words=words: words)  # type: ignore[misc]
                await asyncio.sleep(_LOOK_AGAIN_S)
            else:
                self._waits = None
                return ends

    def _start(self, tp: TopicPartition, committed: Watermark | None, first: int, end: int) -> Start:
        """Without a commit the group begins where the log does: what was removed before was never its own."""
        if committed is not None and committed.position > end:  # of a longer log, which is not there any more
            committed = None
            self._log.warning(LogEvent.TOPIC_RECREATED, topic=tp.topic, partition=tp.partition, end=end)
        watermark = committed or Watermark(first)
        position = watermark.position
        if position >= first:
            return Start(watermark, end, position)
        finished, now_ms = watermark.ranges(), self._clock.now_ms()
        gap = lost_gap(tp, position, first, finished, dead_letters=self._dead_letters, now_ms=now_ms)
        return Start(watermark, end, first, () if gap is None else (gap,))

    def _wait_for(self, what: Callable[[], str] | None) -> None:
        self._waits = what
        if what is not None:
            self._log.warning(LogEvent.RESTORE_WAITS, reason=what())

    async def _learn_the_time(self) -> int:
        """Append once, also where other tasks of the process have: a clock that ran on alone for long may have drifted.

        Again while an append took too long to tell the time. Its end is bounded: it raises TimeoutError. Returns the
        changelog's end after it.
        """
        end = await self._append()
        while not self._clock.known:
            self._wait_for(lambda: "Kafka takes too long to append a record, so its time is not known yet")
            end = await self._append()
        self._waits = None
        return end

    async def _append(self) -> int:
        """Append a tombstone of a key that is never used. Returns the changelog's end after it."""
        nothing = Pending()
        nothing.touch()
        return await self._transactions.commit(nothing, {}) or 0

"""One reading of the topics, by one consumer: from where the store is, until something ends it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.console.index.batch_writing import BatchWriting
from stripeline.deploy.console.index.gap_rows import gap_words, put_gap
from stripeline.deploy.console.index.hidden_records import HiddenRecords
from stripeline.deploy.console.index.index_store import IndexStore
from stripeline.deploy.console.index.isolated_reads import IsolatedReads, PassedBatch
from stripeline.deploy.console.index.reading_state import ReadingState
from stripeline.deploy.console.index.row_writer import ReadStep, places
from stripeline.deploy.console.index.store_reset import kept_meta, make_again, put_meta
from stripeline.deploy.console.index.store_stamp import Reachable, StoreStamp, useless_because
from stripeline.deploy.console.index.topic_plan import TopicPlan, begins, topic_plan
from stripeline.deploy.failure import FailureError
from stripeline.workers.kafka.control_table import ControlError, read_all
from stripeline.workers.kafka.partition_reader import PartitionReader

_LOOK_EVERY_S: Final = 1.0
_STAMP_EVERY_S: Final = 30.0
log = structlog.get_logger(__name__)


class RereadError(Exception):
    """The topics are not those that were read: begin again."""


class TopicReading:
    """An open reader. since_ms: the beginning of the window, now."""

    def __init__(
        self, reader: PartitionReader, store: IndexStore, topics: Topics, client: Mapping[str, Any],
        state: ReadingState, since_ms: Callable[[], int],
    ) -> None:  # fmt: skip
        self._reader, self._store, self._topics, self._client = reader, store, topics, client
        self._state, self._since_ms = state, since_ms
        self._batches = BatchWriting(store, topics, since_ms)
        self._places: dict[tuple[str, int], int | None] = {}
        self._begins: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}
        self._reads, self._hidden = IsolatedReads(reader, client, {}), HiddenRecords(reader, client)
        self._looked_s, self._stamped_s = 0.0, 0.0
        self._plan = TopicPlan(partitions=(), missing={}, topic_ids={})

    async def begin(self) -> None:
        """From where the store is; a store of no use is made again before.

        Raises KafkaError, ControlError, FailureError, TimeoutError, and SQLAlchemy's errors.
        """
        self._plan = await topic_plan(self._topics, self._client)
        self._begins = await begins(self._reader, self._topics, self._plan.partitions, self._since_ms())
        self._ends = dict(await self._reader.end_offsets(self._plan.partitions))
        await self._check_store()
        kept = await self._store.ask(places)
        self._places = {_at(tp): kept.get(_at(tp)) for tp in self._plan.partitions}
        at = {tp: self._place(tp) for tp in self._plan.partitions}
        self._reads = IsolatedReads(self._reader, self._client, at)
        self._state.progress = replace(
            self._state.progress, since_ms=self._state.progress.since_ms or _now_ms(), read=0, unread=0
        )
        self._state.trouble(self._plan.missing)
        self._state.left_out(await self._store.ask(gap_words))

    def _place(self, tp: TopicPartition) -> int:
        kept = self._places[_at(tp)]
        return self._begins[tp] if kept is None else kept

    async def _check_store(self) -> None:
        firsts = await self._reader.first_offsets(self._plan.partitions)
        now = Reachable(firsts=_by_place(firsts), ends=_by_place(self._ends))
        stamp = StoreStamp(
            prefix=self._topics.prefix, installation=await self._installation(), topic_ids=self._plan.topic_ids
        )  # fmt: skip
        kept = await self._store.ask(kept_meta)
        if self._state.claimed and stamp.is_of_others(kept):
            raise FailureError(
                f"another console made this store one of {kept.get('prefix')}* (installation"
                f" {kept.get('installation')}): give each a CONSOLE_STORE of its own"
            )
        self._state.claimed = True
        why = useless_because(kept, stamp, await self._store.ask(places), now, _now_ms())
        if why is None:
            await self._store.change(lambda db: put_meta(db, {**stamp.rows(), "progress_ms": _now_ms()}))
            return
        log.info(LogEvent.INDEX_MADE_AGAIN, reason=why)
        rows = {**stamp.rows(), "created_ms": _now_ms(), "progress_ms": _now_ms()}
        await self._store.change(lambda db: make_again(db, rows))
        self._state.made_again(rebuilt="format" in kept)

    async def _installation(self) -> str | None:
        """None where the control topic has none, or can't be read: another check says so, and the index goes on."""
        try:
            found = (await read_all(self._topics.control, self._client)).installation
        except (KafkaError, ControlError, TimeoutError):
            return None
        return None if found is None else found.id

    async def plan_again(self) -> None:
        """Look for topics that came, went, or were made again. Raises RereadError, KafkaError, TimeoutError."""
        now = await topic_plan(self._topics, self._client)
        if now != self._plan:
            raise RereadError

    async def once(self) -> None:
        """Read and write what there is, within half a second where there is none. Raises as `begin` does."""
        taken = await self._reads.once()
        records = taken.records
        if any(record.offset < (self._places.get((record.topic, record.partition)) or 0) for record in records):
            raise RereadError  # the log ends before what was read of it
        if records:
            moved, left_out = await self._batches.write(records, self._places)
            self._places |= moved
            self._state.written()
            self._state.grow()
            if left_out:
                self._state.unreadable(left_out)
        for passed in taken.passed:
            await self._leave_out(passed)
        now_s = time.monotonic()
        if now_s - self._looked_s >= _LOOK_EVERY_S:
            self._looked_s = now_s
            await self._look(now_s, idle=not records)

    async def _leave_out(self, passed: PassedBatch) -> None:
        """Note offsets that can't be read, and move behind them."""
        at, to = _at(passed.tp), passed.last + 1
        await self._batches.move({at: ReadStep(self._places[at], to)}, lambda db: put_gap(db, passed, _now_ms()))
        self._places[at] = to
        self._state.left_out(await self._store.ask(gap_words))

    async def _look(self, now_s: float, *, idle: bool) -> None:
        """Note how far it is, and what holds it back."""
        positions = await self._reader.positions(self._plan.partitions)
        if idle or now_s - self._stamped_s >= _STAMP_EVERY_S:
            await self._move(positions, now_s)
        read = sum(max(0, at - self._begins[tp]) for tp, at in positions.items())
        unread = sum(max(0, self._end(tp) - at) for tp, at in positions.items())
        caught_up = self._state.progress.caught_up or all(positions[tp] >= end for tp, end in self._ends.items())
        if caught_up and not self._state.progress.caught_up:
            log.info(LogEvent.INDEX_CAUGHT_UP, records=read)
            self._state.grow()
        self._state.progress = replace(self._state.progress, read=read, unread=unread, caught_up=caught_up)
        await self._reads.find_stalled(positions, now_s)
        hidden = await self._hidden.look(positions, now_s)
        self._state.trouble({**self._plan.missing, **self._reads.stuck(), **hidden})

    def _end(self, tp: TopicPartition) -> int:
        stable = self._reader.last_stable_offset(tp)
        return self._ends[tp] if stable is None else stable

    async def _move(self, positions: Mapping[TopicPartition, int], now_s: float) -> None:
        """Over the marks of transactions, which are no records; with the time, now and then."""
        steps = {
            _at(tp): ReadStep(self._places[_at(tp)], at)
            for tp, at in positions.items()
            if self._places[_at(tp)] is None or at > self._place(tp)
        }
        stamp = now_s - self._stamped_s >= _STAMP_EVERY_S
        if not steps and not stamp:
            return
        also = {"progress_ms": _now_ms()} if stamp else {}
        await self._batches.move(steps, lambda db: put_meta(db, also))
        self._places |= {at: step.to for at, step in steps.items()}
        self._state.written()
        if stamp:
            self._stamped_s = now_s


def _at(tp: TopicPartition) -> tuple[str, int]:
    return (tp.topic, tp.partition)


def _by_place(offsets: Mapping[TopicPartition, int]) -> dict[tuple[str, int], int]:
    return {_at(tp): offset for tp, offset in offsets.items()}


def _now_ms() -> int:
    return int(time.time() * 1000)

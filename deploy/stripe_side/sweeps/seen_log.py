"""Reads what ingest noted on `stripe.event-seen`, and where the logs of the events begin and end.

Notes are written outside of transactions, and so are most events: what is appended is what counts, so that an open
transaction of somebody else makes no event look lost. Nothing here is kept: notes are read from the beginning of the
oldest window to the log's end, and only as far as events are still looked for.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final

import msgspec
from aiokafka import ConsumerRecord, TopicPartition

from stripeline.contracts.deliveries.seen_events import SeenEvent, SeenEvents
from stripeline.contracts.topics import Topics
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.reading.event_ranges import retention_ms
from stripeline.deploy.operations.reading.topic_reader import partitions_of
from stripeline.deploy.stripe_side.sweeps.enrolment import FirstNote
from stripeline.deploy.stripe_side.sweeps.event_comparison import Comparison, LogRange, WantedNotes, proves
from stripeline.workers.executor.answer_origin import json_object
from stripeline.workers.kafka.partition_reader import Offsets, PartitionReader, partition_reader

CLOCKS_APART_MS: Final = 15 * 60_000
"""A note is never older than its event; this is for Stripe's clock and the brokers'."""
_SILENT_S: Final = 30.0
_RECORD_S: Final = 10.0
_YIELD_EVERY: Final = 100
_decoder = msgspec.json.Decoder(SeenEvents)


class SeenLog:
    """The notes, and the logs that they are about. now_ms: by the broker's clock."""

    def __init__(
        self, topics: Topics, client: Mapping[str, Any], reader: PartitionReader, notes: Collection[TopicPartition],
        now_ms: int,
    ) -> None:  # fmt: skip
        self._topics, self._client, self._reader, self._now_ms = topics, client, reader, now_ms
        self._notes = list(notes)
        self._ranges: dict[str, Mapping[int, LogRange]] = {}
        self._kept_ms: dict[str, int | None] = {}
        self._looked_again: set[str] = set()  # topics, since notes were fetched
        self.read = 0

    async def strike(self, comparisons: Sequence[Comparison], ended: Callable[[Comparison], None]) -> None:
        """Take out of each what is proved to have come since its time. Raises KafkaError, TimeoutError.

        ended: called, before all is read, with each that lacks nothing any more.
        """
        self._ranges.clear()
        wanted = WantedNotes(comparisons)
        async with aclosing(self._noted(wanted.from_ms - CLOCKS_APART_MS)) as found:
            async for record, notes in found:
                for note in notes:
                    if wanted.lacking(note) and await self._proved(note, record.timestamp):
                        for one in wanted.strike(note):
                            ended(one)
                if not wanted:
                    return

    async def first_notes(self, triggers: Collection[str], from_ms: int) -> Mapping[str, FirstNote]:
        """The first note of each since a time. Raises KafkaError, TimeoutError."""
        first: dict[str, tuple[SeenEvent, int]] = {}
        async with aclosing(self._noted(from_ms if triggers else None)) as found:
            async for record, notes in found:
                for note in notes:
                    if note.trigger in triggers and note.trigger not in first:
                        first[note.trigger] = (note, record.timestamp)
        accounts = {name: await self._account(note) for name, (note, _) in first.items()}
        return {
            name: FirstNote(noted_ms // 1000, accounts[name] or None)
            for name, (_, noted_ms) in first.items()
            if accounts[name] is not None
        }

    async def _noted(self, from_ms: int | None) -> AsyncGenerator[tuple[ConsumerRecord, tuple[SeenEvent, ...]], None]:
        unread = {} if from_ms is None else await self._unread(max(0, from_ms))
        if not unread:
            return
        async with aclosing(self._reader.read_to(unread, silent_s=_SILENT_S)) as chunks:
            async for records in chunks:
                self._looked_again.clear()
                for number, record in enumerate(records, start=1):
                    self.read += 1
                    if (notes := _notes_of(record)) is not None:
                        yield record, notes
                    if number % _YIELD_EVERY == 0:
                        await asyncio.sleep(0)  # commands are not to wait for it

    async def _unread(self, from_ms: int) -> Offsets:
        """From a time to the end: the reader is placed there."""
        ends = await self._reader.end_offsets(self._notes)
        starts = await self._reader.offsets_at(self._notes, from_ms)
        unread = {tp: end for tp, end in ends.items() if starts.get(tp, end) < end}
        if unread:
            self._reader.seek({tp: starts[tp] for tp in unread})
        return unread

    async def _proved(self, note: SeenEvent, noted_ms: int) -> bool:
        found = (await self._range(note.topic)).get(note.partition)
        if found is not None and note.offset >= found.end and note.topic not in self._looked_again:
            # It may have been appended since we looked; all that was fetched with this note was there by now.
            self._looked_again.add(note.topic)
            self._ranges.pop(note.topic)
            found = (await self._range(note.topic)).get(note.partition)
        kept_ms = await self._kept_from_ms(note.topic) if found is not None and note.offset < found.first else None
        return proves(note, noted_ms, found, kept_ms)

    async def _range(self, topic: str) -> Mapping[int, LogRange]:
        known = self._ranges.get(topic)
        if known is None:
            known = self._ranges[topic] = await self._found_range(topic)
        return known

    async def _found_range(self, topic: str) -> Mapping[int, LogRange]:
        if topic not in {*self._topics.events, self._topics.thin_event, self._topics.health_event}:
            return {}
        try:
            partitions = await partitions_of(topic, self._client)
        except FailureError:  # it is gone, and all that was on it
            return {}
        firsts, ends = await self._reader.first_offsets(partitions), await self._reader.end_offsets(partitions)
        return {tp.partition: LogRange(firsts[tp], ends[tp]) for tp in partitions}

    async def _kept_from_ms(self, topic: str) -> int | None:
        if topic not in self._kept_ms:
            kept_ms = await retention_ms(self._topics, topic, self._client)
            self._kept_ms[topic] = None if kept_ms is None else self._now_ms - kept_ms
        return self._kept_ms[topic]

    async def _account(self, note: SeenEvent) -> str | None:
        """The connected account of a noted event, "" for the own one; None where its record can't be read."""
        if note.topic not in {*self._topics.events, self._topics.thin_event}:
            return None
        place = TopicPartition(note.topic, note.partition)
        record = await self._reader.record_at(place, note.offset, silent_s=_RECORD_S)
        event = None if record is None else json_object(record.value or b"")
        account = (event or {}).get("account") or (event or {}).get("context") or ""
        return account if event is not None and isinstance(account, str) else None


def _notes_of(record: ConsumerRecord) -> tuple[SeenEvent, ...] | None:
    try:
        return _decoder.decode(record.value or b"").events
    except msgspec.DecodeError:  # nothing that was published is lost by it
        return None


@contextlib.asynccontextmanager
async def seen_log(topics: Topics, client: Mapping[str, Any], now_ms: int) -> AsyncIterator[SeenLog]:
    """Raises FailureError where there is no such topic, KafkaError, TimeoutError."""
    notes = await partitions_of(topics.event_seen, client)
    async with partition_reader(client, isolation_level="read_uncommitted") as reader:
        yield SeenLog(topics, client, reader, notes, now_ms)

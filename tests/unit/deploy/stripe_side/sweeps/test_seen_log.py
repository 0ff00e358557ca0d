"""Notes strike out what came, as far as the logs prove it; a log is looked at once for what was fetched together."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from stripeline.contracts.deliveries.seen_events import SeenEvent, SeenEvents
from stripeline.contracts.internal_records import encode
from stripeline.contracts.topics import Topics
from stripeline.deploy.stripe_side.sweeps import seen_log as module
from stripeline.deploy.stripe_side.sweeps.event_comparison import Comparison
from stripeline.deploy.stripe_side.sweeps.seen_log import CLOCKS_APART_MS, SeenLog

TOPICS = Topics()
EVENTS = TopicPartition(TOPICS.event("payment-event"), 0)
NOTED_MS = 1_800_000_000_000


class Reader:
    """Chunks of notes, and a log of events that ends at `end`."""

    def __init__(self, *chunks: Sequence[SeenEvent], end: int = 100) -> None:
        self.chunks, self.end = chunks, end
        self.from_ms = self.looks = self.taken = 0

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        self.looks += EVENTS in partitions
        return {tp: self.end if tp == EVENTS else len(self.chunks) for tp in partitions}

    async def first_offsets(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    async def offsets_at(self, partitions: Sequence[TopicPartition], at_ms: int) -> Mapping[TopicPartition, int]:
        self.from_ms = at_ms
        return dict.fromkeys(partitions, 0)

    def seek(self, _: Any) -> None: ...

    async def read_to(self, _: Any, **__: Any) -> AsyncGenerator[Sequence[Any], None]:
        for notes in self.chunks:
            self.taken += 1
            yield [SimpleNamespace(value=encode(SeenEvents(events=tuple(notes))), timestamp=NOTED_MS)]


@pytest.fixture(autouse=True)
def _one_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    async def partitions_of(topic: str, _: Any) -> list[TopicPartition]:
        return [TopicPartition(topic, 0)]

    monkeypatch.setattr(module, "partitions_of", partitions_of)


def note(event: str, trigger: str, offset: int = 1) -> SeenEvent:
    return SeenEvent(event, trigger, 1, EVENTS.topic, 0, offset)


def lacks(*pairs: tuple[str, str], from_ms: int = NOTED_MS) -> Comparison:
    return Comparison(dict.fromkeys(pairs), from_ms)  # type: ignore[arg-type]


async def struck(reader: Reader, *comparisons: Comparison) -> list[Comparison]:
    """Those that lack nothing any more, in the order in which they were told."""
    ended: list[Comparison] = []
    seen = SeenLog(TOPICS, {}, reader, [TopicPartition(TOPICS.event_seen, 0)], NOTED_MS)  # type: ignore[arg-type]
    await seen.strike(comparisons, ended.append)
    return ended


async def test_one_reading_from_the_oldest_time_is_for_all():
    reader = Reader([note("evt_1", "b"), note("evt_1", "a")], [note("evt_2", "a")], [note("evt_3", "b")])
    one, other = lacks(("evt_1", "a"), ("evt_2", "a")), lacks(("evt_3", "b"), ("evt_4", "b"), from_ms=NOTED_MS - 9)
    assert await struck(reader, one, other) == [one]
    assert reader.from_ms == NOTED_MS - 9 - CLOCKS_APART_MS
    assert set(other.missing) == {("evt_4", "b")}


async def test_it_ends_where_nothing_is_missing_any_more():
    reader = Reader([note("evt_1", "a")], [note("evt_2", "b")], [note("evt_3", "b")])
    one, other = lacks(("evt_1", "a")), lacks(("evt_2", "b"))
    assert await struck(reader, one, other) == [one, other]
    assert reader.taken == 2


async def test_the_same_event_of_one_trigger_is_struck_out_of_both():
    one, other = lacks(("evt_1", "a")), lacks(("evt_1", "a"), ("evt_2", "a"))
    assert await struck(Reader([note("evt_1", "a")]), one, other) == [one]
    assert set(other.missing) == {("evt_2", "a")}


async def test_a_log_is_looked_at_once_for_what_came_together():
    behind = [[note(f"evt_{chunk}{number}", "a", 100 + number) for number in range(50)] for chunk in range(2)]
    reader = Reader(*behind)
    one = lacks(*((each.id, "a") for chunk in behind for each in chunk))
    assert await struck(reader, one) == []
    assert len(one.missing) == 100
    assert reader.looks == 1 + 2


async def test_what_was_appended_since_the_log_was_looked_at_counts():
    reader = Reader([note("evt_1", "a", 1)], [note("evt_2", "a", 100)])
    one = lacks(("evt_1", "a"), ("evt_2", "a"))

    async def end_offsets(partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        reader.looks += EVENTS in partitions
        return dict.fromkeys(partitions, 99 + reader.looks)

    reader.end_offsets = end_offsets  # type: ignore[method-assign]
    assert await struck(reader, one) == [one]

"""Records of retry topics that wait, and what each of them waits for: a time, its turn, or that a gate opens. Pure.

A record that waits is taken and not finished: it stays on its topic, and nothing is written for it. The committed
offset does not pass it, so the next owner of the task, or an older version, reads it again. What is kept here is kept
in memory, packed, and within bounds. What finds no room goes back to a tier.

    read ─► waits ──── its time ──────────────► ready, oldest first ─► lane
              ├─────── the head of its lane ──►   │
              ├─────── its gate opens ────────►   │
              └─────── it must move ──────────────┴──────────────────► lane, and from there to a tier
"""

import heapq
from collections import Counter
from collections.abc import Callable, Container, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from msgspec import Struct, msgpack

from stripeline.contracts.headers import Headers, first_appended_ms, read
from stripeline.workers.task.decision import InputRecord, Waits
from stripeline.workers.task.waiting.least import Least

MAX_RECORDS: Final = 200_000
"""Of one task."""
MAX_BYTES: Final = 128 * 1024 * 1024
"""Of one process."""
STAYS_MS: Final = 12 * 3_600_000
"""A record that is older moves, long before its topic's retention ends, and before the horizon of what may have been
attempted from it by a worker that died."""
_OVERHEAD: Final = 400  # what an entry takes beside its packed record
MANY: Final = -1
"""How many records a gate lets through: all of them."""


class WaitingRecord(Struct, frozen=True, array_like=True):
    """A record as it is kept. Its topic and partition are shared strings and small numbers."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class WaitingTopic(Struct, frozen=True, kw_only=True):
    """What waits of one topic, for those who watch it.

    due_ms: when the next one is taken, if nothing wakes it before; None where all are ready.
    ready: how many wait for a lane alone, and `ready_ms`, since when the first of them was due.
    first_ms: when the oldest command was first appended.
    """

    count: int
    due_ms: int | None = None
    ready: int = 0
    ready_ms: int | None = None
    first_ms: int


class _Entry:
    __slots__ = ("at_ms", "first_ms", "lane", "offset", "packed", "timestamp", "topic", "waits", "woken")

    def __init__(self, lane: Hashable, record: InputRecord, waits: Waits) -> None:
        self.lane, self.topic, self.offset, self.timestamp = lane, record.topic, record.offset, record.timestamp
        self.waits, self.woken = waits, False
        stays_ms = record.timestamp + STAYS_MS
        self.at_ms = stays_ms if waits.until_ms is None else min(waits.until_ms, stays_ms)
        self.first_ms = first_appended_ms(read(record.headers), record.timestamp)
        self.packed = msgpack.encode(
            (record.partition, record.key, record.value, tuple((name, value) for name, value in record.headers))
        )

    def __lt__(self, other: "_Entry") -> bool:
        return (self.timestamp, self.offset) < (other.timestamp, other.offset)

    @property
    def size(self) -> int:
        return len(self.packed) + _OVERHEAD

    def has_woken(self) -> bool:
        return self.woken

    def has_left(self) -> bool:
        return not self.packed

    def record(self) -> InputRecord:
        partition, key, value, headers = msgpack.decode(self.packed, type=_Packed)
        return WaitingRecord(self.topic, partition, self.offset, self.timestamp, key, value, headers)


_Packed = tuple[int, bytes | None, bytes | None, Headers]


@dataclass(slots=True)
class _OfTopic:
    """What waits of one topic: by the time that ends each wait, and by the age of its command."""

    times: Least[_Entry] = field(default_factory=lambda: Least(_Entry.has_woken))
    ages: Least[_Entry] = field(default_factory=lambda: Least(_Entry.has_left))
    count: int = 0

    @property
    def next_ms(self) -> int | None:
        first = self.times.first()
        return None if first is None else first[0]


@dataclass(slots=True)
class RoomSize:
    """How much the waiting rooms of one process hold together."""

    bytes: int = 0
    limit: int = MAX_BYTES


@dataclass(slots=True)
class WaitingRoom:
    """The records of one task that wait. `size` is shared by the tasks of a process."""

    size: RoomSize = field(default_factory=RoomSize)
    _count: int = 0
    _bytes: int = 0
    _by_place: dict[Hashable, dict[int, _Entry]] = field(default_factory=dict)
    _by_topic: dict[str, _OfTopic] = field(default_factory=dict)
    _heads: Counter[Hashable] = field(default_factory=Counter)
    _by_gate: dict[Hashable, tuple[dict[_Entry, None], dict[_Entry, None]]] = field(default_factory=dict)
    _closed: set[Hashable] = field(default_factory=set)
    _ready: list[_Entry] = field(default_factory=list)
    _moves: set[tuple[str, int]] = field(default_factory=set)

    def __len__(self) -> int:
        return self._count

    @property
    def bytes(self) -> int:
        return self._bytes

    @property
    def gates(self) -> int:
        """How many gates records wait for."""
        return len(self._by_gate)

    @property
    def has_room(self) -> bool:
        return self._count < MAX_RECORDS and self.size.bytes < self.size.limit

    def keeps(self, record: InputRecord, now_ms: int) -> bool:
        """Whether a record may stay on its topic; else it goes back to a tier."""
        if (record.topic, record.offset) in self._moves:
            self._moves.discard((record.topic, record.offset))
            return False
        return self.has_room and now_ms < record.timestamp + STAYS_MS

    def add(self, lane: Hashable, record: InputRecord, waits: Waits) -> None:
        entry = _Entry(lane, record, waits)
        self._count += 1
        self._grow(entry.size)
        if waits.place is not None:
            before = self._by_place.get(lane, {}).get(waits.place)
            if before is not None:  # two records with one place: each is decided about by itself
                self._wake(before)
            self._by_place.setdefault(lane, {})[waits.place] = entry
        else:
            self._count_head(entry, 1)
        of_topic = self._by_topic.setdefault(record.topic, _OfTopic())
        of_topic.count += 1
        of_topic.times.add(entry.at_ms, entry)
        of_topic.ages.add(entry.first_ms, entry)
        if waits.gate is not None:
            fresh, tried = self._by_gate.setdefault(waits.gate, ({}, {}))
            (fresh if waits.fresh else tried)[entry] = None
            if waits.closed:
                self._closed.add(waits.gate)

    def turn(self, lane: Hashable, place: Callable[[], int | None]) -> None:
        """A record of a lane has ended: the one whose place is the head of its queue goes on; all, without a queue."""
        waiting = self._by_place.get(lane)
        if waiting is None:
            return
        head = place()
        for at in [head] if head is not None else sorted(waiting):
            entry = waiting.get(at)
            if entry is not None:
                self._wake(entry)

    def wake_due(self, now_ms: int) -> None:
        for of_topic in self._by_topic.values():
            while (first := of_topic.times.first()) is not None and first[0] <= now_ms:
                self._wake(first[1])

    def look_at_gates(self, lets: Callable[[Hashable], int]) -> None:
        """Wake what its gate lets through: 0 none, 1 one, MANY all, once it was closed."""
        for gate in list(self._by_gate):
            allowed = lets(gate)
            if allowed != MANY:
                self._closed.add(gate)
                for entry in list(islice(self._at(gate), allowed)):
                    self._wake(entry)
            elif gate in self._closed:
                self._closed.discard(gate)
                for entry in list(self._at(gate)):
                    self._wake(entry)

    @property
    def next_ms(self) -> int | None:
        """When the next record is due."""
        times = (of_topic.next_ms for of_topic in self._by_topic.values())
        return min((at_ms for at_ms in times if at_ms is not None), default=None)

    @property
    def ready(self) -> bool:
        return bool(self._ready)

    def first(self) -> str:
        """The topic of the record that `pop` gives."""
        return self._ready[0].topic

    def pop(self) -> tuple[Hashable, InputRecord]:
        """The oldest record that waits no more, and its lane: so that what is finished of a topic has few gaps."""
        entry = heapq.heappop(self._ready)
        self._count -= 1
        self._grow(-entry.size)
        record = entry.record()
        entry.packed = b""
        of_topic = self._by_topic[entry.topic]
        of_topic.count -= 1
        of_topic.ages.one_has_gone()
        self._count_head(entry, -1)
        return entry.lane, record

    def move(self, topic: str, offsets: Callable[[int], bool]) -> None:
        """What waits for its turn or a closed gate at these offsets goes back to a tier: its topic has many gaps."""
        for entry in list(self._by_topic[topic].times if topic in self._by_topic else ()):
            if (entry.waits.place is not None or entry.waits.closed) and offsets(entry.offset):
                self._moves.add((topic, entry.offset))
                self._wake(entry)

    def ended(self, record: InputRecord) -> None:
        if self._moves:
            self._moves.discard((record.topic, record.offset))

    @property
    def heads(self) -> Container[Hashable]:
        """The lanes whose head waits here."""
        return self._heads

    def topics(self) -> Mapping[str, WaitingTopic]:
        ready: dict[str, list[int]] = {}
        for entry in self._ready:
            ready.setdefault(entry.topic, []).append(entry.at_ms)
        return {
            topic: WaitingTopic(
                count=seen.count, due_ms=seen.next_ms, first_ms=oldest[0], ready=len(ready.get(topic, ())),
                ready_ms=min(ready.get(topic, ()), default=None),
            )
            for topic, seen in self._by_topic.items() if (oldest := seen.ages.first()) is not None
        }  # fmt: skip

    def clear(self) -> None:
        """The task ends."""
        self.size.bytes -= self._bytes
        self._bytes = 0

    def _at(self, gate: Hashable) -> Iterator[_Entry]:
        for entries in self._by_gate[gate]:
            yield from entries

    def _grow(self, size: int) -> None:
        self._bytes += size
        self.size.bytes += size

    def _wake(self, entry: _Entry) -> None:
        waits, entry.woken = entry.waits, True
        heapq.heappush(self._ready, entry)
        self._by_topic[entry.topic].times.one_has_gone()
        if waits.place is not None:
            places = self._by_place[entry.lane]
            del places[waits.place]
            self._count_head(entry, 1)
            if not places:
                del self._by_place[entry.lane]
        if waits.gate is not None:
            fresh, tried = self._by_gate[waits.gate]
            del (fresh if waits.fresh else tried)[entry]
            if not fresh and not tried:
                del self._by_gate[waits.gate]
                self._closed.discard(waits.gate)

    def _count_head(self, entry: _Entry, change: int) -> None:
        self._heads[entry.lane] += change
        if not self._heads[entry.lane]:
            del self._heads[entry.lane]

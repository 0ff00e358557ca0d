"""A partition with transactions in memory, and a consumer of it that reads committed records, as aiokafka's does."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Literal

from aiokafka.structs import TopicPartition

Kind = Literal["record", "commit", "abort"]


@dataclass(frozen=True, slots=True)
class Entry:
    """What one offset holds: a record, or the marker that ends its producer's transaction.

    producer: None for one without transactions.
    """

    kind: Kind
    producer: str | None
    key: str = ""
    value: bytes | None = None


@dataclass
class Log:
    """Its entries by offset; an offset that holds nothing is None."""

    entries: list[Entry | None] = field(default_factory=list)

    def prefix(self, length: int) -> "Log":
        return Log(self.entries[:length])

    @property
    def end(self) -> int:
        return len(self.entries)

    @property
    def last_stable(self) -> int:
        return min(self._open().values(), default=self.end)

    @property
    def committed(self) -> dict[str, bytes]:
        """The newest committed value of each key, whatever is open."""
        ends, found = self._ends(), dict[str, bytes]()
        for offset, entry in enumerate(self.entries):
            if entry is not None and entry.kind == "record" and ends[offset] in {None, "commit"}:
                found.pop(entry.key, None)
                if entry.value is not None:
                    found[entry.key] = entry.value
        return found

    def readable(self, start: int, count: int) -> Iterator[tuple[int, Entry]]:
        """Committed records from an offset on, below the last stable offset."""
        ends = self._ends()
        for offset in range(start, self.last_stable):
            entry = self.entries[offset]
            if entry is not None and entry.kind == "record" and ends[offset] in {None, "commit"} and count > 0:
                count -= 1
                yield offset, entry

    def _open(self) -> dict[str, int]:
        """The first offset of each transaction that has not ended."""
        found: dict[str, int] = {}
        for offset, entry in enumerate(self.entries):
            if entry is None or entry.producer is None:
                continue
            if entry.kind == "record":
                found.setdefault(entry.producer, offset)
            else:
                found.pop(entry.producer, None)
        return found

    def _ends(self) -> dict[int, Kind | Literal["open"] | None]:
        """How the transaction of each record ended."""
        found: dict[int, Kind | Literal["open"] | None] = {}
        following: dict[str, Kind] = {}
        for offset in reversed(range(self.end)):
            entry = self.entries[offset]
            if entry is None:
                continue
            if entry.producer is None:
                found[offset] = None
            elif entry.kind == "record":
                found[offset] = following.get(entry.producer, "open")
            else:
                following[entry.producer] = entry.kind
        return found


@dataclass
class LogConsumer:
    """`fetch`: records a fetch brings at most. Offsets without a batch are passed only by a fetch with records."""

    log: Log
    tp: TopicPartition
    fetch: int = 3
    at: int = 0
    _stable: int | None = None

    def assign(self, partitions: Sequence[TopicPartition]) -> None:
        assert list(partitions) == [self.tp]

    def assignment(self) -> set[TopicPartition]:
        return {self.tp}

    def seek(self, tp: TopicPartition, offset: int) -> None:
        assert tp == self.tp
        self.at = offset

    async def position(self, tp: TopicPartition) -> int:
        assert tp == self.tp
        return self.at

    def last_stable_offset(self, tp: TopicPartition) -> int | None:
        assert tp == self.tp
        return self._stable

    def last_poll_timestamp(self, tp: TopicPartition) -> int | None:
        assert tp == self.tp
        return None

    async def beginning_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    def fetch_in_background(self) -> None:
        self._stable = self.log.last_stable

    async def getmany(self, *_: TopicPartition, **__: Any) -> dict[TopicPartition, list[Any]]:
        self.fetch_in_background()
        found = list(self.log.readable(self.at, self.fetch + 1))
        brought = [
            SimpleNamespace(topic=self.tp.topic, partition=self.tp.partition, offset=at, key=one.key.encode(),
                            value=one.value)
            for at, one in found[: self.fetch]
        ]  # fmt: skip
        if len(found) > self.fetch:
            self.at = brought[-1].offset + 1
        else:  # aborted records and markers are passed with the rest; offsets without a batch are not
            last = max((at for at in range(self.at, self._stable) if self.log.entries[at] is not None), default=None)
            self.at = self.at if last is None else last + 1
        return {self.tp: brought} if brought else {}

"""The low watermark of a partition, and the finished offsets above it.

Rules, from Kafka's own semantics:
- The committed offset is the next one to read: everything below it is finished.
- Records finish in any order. What is finished above the watermark rides in the commit's metadata as ranges, so a
  restart repeats nothing that was already published. Metadata is limited to 4,096 bytes by the broker
  (`offset.metadata.max.bytes`), so near the limit no new record is taken.
- Offsets have gaps (transaction markers, compaction), so only offsets that were delivered count.
The idea of offset maps in metadata is the Confluent Parallel Consumer's.
Pure: it reads no clock and touches no Kafka object.
"""

import base64
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from operator import itemgetter

Range = tuple[int, int]
"""First and last offset, both included."""

MAX_METADATA_BYTES = 4_096
_RANGE_BYTES = 14  # two varints of 5 bytes in base64: a range can't cost more below 2^35 offsets
_VERSION = "1:"
_MARKED = ";"


class Watermark:
    """What is taken and finished of one partition, from `position` on. `mark`: of the topics that it is of.

    Only what is taken and not finished is remembered, in runs: between two of them everything is finished. A run may
    contain offsets that were never delivered, but it begins and ends with an unfinished one. So a commit costs as much
    as there are runs, however many records wait.
    """

    def __init__(self, position: int, finished: Iterable[Range] = (), mark: str = "") -> None:
        self.mark = mark
        self._finished_before = deque(finished)
        self._unfinished: set[int] = set()
        self._runs: list[Range] = []  # ascending
        self._joins = False  # whether the last offset that was delivered is unfinished, and the end of the last run
        self._next = position
        self._room = 0

    @property
    def position(self) -> int:
        """The offset to commit: the oldest unfinished one, or the next to read."""
        return self._runs[0][0] if self._runs else self._next

    @property
    def next(self) -> int:
        """The next offset to take."""
        return self._next

    @property
    def unfinished(self) -> int:
        return len(self._unfinished)

    @property
    def runs(self) -> Sequence[Range]:
        """The unfinished offsets, in runs without a finished one between."""
        return self._runs

    def may_take(self) -> bool:
        """Whether one more record keeps the metadata below its limit, whatever finishes when."""
        if self._room <= 0:
            self._room = (MAX_METADATA_BYTES - len(self.metadata())) // _RANGE_BYTES - 1
        return self._room > 0

    def take(self, offset: int) -> bool:
        """A record was delivered. True when it is to be worked on, False when an earlier owner finished it."""
        self._next = offset + 1
        while self._finished_before and self._finished_before[0][1] < offset:
            self._finished_before.popleft()
        if self._finished_before and self._finished_before[0][0] <= offset:
            self._joins = False
            return False
        self._unfinished.add(offset)
        if self._joins:
            self._runs[-1] = (self._runs[-1][0], offset)
        else:
            self._runs.append((offset, offset))
        self._joins = True
        self._room -= 1
        return True

    def finish(self, offset: int) -> None:
        self._unfinished.remove(offset)
        at = bisect_right(self._runs, offset, key=itemgetter(0)) - 1
        first, last = self._runs.pop(at)
        if offset == last and at == len(self._runs):
            self._joins = False
        if offset > first:
            insort(self._runs, (first, self._neighbour(offset, -1)))
        if offset < last:
            insort(self._runs, (self._neighbour(offset, 1), last))

    def _neighbour(self, offset: int, step: int) -> int:
        """The next unfinished offset of the same run: only those that were never delivered lie between."""
        offset += step
        while offset not in self._unfinished:
            offset += step
        return offset

    def advance(self, position: int) -> None:
        """The consumer is at `position`: what lies before it and was not delivered is not a record."""
        self._next = max(self._next, position)

    def skip(self, position: int) -> None:
        """What lies before `position` and was not delivered is finished: its dead letter is in the next commit."""
        self._next, self._joins = max(self._next, position), False

    def ranges(self) -> Sequence[Range]:
        """The finished offsets above the watermark."""
        found = [(last + 1, first - 1) for (_, last), (first, _) in pairwise(self._runs)]
        if self._runs and self._runs[-1][1] + 1 < self._next:
            found.append((self._runs[-1][1] + 1, self._next - 1))
        return (
            *found,
            *((max(first, self._next), last) for first, last in self._finished_before if last >= self._next),
        )

    def metadata(self) -> str:
        """Within the broker's limit: ranges beyond it are left out, and a restart would find their records by id."""
        ranges, before = self.ranges(), f"{self.mark}{_MARKED}" if self.mark else ""
        text = before + encode(self.position, ranges)
        while len(text) > MAX_METADATA_BYTES:
            ranges = ranges[: len(ranges) * MAX_METADATA_BYTES // len(text)]
            text = before + encode(self.position, ranges)
        return text


def encode(position: int, ranges: Sequence[Range]) -> str:
    """Ranges as text: gaps and lengths from the watermark on as varints, in base64. Empty for no range."""
    if not ranges:
        return ""
    edges = [position, *(edge for first, last in ranges for edge in (first, last + 1))]
    packed = b"".join(_varint(b - a) for a, b in pairwise(edges))
    return _VERSION + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def decode(position: int, metadata: str) -> Sequence[Range]:
    """The ranges of a commit's metadata. Metadata that is not ours, or of a later version, has no ranges."""
    ranges = metadata.rpartition(_MARKED)[2]
    if not ranges.startswith(_VERSION):
        return ()
    text = ranges.removeprefix(_VERSION)
    try:
        edges = list(_edges(position, base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))))
    except ValueError:
        return ()
    return tuple((first, end - 1) for first, end in zip(edges[::2], edges[1::2], strict=False))


def mark_in(metadata: str) -> str:
    """The mark of a commit's metadata; empty where it has none."""
    return metadata.rpartition(_MARKED)[0]


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:  # noqa: PLR2004  (seven bits a byte, as in Kafka's own varints)
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _edges(position: int, packed: bytes) -> Iterator[int]:
    edge, number, shift = position, 0, 0
    for byte in packed:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:  # noqa: PLR2004  (the last byte of a varint)
            edge += number
            yield edge
            number = shift = 0

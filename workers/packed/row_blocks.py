"""Rows in compressed blocks, in the order in which they were appended. Pure.

A block never changes: a row that is removed is no longer in the index, and a block goes when its last row does. To find
a row opens its block, 50 µs; that it is absent needs no block.

Invariants:
- A row is there if the index has its place, so one key is there once, however often it was appended and removed.
- The key in the block decides, never its hash alone: a wrong hit would skip a command, a wrong miss do it twice.
"""

from collections.abc import Iterator, Sequence

import cramjam
import msgspec

from stripeline.workers.packed.hash_index import HashIndex

BLOCK_ROWS = 256
"""Larger blocks are hardly smaller in all, and take longer to open."""

_NUMBERS = 1 << 24
_OPEN_BLOCKS = 4
_LEVEL = 1  # of zstd: higher ones take ten times as long for a twentieth less
Row = tuple[str, bytes]
Columns = tuple[list[str], list[bytes]]
_columns = msgspec.msgpack.Decoder(Columns)


class RowBlocks:
    """Rows by key."""

    def __init__(self) -> None:
        self._index = HashIndex()
        self._blocks: dict[int, bytes] = {}
        self._left: dict[int, int] = {}
        self._next = 0
        self._open: dict[int, Columns] = {}  # those that were opened last: rows of one time are asked for together

    def __len__(self) -> int:
        return len(self._index)

    def append(self, keys: Sequence[str], values: Sequence[bytes]) -> None:
        """A block's worth of rows, at most; none of the keys is there."""
        while self._next in self._blocks:  # the numbers begin again
            self._next = (self._next + 1) % _NUMBERS
        packed = cramjam.zstd.compress(msgspec.msgpack.encode((keys, values)), level=_LEVEL)
        self._blocks[self._next], self._left[self._next] = bytes(packed), len(keys)
        self._index.add(keys, self._next * BLOCK_ROWS)
        self._next = (self._next + 1) % _NUMBERS

    def replace(self, keys: Sequence[str], values: Sequence[bytes]) -> None:
        """As `append`, of keys that may be there."""
        for key in self._index.alike(keys):
            self.remove(key)
        self.append(keys, values)

    def get(self, key: str) -> bytes | None:
        places = self._index.places(key)
        found = self._at(places, key) if places else None
        return None if found is None else found[1]

    def remove(self, key: str) -> bool:
        """Whether there was a row."""
        found = self._at(self._index.places(key), key)
        if found is None:
            return False
        place, number = found[0], found[0] // BLOCK_ROWS
        self._index.remove(key, place)
        self._left[number] -= 1
        if not self._left[number]:
            del self._blocks[number], self._left[number]
            self._open.pop(number, None)
        return True

    def rows(self) -> Iterator[Row]:
        """From the oldest on."""
        for number in self._blocks:
            for place, row in enumerate(zip(*self._opened(number), strict=True), number * BLOCK_ROWS):
                if place in self._index.places(row[0]):
                    yield row

    def _at(self, places: Sequence[int], key: str) -> tuple[int, bytes] | None:
        for place in places:
            keys, values = self._opened(place // BLOCK_ROWS)
            at = place % BLOCK_ROWS
            if keys[at] == key:
                return place, values[at]
        return None

    def _opened(self, number: int) -> Columns:
        found = self._open.get(number)
        if found is None:
            found = _columns.decode(cramjam.zstd.decompress(self._blocks[number]))
            if len(self._open) == _OPEN_BLOCKS:
                del self._open[next(iter(self._open))]
            self._open[number] = found
        return found

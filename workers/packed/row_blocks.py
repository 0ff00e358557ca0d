"""Rows in compressed blocks, in the order in which they were appended. Pure.

A block never changes: a row that is removed is no longer in the index, and a block goes when its last row does. To find
a row opens its block, 50 µs; that it is absent needs no block.

Invariants:
- A row is there if the index has its place, so one key is there once, however often it was appended and removed. A bit
  of its block says the same, for those who go through a block.
- The key in the block decides, never its hash alone: a wrong hit would skip a command, a wrong miss do it twice.
"""

from collections.abc import Iterable, Iterator, Sequence

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
_keys = msgspec.msgpack.Decoder(tuple[list[str], msgspec.Raw])

Block = tuple[int, bytes]
"""Which of its rows are there, a bit for each from the lowest on, and all that were appended, packed."""


def block_of(keys: Sequence[str], values: Sequence[bytes]) -> Block:
    """A block of new rows."""
    packed = cramjam.zstd.compress(msgspec.msgpack.encode((keys, values)), level=_LEVEL)
    return (1 << len(keys)) - 1, bytes(packed)


class RowBlocks:
    """Rows by key."""

    def __init__(self) -> None:
        self._index = HashIndex()
        self._blocks: dict[int, bytes] = {}
        self._there: dict[int, int] = {}
        self._next = 0
        self._open: dict[int, Columns] = {}  # those that were opened last: rows of one time are asked for together

    def __len__(self) -> int:
        return len(self._index)

    def append(self, keys: Sequence[str], values: Sequence[bytes]) -> None:
        """A block's worth of rows, at most; none of the keys is there."""
        self._index.add(keys, self._put(block_of(keys, values)))

    def replace(self, keys: Sequence[str], values: Sequence[bytes], perhaps: Sequence[str]) -> None:
        """As `append`, of keys of which these may be there."""
        for key in self._index.alike(perhaps):
            self.remove(key)
        self.append(keys, values)

    def load(self, block: Block) -> None:
        """A block of other rows' `blocks`, none of whose keys is there."""
        there, first = block[0], self._put(block)
        keys, _ = _keys.decode(cramjam.zstd.decompress(block[1]))
        if there == (1 << len(keys)) - 1:
            self._index.add(keys, first)
        else:
            for at, key in enumerate(keys):
                if there >> at & 1:
                    self._index.add((key,), first + at)

    def blocks(self) -> Iterable[Block]:
        """What is there now, from the oldest on."""
        return zip(list(self._there.values()), list(self._blocks.values()), strict=True)

    def _put(self, block: Block) -> int:
        """The place of its first row."""
        while self._next in self._blocks:  # the numbers begin again
            self._next = (self._next + 1) % _NUMBERS
        number, self._next = self._next, (self._next + 1) % _NUMBERS
        self._there[number], self._blocks[number] = block
        return number * BLOCK_ROWS

    def get(self, key: str) -> bytes | None:
        places = self._index.places(key)
        found = self._at(places, key) if places else None
        return None if found is None else found[1]

    def remove(self, key: str) -> bool:
        """Whether there was a row."""
        found = self._at(self._index.places(key), key)
        if found is None:
            return False
        number, at = divmod(found[0], BLOCK_ROWS)
        self._index.remove(key, found[0])
        self._there[number] ^= 1 << at
        if not self._there[number]:
            del self._blocks[number], self._there[number]
            self._open.pop(number, None)
        return True

    def rows(self) -> Iterator[Row]:
        """From the oldest on."""
        for number, there in self._there.items():
            for at, row in enumerate(zip(*self._opened(number), strict=True)):
                if there >> at & 1:
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

"""Rows of what has ended, by key, in the order in which they were last put: the newest as they are, the rest packed.

Pure. What ended lately is asked for most: by its webhook, by a second delivery. So the newest rows are in a dict, and
the oldest of them move into a block when there are enough. A row that is put again is among the newest again.

Invariants:
- A row that was put is nowhere else. One that was loaded may have an older one of its key behind it, until it is taken.
- A key that is absent is in no block. It was asked for, and is most likely put next: then no block has to be searched.
"""

from collections.abc import Iterator
from itertools import chain, islice

from stripeline.workers.packed.key_filter import KeyFilter
from stripeline.workers.packed.row_blocks import BLOCK_ROWS, Block, Row, RowBlocks, block_of

NEWEST = 4_096
_ABSENT = 4_096


class PackedRows:
    """Rows by key."""

    def __init__(self) -> None:
        self._newest: dict[str, bytes] = {}
        self._blocks = RowBlocks()
        self._absent: set[str] = set()
        self._loaded: dict[str, bytes] = {}
        self._filter: KeyFilter | None = None  # of all keys that were loaded, while no others were put

    def __len__(self) -> int:
        self._take_loaded()
        return len(self._newest) + len(self._blocks)

    def get(self, key: str) -> bytes | None:
        found = self._loaded.get(key) if self._loaded else None
        if found is None:
            found = self._newest.get(key)
        if found is not None or key in self._absent:
            return found
        found = self._blocks.get(key)
        if found is None:
            if len(self._absent) == _ABSENT:
                self._absent.clear()
            self._absent.add(key)
        return found

    def put(self, key: str, value: bytes) -> None:
        if self._loaded:
            self._take_loaded()
        self._filter = None
        self.remove(key)
        self._newest[key] = value
        if len(self._newest) == NEWEST + BLOCK_ROWS:
            self._pack()

    def load(self, key: str, value: bytes) -> None:
        """As `put`, for many rows of which few are asked for: they go into blocks at once."""
        self._loaded.pop(key, None)
        self._loaded[key] = value
        if len(self._loaded) == BLOCK_ROWS:
            self._pack_loaded()

    def remove(self, key: str) -> bool:
        """Whether there was a row."""
        loaded = bool(self._loaded) and self._loaded.pop(key, None) is not None
        if self._newest.pop(key, None) is not None:
            return True
        if key in self._absent:
            self._absent.remove(key)
            return loaded
        return self._blocks.remove(key) or loaded

    def _take_loaded(self) -> None:
        rows, self._loaded = self._loaded, {}
        for key, value in rows.items():
            self.put(key, value)

    def _pack_loaded(self) -> None:
        """Behind the newest rows, which are older."""
        rows, self._loaded = self._loaded, {}
        while self._newest:
            self._pack()
        self._absent.clear()
        if not len(self._blocks):
            self._filter = KeyFilter()
        keys = list(rows)
        perhaps = keys if self._filter is None else self._filter.perhaps_again(keys)
        self._blocks.replace(keys, list(rows.values()), perhaps)

    def _pack(self) -> None:
        keys = list(islice(self._newest, BLOCK_ROWS))
        self._blocks.append(keys, [self._newest.pop(key) for key in keys])

    def blocks(self) -> Iterator[Block]:
        """All rows as they are now, from the oldest on; the newest are packed when it is their turn."""
        self._take_loaded()
        newest = list(self._newest.items())
        parts = (newest[at : at + BLOCK_ROWS] for at in range(0, len(newest), BLOCK_ROWS))
        return chain(self._blocks.blocks(), (block_of(*zip(*part, strict=True)) for part in parts))

    def load_block(self, block: Block) -> None:
        """A block of other rows' `blocks`, before any other row is put."""
        self._blocks.load(block)

    def oldest(self, limit: int) -> list[Row]:
        """The rows that were put the longest time ago."""
        self._take_loaded()
        rows: Iterator[Row] = chain(self._blocks.rows(), self._newest.items())
        return list(islice(rows, limit))

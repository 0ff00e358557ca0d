"""Blocks of three rows: what a task remembers is packed after a handful of commands."""

import pytest

from stripeline.workers.packed import hash_index, packed_rows, row_blocks


def small_blocks(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(packed_rows, "NEWEST", 4)
    patch.setattr(packed_rows, "_ABSENT", 3)
    patch.setattr(packed_rows, "BLOCK_ROWS", 3)
    patch.setattr(row_blocks, "BLOCK_ROWS", 3)
    patch.setattr(hash_index, "_SHARD_ENTRIES", 2)

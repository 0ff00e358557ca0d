"""Writes a batch of records: decoded in slices, so that pages are answered meanwhile, then one transaction.

A record that the database refuses is left out and counted, as one that can't be read: the batch is halved until it is
found. The database says so, or its driver before it. A database that is away is another matter, and raises.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, IntegrityError, StatementError

from stripeline.contracts.topics import Topics
from stripeline.deploy.console.index.index_store import IndexStore
from stripeline.deploy.console.index.row_writer import ReadStep, write
from stripeline.deploy.console.index.rows.row_changes import RowChanges, add_changes
from stripeline.deploy.operations.reading.topic_reader import Read

Partition = tuple[str, int]
Offsets = Mapping[Partition, int | None]
_SLICE: Final = 100


class BatchWriting:
    """finished_since_ms: the beginning of the window, for finished runs."""

    def __init__(self, store: IndexStore, topics: Topics, finished_since_ms: Callable[[], int]) -> None:
        self._store, self._topics, self._since_ms = store, topics, finished_since_ms

    async def write(self, records: Sequence[Read], places: Offsets) -> tuple[dict[Partition, int], int]:
        """The places after these records, and how many of them were left out. places: where each partition was.

        Raises OtherWriterError and SQLAlchemy's errors.
        """
        changes = await self._changes(records)
        steps = steps_of(records, places)
        try:
            await self._store.change(lambda db: write(db, changes, steps, self._topics.dead_letter))
        except (StatementError, ValueError, OverflowError) as error:
            if isinstance(error, StatementError) and not isinstance(error, DataError | IntegrityError):
                raise
            return await self._write_halves(records, places)
        return {at: step.to for at, step in steps.items()}, changes.unreadable.total()

    async def _write_halves(self, records: Sequence[Read], places: Offsets) -> tuple[dict[Partition, int], int]:
        if len(records) == 1:
            steps = steps_of(records, places)
            await self._store.change(lambda db: write(db, RowChanges(), steps, self._topics.dead_letter))
            return {at: step.to for at, step in steps.items()}, 1
        half = len(records) // 2
        moved, left_out = await self.write(records[:half], places)
        moved_on, more = await self.write(records[half:], {**places, **moved})
        return {**moved, **moved_on}, left_out + more

    async def fill(self, records: Sequence[Read], also: Callable[[Connection], None]) -> None:
        """Write records that were left out before; no place moves. Raises as `write` does."""
        changes = await self._changes(records)

        def filled(db: Connection) -> None:
            write(db, changes, {}, self._topics.dead_letter)
            also(db)

        await self._store.change(filled)

    async def move(self, steps: Mapping[Partition, ReadStep], also: Callable[[Connection], None]) -> None:
        """Move places over offsets without records. Raises as `write` does."""

        def moved(db: Connection) -> None:
            write(db, RowChanges(), steps, self._topics.dead_letter)
            also(db)

        await self._store.change(moved)

    async def _changes(self, records: Sequence[Read]) -> RowChanges:
        changes, since_ms = RowChanges(), self._since_ms()
        for first in range(0, len(records), _SLICE):
            add_changes(changes, self._topics, records[first : first + _SLICE], since_ms)
            await asyncio.sleep(0)
        return changes


def steps_of(records: Sequence[Read], places: Offsets) -> dict[Partition, ReadStep]:
    """From where each partition was to behind its last record."""
    ends: dict[Partition, int] = {}
    for record in records:
        at = (record.topic, record.partition)
        ends[at] = max(ends.get(at, 0), record.offset + 1)
    return {at: ReadStep(places.get(at), end) for at, end in ends.items()}

"""What finished since the last commit: the contents of the next transaction. Pure."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from stripeline.workers.task.decision import Decision, OutputRecord, StateChange

_NO_KEY: Final = "end"


class Pending:
    """Outputs in the order in which they were decided; of the changes of one key only the last one matters."""

    def __init__(self) -> None:
        self.outputs: list[OutputRecord] = []
        self.changes: dict[str, Struct | None] = {}
        self.records = 0

    def __bool__(self) -> bool:
        return bool(self.records or self.changes)

    def add(self, decision: Decision) -> None:
        self.records += 1
        self.outputs.extend(decision.outputs)
        self.change(decision.changes)

    def touch(self) -> None:
        """A tombstone of a key that is never used: there is something to commit."""
        self.changes[_NO_KEY] = None

    def change(self, changes: Iterable[StateChange]) -> None:
        for change in changes:
            # Moved to the end: the changelog keeps the order of last changes, which expiry relies on after a restore.
            self.changes.pop(change.key, None)
            self.changes[change.key] = change.record

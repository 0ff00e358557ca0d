"""The router's state: which runs are open, and which ids of finished ones must not start again. Pure.

Invariants:
- A change of now and its changelog record, restored, give the same state.
- Of a succeeded run only its id and its end are kept.
- Each dict is in the order of its runs' last changes.
"""

from collections.abc import Iterator, Mapping
from itertools import islice

from msgspec import Struct

from stripeline.contracts.internal_records import Run, read
from stripeline.contracts.retry_tiers import WINDOW_MS
from stripeline.contracts.vocabulary import StateKind
from stripeline.workers.task.decision import StateChange

MAX_OPEN = 100_000
MAX_FINISHED = 5_000_000
"""Of one task: an open run holds its event, a finished one its id alone."""


class Runs:
    """The state of one router task: runs by id."""

    def __init__(self) -> None:
        self._open: dict[str, Run] = {}
        self._finished: dict[str, int] = {}

    def apply(self, key: str, record: Struct | None) -> None:
        """A change of now."""
        self._open.pop(key, None)
        self._finished.pop(key, None)
        if not isinstance(record, Run):
            return
        if record.status == "succeeded":
            self._finished[key] = record.finished_ms or 0
        else:
            self._open[key] = record

    def restore(self, key: str, value: bytes | None) -> None:
        """A record of the changelog. Raises UnreadableRecordError, and leaves the state as it was."""
        self.apply(key, None if value is None else read(Run, value))

    def knows(self, run_id: str) -> bool:
        return run_id in self._open or run_id in self._finished

    def get(self, run_id: str) -> Run | None:
        """A run that is not succeeded."""
        return self._open.get(run_id)

    @property
    def full(self) -> bool:
        """Whether no new event may be taken; results go on, and make room."""
        return len(self._open) >= MAX_OPEN or len(self._finished) >= MAX_FINISHED

    @property
    def head_due_ms(self) -> None:
        """No key waits in a router."""

    @property
    def sizes(self) -> Mapping[str, int]:
        return {StateKind.OPEN: len(self._open), StateKind.FINISHED: len(self._finished)}

    def expired(self, now_ms: int, limit: int = 1_000) -> Iterator[StateChange]:
        """Finished and stopped runs older than the window."""
        ends = [*islice(self._finished.items(), limit), *islice(self._stopped(), limit)]
        return (StateChange(key, None) for key, at_ms in ends if at_ms < now_ms - WINDOW_MS)

    def _stopped(self) -> Iterator[tuple[str, int]]:
        return ((key, run.finished_ms) for key, run in self._open.items() if run.finished_ms is not None)

"""The router's state: which runs run, which have stopped, and which ids of finished ones must not start again. Pure.

Invariants:
- A change of now and its changelog record, restored, give the same state.
- Of a succeeded run, and of an erased one, only its id and its end are kept, packed: nothing takes it on.
- A cancelled run is kept without its event and definition: nothing takes it on, and its last result is still recorded.
- A stopped run is kept whole, since a later result takes it on, as the bytes of its changelog record: a third of the
  memory. It takes no room of new runs: what stops is often one workflow's, and no other must wait for a person.
- How many runs began lately follows from the runs, so it needs no record of its own. A run that is held counts from
  its first step.
- Runs of each kind are in the order of their last changes.
"""

from collections.abc import Container, Hashable, Iterator, Mapping
from itertools import chain, islice

from msgspec import Struct

from stripeline.contracts.internal_records import Run, encode, read
from stripeline.contracts.retry_tiers import WINDOW_MS
from stripeline.contracts.vocabulary import StateKind
from stripeline.workers.packed.packed_rows import PackedRows
from stripeline.workers.packed.state_image import StateImage
from stripeline.workers.router.late_events import is_held
from stripeline.workers.task.decision import StateChange

MAX_RUNNING = 100_000
MAX_FINISHED = 50_000_000
"""Of one task: a running one holds its event, a finished one its id alone. At one of these no new event is taken."""

_COUNTED_S = 3_700
MANY_STOPPED = 100_000
"""From here on stopped runs are a warning: each holds its event."""


class Runs:
    """The state of one router task: runs by id."""

    def __init__(self) -> None:
        self._running: dict[str, Run] = {}
        self._stopped: dict[str, tuple[int, bytes]] = {}
        self._cancelled: dict[str, tuple[int, bytes]] = {}
        self._finished = PackedRows()
        self._started: dict[str, dict[int, int]] = {}
        self._newest_s = 0
        self._held: set[str] = set()

    def apply(self, key: str, record: Struct | None) -> None:
        """A change of now."""
        self._put(key, record if isinstance(record, Run) else None, None)

    def restore(self, key: str, value: bytes | None) -> None:
        """A record of the changelog. Raises UnreadableRecordError, and leaves the state as it was."""
        self._put(key, None if value is None else read(Run, value), value)

    def image(self) -> StateImage:
        running = ((key, encode(run)) for key, run in dict(self._running).items())
        ended = [dict(self._stopped), dict(self._cancelled)]
        kept = ((key, value) for runs in ended for key, (_, value) in runs.items())
        begun = {workflow: dict(seconds) for workflow, seconds in self._started.items()}
        return StateImage(self._finished.blocks(), chain(running, kept), begun)

    def load(self, part: StateImage) -> None:
        for block in part.blocks:
            self._finished.load_block(block)
        for key, value in part.records:
            self.restore(key, value)
        if part.begun is not None:  # in place of what the records said: it has those of finished runs too
            self._started = {workflow: dict(seconds) for workflow, seconds in part.begun.items()}
            self._newest_s = max(chain.from_iterable(part.begun.values()), default=0)

    def _put(self, key: str, run: Run | None, encoded: bytes | None) -> None:
        known = self._remove(key)
        was_held = key in self._held
        self._held.discard(key)
        if run is None:
            return
        if is_held(run):
            self._held.add(key)
        elif not known:
            self._count(run.workflow, run.started_ms // 1000)
        elif was_held and run.steps:
            self._count(run.workflow, run.steps[0].started_ms // 1000)
        if run.status == "succeeded" or run.erased_ms is not None:
            self._finished.put(key, b"%d" % (run.finished_ms or 0))
        elif run.finished_ms is None:
            self._running[key] = run
        else:
            kept = self._cancelled if run.status == "cancelled" else self._stopped
            # Copied to its size: the encoder's own bytes keep the rest of its buffer.
            kept[key] = (run.finished_ms, encoded or bytes(memoryview(encode(run))))

    def _remove(self, key: str) -> bool:
        """Whether there was a run."""
        for runs in (self._running, self._stopped, self._cancelled):
            if runs.pop(key, None) is not None:
                return True
        return self._finished.remove(key)

    def _count(self, workflow: str, second: int) -> None:
        """A run began. What is more than an hour ago is dropped, now and then."""
        if second < self._newest_s - _COUNTED_S:
            return
        self._newest_s = max(self._newest_s, second)
        seconds = self._started.setdefault(workflow, {})
        seconds[second] = seconds.get(second, 0) + 1
        if len(seconds) > 2 * _COUNTED_S:
            oldest = self._newest_s - _COUNTED_S
            self._started[workflow] = {at: count for at, count in seconds.items() if at >= oldest}

    def started(self, workflow: str) -> Mapping[int, int]:
        """How many runs of a workflow began in the last hour, by the second; in older ones too."""
        return self._started.get(workflow, {})

    def knows(self, run_id: str) -> bool:
        open_ = any(run_id in runs for runs in (self._running, self._stopped, self._cancelled))
        return open_ or self._finished.get(run_id) is not None

    def get(self, run_id: str) -> Run | None:
        """A run that is not succeeded."""
        ended = self._stopped.get(run_id) or self._cancelled.get(run_id)
        return self._running.get(run_id) if ended is None else read(Run, ended[1])

    @property
    def full(self) -> bool:
        """Whether no new event may be taken; results go on, and make room."""
        return len(self._running) >= MAX_RUNNING or self._ended >= MAX_FINISHED

    @property
    def _ended(self) -> int:
        return len(self._finished) + len(self._cancelled)

    @property
    def warning(self) -> str | None:
        """What a person should know, although everything goes on."""
        if len(self._stopped) < MANY_STOPPED:
            return None
        return (
            f"{len(self._stopped)} stopped runs of the last 30 days take memory: mend what stops them"
            " (`stripeline runs list`)"
        )

    def head_due_ms(self, waiting: Container[Hashable] = ()) -> None:
        """No key waits in a router."""

    @property
    def sizes(self) -> Mapping[str, int]:
        return {
            StateKind.OPEN: len(self._running),
            StateKind.STOPPED: len(self._stopped),
            StateKind.FINISHED: self._ended,
        }

    def expired(self, now_ms: int, limit: int = 1_000) -> Iterator[StateChange]:
        """Runs that ended or stopped before the window."""
        kept = (
            [(key, at_ms) for key, (at_ms, _) in islice(runs.items(), limit)]
            for runs in (self._stopped, self._cancelled)
        )
        finished = ((key, int(at_ms)) for key, at_ms in self._finished.oldest(limit))
        ends = [*finished, *chain.from_iterable(kept)]
        return (StateChange(key, None) for key, at_ms in ends if at_ms < now_ms - WINDOW_MS)

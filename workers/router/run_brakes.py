"""The brake of a workflow: how many runs its events may start in an hour. Pure.

At the limit an event starts no run and is counted, as one of a paused workflow is, until a person resumes the workflow.
What was started is counted from the runs themselves, so a restart gives no new allowance. It is the sum of this
process's tasks, exact, and of the others', as old as their last report. What a person starts counts, and always starts.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from stripeline.contracts.definitions import Workflow
from stripeline.contracts.limits import runs_per_hour
from stripeline.workers.brakes.brake_status import BrakeStatus
from stripeline.workers.brakes.peers import Peers
from stripeline.workers.brakes.rolling_hour import in_seconds, total
from stripeline.workers.router.run_state import Runs
from stripeline.workers.task.decision import InputRecord


@dataclass(frozen=True, slots=True)
class Tripped:
    """A workflow that this process found at its limit. declined: the first such event, by topic and partition."""

    at_ms: int
    why: str
    declined: dict[tuple[str, int], int] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class RunBrakes:
    """The brakes of one process.

    released: when a person last resumed a workflow; 0 where nobody has.
    states: those of this process's tasks, by partition number.
    peers: what the tasks of other processes have started; None where there are no others.
    tripped: by the workflow's name; everybody is to learn of its pause.
    """

    released: Callable[[str], int] = lambda _: 0
    states: Callable[[], Mapping[int, Runs]] = dict
    peers: Peers | None = None
    tripped: dict[str, Tripped] = field(default_factory=dict)
    trips: dict[str, int] = field(default_factory=dict)

    def admits(self, name: str, workflow: Workflow, state: Runs, record: InputRecord, now_ms: int) -> bool:
        """Whether an event may start one more run of a workflow."""
        limit = runs_per_hour(workflow.limit)
        if limit is None or self._started(name, {**self.states(), record.partition: state}, now_ms) < limit:
            return True
        found, released_ms = self.tripped.get(name), self.released(name)
        if found is None or released_ms > found.at_ms:
            why = (
                f"{limit} runs an hour: the limit of workflow {name}; `stripeline resume workflow {name}` lets as many"
                " more start"
            )
            found = self.tripped[name] = Tripped(max(now_ms, released_ms), why)
            self.trips[name] = self.trips.get(name, 0) + 1
        found.declined.setdefault((record.topic, record.partition), record.offset)
        return False

    def status(self, workflows: Mapping[str, Workflow], now_ms: int) -> Iterator[BrakeStatus]:
        """The limits of workflows, and how much of them is used."""
        tasks = self.states()
        for name, workflow in workflows.items():
            limit = runs_per_hour(workflow.limit)
            if limit is not None:
                spent, trips = self._started(name, tasks, now_ms), self.trips.get(name, 0)
                yield BrakeStatus(kind="workflow", name=name, what="runs", spent=spent, limit=limit, trips=trips)

    def _started(self, name: str, tasks: Mapping[int, Runs], now_ms: int) -> int:
        released_ms = self.released(name)
        here = sum(in_seconds(state.started(name), now_ms, released_ms) for state in tasks.values())
        if self.peers is None:
            return here
        return here + total(self.peers.elsewhere("workflow", name, tasks), now_ms, released_ms).count

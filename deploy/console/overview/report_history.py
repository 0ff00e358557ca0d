"""What the reports of the last minutes say: the lag of each task, since when one is being opened, and control. Pure.

Invariant: it keeps at most `KEPT` reports a task, of the tasks that there can be, and of `MOST_PROCESSES` processes,
whatever is on the topic.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

from stripeline.contracts.operator.worker_report import REPORT_EVERY_S, WorkerReport

KEPT: Final = 60
RECENT_MS: Final = int(KEPT * REPORT_EVERY_S * 1_000)
"""Five minutes of reports."""
MOST_PROCESSES: Final = 2_000
ROLES_WITH_TASKS: Final = ("router", "executor")
Task = tuple[str, int]


class ReportHistory:
    """Fed with each report as it comes, oldest first."""

    def __init__(self, partitions: int = 0) -> None:
        self._partitions = partitions
        self._lags: dict[Task, deque[int]] = {}
        self._opening: dict[Task, tuple[str, int]] = {}
        self._control: dict[str, int] = {}
        self._newer_since: dict[int, int] = {}

    def learn(self, name: str, report: WorkerReport, at_ms: int) -> None:
        """One report of a process. at_ms: when Kafka appended it."""
        for task in report.tasks:
            if task.role not in ROLES_WITH_TASKS or task.partition >= self._partitions:
                continue
            key = (task.role, task.partition)
            self._lags.setdefault(key, deque(maxlen=KEPT)).append(task.lag)
            if task.open:
                self._opening.pop(key, None)
            elif self._opening.get(key, ("", 0))[0] != name:
                self._opening[key] = (name, at_ms)
        if report.control is not None:
            self._learn_control(name, report.control, at_ms)

    def forget(self, name: str) -> None:
        """A process has ended."""
        self._control.pop(name, None)

    def lags(self, role: str, partition: int) -> Sequence[int]:
        """Of a task, oldest first."""
        return list(self._lags.get((role, partition), ()))

    def opening_since_ms(self, role: str, partition: int, name: str) -> int | None:
        """Since when a process has been opening a task; None where it is not, or no report said so."""
        who, since_ms = self._opening.get((role, partition), (None, 0))
        return since_ms if who == name else None

    def behind_since_ms(self, control: int) -> int | None:
        """Since when a process has known of definitions that one at this offset has not; None where none does."""
        return min((at_ms for offset, at_ms in self._newer_since.items() if offset > control), default=None)

    def _learn_control(self, name: str, control: int, at_ms: int) -> None:
        if name in self._control or len(self._control) < MOST_PROCESSES:
            self._control[name] = control
        self._newer_since.setdefault(control, at_ms)
        least = min(self._control.values(), default=control)
        self._newer_since = {offset: since for offset, since in self._newer_since.items() if offset >= least}
        if len(self._newer_since) > KEPT:
            del self._newer_since[min(self._newer_since)]

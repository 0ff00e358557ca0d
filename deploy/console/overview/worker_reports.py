"""The newest report of each process, with its age by the broker's clock. Pure.

Append times are the broker's. How far its clock is ahead of this host's is seen from the reports that have just come:
each was appended a moment before.
"""

from collections import deque
from typing import Final, Protocol

from stripeline.contracts.internal_records import UnreadableRecordError, read
from stripeline.contracts.operator.worker_report import WorkerReport
from stripeline.deploy.console.overview.report_history import MOST_PROCESSES, ReportHistory
from stripeline.deploy.operations.status.workers import Workers, workers

_CLOCK_REPORTS: Final = 50


class ReportRecord(Protocol):
    """What of a record is looked at."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def timestamp(self) -> int: ...


class WorkerReports:
    """What is on `stripe.worker`, as it is read."""

    def __init__(self, partitions: int) -> None:
        self._newest: dict[str, ReportRecord] = {}
        self._ahead_ms: deque[int] = deque(maxlen=_CLOCK_REPORTS)
        self.history = ReportHistory(partitions)

    def learn(self, record: ReportRecord, received_ms: int | None = None, *, recent: bool = True) -> None:
        """One record. received_ms: the time on this host, of a record that has just been appended.

        recent: of the last minutes. Older ones are not decoded: there are tens of thousands, and pages would wait.
        """
        name = (record.key or b"").decode("utf-8", "replace")
        self._newest.pop(name, None)
        if received_ms is not None:
            self._ahead_ms.append(record.timestamp - received_ms)
        if record.value is None:
            self.history.forget(name)
            return
        self._newest[name] = record
        if len(self._newest) > MOST_PROCESSES:
            del self._newest[next(iter(self._newest))]
        if not recent:
            return
        try:
            self.history.learn(name, read(WorkerReport, record.value), record.timestamp)
        except UnreadableRecordError:  # of another version; `workers` names it
            return

    def workers(self, now_ms: int) -> Workers:
        """As of `now_ms`, the time on this host."""
        return workers(self._newest.values(), now_ms + max(self._ahead_ms, default=0))

"""Each partition of each role: who works on it, and how far it is behind. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stripeline.contracts.operator.worker_report import TaskReport
from stripeline.deploy.console.overview.report_history import ROLES_WITH_TASKS, ReportHistory
from stripeline.deploy.operations.status.workers import Instance, Workers


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionRow:
    """One partition of one role.

    owners: the processes that work on it: none, or for a moment of a rebalance two.
    task: as the newest of them reports it; None without an owner.
    lags: of the last minutes. due_ms: when the next command of a tier is due.
    """

    role: str
    partition: int
    owners: Sequence[str]
    task: TaskReport | None
    lags: Sequence[int]
    opening_since_ms: int | None

    @property
    def rank(self) -> int:
        """What is in trouble is above."""
        return 0 if self.task is None else 1 if not self.task.open else 2

    @property
    def due_ms(self) -> int | None:
        return min(self.task.tier_heads.values(), default=None) if self.task is not None else None


def partition_rows(
    workers: Workers, partitions: int, session_ms: int, history: ReportHistory
) -> Sequence[PartitionRow]:
    """Those without an owner first, then those that are being opened."""
    rows = [
        _row(role, number, _owners(workers, role, number, session_ms), history)
        for role in ROLES_WITH_TASKS
        for number in range(partitions)
    ]
    return sorted(rows, key=lambda row: row.rank)


def _row(
    role: str, number: int, owners: Sequence[tuple[Instance, TaskReport]], history: ReportHistory
) -> PartitionRow:  # fmt: skip
    first = owners[0] if owners else None
    return PartitionRow(
        role=role, partition=number, owners=[one.name for one, _ in owners], task=None if first is None else first[1],
        lags=history.lags(role, number),
        opening_since_ms=None if first is None else history.opening_since_ms(role, number, first[0].name),
    )  # fmt: skip


def _owners(workers: Workers, role: str, number: int, session_ms: int) -> Sequence[tuple[Instance, TaskReport]]:
    """The newest report first. As in `status`: one that is older than a session owns nothing."""
    found = ((one, _task(one, role, number)) for one in workers.live if one.age_ms < session_ms)
    owned = [(one, task) for one, task in found if task is not None]
    return sorted(owned, key=lambda pair: pair[0].age_ms)


def _task(one: Instance, role: str, number: int) -> TaskReport | None:
    matching: Iterator[TaskReport] = (
        task for task in one.report.tasks if task.role == role and task.partition == number
    )
    return next(matching, None)

"""The processes, one row each, and how many there are of each role. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stripeline.deploy.console.overview.report_history import ReportHistory
from stripeline.deploy.operations.status.finding import numbers
from stripeline.deploy.operations.status.workers import ROLES, Instance, Workers


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRow:
    """One process.

    state: ready, not ready or stale. missing: what keeps it from its work, or from a part of it.
    tasks: the partitions that it works on, by role: `router 0 to 3`.
    behind: how many records of the control topic it has not applied, which another process has; since when.
    """

    name: str
    role: str
    version: str
    host: str
    started_ms: int
    reported_ms: int
    state: str
    missing: str | None
    skew_ms: int | None
    master_keys: Sequence[str] | None
    tasks: Sequence[str]
    control: int | None
    behind: int
    behind_since_ms: int | None

    @property
    def rank(self) -> int:
        return {"not ready": 0, "ready": 1, "stale": 2}[self.state]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRow:
    """The processes that do the work of a role. versions: how many live ones have each."""

    role: str
    live: int
    stale: int
    versions: Mapping[str, int]
    owned: int | None
    in_hand: int
    lag: int
    oldest_ms: int


def process_rows(workers: Workers, history: ReportHistory) -> Sequence[ProcessRow]:
    """What is not ready first, and last what does not report."""
    newest = max((one.report.control or 0 for one in workers.live), default=0)
    rows = [_process(one, workers.now_ms, newest, history) for one in workers.instances]
    return sorted(rows, key=lambda row: row.rank)


def role_rows(workers: Workers, session_ms: int) -> Sequence[RoleRow]:
    return [_role(role, [one for one in workers.instances if one.does(role)], session_ms) for role in ROLES]


def _process(one: Instance, now_ms: int, newest: int, history: ReportHistory) -> ProcessRow:
    report = one.report
    behind = 0 if report.control is None or one.stale else newest - report.control
    return ProcessRow(
        name=one.name, role=report.role, version=report.version, host=report.host, started_ms=report.started_ms,
        reported_ms=now_ms - one.age_ms, state=_state(one),
        missing=report.not_ready or report.warnings, skew_ms=report.skew_ms, master_keys=report.master_keys,
        tasks=_tasks(one), control=report.control, behind=behind,
        behind_since_ms=history.behind_since_ms(report.control or 0) if behind else None,
    )  # fmt: skip


def _state(one: Instance) -> str:
    if one.stale:
        return "stale"
    return "ready" if one.report.not_ready is None else "not ready"


def _tasks(one: Instance) -> Sequence[str]:
    found: dict[str, list[int]] = {}
    for task in one.report.tasks:
        found.setdefault(task.role, []).append(task.partition)
    return [f"{role} {numbers(those)}" for role, those in sorted(found.items())]


def _role(role: str, those: Sequence[Instance], session_ms: int) -> RoleRow:
    live = [one for one in those if not one.stale]
    tasks = [task for one in live for task in one.report.tasks if task.role == role]
    owned = {
        task.partition for one in live if one.age_ms < session_ms for task in one.report.tasks if task.role == role
    }
    return RoleRow(
        role=role, live=len(live), stale=len(those) - len(live),
        versions=Counter(one.report.version for one in live), owned=None if role == "ingest" else len(owned),
        in_hand=sum(task.in_hand for task in tasks), lag=sum(task.lag for task in tasks),
        oldest_ms=max((task.oldest_ms for task in tasks), default=0),
    )  # fmt: skip

"""The rules of `stripeline status` about processes and their tasks. Pure.

Whether a task has an owner is judged by reports that are younger than a session: after it Kafka gives the task away.
"""

from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from stripeline.contracts.operator.worker_report import WorkerReport
from stripeline.deploy.operations.master_keys.holders import lacking, sealed_kinds
from stripeline.deploy.operations.master_keys.key_table import key_table
from stripeline.deploy.operations.status.facts import Facts
from stripeline.deploy.operations.status.finding import (
    FindingKind,
    Severity,
    StatusFinding,
    advised,
    counted,
    duration,
    in_a_row,
    partitions,
)
from stripeline.deploy.operations.status.workers import ROLES, Instance

K = TypeVar("K", int, str)
_STARTING_MS: Final = 60_000
_LATE_MS: Final = 300_000
_SKEW_MS: Final = 60_000
_SKEW_NOTED_MS: Final = 5_000


def live_of(facts: Facts, role: str) -> list[Instance]:
    """The processes of a role that report."""
    return [one for one in facts.live if one.does(role)]


def no_process(facts: Facts) -> Iterator[StatusFinding]:
    """A role that nobody has."""
    if facts.workers is None:
        return
    for role in ROLES:
        if not live_of(facts, role):
            waiting = facts.backlog.get(role, 0)
            what = f"No {role} runs" + (f", and {counted(waiting, 'record')} wait for one" if waiting else "")
            yield StatusFinding(
                kind=FindingKind.NO_PROCESS, severity=Severity.STOPS, text=what, command=f"stripeline {role}"
            )


def no_owner(facts: Facts) -> Iterator[StatusFinding]:
    """Partitions of a role on which no process works."""
    for role in ("router", "executor"):
        live = live_of(facts, role)
        owned = {
            task.partition
            for one in live
            if one.age_ms < facts.session_ms
            for task in one.report.tasks
            if task.role == role
        }
        missing = sorted(set(range(facts.partitions)) - owned)
        if live and missing:
            text = f"No {role} works on {partitions(missing)} of {facts.partitions}; a rebalance takes some seconds"
            yield StatusFinding(
                kind=FindingKind.NO_OWNER, severity=Severity.STOPS, text=text, command=f"stripeline {role}"
            )


def not_ready(facts: Facts) -> Iterator[StatusFinding]:
    """Processes that can't do their work, by what keeps them from it."""
    for why, found in _alike(facts, lambda report: report.not_ready).items():
        starting = all(one.report.at_ms - one.report.started_ms < _STARTING_MS for one in found)
        how = "starting" if starting else "not ready"
        yield StatusFinding(
            kind=FindingKind.NOT_READY,
            severity=Severity.NOTE if starting else Severity.STOPS,
            text=f"{_names(found)} {'is' if len(found) == 1 else 'are'} {how}: {why}",
            command=advised(why) or ("stripeline status --watch" if starting else "stripeline status --json"),
        )


def lacks_key(facts: Facts) -> Iterator[StatusFinding]:
    """Processes without a master key that something is sealed with."""
    live = [one for one in facts.live if one.report.master_keys is not None]  # an older version does not say
    stored = facts.definitions
    if stored is None or not any(lacking(live, key, kinds) for key, kinds in sealed_kinds(stored).items()):
        return  # the table names all that each key seals, and nearly always all is well
    for row in key_table(stored, (), live):
        if row.missing_at:
            seals = [*(f"connection {one}" for one in row.connections), *(f"trigger {one}" for one in row.triggers)]
            verb = "does" if len(row.missing_at) == 1 else "do"
            yield StatusFinding(
                kind=FindingKind.LACKS_KEY, severity=Severity.STOPS,
                text=f"{in_a_row(list(row.missing_at))} {verb} not hold master key {row.key}, which seals"
                f" {in_a_row(seals)}",
                command="stripeline keys status",
            )  # fmt: skip


def partition_count(facts: Facts) -> Iterator[StatusFinding]:
    """Processes that work with another STRIPELINE_PARTITIONS than this command."""
    by_count = _alike(facts, lambda report: report.partitions)
    for count, found in sorted(by_count.items()):
        if count in {0, facts.partitions}:
            continue
        has = "has" if len(found) == 1 else "have"
        yield StatusFinding(
            kind=FindingKind.PARTITION_COUNT, severity=Severity.STOPS,
            text=f"{_names(found)} {has} STRIPELINE_PARTITIONS={count}, and this command {facts.partitions}: all must"
            " have the same",
            command="stripeline topics list",
        )  # fmt: skip


def late(facts: Facts) -> Iterator[StatusFinding]:
    """Records that have waited for minutes to be taken."""
    for role in ("router", "executor"):
        tasks = [task for one in facts.live for task in one.report.tasks if task.role == role]
        waiting = [task for task in tasks if task.oldest_ms >= _LATE_MS]
        if waiting:
            oldest = duration(max(task.oldest_ms for task in waiting))
            where = partitions(sorted({task.partition for task in waiting}))
            yield StatusFinding(
                kind=FindingKind.LATE, severity=Severity.PERSON,
                text=f"Records wait for {oldest} on {where} of the {role}: start more, or see Capacity in"
                " docs/operations.md",
                command=f"stripeline {role}",
            )  # fmt: skip


def clock(facts: Facts) -> Iterator[StatusFinding]:
    """Hosts whose clock is not the broker's."""
    skewed = {
        one.report.host: one.report.skew_ms
        for one in facts.live
        if one.report.skew_ms is not None and abs(one.report.skew_ms) >= _SKEW_NOTED_MS
    }
    for host, skew_ms in sorted(skewed.items()):
        side = "ahead of" if skew_ms > 0 else "behind"
        yield StatusFinding(
            kind=FindingKind.CLOCK, severity=Severity.PERSON if abs(skew_ms) >= _SKEW_MS else Severity.NOTE,
            text=f"The clock of host {host} is {duration(abs(skew_ms))} {side} Kafka's: set it; signatures are checked"
            " against it",
            command="date -u",
        )  # fmt: skip


def warnings(facts: Facts) -> Iterator[StatusFinding]:
    """What keeps processes from a part of their work."""
    for why, found in _alike(facts, lambda report: report.warnings).items():
        yield StatusFinding(
            kind=FindingKind.WARNING, severity=Severity.PERSON, text=f"{_names(found)}: {why}",
            command=advised(why) or "stripeline status --json",
        )  # fmt: skip


def opening(facts: Facts) -> Iterator[StatusFinding]:
    """Tasks that are being restored."""
    for role in ("router", "executor"):
        shut = sorted({
            task.partition
            for one in facts.live
            for task in one.report.tasks
            if task.role == role and not task.open
        })  # fmt: skip
        if shut:
            yield StatusFinding(
                kind=FindingKind.OPENING, severity=Severity.NOTE,
                text=f"{partitions(shut).capitalize()} of the {role} {'is' if len(shut) == 1 else 'are'} being opened",
                command="stripeline status --watch",
            )  # fmt: skip


def stale(facts: Facts) -> Iterator[StatusFinding]:
    """Processes that ended without a word."""
    if facts.workers is not None:
        found = sorted(facts.workers.stale, key=lambda one: one.age_ms)
        if found:
            verb, ages = ("has", "it has") if len(found) == 1 else ("have", "they have")
            yield StatusFinding(
                kind=FindingKind.STALE, severity=Severity.NOTE,
                text=f"{_names(found)} {verb} not reported for {duration(found[0].age_ms)}: {ages} died, or can't reach"
                " Kafka; the log says why. Forgotten after a day",
                command="stripeline status --watch",
            )  # fmt: skip


def versions(facts: Facts) -> Iterator[StatusFinding]:
    """Versions side by side."""
    found = _alike(facts, lambda report: report.version)
    if len(found) > 1:
        words = in_a_row(
            [f"{version} ({counted(len(those), 'process', 'processes')})" for version, those in sorted(found.items())]
        )
        yield StatusFinding(
            kind=FindingKind.VERSIONS, severity=Severity.NOTE, text=f"Versions side by side: {words}",
            command="stripeline status --watch",
        )  # fmt: skip


def unreadable_report(facts: Facts) -> Iterator[StatusFinding]:
    """Reports that this version can't read."""
    if facts.workers is not None and facts.workers.unreadable:
        names = in_a_row(list(facts.workers.unreadable))
        yield StatusFinding(
            kind=FindingKind.UNREADABLE_REPORT, severity=Severity.NOTE,
            text=f"The report of {names} can't be read: another version, or not ours",
            command="stripeline --version",
        )  # fmt: skip


def _alike(facts: Facts, fact: Callable[[WorkerReport], K | None]) -> dict[K, list[Instance]]:
    """The processes that report, by one of their facts; without those that have none."""
    found: dict[K, list[Instance]] = {}
    for one in facts.live:
        value = fact(one.report)
        if value is not None:
            found.setdefault(value, []).append(one)
    return found


def _names(found: list[Instance]) -> str:
    return in_a_row([one.name for one in found])

"""From facts to findings: every rule of `stripeline status`, the worst first. Pure.

A new rule is a function from facts to findings, and a line here: its place is its rank among those of one severity.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from stripeline.deploy.operations.status import endpoint_rules as of_endpoints
from stripeline.deploy.operations.status import process_rules as of_processes
from stripeline.deploy.operations.status import sweep_rules as of_sweeps
from stripeline.deploy.operations.status import waiting_rules as of_waiting
from stripeline.deploy.operations.status.facts import Facts
from stripeline.deploy.operations.status.finding import Severity, StatusFinding

RULES: Final[Sequence[Callable[[Facts], Iterable[StatusFinding]]]] = (
    of_waiting.kafka_away,
    of_waiting.topics,
    of_processes.no_process,
    of_processes.no_owner,
    of_processes.not_ready,
    of_processes.lacks_key,
    of_processes.partition_count,
    of_waiting.unread,
    of_waiting.horizon,
    of_waiting.refused_keys,
    of_endpoints.endpoints,
    of_waiting.dead_letters,
    of_waiting.stopped_runs,
    of_waiting.unmade_events,
    of_waiting.no_connection,
    of_waiting.retention,
    of_sweeps.missed_events,
    of_sweeps.late_sweeps,
    of_processes.late,
    of_processes.clock,
    of_waiting.not_looked_at,
    of_processes.warnings,
    of_waiting.pauses,
    of_processes.opening,
    of_processes.stale,
    of_processes.versions,
    of_processes.unreadable_report,
)


def findings(facts: Facts) -> list[StatusFinding]:
    """All that was found, the worst first."""
    if facts.kafka_away is not None:
        return list(of_waiting.kafka_away(facts))
    return sorted((found for rule in RULES for found in rule(facts)), key=lambda found: found.severity)


def needs_person(found: Iterable[StatusFinding]) -> bool:
    """Whether somebody has to do something: the exit code."""
    return any(one.severity < Severity.NOTE for one in found)

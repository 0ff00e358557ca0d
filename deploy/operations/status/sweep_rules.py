"""The rules of `stripeline status` about events that never came, by what the sweeps have written. Pure."""

from collections.abc import Iterator
from typing import Final

from stripeline.contracts.deliveries.delivery_vocabulary import SweepKind
from stripeline.contracts.operator.stripe_side_records import Sweep
from stripeline.deploy.operations.status.facts import Facts
from stripeline.deploy.operations.status.finding import FindingKind, Severity, StatusFinding, counted, duration
from stripeline.deploy.stripe_side.sweeps.sweep_windows import HOUR_S, MINUTE_S, overdue_s

LATE_S: Final = {SweepKind.SETTLE: 60 * MINUTE_S, SweepKind.CLOSE: 26 * HOUR_S}
"""A window is this much later than it should be: something keeps the sweeps."""


def missed_events(facts: Facts) -> Iterator[StatusFinding]:
    """What the last windows lacked. It is published by then; that it did not come has a cause."""
    lacking = {name: sweep for name, sweep in _sweeps(facts) if sweep.missing or sweep.settled_missing}
    for name, sweep in sorted(lacking.items()):
        if sweep.missing:
            text = (
                f"{counted(sweep.missing, 'event')} of connection {name} had not come after three days, and"
                f" {_was(sweep.missing)} found and published: an endpoint was disabled, or records were deleted"
            )
            yield _missed(name, Severity.PERSON, text)
        else:
            text = (
                f"{counted(sweep.settled_missing, 'event')} of connection {name} had not come after half an hour, and"
                f" {_was(sweep.settled_missing)} found and published"
            )
            yield _missed(name, Severity.NOTE, text)


def late_sweeps(facts: Facts) -> Iterator[StatusFinding]:
    """Connections whose windows are overdue, and nobody holds them back on purpose."""
    held = frozenset() if facts.definitions is None else facts.definitions.held()
    ages = {name: _late_s(sweep, facts.now_ms // 1000) for name, sweep in _sweeps(facts) if name not in held}
    for name, age_s in sorted((name, age_s) for name, age_s in ages.items() if age_s):
        yield StatusFinding(
            kind=FindingKind.SWEEP_LATE, severity=Severity.PERSON, about=name,
            text=f"Events of connection {name} that never came are not looked for since {duration(age_s * 1000)}:"
            " the warnings of the executors say why. Stripe lists 30 days",
            command=f"stripeline events missing --since {max(1, -(-age_s // 86_400))}d --connection {name}",
        )  # fmt: skip


def _late_s(sweep: Sweep, now_s: int) -> int:
    """How old the end of the last window is, of the kind that is latest; 0 where none is late."""
    return max((age_s for kind, age_s in overdue_s(sweep, now_s).items() if age_s > LATE_S[kind]), default=0)


def _sweeps(facts: Facts) -> Iterator[tuple[str, Sweep]]:
    """Of the connections that are there, in no order: there are as many as connections."""
    stored = facts.definitions
    for name, sweep in ({} if stored is None else stored.sweeps).items():
        if stored is not None and name in stored.connections and sweep.triggers:
            yield name, sweep


def _missed(name: str, severity: Severity, text: str) -> StatusFinding:
    command = f"stripeline events list --connection {name} --since 5d"
    return StatusFinding(kind=FindingKind.MISSED_EVENTS, severity=severity, text=text, command=command, about=name)


def _was(count: int) -> str:
    return "was" if count == 1 else "were"

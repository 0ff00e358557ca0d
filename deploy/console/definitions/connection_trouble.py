"""Which connection, and so which Stripe account, is in trouble and why: a sentence each, and what to do next. Pure.

The sentences about pauses, refused keys and the 23 hours are those of `stripeline status`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote

from stripeline.contracts.definitions import Definitions
from stripeline.deploy.console.definitions.limit_use import LimitUse
from stripeline.deploy.operations.status import sweep_rules, waiting_rules
from stripeline.deploy.operations.status.facts import Facts, WaitingCommands
from stripeline.deploy.operations.status.finding import (
    FindingKind,
    Severity,
    StatusFinding,
    counted,
    duration,
)
from stripeline.deploy.operations.status.workers import Workers

LONG_LINE_MS: Final = 5_000
"""A call that waits longer for its connection's rate is a backlog, and no burst."""
LONG_WAIT_MS: Final = 15 * 60_000
NEAR: Final = 0.8
"""Of a limit an hour: the connection is about to pause by itself."""

_RULES: Final[Sequence[Callable[[Facts], Iterator[StatusFinding]]]] = (
    waiting_rules.refused_keys, waiting_rules.pauses, waiting_rules.horizon, waiting_rules.no_connection,
    sweep_rules.missed_events, sweep_rules.late_sweeps,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What is wrong with one connection. next: a page of the console where it is put right."""

    connection: str
    account: str | None
    severity: Severity
    text: str
    next: str
    next_label: str

    @property
    def needs_operator(self) -> bool:
        return self.next.endswith("/resume")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionFacts:
    """What is known of all connections. uses: what is spent of limits an hour, by connection."""

    now_ms: int
    stored: Definitions
    workers: Workers
    waiting: Mapping[str, WaitingCommands]
    uses: Mapping[str, Sequence[LimitUse]]


def troubles(known: ConnectionFacts) -> list[Trouble]:
    """All of it, worst first."""
    names = sorted({*known.stored.connections, *known.waiting})
    return sorted((one for name in names for one in _of(name, known)), key=lambda one: one.severity)


def line_ms(workers: Workers, connection: str) -> int:
    """How long a call of a connection waits for its rate, where it waits longest."""
    return max(
        (each.line_ms for one in workers.live for each in one.report.connections if each.connection == connection),
        default=0,
    )


def _of(name: str, known: ConnectionFacts) -> Iterator[Trouble]:
    account = known.stored.account_of(name)
    facts = _facts(name, known)
    for rule in _RULES:
        for found in rule(facts):
            address, label = _next(found.kind, name)
            severity = Severity.PERSON if found.kind is FindingKind.PAUSED else found.severity
            yield Trouble(
                connection=name, account=account, severity=severity, text=found.text, next=address, next_label=label
            )
    for text, address, label in (*_slow(name, known), *_near(name, known)):
        yield Trouble(
            connection=name, account=account, severity=Severity.NOTE, text=text, next=address, next_label=label
        )


def _facts(name: str, known: ConnectionFacts) -> Facts:
    """As `status` sees an installation that has only this connection."""
    stored, waiting = known.stored, known.waiting.get(name)
    alone = replace(
        stored,
        connections={one: held for one, held in stored.connections.items() if one == name},
        pauses={key: held for key, held in stored.pauses.items() if key == f"connection/{name}"},
    )
    return Facts(
        now_ms=known.now_ms, kafka="", prefix="", version="", partitions=0, definitions=alone,
        waiting=() if waiting is None else (waiting,),
    )  # fmt: skip


def _next(kind: FindingKind, name: str) -> tuple[str, str]:
    match kind:
        case FindingKind.HORIZON:
            return f"/commands?status=waiting&connection={quote(name)}", "Look at its commands"
        case FindingKind.NO_CONNECTION:
            return f"/commands?connection={quote(name)}", "Look at its commands"
        case FindingKind.MISSED_EVENTS:
            return f"/events?connection={quote(name)}", "Look at its events"
        case FindingKind.SWEEP_LATE:
            return "/workers", "Look at the executors"
        case FindingKind.KEY_REFUSED:
            return f"/connections/{quote(name)}/resume", "Try the key again"
        case _:
            return f"/connections/{quote(name)}/resume", "Resume it"


def _slow(name: str, known: ConnectionFacts) -> Iterator[tuple[str, str, str]]:
    """What waits without a reason that `status` has: for the rate, or for Stripe."""
    held = f"connection/{name}" in known.stored.pauses or bool(known.stored.refused(name))
    waits_ms = line_ms(known.workers, name)
    if waits_ms >= LONG_LINE_MS:
        text = f"The calls of {name} wait {duration(waits_ms)} for its rate: more is sent than it may call."
        yield text, f"/connections/{quote(name)}", "Look at its rate"
    waiting = known.waiting.get(name)
    if waiting is not None and not held and known.now_ms - waiting.first_ms >= LONG_WAIT_MS:
        age = duration(known.now_ms - waiting.first_ms)
        text = f"{counted(waiting.count, 'command')} of {name} wait, the oldest for {age}: see what Stripe answered."
        yield text, f"/commands?status=waiting&connection={quote(name)}", "Look at its commands"


def _near(name: str, known: ConnectionFacts) -> Iterator[tuple[str, str, str]]:
    for use in known.uses.get(name, ()):
        if use.limit and use.spent >= NEAR * use.limit:
            text = (
                f"{name} has used {use.spent:,} of {use.limit:,} {use.what} this hour: at the limit it pauses itself."
            )
            yield text, f"/connections/{quote(name)}", "Look at its limits"

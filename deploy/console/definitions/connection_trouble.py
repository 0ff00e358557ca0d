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

_OF_CONNECTION: Final = "connection/"
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
    """All of it, worst first, then by name."""
    there = known.stored.connections.keys() | known.waiting.keys()
    found = (one for one in (*_by_rules(known), *_slow(known), *_near(known)) if one.connection in there)
    return sorted(found, key=lambda one: (one.severity, one.connection))


def lines_ms(workers: Workers) -> Mapping[str, int]:
    """How long a call waits for its connection's rate, where it waits longest, by connection."""
    found: dict[str, int] = {}
    for one in workers.live:
        for each in one.report.connections:
            found[each.connection] = max(each.line_ms, found.get(each.connection, 0))
    return found


def _by_rules(known: ConnectionFacts) -> Iterator[Trouble]:
    """What `status` finds of connections."""
    stored = known.stored
    pauses = {key: held for key, held in stored.pauses.items() if key.startswith(_OF_CONNECTION)}
    facts = Facts(
        now_ms=known.now_ms, kafka="", prefix="", version="", partitions=0,
        definitions=replace(stored, pauses=pauses), waiting=tuple(known.waiting.values()),
    )  # fmt: skip
    for rule in _RULES:
        for found in rule(facts):
            name = (found.about or "").removeprefix(_OF_CONNECTION)
            severity = Severity.PERSON if found.kind is FindingKind.PAUSED else found.severity
            yield _trouble(known, name, severity, found.text, *_next(found.kind, name))


def _trouble(
    known: ConnectionFacts, name: str, severity: Severity, text: str, address: str, label: str
) -> Trouble:  # fmt: skip
    account = known.stored.account_of(name)
    return Trouble(connection=name, account=account, severity=severity, text=text, next=address, next_label=label)


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


def _slow(known: ConnectionFacts) -> Iterator[Trouble]:
    """What waits without a reason that `status` has: for the rate, or for Stripe."""
    for name, waits_ms in lines_ms(known.workers).items():
        if waits_ms >= LONG_LINE_MS:
            text = f"The calls of {name} wait {duration(waits_ms)} for its rate: more is sent than it may call."
            yield _trouble(known, name, Severity.NOTE, text, f"/connections/{quote(name)}", "Look at its rate")
    held = known.stored.held() | {name.partition("/")[0] for name in known.stored.refusals()}
    for name, waiting in known.waiting.items():
        if name not in held and known.now_ms - waiting.first_ms >= LONG_WAIT_MS:
            age = duration(known.now_ms - waiting.first_ms)
            text = (
                f"{counted(waiting.count, 'command')} of {name} wait, the oldest for {age}: see what Stripe answered."
            )
            address = f"/commands?status=waiting&connection={quote(name)}"
            yield _trouble(known, name, Severity.NOTE, text, address, "Look at its commands")


def _near(known: ConnectionFacts) -> Iterator[Trouble]:
    for name, uses in known.uses.items():
        for use in uses:
            if use.limit and use.spent >= NEAR * use.limit:
                text = (
                    f"{name} has used {use.spent:,} of {use.limit:,} {use.what} this hour: at the limit it pauses"
                    " itself."
                )
                yield _trouble(known, name, Severity.NOTE, text, f"/connections/{quote(name)}", "Look at its limits")

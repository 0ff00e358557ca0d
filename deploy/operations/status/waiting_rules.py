"""The rules of `stripeline status` about what waits: topics, commands, runs, dead letters, pauses. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from shlex import quote
from typing import Final

from stripeline.contracts.operator.control_records import BY_BRAKE, Pause
from stripeline.contracts.operator.operator_vocabulary import TopicProblemKind
from stripeline.contracts.retry_tiers import DAY_MS
from stripeline.deploy.operations.status.facts import Facts, Tally, WaitingCommands
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
from stripeline.deploy.operations.status.process_rules import live_of
from stripeline.deploy.operations.topic_problems import TopicProblem

_STARTED_MS: Final = 60_000
_SOON_MS: Final = 2 * 3_600_000
_RETENTION_WARNING_MS: Final = 2 * DAY_MS
_APPLIES: Final = frozenset({TopicProblemKind.MISSING, TopicProblemKind.SETTING, TopicProblemKind.INSTALLATION})


def kafka_away(facts: Facts) -> Iterator[StatusFinding]:
    if facts.kafka_away is not None:
        yield StatusFinding(
            kind=FindingKind.KAFKA_AWAY, severity=Severity.STOPS, text=facts.kafka_away,
            command=advised(facts.kafka_away) or "stripeline topics check",
        )  # fmt: skip


def topics(facts: Facts) -> Iterator[StatusFinding]:
    """What `topics check` finds, the same fault of several topics once."""
    alike: dict[tuple[str, str], list[TopicProblem]] = {}
    for problem in (*facts.problems, *facts.advice):
        alike.setdefault((problem.fault, problem.remedy), []).append(problem)
    for (fault, remedy), found in alike.items():
        names = list(dict.fromkeys(problem.topic for problem in found))
        yield StatusFinding(
            kind=FindingKind.TOPIC, severity=_severity(found[0], facts), command=_topic_command(found[0]),
            text=f"{in_a_row(names)}{_each(names)} {fault}: {remedy}",
        )  # fmt: skip


def _each(names: list[str]) -> str:
    return "" if len(names) == 1 else ": each"


def _severity(problem: TopicProblem, facts: Facts) -> Severity:
    if problem.stops:
        return Severity.STOPS
    is_read = problem.kind is TopicProblemKind.FORMER_TIER and _read(problem.topic, facts)
    return Severity.NOTE if is_read or problem in facts.advice else Severity.PERSON


def _read(topic: str, facts: Facts) -> bool:
    """Whether an executor has the next record of a retry topic in hand."""
    return any(topic in task.tier_heads for one in facts.live for task in one.report.tasks)


def _topic_command(problem: TopicProblem) -> str:
    if problem.denied is not None:
        return "stripeline topics check --rights --role reading"
    return "stripeline topics apply" if problem.kind in _APPLIES else "stripeline topics check"


def unread(facts: Facts) -> Iterator[StatusFinding]:
    """Records of an input that no process of its role reads."""
    for one in facts.unread:
        if not any(at.report.at_ms - at.report.started_ms >= _STARTED_MS for at in live_of(facts, one.role)):
            continue  # a process that has just started begins to read, and where there is none, that is another finding
        yield StatusFinding(
            kind=FindingKind.UNREAD, severity=Severity.STOPS,
            text=f"{counted(one.records, 'record')} on {one.topic}, {partitions(one.partitions)}: no {one.role} has"
            f" read there yet. Restart the {one.role}s that are older than the topic",
            command="stripeline topics check",
        )  # fmt: skip


def refused_keys(facts: Facts) -> Iterator[StatusFinding]:
    stored, waiting = facts.definitions, _waiting(facts)
    for name, refusal in ({} if stored is None else stored.refusals()).items():
        connection, _, account = name.partition("/")
        what = f"the key of connection {connection}" + (f" for account {account}" if account else "")
        yield StatusFinding(
            kind=FindingKind.KEY_REFUSED, severity=Severity.PERSON,
            text=f"Stripe refuses {what} since {moment(refusal.since_ms)}{_so_many(waiting[connection])}. Apply a new"
            " key, or correct it at Stripe, then",
            command=f"stripeline resume connection {connection}", about=connection,
        )  # fmt: skip


def horizon(facts: Facts) -> Iterator[StatusFinding]:
    """Commands whose 23 hours have passed, or will pass while they are held."""
    all_held = frozenset() if facts.definitions is None else facts.definitions.held()
    for one in facts.waiting or ():
        held = one.connection in all_held
        if one.passed:
            text = (
                f"{counted(one.passed, 'command')} of {one.connection} {_are(one.passed)} past 23 h since their first"
                " attempt: looked up at Stripe in turn, and where that finds nothing a person decides"
            )
            yield _horizon(one, text, held=held)
        elif one.horizon_ms is not None and (held or one.horizon_ms - facts.now_ms < _SOON_MS):
            text = (
                f"{counted(one.attempted, 'command')} of {one.connection} pass 23 h from {moment(one.horizon_ms)} on"
                f" (in {duration(one.horizon_ms - facts.now_ms)}): after that none is sent again"
            )
            yield _horizon(one, text, held=held)


def _horizon(one: WaitingCommands, text: str, *, held: bool) -> StatusFinding:
    command = (
        f"stripeline resume connection {one.connection}"
        if held
        else f"stripeline commands show {quote(one.example or '')}"
    )
    return StatusFinding(
        kind=FindingKind.HORIZON, severity=Severity.PERSON, text=text, command=command, about=one.connection
    )


def no_connection(facts: Facts) -> Iterator[StatusFinding]:
    """Commands that wait for a connection that is not defined."""
    if facts.definitions is not None:
        for one in facts.waiting or ():
            if one.connection not in facts.definitions.connections:
                text = (
                    f"{counted(one.count, 'command')} {_waits(one.count)} for connection {one.connection}, which is not"
                    " defined: apply it again"
                )
                yield StatusFinding(
                    kind=FindingKind.NO_CONNECTION, severity=Severity.PERSON, text=text,
                    command="stripeline get connections", about=one.connection,
                )  # fmt: skip


def dead_letters(facts: Facts) -> Iterator[StatusFinding]:
    for reason, count in _most(facts.dead_letters):
        yield StatusFinding(
            kind=FindingKind.DEAD_LETTERS, severity=Severity.PERSON,
            text=f"{_at_least(facts.dead_letters)}{counted(count, 'open dead letter')}: {reason}",
            command=f"stripeline dead-letters list --reason {quote(reason)}", about=reason,
        )  # fmt: skip


def stopped_runs(facts: Facts) -> Iterator[StatusFinding]:
    for code, count in _most(facts.stopped_runs):
        yield StatusFinding(
            kind=FindingKind.STOPPED_RUNS, severity=Severity.PERSON,
            text=f"{_at_least(facts.stopped_runs)}{counted(count, 'run')} stopped: {code}",
            command="stripeline runs list --status stopped" + (f" --code {quote(code)}" if code.isupper() else ""),
            about=code,
        )  # fmt: skip


def unmade_events(facts: Facts) -> Iterator[StatusFinding]:
    """Events that Stripe failed to make: no delivery and no list has them."""
    for kind, count in _most(facts.unmade_events):
        yield StatusFinding(
            kind=FindingKind.UNMADE_EVENTS, severity=Severity.PERSON,
            text=f"{_at_least(facts.unmade_events)}{counted(count, 'notice')} of Stripe in the last day that it made no"
            f" event of an object, and will not: {kind}",
            command="stripeline events unmade --since 1d", about=kind,
        )  # fmt: skip


def pauses(facts: Facts) -> Iterator[StatusFinding]:
    """What is paused, by whom, why and since when. What paused itself waits for a person."""
    commands = _waiting(facts)
    for name, pause in _pauses(facts):
        kind, _, what = name.partition("/")
        by_itself = pause.by == BY_BRAKE
        who = "paused itself" if by_itself else f"is paused by {pause.by}"
        waiting = _so_many(commands[what]) if kind == "connection" else ""
        yield StatusFinding(
            kind=FindingKind.PAUSED, severity=Severity.PERSON if by_itself else Severity.NOTE,
            text=f"{kind.capitalize()} {what} {who} since {moment(pause.at_ms)}{waiting}: {pause.why}",
            command=f"stripeline resume {kind} {what}", about=name,
        )  # fmt: skip


def retention(facts: Facts) -> Iterator[StatusFinding]:
    """Paused workflows whose first events are about to leave their topic."""
    for name, pause in _pauses(facts):
        kind, _, what = name.partition("/")
        gone_ms = pause.until_ms or pause.at_ms + facts.event_retention_ms
        left_ms = gone_ms - facts.now_ms
        if kind == "workflow" and left_ms <= _RETENTION_WARNING_MS:
            text = (
                f"Workflow {what} is paused, and its first events leave their topic {_when(gone_ms, left_ms)}: they can"
                " be taken up until then"
            )
            yield StatusFinding(
                kind=FindingKind.RETENTION, severity=Severity.PERSON, text=text,
                command=f"stripeline resume workflow {what} --take-up", about=name,
            )  # fmt: skip


def not_looked_at(facts: Facts) -> Iterator[StatusFinding]:
    for what, why in facts.not_looked_at.items():
        yield StatusFinding(
            kind=FindingKind.NOT_LOOKED_AT, severity=Severity.PERSON, text=f"Nothing is known of {what}: {why}",
            command=advised(why) or "stripeline topics check --rights --role reading",
        )  # fmt: skip


def moment(at_ms: int) -> str:
    """`2026-11-29 14:02 UTC`: to the minute."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def _when(gone_ms: int, left_ms: int) -> str:
    return f"since {moment(gone_ms)}" if left_ms <= 0 else f"from {moment(gone_ms)} on (in {duration(left_ms)})"


def _pauses(facts: Facts) -> list[tuple[str, Pause]]:
    found: Mapping[str, Pause] = {} if facts.definitions is None else facts.definitions.pauses
    return sorted(found.items())


def _waiting(facts: Facts) -> Counter[str]:
    """How many commands wait, by connection."""
    found: Counter[str] = Counter()
    for one in facts.waiting or ():
        found[one.connection] += one.count
    return found


def _so_many(count: int) -> str:
    return f", and {counted(count, 'command')} {_waits(count)}" if count else ""


def _most(tally: Tally | None) -> list[tuple[str, int]]:
    return sorted(({} if tally is None else tally.by).items(), key=lambda item: (-item[1], item[0]))


def _at_least(tally: Tally | None) -> str:
    return "At least " if tally is not None and tally.more else ""


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _waits(count: int) -> str:
    return "waits" if count == 1 else "wait"

"""`stripeline status` as a page of 80 columns, and as one JSON object. Pure.

The worst is at the top. A finding is its words, and below them the command to run next, alone on its line so that it
can be pasted. Texts of others are harmless: one line each, without what moves a cursor.
"""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from stripeline.contracts.headers import rfc3339
from stripeline.contracts.masking import mask_text
from stripeline.contracts.shown_text import one_line
from stripeline.deploy.operations.status.facts import Facts
from stripeline.deploy.operations.status.finding import Severity, StatusFinding, counted, duration
from stripeline.deploy.operations.status.findings import needs_person
from stripeline.deploy.operations.status.waiting_rules import moment
from stripeline.deploy.operations.status.workers import ROLES, UNASKED, Instance

WIDTH: Final = 80
_MOST_WORDS: Final = 400
_MOST_FINDINGS: Final = 30
_MOST_REACHED: Final = 10
_WITH_TASKS: Final = frozenset({"router", "executor"})
_HEADINGS: Final[Mapping[Severity, str]] = {
    Severity.STOPS: "WORK STOPS",
    Severity.PERSON: "A PERSON IS NEEDED",
    Severity.NOTE: "NOTES",
}


def page(facts: Facts, found: Sequence[StatusFinding]) -> list[str]:
    """The lines of the page."""
    lines = [*_head(facts, found)]
    for severity, heading in _HEADINGS.items():
        of_it = [one for one in found if one.severity is severity]
        if of_it:
            lines += ["", heading, *_of_severity(of_it)]
    lines += _processes(facts)
    lines += _waiting(facts)
    lines += _reached(facts)
    return [line.rstrip() for line in lines]


def _head(facts: Facts, found: Sequence[StatusFinding]) -> Iterator[str]:
    left, right = f"stripeline {facts.version}", moment(facts.now_ms)
    yield left + right.rjust(WIDTH - len(left))
    named = f"topics {facts.prefix}*" if facts.prefix else "topics without a prefix"
    yield _cut(f"Kafka {one_line(facts.kafka)}, {named}")
    persons = sum(one.severity < Severity.NOTE for one in found)
    if not persons:
        yield ""
        yield "All is well: nothing waits for a person."


def _of_severity(found: Sequence[StatusFinding]) -> Iterator[str]:
    for one in found[:_MOST_FINDINGS]:
        yield from _finding(one)
    if len(found) > _MOST_FINDINGS:
        yield f"  … and {len(found) - _MOST_FINDINGS} more: stripeline status --json"


def _finding(one: StatusFinding) -> Iterator[str]:
    text = one_line(mask_text(one.text))
    shortened = text if len(text) <= _MOST_WORDS else f"{text[: _MOST_WORDS - 1]}…"
    yield from textwrap.wrap(
        shortened, WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
    )  # fmt: skip
    if one.command is not None:
        yield f"    $ {one_line(one.command)}"


def _processes(facts: Facts) -> Iterator[str]:
    """A line for each role: how many, which versions, tasks with an owner, what is in hand and behind."""
    if facts.workers is None:
        return
    shown = [*ROLES, *(role for role in UNASKED if any(one.does(role) for one in facts.instances))]
    rows = [_role(facts, role) for role in shown]
    yield ""
    yield from _table(("PROCESSES", "live", "stale", "version", "tasks", "in hand", "behind", "oldest"), rows)


def _role(facts: Facts, role: str) -> Sequence[str]:
    mine = [one for one in facts.instances if one.does(role)]
    live = [one for one in mine if not one.stale]
    versions = sorted({one.report.version for one in live})
    version = versions[0] if len(versions) == 1 else counted(len(versions), "version") if versions else "-"
    return (role, str(len(live)), str(len(mine) - len(live) or "-"), version, *_tasks(facts, role, live))


def _tasks(facts: Facts, role: str, live: Sequence[Instance]) -> Sequence[str]:
    tasks = [task for one in live for task in one.report.tasks if task.role == role]
    if role not in _WITH_TASKS:
        return ("-", "-", "-", "-")
    owned = len({task.partition for task in tasks})
    oldest = max((task.oldest_ms for task in tasks), default=0)
    behind = sum(task.lag for task in tasks) if live else facts.backlog.get(role, 0)
    return (
        f"{owned}/{facts.partitions}", f"{sum(task.in_hand for task in tasks):,}", f"{behind:,}",
        duration(oldest) if oldest >= 1_000 else "-",  # noqa: PLR2004  (a second is no delay)
    )  # fmt: skip


def _waiting(facts: Facts) -> Iterator[str]:
    """What waits, in one line each; nothing where nothing does."""
    waiting = facts.waiting or ()
    rows = [
        (
            _shortened(one_line(one.connection), 40), f"{one.count:,}",
            duration(facts.now_ms - one.first_ms),
            moment(one.horizon_ms) if one.horizon_ms is not None else "-",
        )
        for one in sorted(waiting, key=lambda one: -one.count)[:10]
    ]  # fmt: skip
    if rows:
        yield ""
        yield from _table(("WAITING COMMANDS OF", "commands", "oldest", "23 h pass at"), rows)


def _reached(facts: Facts) -> Iterator[str]:
    """When Stripe last reached each trigger and endpoint; nothing where no process of ingest says it."""
    rows = [
        (_shortened(one_line(name), 40), f"{duration(max(0, facts.now_ms - at_ms))} ago")
        for name, at_ms in sorted(reached(facts).items(), key=lambda one: -one[1])[:_MOST_REACHED]
    ]
    if rows:
        yield ""
        yield from _table(("REACHED BY STRIPE", "last"), rows)


def reached(facts: Facts) -> Mapping[str, int]:
    return {} if facts.workers is None else facts.workers.reached


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The first column to the left, the others to the right."""
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    for row in (head, *rows):
        first, *others = row
        yield "  ".join(
            [first.ljust(widths[0]), *(one.rjust(width) for one, width in zip(others, widths[1:], strict=True))]
        )


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _cut(text: str) -> str:
    return _shortened(text, WIDTH)


def as_json(facts: Facts, found: Sequence[StatusFinding]) -> dict[str, Any]:
    """The same for a script: whole texts, and every process."""
    return {
        "at": rfc3339(facts.now_ms),
        "needs_person": needs_person(found),
        "findings": [
            {"kind": one.kind, "severity": one.severity.word, "text": mask_text(one.text), "command": one.command}
            for one in found
        ],
        "processes": [_process(one) for one in facts.instances],
        "dead_letters": None if facts.dead_letters is None else dict(facts.dead_letters.by),
        "stopped_runs": None if facts.stopped_runs is None else dict(facts.stopped_runs.by),
        "waiting": None if facts.waiting is None else [_waits(one) for one in facts.waiting],
        "reached": {name: rfc3339(at_ms) for name, at_ms in sorted(reached(facts).items())},
        "unmade_events": None if facts.unmade_events is None else dict(facts.unmade_events.by),
    }


def _process(one: Instance) -> dict[str, Any]:
    report = one.report
    return {
        "name": one.name, "role": report.role, "version": report.version, "host": report.host, "pid": report.pid,
        "stale": one.stale, "age_s": round(one.age_ms / 1000, 1), "started_at": rfc3339(report.started_ms),
        "ready": report.not_ready is None, "missing": report.not_ready, "warnings": report.warnings,
        "clock_skew_ms": report.skew_ms, "master_keys": report.master_keys, "partitions": report.partitions,
        "tasks": [
            {
                "role": task.role, "partition": task.partition, "open": task.open, "lag": task.lag,
                "oldest_s": round(task.oldest_ms / 1000, 1), "calls": task.calls, "in_hand": task.in_hand,
                "waiting": task.waiting, "waiting_keys": task.waiting_keys,
                "tier_heads": {topic: rfc3339(due_ms) for topic, due_ms in task.tier_heads.items()},
            }
            for task in report.tasks
        ],
    }  # fmt: skip


def _waits(one: Any) -> dict[str, Any]:
    return {
        "connection": one.connection, "commands": one.count, "oldest_at": rfc3339(one.first_ms),
        "attempted": one.attempted, "past_23h": one.passed, "example": one.example,
        "passes_23h_at": None if one.horizon_ms is None else rfc3339(one.horizon_ms),
    }  # fmt: skip

"""Now: what needs a person, worst first, each with its next click; and the last hour as curves."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from stripeline.deploy.console.console_page import Answer, ConsolePage, NavigationItem, Parts, Question, View
from stripeline.deploy.console.index.queries.tallies import counts_of_minutes
from stripeline.deploy.console.overview.console_facts import facts_of
from stripeline.deploy.console.overview.finding_links import NextClick, next_click
from stripeline.deploy.console.overview.last_hour import last_hour, minutes_of
from stripeline.deploy.console.overview.sparkline import sparkline
from stripeline.deploy.operations.status.facts import Facts
from stripeline.deploy.operations.status.finding import Severity, StatusFinding
from stripeline.deploy.operations.status.findings import findings

MOST_FINDINGS: Final = 100


@dataclass(frozen=True, slots=True)
class Needed:
    """A finding with its next click, and as a second way its command."""

    text: str
    click: NextClick
    command: str | None


async def now(question: Question) -> Answer:
    facts = await facts_of(question.sources, question.now_ms)
    found = findings(facts)
    hour = last_hour(await question.sources.index.ask(counts_of_minutes(*minutes_of(question.now_ms))), question.now_ms)
    values: dict[str, Any] = {
        "groups": _groups(found[:MOST_FINDINGS]), "more": max(0, len(found) - MOST_FINDINGS),
        "persons": sum(one.severity < Severity.NOTE for one in found),
        "hour": hour, "sparkline": sparkline, "now_ms": question.now_ms, "looked_at": _looked_at(facts),
        "shape": _shape(found),
    }  # fmt: skip
    return View(template="now.html", values=values)


def _groups(found: Sequence[StatusFinding]) -> Sequence[tuple[Severity, Sequence[Needed]]]:
    """By severity, the worst first."""
    groups = {severity: [_needed(one) for one in found if one.severity is severity] for severity in Severity}
    return [(severity, those) for severity, those in groups.items() if those]


def _needed(one: StatusFinding) -> Needed:
    return Needed(one.text, next_click(one), one.command)


def _shape(found: Sequence[StatusFinding]) -> str:
    """Which findings stand where. Their words and numbers may change in place."""
    placed = [(one.kind, one.severity, one.about) for one in found]
    return hashlib.sha256(repr(placed).encode()).hexdigest()[:16]


def _looked_at(facts: Facts) -> Sequence[tuple[str, str]]:
    """What the findings are from, each with how much of it there is."""
    live, stored = facts.live, facts.definitions
    return [
        ("Processes that report", f"{len(live)}"),
        ("Connections", f"{0 if stored is None else len(stored.connections)}"),
        ("Workflows", f"{0 if stored is None else len(stored.workflows)}"),
        ("Open dead letters", f"{0 if facts.dead_letters is None else facts.dead_letters.total:,}"),
        ("Stopped runs", f"{0 if facts.stopped_runs is None else facts.stopped_runs.total:,}"),
        ("Waiting commands", f"{sum(one.count for one in facts.waiting or ()):,}"),
    ]


PAGES = (
    ConsolePage(
        name="now", path="/", show=now, navigation=NavigationItem(label="Now", place=1, key="h"),
        live=Parts(templates={"needed": "live/needed.html", "hour": "live/hour.html"}, fixed=frozenset({"hour"})),
    ),
)  # fmt: skip

"""What happened to a run, in the order of time: its event, its commands, dead letters, acts, and its end. Pure.

The words are ours; what Stripe or another team wrote is in `detail`, for those who may see the texts of errors.
Each entry has its part of the whole time as a bar: the entry's words say the same without it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from stripeline.contracts.internal_records import RunStep
from stripeline.deploy.console.addresses import command_link, event_link, link
from stripeline.deploy.console.details.outcome_entries import outcome_entries
from stripeline.deploy.console.details.timeline_entry import TimelineEntry

_LEAST_WIDTH: Final = 0.8
"""Of a bar, in percent: a shorter one is not seen."""
_ENDS: Final[Mapping[str, str]] = {
    "succeeded": "All steps succeeded", "stopped": "The run stopped, and waits for a person",
    "cancelled": "The run was cancelled",
}  # fmt: skip
_ACTS: Final[Mapping[str, str]] = {
    "retry_run": "retried it", "cancel_run": "cancelled it", "start_run": "started it", "erase_run": "erased its data",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """Rows of the index, each with the columns of its table; and the run's steps, where Kafka still has the run.

    outcomes: of its commands.
    """

    run: Any
    events: Sequence[Any] = ()
    commands: Sequence[Any] = ()
    outcomes: Sequence[Any] = ()
    letters: Sequence[Any] = ()
    acts: Sequence[Any] = ()
    steps: Sequence[RunStep] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineBar:
    """Where an entry is in the whole time, in percent."""

    x: float
    width: float


def timeline(facts: RunFacts, now_ms: int) -> Sequence[TimelineEntry]:
    """The entries in the order of time; of one moment, in the order of cause and effect."""
    entries = [
        *_event(facts.events),
        TimelineEntry(at_ms=facts.run.started_ms, words="The router started the run"),
        *_commands(facts, now_ms),
        *_letters(facts.letters),
        *(_act(act) for act in facts.acts),
        *_end(facts.run),
    ]
    return sorted(entries, key=lambda entry: entry.at_ms)


def bars(entries: Sequence[TimelineEntry], now_ms: int) -> Sequence[TimelineBar]:
    """A bar for each entry. What lies in the future is at the end."""
    if not entries:
        return []
    first = entries[0].at_ms
    last = max(min(now_ms, entry.until_ms or entry.at_ms) for entry in entries)
    whole = max(1, last - first)
    return [_bar(entry, first, whole) for entry in entries]


def former_commands(facts: RunFacts) -> frozenset[str]:
    """The commands of steps that have a newer one: a retry took their place."""
    newest = {row.step: row.command_id for row in facts.commands} | {one.id: one.command_id for one in facts.steps}
    return frozenset(row.command_id for row in facts.commands if newest[row.step] != row.command_id)


def _bar(entry: TimelineEntry, first: int, whole: int) -> TimelineBar:
    x = min(100 - _LEAST_WIDTH, max(0.0, (entry.at_ms - first) * 100 / whole))
    width = max(_LEAST_WIDTH, ((entry.until_ms or entry.at_ms) - entry.at_ms) * 100 / whole)
    return TimelineBar(x=round(x, 2), width=round(min(width, 100 - x), 2))


def _event(events: Iterable[Any]) -> Iterator[TimelineEntry]:
    """The first delivery counts: a later one of the same event starts nothing."""
    first = min(events, key=lambda one: one.received_ms, default=None)
    if first is None:
        return
    if first.created_ms is not None:
        yield TimelineEntry(at_ms=first.created_ms, words="Stripe made the event", about=event_link(first.event_id))
    who = "Ingest" if first.late_by_ms is None else "A comparison with Stripe's list"
    yield TimelineEntry(at_ms=first.received_ms, words=f"{who} published it")


def _commands(facts: RunFacts, now_ms: int) -> Iterator[TimelineEntry]:
    former, known = former_commands(facts), {row.command_id for row in facts.commands}
    for row in facts.commands:
        yield _command(row, now_ms, former=row.command_id in former)
        of_it = [one for one in facts.outcomes if one.command_id == row.command_id]
        yield from outcome_entries(of_it, f"Step {row.step}: ", now_ms)
    for step in facts.steps:
        if step.command_id not in known:  # its command is older than the console's window
            error = step.error
            yield TimelineEntry(
                at_ms=step.started_ms, until_ms=step.finished_ms or now_ms, words=f"Step {step.id}: {step.action}",
                state=step.status, code=error.code if error else None, detail=error.message if error else None,
            )  # fmt: skip


def _command(row: Any, now_ms: int, *, former: bool) -> TimelineEntry:
    undecided = row.status in {"sent", "waiting"}
    ended = row.finished_ms or row.status_ms
    tried = "" if not row.attempts else ", 1 attempt" if row.attempts == 1 else f", {row.attempts} attempts"
    again = ", superseded by a later one" if former else ""
    return TimelineEntry(
        at_ms=row.sent_ms, until_ms=max(row.sent_ms, now_ms if undecided else ended),
        words=f"Step {row.step}: {row.action}{tried}{again}", about=command_link(row.command_id, row.number),
        state=row.status, code=row.code, detail=row.error,
    )  # fmt: skip


def _letters(letters: Iterable[Any]) -> Iterator[TimelineEntry]:
    for one in letters:
        place = f"{one.number}/{one.offset}"
        about = link(place, f"/dead-letters/{place}")
        yield TimelineEntry(at_ms=one.at_ms, words=f"Dead letter, {one.reason}", about=about, code=one.code)
        if one.state_ms is not None:
            yield TimelineEntry(at_ms=one.state_ms, words="Dead letter closed", about=about, state=one.state)


def _act(act: Any) -> TimelineEntry:
    return TimelineEntry(at_ms=act.at_ms, words=f"{act.by} {_ACTS.get(act.act, act.act)}: {act.why}")


def _end(run: Any) -> Iterator[TimelineEntry]:
    if run.finished_ms is not None:
        yield TimelineEntry(at_ms=run.finished_ms, words=_ENDS.get(run.status, f"The run is {run.status}"))

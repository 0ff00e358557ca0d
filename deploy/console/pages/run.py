"""One run: a time line, its error in words, what it waits for, payloads, and the definition that it ran with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from shlex import quote
from typing import Any

from sqlalchemy import Row

from stripeline.contracts.internal_records import Run, RunStep
from stripeline.contracts.masking import mask
from stripeline.deploy.console.addresses import search_address
from stripeline.deploy.console.auth.identity import ConsoleRole
from stripeline.deploy.console.console_page import NOT_FOUND, Answer, ConsolePage, PageProblem, Question, View
from stripeline.deploy.console.details.command_waits import (
    CommandWait,
    FetchedRecords,
    Place,
    command_place,
    fetch,
    input_of,
    sent_record,
    undecided_place,
    wait_of,
)
from stripeline.deploy.console.details.payloads import Payload, payload_of
from stripeline.deploy.console.details.run_timeline import RunFacts, bars, former_commands, timeline
from stripeline.deploy.console.details.step_changes import StepChange, step_changes
from stripeline.deploy.console.index.queries.audit import ActQuestion, newest_acts
from stripeline.deploy.console.index.queries.commands import (
    commands_of_run,
    letters_of_commands,
    outcomes_of_commands,
)
from stripeline.deploy.console.index.queries.events import copies_of_event
from stripeline.deploy.console.index.queries.runs import one_run
from stripeline.deploy.operations.reading.event_views import event_view
from stripeline.deploy.operations.reading.topic_reader import Read
from stripeline.deploy.operations.reading.views import run_of
from stripeline.workers.router.runs import step_definitions


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """One step. command: its row; None where the index has none any more."""

    id: str
    action: str
    status: str
    command: Row[Any] | None
    wait: CommandWait | None
    input: Payload
    output: Payload | None
    error: object
    former: Sequence[Row[Any]]


async def run(question: Question) -> Answer:
    run_id = question.path["run"]
    row = await question.sources.index.ask(one_run(run_id))
    if row is None:
        return PageProblem(
            status=NOT_FOUND, title="There is no such run",
            words="The index has no run of this id: it may be older than the console's window, not read yet, or"
            " deleted. The search finds runs by their event, customer or PaymentIntent."
            " `stripeline runs show RUN` asks Kafka.",
            back=search_address(run_id), back_to="the search",
        )  # fmt: skip
    facts = await _rows(question, row)
    fetched = await fetch(question, _places(question, facts))
    record = fetched.at((question.sources.topics.run, row.number, row.offset))
    found = None if record is None else run_of(record)
    found = found if found is not None and found.run_id == row.run_id else None
    facts = replace(facts, steps=() if found is None else found.steps)
    return View(template="run.html", values=await _values(question, facts, fetched, record, found))


async def _rows(question: Question, row: Row[Any]) -> RunFacts:
    ask = question.sources.index.ask
    commands = await ask(commands_of_run(row.run_id))
    ids = [one.command_id for one in commands]
    return RunFacts(
        run=row, commands=commands, events=await ask(copies_of_event(row.event_id)),
        letters=await ask(letters_of_commands(row.number, ids)),
        outcomes=await ask(outcomes_of_commands(row.number, ids)),
        acts=(await ask(newest_acts(ActQuestion(about=f"run {row.run_id}")))).rows,
    )  # fmt: skip


def _places(question: Question, facts: RunFacts) -> Sequence[Place | None]:
    topics = question.sources.topics
    return [
        (topics.run, facts.run.number, facts.run.offset),
        *((one.topic, one.number, one.offset) for one in facts.events[:1]),
        *(place(topics, row) for row in facts.commands for place in (undecided_place, command_place)),
    ]


async def _values(
    question: Question, facts: RunFacts, fetched: FetchedRecords, record: Read | None, found: Run | None
) -> Mapping[str, Any]:
    entries = timeline(facts, question.now_ms)
    event = facts.events[0] if facts.events else None
    return {
        "row": facts.run, "run": found, "event": event, "problem": fetched.problem, "now_ms": question.now_ms,
        "texts": question.identity.may(ConsoleRole.READER),
        "livemode": None if event is None else event.livemode,
        "entries": list(zip(entries, bars(entries, question.now_ms), strict=True)),
        "began_ms": entries[0].at_ms, "letters": facts.letters, "acts": facts.acts,
        "steps": [
            await _step(question, facts, fetched, record, step, erased=_is_erased(found)) for step in _steps(facts)
        ],
        "payload": _event(question, facts, fetched, record, found), **_definitions(question, found),
    }  # fmt: skip


def _steps(facts: RunFacts) -> Sequence[RunStep]:
    """The steps, as Kafka has them; else as the index knows them from their newest commands."""
    if facts.steps:
        return facts.steps
    former = former_commands(facts)
    return [
        RunStep(
            id=row.step or "", action=row.action or "", command_id=row.command_id, revision=row.revision,
            status=row.status, output=None, error=None, started_ms=row.sent_ms, finished_ms=row.finished_ms,
        )
        for row in facts.commands
        if row.command_id not in former
    ]  # fmt: skip


async def _step(
    question: Question, facts: RunFacts, fetched: FetchedRecords, record: Read | None, step: RunStep, *, erased: bool
) -> StepView:
    command = next((row for row in facts.commands if row.command_id == step.command_id), None)
    shows = f"stripeline runs show {quote(facts.run.run_id)}"
    sent = None if command is None else sent_record(question.sources.topics, command, fetched)
    return StepView(
        id=step.id, action=step.action, status=step.status if command is None else command.status, command=command,
        wait=None if command is None else await wait_of(question, command, fetched),
        input=_ERASED if erased else payload_of(sent, input_of, question.identity, shows),
        output=None if step.output is None else payload_of(record, lambda _: step.output, question.identity, shows),
        error=step.error, former=_former(facts, step),
    )  # fmt: skip


def _former(facts: RunFacts, step: RunStep) -> Sequence[Row[Any]]:
    return [row for row in facts.commands if row.step == step.id and row.command_id != step.command_id]


def _event(
    question: Question, facts: RunFacts, fetched: FetchedRecords, record: Read | None, found: Run | None
) -> Payload:
    """The run's event: as it carries it; a run that succeeded has forgotten it, and its topic may still have it."""
    if _is_erased(found):
        return _ERASED
    shows = f"stripeline events show {quote(facts.run.event_id)}"
    if found is not None and found.context is not None:
        return payload_of(record, lambda _: found.context, question.identity, shows)
    first = facts.events[0] if facts.events else None
    place = None if first is None else (first.topic, first.number, first.offset)
    return payload_of(fetched.at(place), event_view, question.identity, shows)


def _is_erased(found: Run | None) -> bool:
    return found is not None and found.erased_ms is not None


_ERASED = Payload(words="It was erased with this run. Its topic may keep it until its retention is over.")


def _definitions(question: Question, found: Run | None) -> Mapping[str, Any]:
    """then, now: the steps that the run has, and those that a run of its event would have today."""
    nothing: dict[str, Any] = {"then": None, "now": None, "changes": ()}
    if found is None or found.definition is None or not question.identity.may(ConsoleRole.READER):
        return nothing
    then = [mask(_fields(one)) for one in found.definition]
    stored = question.sources.definitions()
    workflow, trigger = stored.workflows.get(found.workflow), stored.triggers.get(found.trigger)
    if workflow is None or trigger is None:
        return {**nothing, "then": then}
    own = stored.account_of(trigger.connection)
    now = step_definitions(workflow, found.context or {}, trigger.connection, own)
    changes: Sequence[StepChange] = step_changes(found.definition, now)
    return {"then": then, "now": [mask(_fields(one)) for one in now], "changes": changes}


def _fields(step: Any) -> dict[str, Any]:
    named = {"id": step.id, "action": step.action, "connection": step.connection, "account": step.account}
    return {name: value for name, value in named.items() if value is not None} | {"input": step.input}


PAGES = (ConsolePage(name="run", path="/runs/{run:(?s:.+)}", show=run),)

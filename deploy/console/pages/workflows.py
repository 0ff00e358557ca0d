"""Workflows: what each did in the last day, its definition, its versions, and what it would do with an event."""

from collections.abc import Iterator
from typing import Any, Final

from stripeline.contracts.definitions import Definitions, Workflow
from stripeline.contracts.retry_tiers import DAY_MS
from stripeline.deploy.console.auth.identity import ConsoleRole
from stripeline.deploy.console.console_page import Answer, ConsolePage, NavigationItem, PageProblem, Question, View
from stripeline.deploy.console.definitions.definition_text import definition_lines
from stripeline.deploy.console.definitions.limit_use import workflow_use
from stripeline.deploy.console.definitions.name_page import asked_page, name_values
from stripeline.deploy.console.definitions.recorded_definitions import shown_to, version_of
from stripeline.deploy.console.filters import BadFilterError, FilterField, check, suggested
from stripeline.deploy.console.index.queries.audit import ActQuestion, newest_acts, versions
from stripeline.deploy.console.index.queries.events import known_types
from stripeline.deploy.console.index.queries.runs import RunQuestion, newest_runs
from stripeline.deploy.console.index.queries.workflows import runs_of
from stripeline.deploy.console.pages.connections import workflows_of
from stripeline.deploy.definitions.masked_definition import masked_definition
from stripeline.deploy.operations.acts.workflow_pauses import near_end, until_text
from stripeline.deploy.operations.reading.run_filters import RunFilters

STATES: Final = ("active", "paused")
FIELDS: Final = (
    FilterField("name", "Name", help="a part of it"),
    FilterField("state", "State", STATES),
    FilterField("trigger", "Trigger"),
    FilterField("connection", "Connection"),
    FilterField("type", "Started by type", suggestions=known_types(), rare=True),
    FilterField("owner", "Owner", rare=True),
)
VERSION_ROWS: Final = 20
RUN_ROWS: Final = 10
ACT_ROWS: Final = 10


def missing(name: str) -> PageProblem:
    return PageProblem(
        status=404, title="There is no such workflow", words=f"No workflow is named {name}.",
        back="/workflows", back_to="Workflows",
    )  # fmt: skip


def state_of(name: str, stored: Definitions) -> str:
    return "paused" if f"workflow/{name}" in stored.pauses else "active"


async def workflows(question: Question) -> Answer:
    try:
        check(question, FIELDS)
    except BadFilterError as error:
        return error.page("/workflows", "Workflows")
    stored = question.sources.definitions()
    found = asked_page(question, {name: state_of(name, stored) for name in _matching(question, stored)})
    counts = await question.sources.index.ask(runs_of(found.names, question.now_ms - DAY_MS))
    rows = [
        {
            "name": name, "workflow": stored.workflows[name], "state": state_of(name, stored), "counts": counts[name],
            "pause": stored.pauses.get(f"workflow/{name}"),
        }
        for name in found.names
    ]  # fmt: skip
    fields = suggested(FIELDS, {"trigger": stored.triggers, "connection": stored.connections})
    return View(template="workflows.html", values={**name_values(question, fields, found, STATES), "rows": rows})


def _matching(question: Question, stored: Definitions) -> Iterator[str]:
    """The workflows that match, whatever their state."""
    part, trigger, connection, wanted, owner = (
        question.given(field) for field in ("name", "trigger", "connection", "type", "owner")
    )
    of_connection = stored.workflows.keys() if connection is None else {*workflows_of(connection, stored)}
    for name, held in stored.workflows.items():
        if (
            (part or "") in name
            and trigger in {None, held.trigger}
            and name in of_connection
            and (wanted is None or held.wants(wanted))
            and owner in {None, held.owner}
        ):
            yield name


async def workflow(question: Question) -> Answer:
    name = question.path["name"]
    held = question.sources.definitions().workflows.get(name)
    if held is None:
        return missing(name)
    return View(template="workflow.html", values=await values_of(question, name, held) | {"trial": None})


async def values_of(question: Question, name: str, held: Workflow) -> dict[str, Any]:
    """What the page of a workflow shows."""
    ask, now_ms, identity = question.sources.index.ask, question.now_ms, question.identity
    stored, masked = question.sources.definitions(), masked_definition(held)
    counts = await ask(runs_of([name], now_ms - DAY_MS))
    found = [version_of(row, identity) for row in await ask(versions(f"workflow {name}", VERSION_ROWS))]
    trigger, pause = stored.triggers.get(held.trigger), stored.pauses.get(f"workflow/{name}")
    return {
        "name": name, "workflow": held, "state": state_of(name, stored), "now_ms": now_ms,
        "connection": None if trigger is None else trigger.connection,
        "trigger_known": trigger is not None, "pause": pause,
        "until": None if pause is None else until_text(pause),
        "near_end": pause is not None and near_end(pause, now_ms),
        "use": workflow_use(name, held, stored, question.sources.workers()), "counts": counts[name],
        "lines": definition_lines("workflow", name, shown_to(identity, masked)), "versions": found,
        "unrecorded": bool(found) and found[0].record.definition != masked,
        "runs": (await ask(newest_runs(RunQuestion(filters=RunFilters(workflow=name))))).rows[:RUN_ROWS],
        "acts": (await ask(newest_acts(ActQuestion(about=f"workflow {name}")))).rows[:ACT_ROWS],
        "progress": question.sources.progress.state(f"workflow {name}"),
        "may_act": identity.may(ConsoleRole.OPERATOR), "may_try": identity.may(ConsoleRole.READER),
    }  # fmt: skip


PAGES = (
    ConsolePage(
        name="workflows", path="/workflows", show=workflows,
        navigation=NavigationItem(label="Workflows", place=7, key="f"),
    ),
    ConsolePage(name="workflow", path="/workflows/{name}", show=workflow),
)  # fmt: skip

"""Runs: the newest of those that match, with how many there are of each status."""

from collections.abc import Sequence
from typing import Final

from stripeline.contracts.vocabulary import Code, RunCode
from stripeline.deploy.console.auth.identity import ConsoleRole
from stripeline.deploy.console.bulk.act_selection import offers
from stripeline.deploy.console.bulk.bulk_act import RUN_ACTS
from stripeline.deploy.console.console_page import Answer, ConsolePage, NavigationItem, News, Question, View
from stripeline.deploy.console.filters import (
    SINCE,
    UNTIL,
    BadFilterError,
    FilterField,
    check,
    list_values,
    run_filters,
    status_tabs,
    suggested,
)
from stripeline.deploy.console.index.queries.events import known_types
from stripeline.deploy.console.index.queries.runs import (
    STATUSES,
    RunQuestion,
    newer_runs,
    newest_runs,
    runs_by_status,
)

FIELDS: Final = (
    FilterField("status", "Status", STATUSES),
    FilterField("workflow", "Workflow"),
    FilterField("code", "Code", suggestions=[code.value for code in (*Code, *RunCode)]),
    SINCE,
    FilterField("type", "Event type", suggestions=known_types(), rare=True),
    FilterField("trigger", "Trigger", rare=True),
    FilterField("connection", "Connection", rare=True),
    FilterField("account", "Account", rare=True),
    FilterField("customer", "Customer", rare=True),
    FilterField("event", "Event", rare=True),
    UNTIL,
)
PRESETS: Final = (
    ("Stopped today", "?status=stopped&since=24h"),
    ("Running longer than 1 h", "?status=running&until=1h"),
)


async def runs(question: Question) -> Answer:
    try:
        check(question, FIELDS)
        asked = _asked(question)
    except BadFilterError as error:
        return error.page("/runs", "Runs")
    found = await question.sources.index.ask(newest_runs(asked, question.given("after")))
    counts = await question.sources.index.ask(runs_by_status(asked))
    return View(
        template="runs.html",
        values={
            **list_values(question, _fields(question), found, "runs"),
            "tabs": status_tabs(question, FIELDS, counts), "presets": PRESETS,
            "selectable": question.identity.may(ConsoleRole.OPERATOR), "offers": offers(question.query, RUN_ACTS),
            "total": None,
        },
    )  # fmt: skip


def _asked(question: Question) -> RunQuestion:
    """Raises BadFilterError."""
    return RunQuestion(
        filters=run_filters(question), event_type=question.given("type"), trigger=question.given("trigger")
    )


def _fields(question: Question) -> Sequence[FilterField]:
    """The form, with the names that are defined now."""
    stored = question.sources.definitions()
    return suggested(
        FIELDS, {"workflow": stored.workflows, "trigger": stored.triggers, "connection": stored.connections}
    )


PAGES = (
    ConsolePage(
        name="runs", path="/runs", show=runs, navigation=NavigationItem(label="Runs", place=2, key="r"),
        live=News(
            newer=lambda question: newer_runs(_asked(question), question.given("newest")), one="run", many="runs"
        ),
    ),
)  # fmt: skip

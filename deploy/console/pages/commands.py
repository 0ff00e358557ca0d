"""Commands: the newest of those that match; and one, with what it waits for, its result and its dead letters."""

from shlex import quote
from typing import Any, Final

from pydantic import ValidationError
from sqlalchemy import Row

from stripeline.contracts.records import Result
from stripeline.contracts.vocabulary import Code
from stripeline.deploy.console.addresses import search_address
from stripeline.deploy.console.auth.identity import ConsoleRole
from stripeline.deploy.console.console_page import (
    NOT_FOUND,
    Answer,
    ConsolePage,
    NavigationItem,
    News,
    PageProblem,
    Question,
    View,
)
from stripeline.deploy.console.details.command_waits import (
    FetchedRecords,
    command_place,
    fetch,
    input_of,
    result_place,
    sent_record,
    undecided_place,
    wait_of,
)
from stripeline.deploy.console.details.outcome_entries import outcome_entries
from stripeline.deploy.console.details.payloads import Payload, payload_of
from stripeline.deploy.console.filters import (
    SINCE,
    UNTIL,
    BadFilterError,
    FilterField,
    check,
    list_values,
    moment,
    status_tabs,
    suggested,
)
from stripeline.deploy.console.index.queries.commands import (
    STATUSES,
    CommandFilters,
    commands_by_status,
    letters_of_commands,
    newer_commands,
    newest_commands,
    one_command,
    outcomes_of_commands,
)
from stripeline.deploy.operations.reading.topic_reader import Read
from stripeline.workers.actions import actions

OTHERS: Final = "other teams"
FIELDS: Final = (
    FilterField("status", "Status", STATUSES),
    FilterField("action", "Action"),
    FilterField("connection", "Connection"),
    FilterField("code", "Code", suggestions=[code.value for code in Code]),
    FilterField("from", "From", ("runs", OTHERS), rare=True),
    FilterField("account", "Account", rare=True),
    FilterField("key", "Key", rare=True),
    FilterField("run", "Run", rare=True),
    FilterField("id", "Command id", rare=True),
    SINCE,
    UNTIL,
)
_MOST_PARTITIONS: Final = 1_000_000


async def commands(question: Question) -> Answer:
    try:
        check(question, FIELDS)
        filters = _filters(question)
    except BadFilterError as error:
        return error.page("/commands", "Commands")
    found = await question.sources.index.ask(newest_commands(filters, question.given("after")))
    counts = await question.sources.index.ask(commands_by_status(filters))
    fields = suggested(FIELDS, {"connection": question.sources.definitions().connections, "action": actions()})
    values = list_values(question, fields, found, "commands")
    return View(template="commands.html", values={**values, "tabs": status_tabs(question, FIELDS, counts)})


def _filters(question: Question) -> CommandFilters:
    given = question.given
    return CommandFilters(
        status=given("status"), action=given("action"), connection=given("connection"), account=given("account"),
        code=given("code"), key=given("key"), run=given("run"), source=given("from"), id=given("id"),
        since_ms=moment(question, "since"), until_ms=moment(question, "until"),
    )  # fmt: skip


async def command(question: Question) -> Answer:
    command_id, number = question.path.get("command") or question.given("id") or "", question.path["number"]
    known = number.isascii() and number.isdigit() and int(number[:9]) < _MOST_PARTITIONS
    row = await question.sources.index.ask(one_command(int(number[:9]), command_id)) if known else None
    if row is None:
        return PageProblem(
            status=NOT_FOUND, title="There is no such command",
            words="The index has no command of this id on this partition. It may be older than the console's window, or"
            " not read yet. The search looks on all partitions; `stripeline commands show ID` also asks the ledger.",
            back=search_address(command_id), back_to="the search",
        )  # fmt: skip
    topics = question.sources.topics
    fetched = await fetch(
        question, [undecided_place(topics, row), command_place(topics, row), result_place(topics, row)]
    )
    letters = await question.sources.index.ask(letters_of_commands(row.number, [row.command_id]))
    outcomes = await question.sources.index.ask(outcomes_of_commands(row.number, [row.command_id]))
    return View(
        template="command.html",
        values={
            "row": row, "letters": letters, "problem": fetched.problem, "now_ms": question.now_ms,
            "texts": question.identity.may(ConsoleRole.READER), "livemode": livemode_of(question, row.connection),
            "history": [*outcome_entries(outcomes, "", question.now_ms)],
            "wait": await wait_of(question, row, fetched), **_payloads(question, row, fetched),
        },
    )  # fmt: skip


def _payloads(question: Question, row: Row[Any], fetched: FetchedRecords) -> dict[str, Any]:
    topics, shows = question.sources.topics, f"stripeline commands show {quote(row.command_id)}"
    taken = sent_record(topics, row, fetched)
    ended = fetched.at(result_place(topics, row))
    result = None if ended is None else result_of(ended, row.command_id)
    return {
        "input": payload_of(taken, input_of, question.identity, shows),
        "output": _output(question, ended, result, shows),
        "error": None if result is None else result.error,
    }


def _output(question: Question, ended: Read | None, result: Result | None, shows: str) -> Payload | None:
    if result is None or result.output is None:
        return None
    return payload_of(ended, lambda _: result.output, question.identity, shows)


def result_of(read: Read, command_id: str) -> Result | None:
    """The result of a command; None for a record of something else, as after topics were created again."""
    try:
        found = Result.model_validate_json(read.value or b"")
    except ValidationError:
        return None
    return found if found.command_id == command_id else None


def livemode_of(question: Question, connection: str | None) -> bool | None:
    """Of what a connection's key makes; None for a connection that is not defined now."""
    known = question.sources.definitions().connections.get(connection or "")
    return None if known is None else known.mode == "live"


PAGES = (
    ConsolePage(
        name="commands", path="/commands", show=commands, navigation=NavigationItem(label="Commands", place=4, key="c"),
        live=News(
            newer=lambda question: newer_commands(_filters(question), question.given("newest")),
            one="command", many="commands",
        ),
    ),
    ConsolePage(name="command_by_query", path="/commands/{number}", show=command),
    ConsolePage(name="command", path="/commands/{number}/{command:(?s:.+)}", show=command),
)  # fmt: skip

"""What commands wait for, and until when: as `commands show` says it, from the index and one record of each.

The index does not have the executors' ledger, so a planned look-up at Stripe or a reserved turn is not named here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from stripeline.contracts.records import Command, parse_command
from stripeline.contracts.topics import Topics
from stripeline.deploy.console.console_page import Question
from stripeline.deploy.console.index.queries.commands import UNDECIDED, waiting_ahead
from stripeline.deploy.operations.act_failures import EXPECTED_OF_ACTS
from stripeline.deploy.operations.connection_errors import cleaned
from stripeline.deploy.operations.denials import denial
from stripeline.deploy.operations.reading.command_history import WaitingCommand
from stripeline.deploy.operations.reading.command_views import waiting_view
from stripeline.deploy.operations.reading.event_filters import event_of
from stripeline.deploy.operations.reading.topic_reader import Read
from stripeline.deploy.operations.rights import Purpose

Place = tuple[str, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandWait:
    """horizon_ms: when its 23 hours have passed; None while it was never attempted."""

    command_id: str
    waits_for: str
    ahead: int
    attempts: int
    last_error: str | None
    due_ms: int | None
    horizon_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedRecords:
    """Records by their places. problem: why Kafka gave none."""

    records: Mapping[Place, Read]
    problem: str | None = None

    def at(self, place: Place | None) -> Read | None:
        return None if place is None else self.records.get(place)


async def fetch(question: Question, places: Sequence[Place | None]) -> FetchedRecords:
    """What Kafka still has of these places, or why it gave nothing."""
    try:
        return FetchedRecords(records=await question.sources.records.many([one for one in places if one is not None]))
    except EXPECTED_OF_ACTS as error:
        denied = denial(error, [Purpose.CONSOLE], question.sources.topics, question.sources.client)
        return FetchedRecords(records={}, problem=denied or cleaned(str(error) or "it did not answer in time"))


def undecided_place(topics: Topics, row: Row[Any]) -> Place | None:
    """Where the record of an undecided command is; None for a command that is decided."""
    if row.status not in UNDECIDED:
        return None
    if row.tier is not None and row.tier_offset is not None:
        return row.tier, row.number, row.tier_offset
    return command_place(topics, row)


def command_place(topics: Topics, row: Row[Any]) -> Place | None:
    return None if row.command_offset is None else (topics.command, row.number, row.command_offset)


def result_place(topics: Topics, row: Row[Any]) -> Place | None:
    return None if row.result_offset is None else (topics.result, row.number, row.result_offset)


def sent_record(topics: Topics, row: Row[Any], fetched: FetchedRecords) -> Read | None:
    """A command's own record; None for a record of something else, as after topics were created again."""
    found = (fetched.at(undecided_place(topics, row)), fetched.at(command_place(topics, row)))
    return next((one for one in found if one is not None and event_of(one).get("command_id") == row.command_id), None)


def input_of(record: Read) -> object:
    return event_of(record).get("input")


async def wait_of(question: Question, row: Row[Any], fetched: FetchedRecords) -> CommandWait | None:
    """What a command waits for; None for one that is decided, or whose record can't be read."""
    sources = question.sources
    record = fetched.at(undecided_place(sources.topics, row))
    command = None if record is None else parse_command(record.value)
    if record is None or not isinstance(command, Command) or command.command_id != row.command_id:
        return None
    ahead = await sources.index.ask(waiting_ahead(row))
    waiting = WaitingCommand(record=record, command=command, known=None, ahead=ahead)
    view = waiting_view(sources.topics, waiting, sources.definitions(), question.now_ms)
    return CommandWait(
        command_id=command.command_id, waits_for=view["waits_for"], ahead=ahead, attempts=view["attempts"],
        last_error=view["last_error"], due_ms=_ms(view["due_at"]), horizon_ms=_ms(view["passes_23h_at"]),
    )  # fmt: skip


def _ms(text: str | None) -> int | None:
    return None if text is None else round(datetime.fromisoformat(text).timestamp() * 1000)

"""Finds all that the topics have of one command: where it waits, what the ledger knows, its results and dead letters.

The same id under keys of two partitions is two commands; the one that waits, or that was written last, is shown. What
waits is read first: it is little, and says the partition. Else the ledger is searched backwards, in all partitions.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from stripeline.contracts import headers as h
from stripeline.contracts.definitions import Definitions
from stripeline.contracts.internal_records import (
    LedgerCommand,
    LedgerQueue,
    UnreadableRecordError,
    read,
)
from stripeline.contracts.records import Command, Result, parse_command
from stripeline.contracts.topics import Topics
from stripeline.deploy.operations.reading.audit_reader import letter_states
from stripeline.deploy.operations.reading.topic_reader import Progress, Read, Wanted, newest, read_of, unwatched
from stripeline.deploy.operations.reading.undecided import undecided
from stripeline.deploy.operations.reading.views import DeadLetter, dead_letter_of
from stripeline.workers.kafka.control_table import read_all

_WAITING_S: Final = 60.0
_MOST: Final = 100
Watch = Callable[[Progress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingCommand:
    """A command that no executor has decided, with what decides when it is its turn.

    record: on the command topic or on a retry topic.
    known: as the ledger has it; None where it was not asked, or does not know it.
    ahead: how many commands of its key run before it.
    """

    record: Read
    command: Command
    known: LedgerCommand | None
    ahead: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandHistory:
    """One command. partition: None where nothing of it was found."""

    command_id: str
    partition: int | None
    waiting: WaitingCommand | None
    known: LedgerCommand | None
    results: tuple[Result, ...]
    letters: tuple[DeadLetter, ...]
    definitions: Definitions


async def command_history(
    topics: Topics, client: Mapping[str, Any], command_id: str, watch: Watch = unwatched
) -> CommandHistory:
    """All there is of a command. Raises FailureError, ControlError, KafkaError, TimeoutError."""
    waiting = await waiting_command(topics, client, command_id)
    known, at = (waiting.known, waiting.record.partition) if waiting is not None else (None, None)
    if waiting is None:
        known, at = await _ledger(topics, client, command_id, None, watch)
    only = None if at is None else {at}
    results = await _found(topics.result, client, _about(command_id), only, watch)
    letters = await _found(topics.dead_letter, client, _about(command_id), only, watch)
    states = await letter_states(topics, client, min(one.at_ms for one in letters)) if letters else None
    parsed = [result for one in results if (result := _result(one.value)) is not None]
    dead = [dead_letter_of(one) if states is None else dead_letter_of(one, states) for one in letters]
    own = [one for one in dead if one.command is not None and one.command.command_id == command_id]
    places = [at] if at is not None else [one.partition for one in (*results, *letters)]
    return CommandHistory(
        command_id=command_id,
        partition=places[0] if places else None,
        waiting=waiting,
        known=known,
        results=tuple(one for one in parsed if one.command_id == command_id),
        letters=tuple(own),
        definitions=await read_all(topics.control, client),
    )


async def waiting_command(
    topics: Topics, client: Mapping[str, Any], command_id: str, only: Collection[int] | None = None
) -> WaitingCommand | None:
    """A command that waits, by its id; None where none does. Raises as `command_history` does."""
    found: Read | None = None
    async with asyncio.timeout(_WAITING_S):
        async for records in undecided(topics, client, only):
            for record in records:
                if command_id.encode() in (record.value or b"") and _is(record.value, command_id):
                    newer = read_of(record)
                    # In a tier it was taken; a copy on the command topic is a repetition, or one that was not taken.
                    if found is None or (topics.is_retry(newer.topic), newer.at_ms) > (
                        topics.is_retry(found.topic), found.at_ms,
                    ):  # fmt: skip
                        found = newer
    command = None if found is None else parse_command(found.value)
    if found is None or not isinstance(command, Command):
        return None
    known, _ = await _ledger(topics, client, command_id, {found.partition}, unwatched)
    queue = None if found.key is None else await _queue(topics, client, found.key, {found.partition})
    return WaitingCommand(record=found, command=command, known=known, ahead=ahead_of(found, queue))


def ahead_of(record: Read, queue: LedgerQueue | None) -> int:
    """How many commands of its key run before a record. queue: of the key; None where no key waits."""
    place = h.number(record.headers, h.PLACE)
    return 0 if place is None or queue is None else max(0, place - queue.head)


def _is(value: bytes | None, command_id: str) -> bool:
    command = parse_command(value)
    return isinstance(command, Command) and command.command_id == command_id


def _result(value: bytes | None) -> Result | None:
    try:
        return Result.model_validate_json(value or b"")
    except ValidationError:  # of a newer version, or not ours
        return None


def _about(command_id: str) -> Callable[[Read], bool]:
    needle = command_id.encode()
    return lambda record: needle in (record.value or b"")


async def _found(
    topic: str, client: Mapping[str, Any], keep: Callable[[Read], bool], only: Collection[int] | None, watch: Watch
) -> tuple[Read, ...]:
    return (await newest(topic, client, Wanted(keep=keep, limit=_MOST, only=only), watch)).records


async def _ledger(
    topics: Topics, client: Mapping[str, Any], command_id: str, only: Collection[int] | None, watch: Watch
) -> tuple[LedgerCommand | None, int | None]:
    key = f"command/{command_id}".encode()
    wanted = Wanted(keep=lambda record: record.key == key, limit=1, only=only, first=True)
    for record in (await newest(topics.ledger, client, wanted, watch)).records:
        try:
            return read(LedgerCommand, record.value or b""), record.partition
        except UnreadableRecordError:  # of a newer version
            return None, record.partition
    return None, None


async def _queue(
    topics: Topics, client: Mapping[str, Any], key: bytes, only: Collection[int]
) -> LedgerQueue | None:  # fmt: skip
    name = f"queue/{key.decode('latin-1')}".encode()
    wanted = Wanted(keep=lambda record: record.key == name, limit=1, only=only, first=True, tombstones=True)
    for record in (await newest(topics.ledger, client, wanted)).records:
        if record.value is not None:
            try:
                return read(LedgerQueue, record.value)
            except UnreadableRecordError:
                return None
    return None

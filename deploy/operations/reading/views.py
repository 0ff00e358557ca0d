"""Runs and dead letters as a person, or a script, sees them: times as RFC 3339, secrets masked. Pure.

The shapes of `--json` are a promise: others script against them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.structs import replace

from stripeline.contracts import headers
from stripeline.contracts.internal_records import RecordedError, Run, UnreadableRecordError, read
from stripeline.contracts.masking import mask, mask_text
from stripeline.contracts.records import Command, parse_command
from stripeline.contracts.vocabulary import LetterState
from stripeline.deploy.operations.reading.letter_states import NO_ACTS, LetterStates
from stripeline.deploy.operations.reading.topic_reader import Read

_MAX_VALUE = 20_000
_NOT_SHOWN = frozenset({"definition", "context", "chain", "hops", "key"})
"""The fields of a run that only the router needs."""
_NOT_SHOWN_OF_A_STEP = frozenset({"digest", "number", "former"})


def run_of(record: Read) -> Run | None:
    """The run that a record of the run topic holds; None when it holds none."""
    try:
        return read(Run, record.value or b"")
    except UnreadableRecordError:
        return None


def run_view(run: Run) -> dict[str, Any]:
    """A run as `runs list --json` has it."""
    found = msgspec.to_builtins(replace(run, definition=None, context=None))
    shown = {name: value for name, value in found.items() if name not in _NOT_SHOWN}
    steps = [
        {
            **{name: value for name, value in fields.items() if name not in _NOT_SHOWN_OF_A_STEP},
            "error": _error(step.error),
            **_times(fields),
        }
        for fields, step in zip(shown["steps"], run.steps, strict=True)
    ]
    view: dict[str, Any] = mask(
        {
            **shown,
            "account": run.account,
            "connection": run.connection,
            "note": run.note,
            "erased_at": None if run.erased_ms is None else headers.rfc3339(run.erased_ms),
            "error": _error(run.error),
            "steps": steps,
            **_times(shown),
        }
    )
    return view


def _error(error: RecordedError | None) -> dict[str, Any] | None:
    """Every field, null where the record leaves it out: a script need not ask whether it is there."""
    return None if error is None else msgspec.structs.asdict(error)


def _times(shown: Mapping[str, Any]) -> dict[str, str | None]:
    return {
        name: headers.rfc3339(shown[name]) if shown[name] is not None else None
        for name in ("started_at", "finished_at")
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A dead letter: its record, its command where the bytes hold one, and what became of it."""

    read: Read
    command: Command | None
    state: LetterState = LetterState.OPEN

    @property
    def connection(self) -> str | None:
        return self.command.connection if self.command else headers.text(self.read.headers, headers.CONNECTION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which dead letters: None lets all pass."""

    state: LetterState | None = None
    code: str | None = None
    reason: str | None = None
    action: str | None = None
    connection: str | None = None
    account: str | None = None
    customer: str | None = None
    key: str | None = None
    id: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None

    def match(self, letter: DeadLetter) -> bool:
        view = dead_letter_view(letter)
        fields = {"code": self.code, "reason": self.reason, "action": self.action, "connection": self.connection}
        fields |= {"key": self.key, "command_id": self.id, "state": self.state, "account": self.account}
        at_ms = letter.read.at_ms
        return (
            all(wanted is None or view[name] == wanted for name, wanted in fields.items())
            and (self.customer is None or (letter.command is not None and self.customer == _customer(letter.command)))
            and (self.since_ms is None or at_ms >= self.since_ms)
            and (self.until_ms is None or at_ms <= self.until_ms)
        )


def _customer(command: Command) -> object:
    return command.input.get("customer")


def dead_letter_of(read: Read, states: LetterStates = NO_ACTS) -> DeadLetter:
    parsed = parse_command(read.value)
    command = parsed if isinstance(parsed, Command) else None
    return DeadLetter(
        read=read, command=command, state=states.of(read, None if command is None else command.command_id)
    )  # fmt: skip


def dead_letter_view(letter: DeadLetter) -> dict[str, Any]:
    """A dead letter as `dead-letters list --json` has it; topic, partition and offset are its own place."""
    read = letter.read
    first_ms = headers.number(read.headers, headers.FIRST_APPENDED_AT)
    return {
        "topic": read.topic,
        "partition": read.partition,
        "offset": read.offset,
        "key": None if read.key is None else read.key.decode("utf-8", "replace"),
        "command_id": letter.command.command_id if letter.command else None,
        "action": letter.command.action if letter.command else None,
        "connection": letter.connection,
        "account": letter.command.account if letter.command else None,
        "reason": headers.text(read.headers, headers.REASON),
        "code": headers.text(read.headers, headers.CODE),
        "attempts": headers.number(read.headers, headers.ATTEMPTS),
        "state": letter.state.value,
        "first_attempt_at": None if first_ms is None else headers.rfc3339(first_ms),
        "failed_at": headers.rfc3339(read.at_ms),
    }


def dead_letter_details(letter: DeadLetter) -> dict[str, Any]:
    """All there is to see of one: also where it came from, its last error and its value."""
    read = letter.read
    last_error = headers.text(read.headers, headers.LAST_ERROR)
    value = (read.value or b"").decode("utf-8", "replace")[:_MAX_VALUE]
    return {
        **dead_letter_view(letter),
        "last_error": None if last_error is None else mask_text(last_error),
        "origin": {
            "topic": headers.text(read.headers, headers.ORIGIN_TOPIC),
            "partition": headers.number(read.headers, headers.ORIGIN_PARTITION),
            "offset": headers.number(read.headers, headers.ORIGIN_OFFSET),
            "last_offset": headers.number(read.headers, headers.ORIGIN_LAST_OFFSET),
        },
        "value": mask(letter.command.model_dump(mode="json", exclude_none=True))
        if letter.command
        else mask_text(value),
    }

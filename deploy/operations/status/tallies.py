"""Counts what `stripeline status` shows: waiting commands by connection, dead letters by reason, runs by code. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from stripeline.contracts import headers as h
from stripeline.contracts.headers import Headers
from stripeline.contracts.internal_records import Run
from stripeline.contracts.records import Command, parse_command
from stripeline.contracts.retry_tiers import HORIZON_MS
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import LetterState
from stripeline.deploy.operations.reading.letter_states import LetterStates
from stripeline.deploy.operations.reading.topic_reader import Read
from stripeline.deploy.operations.reading.unmade_views import unmade_view
from stripeline.deploy.operations.reading.views import dead_letter_of
from stripeline.deploy.operations.status.facts import Tally, WaitingCommands

NEW_MS: Final = 60_000
"""A command that was sent a moment ago does not wait: an executor has it in hand."""


_MOST_MET: Final = 200_000
"""Of ids that are remembered: beyond it a count may be a little high."""


class KafkaRecord(Protocol):
    """What of a record is looked at."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...


class WaitingTally:
    """The waiting commands of each connection, as they are read.

    A command that moves to another tier while they are read is met twice, and counts once.
    """

    def __init__(self, topics: Topics, now_ms: int) -> None:
        self._topics, self._now_ms = topics, now_ms
        self._found: dict[str, WaitingCommands] = {}
        self._met: set[tuple[int, str]] = set()

    def add(self, records: Iterable[KafkaRecord]) -> None:
        for record in records:
            headers = h.read(record.headers)
            returned = self._topics.is_retry(record.topic)
            if h.SETTLES in headers or (not returned and self._now_ms - record.timestamp < NEW_MS):
                continue
            command = parse_command(record.value)
            if isinstance(command, Command) and not self._again(record.partition, command.command_id):
                attempted = returned and bool(h.number(headers, h.ATTEMPT))
                first_ms = h.first_appended_ms(headers, record.timestamp)
                self._add(command, first_ms, attempted=attempted)

    def _again(self, partition: int, command_id: str) -> bool:
        seen = (partition, command_id)
        if seen in self._met:
            return True
        if len(self._met) < _MOST_MET:
            self._met.add(seen)
        return False

    def _add(self, command: Command, first_ms: int, *, attempted: bool) -> None:
        name = command.connection
        seen = self._found.get(name) or WaitingCommands(connection=name, count=0, first_ms=first_ms)
        horizon_ms = first_ms + HORIZON_MS if attempted else None
        earlier = horizon_ms is not None and (seen.horizon_ms is None or horizon_ms < seen.horizon_ms)
        self._found[name] = WaitingCommands(
            connection=name,
            count=seen.count + 1,
            first_ms=min(seen.first_ms, first_ms),
            attempted=seen.attempted + attempted,
            horizon_ms=horizon_ms if earlier else seen.horizon_ms,
            passed=seen.passed + (horizon_ms is not None and horizon_ms <= self._now_ms),
            example=command.command_id if earlier or seen.example is None else seen.example,
        )

    @property
    def found(self) -> Sequence[WaitingCommands]:
        return sorted(self._found.values(), key=lambda one: one.connection)


def letters_by_reason(letters: Sequence[Read], *, more: bool) -> Tally:
    """Dead letters by their reason."""
    found = Counter(h.text(letter.headers, h.REASON) or "without a reason" for letter in letters)
    return Tally(by=dict(found), oldest_ms=min((one.at_ms for one in letters), default=None), more=more)


def is_open(states: LetterStates, letter: Read) -> bool:
    """Whether a dead letter waits for a person."""
    return dead_letter_of(letter, states).state is LetterState.OPEN


def runs_by_code(runs: Sequence[Run], *, more: bool) -> Tally:
    """Stopped runs by the code of their error."""
    found = Counter(run.error.code if run.error is not None else "without a code" for run in runs)
    oldest_ms = min((run.finished_ms or run.started_ms for run in runs), default=None)
    return Tally(by=dict(found), oldest_ms=oldest_ms, more=more)


def unmade_by_type(notices: Sequence[Read], *, more: bool) -> Tally:
    """Stripe's notices that it failed to make events, by the type of the object, as far as they name one."""
    found = Counter(unmade_view(notice)["object_type"] or "no object named" for notice in notices)
    return Tally(by=dict(found), oldest_ms=min((one.at_ms for one in notices), default=None), more=more)

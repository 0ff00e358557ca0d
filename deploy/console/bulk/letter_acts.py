"""Replays and dismisses dead letters: what would happen to each, and the acts. Only open letters are acted on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Row

from stripeline.contracts.vocabulary import Code, DeadLetterReason, LetterState
from stripeline.deploy.console.addresses import place_in_topic
from stripeline.deploy.console.bulk.act_selection import MAX_ITEMS, ActSelection, SelectionError
from stripeline.deploy.console.bulk.bulk_act import BulkAct
from stripeline.deploy.console.bulk.bulk_kind import Chosen
from stripeline.deploy.console.bulk.frozen_list import FrozenItem, left_out, money_of
from stripeline.deploy.console.console_page import Question
from stripeline.deploy.console.console_sources import Sources
from stripeline.deploy.console.filters import letter_filters
from stripeline.deploy.console.index.queries.letters import Place, letters_at, matching_letters
from stripeline.deploy.operations.acts.audit import Act, Signed
from stripeline.deploy.operations.acts.replay import dismissals, prospect, replayable, replays
from stripeline.deploy.operations.reading.topic_reader import Read
from stripeline.deploy.operations.reading.views import DeadLetter, dead_letter_of

_DOUBTFUL: Final = frozenset(
    {
        DeadLetterReason.INDETERMINATE,
        DeadLetterReason.PAST_HORIZON,
        DeadLetterReason.ACCOUNT_CHANGED,
        DeadLetterReason.INTERNAL_ERROR,
    }
)
"""Reasons of commands that may have been done, if they were attempted."""
_GONE: Final = "Kafka does not have it any more"


def place_of(id_: str) -> Place:
    """`PARTITION/OFFSET`. Raises SelectionError."""
    number, _, offset = id_.partition("/")
    place = place_in_topic(number, offset)
    if place is None:
        raise SelectionError(f"{id_!r} is no dead letter: it is PARTITION/OFFSET.")
    return place


def letter_of(row: Row[Any], read: Read) -> DeadLetter:
    """The letter, in the state that the index knows."""
    return replace(dead_letter_of(read), state=LetterState(row.state))


@dataclass(frozen=True, slots=True)
class LetterActs:
    """By its selection: replays or dismissals."""

    sources: Sources
    selection: ActSelection

    async def choose(self, question: Question) -> Chosen:
        ask = question.sources.index.ask
        if self.selection.ids:
            places = [place_of(one) for one in self.selection.ids]
            there = await ask(letters_at(places))
            places.sort(key=lambda place: there[place].at_ms if place in there else question.now_ms)
            return Chosen(ids=tuple(f"{number}/{offset}" for number, offset in dict.fromkeys(places)))
        filters = replace(letter_filters(question), state=LetterState.OPEN)
        rows = await ask(matching_letters(filters, MAX_ITEMS + 1))
        newest = rows[:MAX_ITEMS]
        return Chosen(ids=tuple(f"{row.number}/{row.offset}" for row in reversed(newest)), cut=len(rows) > MAX_ITEMS)

    async def prospects(self, ids: Sequence[str], signed: Signed) -> list[FrozenItem]:
        rows, letters = await _there(self.sources, ids)
        found = []
        for id_ in ids:
            place = place_of(id_)
            row, letter = rows.get(place), letters.get(place)
            if row is None:
                found.append(left_out(id_, "the index does not have it"))
            elif row.state != LetterState.OPEN:
                found.append(left_out(id_, f"it is {row.state}", row.code))
            elif letter is None:
                found.append(left_out(id_, _GONE, row.code))
            else:
                found.append(self._item(id_, row, letter, signed.at_ms))
        return found

    def _item(self, id_: str, row: Row[Any], letter: DeadLetter, now_ms: int) -> FrozenItem:
        replays_it = self.selection.act is BulkAct.REPLAY
        if replays_it and not replayable(letter):
            return left_out(id_, prospect(letter, now_ms), row.code)
        command = letter.command
        return FrozenItem(
            id=id_, does=True, outcome=prospect(letter, now_ms) if replays_it else "is closed, and nothing is sent",
            code=row.code or row.reason, command_id=None if command is None else command.command_id,
            first_ms=row.first_ms, doubt=_doubtful(row), **money_of(None if command is None else command.input),
        )  # fmt: skip

    async def acts(self, items: Sequence[FrozenItem], signed: Signed) -> list[Act]:
        ids = [one.id for one in items]
        rows, letters = await _there(self.sources, ids)
        places = [place for one in ids if (place := place_of(one)) in letters]
        still_open = [letters[one] for one in places if one in rows and rows[one].state == LetterState.OPEN]
        if self.selection.act is BulkAct.REPLAY:
            return list(replays(self.sources.topics, still_open, signed))
        return list(dismissals(still_open, signed))


def _doubtful(row: Row[Any]) -> bool:
    """Whether its command may have been done: the executor says so by the code, and these reasons can't exclude it."""
    attempted = row.attempts is None or row.attempts > 0
    return row.code == Code.INDETERMINATE or (row.reason in _DOUBTFUL and attempted)


async def _there(
    sources: Sources, ids: Sequence[str]
) -> tuple[dict[Place, Row[Any]], dict[Place, DeadLetter]]:  # fmt: skip
    """The rows of letters, and the letters that Kafka still has, in the states that the index knows."""
    places, topic = [place_of(one) for one in ids], sources.topics.dead_letter
    rows = await sources.index.ask(letters_at(places))
    reads = await sources.records.many([(topic, *place) for place in places if place in rows])
    letters = {(number, at): letter_of(rows[number, at], read) for (_, number, at), read in reads.items()}
    return rows, letters

"""Gives each dead letter the state that the acts on the audit topic make of it, whichever of the two is read first.

`operations.reading.letter_states` decides; here are the letters that new rows may have changed, and the acts that are
about them.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, or_, select, update

from stripeline.contracts import headers as h
from stripeline.contracts.internal_records import AuditRecord, read
from stripeline.deploy.console.index.tables import audit, letter, letter_act
from stripeline.deploy.operations.reading.letter_states import Audited, LetterStates, states
from stripeline.deploy.operations.reading.topic_reader import Read

_AT_ONCE: Final = 200
Place = tuple[int, int]
_SET_STATE: Final = (
    update(letter)
    .where(letter.c.number == bindparam("of_number"), letter.c.offset == bindparam("of_offset"))
    .values(state=bindparam("now"), state_ms=bindparam("now_ms"))
)


def close_letters(
    db: Connection, dead_letter_topic: str, letters: Collection[Place], acts: Sequence[Mapping[str, Any]]
) -> None:
    """Of these letters, and of those that these rows of `letter_act` are about. All of them are written already."""
    places = sorted({*letters, *_touched(db, acts)})
    for number, of_number in groupby(places, key=lambda place: place[0]):
        offsets = [offset for _, offset in of_number]
        for first in range(0, len(offsets), _AT_ONCE):
            _settle(db, dead_letter_topic, number, offsets[first : first + _AT_ONCE])


def _touched(db: Connection, acts: Sequence[Mapping[str, Any]]) -> Iterator[Place]:
    for first in range(0, len(acts), _AT_ONCE):
        about = [_about(act) for act in acts[first : first + _AT_ONCE]]
        found = db.execute(select(letter.c.number, letter.c.offset).where(or_(*about)))
        yield from ((row.number, row.offset) for row in found)


def _about(act: Mapping[str, Any]) -> ColumnElement[bool]:
    of_partition = letter.c.number == act["number"]
    if act["command_id"] is not None:
        return and_(of_partition, letter.c.command_id == act["command_id"])
    return and_(of_partition, letter.c.offset.between(act["first"], act["last"]))


def _settle(db: Connection, dead_letter_topic: str, number: int, offsets: Sequence[int]) -> None:
    wanted = select(letter).where(letter.c.number == number, letter.c.offset.in_(offsets))
    rows = db.execute(wanted).fetchall()
    known = states(_acts(db, number, rows), dead_letter_topic)
    changed = [change for row in rows if (change := _change(row, dead_letter_topic, known)) is not None]
    if changed:
        db.execute(_SET_STATE, changed)


def _change(row: Row[Any], topic: str, known: LetterStates) -> dict[str, Any] | None:
    state, since_ms = known.since(_read(row, topic), row.command_id)
    if (state.value, since_ms) == (row.state, row.state_ms):
        return None
    return {"of_number": row.number, "of_offset": row.offset, "now": state.value, "now_ms": since_ms}


def _read(row: Row[Any], topic: str) -> Read:
    """As much of a letter's record as its state depends on."""
    headers = {} if row.reason is None else {h.REASON: row.reason.encode()}
    return Read(
        topic=topic, partition=row.number, offset=row.offset, at_ms=row.at_ms, key=None, value=None, headers=headers
    )  # fmt: skip


def _acts(db: Connection, number: int, letters: Sequence[Row[Any]]) -> Iterable[Audited]:
    """The acts about any of these letters of one partition."""
    offsets, commands = [row.offset for row in letters], {row.command_id for row in letters} - {None}
    if not offsets:
        return []
    by_place = and_(letter_act.c.last >= min(offsets), letter_act.c.first <= max(offsets))
    either = or_(by_place, letter_act.c.command_id.in_(commands)) if commands else by_place
    of_act = and_(audit.c.number == letter_act.c.audit_number, audit.c.offset == letter_act.c.audit_offset)
    wanted = select(audit).join(letter_act, of_act).where(letter_act.c.number == number, either).distinct()
    return [
        Audited(record=read(AuditRecord, row.body.encode()), partition=row.number, offset=row.offset, at_ms=row.at_ms)
        for row in db.execute(wanted)
    ]

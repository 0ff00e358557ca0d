"""The state of each dead letter, folded from the acts on `stripe.audit`. Pure.

    open ── a person ──────────────► replayed, dismissed
      └──── the executor ──────────► settled: a webhook or a look-up decided its command
                └──────────────────► superseded: its run was retried by another command

Invariants:
- A person's act names the records: ranges of offsets on the dead-letter topic.
- The executor's act names a command. It closes the letters of that command that were appended before it, in the
  partition that it was written to: the same id under a key of another partition is another command.
- A letter of the reason `id_reused` is about what somebody else sent under a known id: the command's end closes it not.
- The newest act counts. A replay that fails again makes another letter, which is open.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from stripeline.contracts import headers as h
from stripeline.contracts.internal_records import AuditRecord
from stripeline.contracts.vocabulary import AuditedAct, DeadLetterReason, LetterState
from stripeline.deploy.operations.reading.topic_reader import Read

_BY_PLACE: Final[Mapping[str, LetterState]] = {
    AuditedAct.REPLAYED: LetterState.REPLAYED,
    AuditedAct.DISMISSED: LetterState.DISMISSED,
}
_BY_COMMAND: Final[Mapping[str, LetterState]] = {
    AuditedAct.SETTLED: LetterState.SETTLED,
    AuditedAct.SUPERSEDED: LetterState.SUPERSEDED,
}
_COMMAND: Final = "command "


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """An act, where it is on the audit topic, and when the broker appended it."""

    record: AuditRecord
    partition: int
    offset: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class _Closed:
    """What an act made of letters. order: of the act among all."""

    order: tuple[int, int, int]
    state: LetterState
    first: int = 0
    last: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterStates:
    """The acts on dead letters: by partition of the letter, and by partition and id of the command."""

    by_partition: Mapping[int, tuple[_Closed, ...]] = field(default_factory=dict)
    by_command: Mapping[tuple[int, str], tuple[_Closed, ...]] = field(default_factory=dict)

    def of(self, letter: Read, command_id: str | None) -> LetterState:
        """The state of a letter. command_id: of its command, where its bytes hold one."""
        return self.since(letter, command_id)[0]

    def since(self, letter: Read, command_id: str | None) -> tuple[LetterState, int | None]:
        """The same, with when the broker appended the act that it is from; None where no act is about the letter."""
        acts = [act for act in self.by_partition.get(letter.partition, ()) if act.first <= letter.offset <= act.last]
        if command_id is not None and h.text(letter.headers, h.REASON) != DeadLetterReason.ID_REUSED:
            ends = self.by_command.get((letter.partition, command_id), ())
            acts += [act for act in ends if act.order[0] >= letter.at_ms]
        newest = max(acts, key=lambda act: act.order, default=None)
        return (LetterState.OPEN, None) if newest is None else (newest.state, newest.order[0])


NO_ACTS: Final = LetterStates()


def states(acts: Iterable[Audited], dead_letter_topic: str) -> LetterStates:
    """The acts on dead letters among those of the audit topic, in whatever order they were read."""
    by_partition: dict[int, list[_Closed]] = {}
    by_command: dict[tuple[int, str], list[_Closed]] = {}
    for act in acts:
        record, order = act.record, (act.at_ms, act.partition, act.offset)
        if (by_place := _BY_PLACE.get(record.act)) is not None:
            for one in record.records:
                if one.topic == dead_letter_topic:
                    closed = _Closed(order, by_place, one.first, one.last)
                    by_partition.setdefault(one.partition, []).append(closed)
        elif (end := _BY_COMMAND.get(record.act)) is not None and (record.about or "").startswith(_COMMAND):
            key = (act.partition, (record.about or "").removeprefix(_COMMAND))
            by_command.setdefault(key, []).append(_Closed(order, end))
    return LetterStates(
        by_partition={key: tuple(found) for key, found in by_partition.items()},
        by_command={key: tuple(found) for key, found in by_command.items()},
    )

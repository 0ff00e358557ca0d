"""How facts about one command make one row, in whatever order they are read. Pure.

The command topic, the retry tiers and the result topic are read independently, and each knows a part. Each group of
columns is a register: it keeps the values of the fact with the highest rank. So the row is the same for every order of
the facts, and when one is read twice.

- What state a command is in: a success is final. Else what was appended last counts, of one moment a result before a
  wait, and a wait before a replay. A plain command counts least: a repetition of a known id does nothing.
- What the command is: a result and a tier hold what the executor took; of the command topic the first record of an id
  counts, since a later one that differs is refused.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

_MS_BITS: Final = 48
TIER_TIE: Final = 10**8
"""More than any tier's delay in milliseconds, which tells the tiers apart in a tie."""


@dataclass(frozen=True, slots=True)
class Register:
    """rank: columns, compared in their order; a fact without a rank has no say."""

    rank: tuple[str, ...]
    columns: tuple[str, ...]


COMMAND_REGISTERS: Final = (
    Register(
        ("standing", "standing_tie"),
        ("status", "status_ms", "code", "error", "attempts", "due_ms", "tier", "tier_offset"),
    ),
    Register(("described",), ("action", "connection", "account", "key", "run_id", "workflow", "step")),
    Register(("customer_from",), ("customer",)),
    Register(("object_from",), ("object_id",)),
    Register(("result_offset",), ("revision", "started_ms", "finished_ms")),
)
LEAST: Final = ("sent_ms", "command_offset")
"""Columns that keep the least value."""


class FactKind(IntEnum):
    """Of a fact, with its rank among those of one moment."""

    COMMAND = 0
    REPLAY = 1
    WAIT = 2
    RESULT = 3


def standing(kind: FactKind, at_ms: int, *, succeeded: bool = False) -> int:
    """The rank of what a fact says of a command's state."""
    weight = 2 if succeeded else 0 if kind is FactKind.COMMAND else 1
    return (weight << (_MS_BITS + 2)) + (at_ms << 2) + kind


def described(kind: FactKind, offset: int) -> int:
    """The rank of what a fact says of what a command is."""
    match kind:
        case FactKind.RESULT:
            return 1 + offset
        case FactKind.WAIT:
            return 0
        case FactKind.COMMAND | FactKind.REPLAY:
            return -1 - offset

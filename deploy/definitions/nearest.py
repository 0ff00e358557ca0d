"""The name that was probably meant, for a name that there is not. Pure."""

from collections.abc import Iterable
from typing import Final

_EDITS: Final = 2
_A_THIRD: Final = 3
_SHOWN: Final = 12


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """The choice that is a typing mistake away from a name; None where none is."""
    allowed = min(_EDITS, max(len(name) // _A_THIRD, 1))
    found = min(((_edits(name, one), one) for one in choices if one != name), default=(allowed + 1, ""))
    return found[1] if found[0] <= allowed else None


def _edits(one: str, other: str) -> int:
    """How many letters must be added, left out, replaced or swapped; too many where the lengths differ by more."""
    if abs(len(one) - len(other)) > _EDITS:
        return _EDITS + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for count, letter in enumerate(one, 1):
        above, row, twice = row, [count], before
        for position, compared in enumerate(other, 1):
            best = min(above[position] + 1, row[-1] + 1, above[position - 1] + (letter != compared))
            if twice and position > 1 and one[count - 2] == compared and letter == other[position - 2]:
                best = min(best, twice[position - 2] + 1)
            row.append(best)
        before = above
    return row[-1]


def listed(choices: Iterable[str]) -> str:
    """Choices in a sentence, cut after a dozen."""
    names = list(choices)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more

"""Decides how far the restore of a changelog partition is, and why it does not go on. Pure.

A state is whole when everything is applied that the log held after the fence: `end`, where the log ended then, and not
the last stable offset, which a stranger's open transaction holds back. A state restored only up to there would forget
commands that were done behind it, and they would be done again.
"""

from enum import Enum, auto
from typing import Final

EMPTY_AFTER_S: Final = 5.0
"""A fetch that brings nothing for so long has nothing to bring: brokers answer one within a second."""


class Standing(Enum):
    """Where a restore stands."""

    READING = auto()
    WHOLE = auto()
    HELD = auto()  # all that is stable is applied; an open transaction is in the way
    EMPTY = auto()  # all is stable, and the last offsets before the end hold no record and no marker


def standing(*, position: int, end: int, last_stable: int | None, idle_s: float) -> Standing:
    """`last_stable`: as of the last fetch, None before the first. `idle_s`: since the position last moved."""
    if position >= end:
        return Standing.WHOLE
    if last_stable is None:
        return Standing.READING
    if position >= last_stable:
        return Standing.HELD
    if idle_s < EMPTY_AFTER_S:
        return Standing.READING
    # Offsets without a batch may also lie before an open transaction.
    return Standing.EMPTY if last_stable >= end else Standing.HELD

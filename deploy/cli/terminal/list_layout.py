"""Lays out a list for a terminal of some width: which columns are shown, and how wide. Pure.

- A column is shown whole or not at all; only prose is shortened, with an ellipsis, or wrapped. An id can be copied.
- Columns of rank 0 are always shown. Where they alone are wider than the terminal, they wrap.
- Of the others each is shown that still fits, those with the lowest rank first.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import zip_longest
from typing import Any, Final

from rich.cells import cell_len

from stripeline.contracts.shown_text import one_line
from stripeline.deploy import printable

_GAP: Final = 2
_SHORTEST_PROSE: Final = 18
_MILLISECONDS: Final = re.compile(r"(?<=\d\dT\d\d:\d\d:\d\d)\.\d{3}Z$")


class Fit(Enum):
    """How a cell that is too wide fits."""

    WHOLE = "whole"  # not at all: the column is left out
    SHORTENED = "shortened"  # a text for people, whose end is in --json
    WRAPPED = "wrapped"  # a text for people to read to its end, over several lines


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a list. name: the field of its rows. rank: 0 is always shown, the lowest of the others first."""

    name: str
    rank: int
    fit: Fit = Fit.WHOLE


@dataclass(frozen=True, slots=True, kw_only=True)
class ListLayout:
    """Which columns are shown, with the width of each, and which are left out."""

    shown: tuple[Column, ...]
    widths: tuple[int, ...]
    left_out: tuple[str, ...]


def columns_of(given: Sequence[str | Column]) -> tuple[Column, ...]:
    """A plain name has its place as its rank: the first is always shown, and the last only if all fit."""
    return tuple(Column(one, rank) if isinstance(one, str) else one for rank, one in enumerate(given))


def layout(columns: Sequence[Column], cells: Sequence[Sequence[str]], width: int) -> ListLayout:
    """The layout of rows of cells on a terminal of this width."""
    natural = {
        column.name: max([cell_len(heading(column)), *(cell_len(row[at]) for row in cells)])
        for at, column in enumerate(columns)
    }
    room = _room(columns, natural, width)
    shown: list[Column] = []
    for column in sorted(columns, key=lambda one: one.rank):
        wider = sorted([*shown, column], key=columns.index)
        if not column.rank or _least(wider, natural) <= room:
            shown = wider
    widths = _shared_out([_least_of(one, natural) for one in shown], [natural[one.name] for one in shown], room)
    left_out = tuple(column.name for column in columns if column not in shown)
    return ListLayout(shown=tuple(shown), widths=widths, left_out=left_out)


def lines_of(found: ListLayout, columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> Iterator[str]:
    """The heading and each row, padded, shortened and wrapped."""
    places = [columns.index(column) for column in found.shown]
    yield _line([heading(column) for column in found.shown], found.widths)
    for row in cells:
        fitted = [
            _wrapped(row[at], width) if column.fit is Fit.WRAPPED else [_shortened(row[at], width)]
            for column, at, width in zip(found.shown, places, found.widths, strict=True)
        ]
        for parts in zip_longest(*fitted, fillvalue=""):
            yield _line(parts, found.widths)


class StreamLayout:
    """Lays out rows that come one by one: each fits, and the columns stay where they are unless one must grow."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._widest = [heading(column) for column in columns]
        self._begun = False

    def lines(self, cells: Sequence[str], width: int) -> list[str]:
        """The lines of one row, after the heading if it is the first."""
        self._widest = [max(pair, key=cell_len) for pair in zip(self._widest, cells, strict=True)]
        found = layout(self._columns, [self._widest], width)
        head, *body = lines_of(found, self._columns, [cells])
        begun, self._begun = self._begun, True
        return body if begun else [head, *body]


def heading(column: Column) -> str:
    return column.name.replace("_", " ")


def cell(value: Any) -> str:
    """A value as one harmless line."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(map(cell, value))
        case dict():
            return cell(value["code"]) if value.get("code") else printable.json_line(value)
        case _:
            return one_line(str(value))


def to_the_second(text: str) -> str:
    """A time without its milliseconds, for a person."""
    return _MILLISECONDS.sub("Z", text)


def rows_of(
    found: Sequence[Mapping[str, Any]], columns: Sequence[Column], show: Callable[[str], str]
) -> list[list[str]]:
    """The cells of each row."""
    return [[show(cell(row.get(column.name))) for column in columns] for row in found]


def _room(columns: Sequence[Column], natural: Mapping[str, int], width: int) -> int:
    """The width; of a terminal that is narrower than the ids, that of as many of its lines as the ids need."""
    always = _least([column for column in columns if not column.rank], natural)
    return width * max(1, -(-always // width))


def _shared_out(least: Sequence[int], natural: Sequence[int], room: int) -> tuple[int, ...]:
    """The widths, after each column that needs more has got the same share of what is left."""
    widths = list(least)
    spare = room - sum(widths) - _GAP * (len(widths) - 1)
    while spare > 0 and (short := [at for at, width in enumerate(widths) if width < natural[at]]):
        for at in short[:spare]:
            widths[at] += 1
        spare -= len(short)
    return tuple(widths)


def _least(columns: Sequence[Column], natural: Mapping[str, int]) -> int:
    return sum(_least_of(column, natural) for column in columns) + _GAP * max(len(columns) - 1, 0)


def _least_of(column: Column, natural: Mapping[str, int]) -> int:
    return min(natural[column.name], _SHORTEST_PROSE) if column.fit is not Fit.WHOLE else natural[column.name]


def _line(parts: Sequence[str], widths: Sequence[int]) -> str:
    return (
        (" " * _GAP)
        .join(part + " " * (width - cell_len(part)) for part, width in zip(parts, widths, strict=True))
        .rstrip()
    )


def _shortened(text: str, width: int) -> str:
    return text if cell_len(text) <= width else f"{_beginning(text, width - 1)}…"


def _wrapped(text: str, width: int) -> list[str]:
    """The words of a text on as many lines as it takes. A word that is longer than a line is broken."""
    found = [""]
    for word in text.split(" "):
        if cell_len(f"{found[-1]} {word}".lstrip(" ")) <= width:
            found[-1] = f"{found[-1]} {word}".lstrip(" ")
            continue
        rest = word
        while rest:
            part = _beginning(rest, width)
            found.append(part)
            rest = rest[len(part) :]
    return found if found[0] else found[1:] or [""]


def _beginning(text: str, width: int) -> str:
    """As much of a text as fits; at least one character."""
    used = 0
    for at, one in enumerate(text):
        used += cell_len(one)
        if used > width:
            return text[: max(at, 1)]
    return text

"""Prints rows as they come, until Ctrl-C: columns on a terminal, tabs in a pipe, an object a line with --json."""

import shutil
import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from stripeline.deploy.cli.terminal import output
from stripeline.deploy.cli.terminal.list_layout import Column, StreamLayout, columns_of, heading, rows_of, to_the_second

Row = Mapping[str, Any]
Rows = AsyncGenerator[Row, None]


def stream(found: Rows, columns: Sequence[str | Column], *, as_json: bool) -> None:
    """Print each row at once. Ends with KeyboardInterrupt at Ctrl-C, which the command ends with exit code 130."""
    output.run(_each(found, output.print_json_line if as_json else _shown(columns_of(columns))))


async def _each(found: Rows, show: Callable[[Row], None]) -> None:
    async with aclosing(found):  # also when the reader of a pipe leaves
        async for row in found:
            show(row)


def _shown(columns: Sequence[Column]) -> Callable[[Row], None]:
    if not sys.stdout.isatty():
        output.line("\t".join(map(heading, columns)))
        return lambda row: output.line("\t".join(*rows_of([row], columns, str)))
    laid_out = StreamLayout(columns)

    def show(row: Row) -> None:
        (cells,) = rows_of([row], columns, to_the_second)
        for line in laid_out.lines(cells, shutil.get_terminal_size().columns):
            output.line(line)

    return show

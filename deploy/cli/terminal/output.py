"""Output of the command: tables and JSON on standard output, notes on standard error.

- With `--json`, one JSON array and nothing else goes to standard output.
- On a terminal a list fits its width without cutting an id. In a pipe a row is one line, its fields separated by tabs.
- Every text is harmless and without secrets: nothing else of the command prints.
"""

import shutil
import sys
from collections.abc import Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from stripeline.contracts.masking import mask_text
from stripeline.deploy import printable
from stripeline.deploy.cli.terminal.list_layout import (
    Column,
    columns_of,
    heading,
    layout,
    lines_of,
    rows_of,
    to_the_second,
)

if TYPE_CHECKING:  # it loads the Kafka client
    from stripeline.deploy.operations.reading.topic_reader import Page

Done = TypeVar("Done")
_NOTHING: Final[tuple[object, ...]] = (None, [], ())

Json = Annotated[bool, typer.Option("--json", help="Print one JSON array, and nothing else, on standard output.")]
Follow = Annotated[bool, typer.Option("--follow", help="Show what comes, one line each, until Ctrl-C.")]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="The maximum number to print, newest first.")]


def run(work: Coroutine[Any, Any, Done]) -> Done:
    """Run one coroutine to its end, on uvloop like all processes."""
    import uvloop  # noqa: PLC0415  (--help needs none)

    done: list[Done] = []

    async def kept() -> None:
        # Not as the task's result: `asyncio.Runner` writes the task as text when it looks at the handler of Ctrl-C,
        # and that of tens of thousands of definitions takes a second.
        done.append(await work)

    uvloop.run(kept())
    return done[0]


def rows(found: Sequence[Mapping[str, Any]], columns: Sequence[str | Column], *, as_json: bool, empty: str) -> None:
    """Print a list: as a table of these columns, or as JSON with all fields."""
    if as_json:
        print_json(found)
    elif not found:
        note(empty)
    elif sys.stdout.isatty():
        _table(found, columns_of(columns))
    else:
        _tabs(found, columns_of(columns))


def details(value: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one item with all its fields; with --json in an array, like every list."""
    print_json([value] if as_json else value)


def print_json(value: Any) -> None:
    line(printable.json_text(value))


def print_json_line(value: Any) -> None:
    """One object on a line of its own, at once: for what is followed without an end."""
    line(printable.json_line(value))


def say(text: str) -> None:
    """Print what was asked for, on standard output. It may repeat a text of others, and so a secret."""
    line(printable.lines(mask_text(text)))


def line(text: str) -> None:
    """Print what is harmless already, on standard output."""
    print(text, flush=True)


def note(text: str) -> None:
    """Print a message on standard error. It may repeat a text of others, and so a secret."""
    print(printable.lines(mask_text(text)), file=sys.stderr, flush=True)


def noted(page: "Page") -> "Page":
    """The page, after a message about what it does not show."""
    for words in page.hidden:
        note(words)
    return page


def note_cut(limit: int) -> None:
    note(f"There are more than the newest {limit}: ask for more with --limit.")


def decorated() -> bool:
    """Whether standard output is a terminal that understands escape sequences, and whose user wants them."""
    from rich.console import Console  # noqa: PLC0415  (only a table needs it)

    console = Console()  # it knows NO_COLOR and TERM
    return sys.stdout.isatty() and not console.no_color and not console.is_dumb_terminal


def _table(found: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> None:
    # A column in which no row has anything takes the room of another.
    columns = [one for one in columns if not one.rank or any(row.get(one.name) not in _NOTHING for row in found)]
    cells = rows_of(found, columns, to_the_second)
    width = shutil.get_terminal_size().columns
    laid_out = layout(columns, cells, width)
    head, *body = lines_of(laid_out, columns, cells)
    for text in (f"\x1b[1m{head}\x1b[0m" if decorated() else head, *body):
        line(text)
    if laid_out.left_out:
        names = ", ".join(laid_out.left_out)
        note(f"Not shown on a terminal of {width} columns: {names}. --json has every field.")


def _tabs(found: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> None:
    for row in ([heading(column) for column in columns], *rows_of(found, columns, str)):
        line("\t".join(row))

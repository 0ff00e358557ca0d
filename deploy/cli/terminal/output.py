"""Output of the command: tables and JSON on standard output, notes on standard error.

With `--json`, one JSON array and nothing else goes to standard output.
"""

import json
import sys
from collections.abc import Coroutine, Mapping, Sequence
from typing import Annotated, Any, TypeVar

import typer
import uvloop
from rich.console import Console
from rich.table import Table
from rich.text import Text

from stripeline.contracts.masking import mask_text
from stripeline.deploy.operations.reading.topic_reader import Page

Done = TypeVar("Done")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON array, and nothing else, on standard output.")]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="The maximum number to print, newest first.")]


def run(work: Coroutine[Any, Any, Done]) -> Done:
    """Run one coroutine to its end, on uvloop like all processes."""
    return uvloop.run(work)


def rows(found: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool, empty: str) -> None:
    """Print a list: as a table of these columns, or as JSON with all fields."""
    if as_json:
        print_json(found)
    elif not found:
        note(empty)
    else:
        _table(found, columns)


def details(value: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one item with all its fields; with --json in an array, like every list."""
    print_json([value] if as_json else value)


def print_json(value: Any) -> None:
    # Names stay readable: output is UTF-8, without ASCII escapes.
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def note(text: str) -> None:
    """Print a message on standard error. It may repeat a text of others, and so a secret."""
    print(mask_text(text), file=sys.stderr)


def noted(page: Page) -> Page:
    """The page, after a message about what it does not show."""
    for words in page.hidden:
        note(words)
    return page


def note_cut(limit: int) -> None:
    note(f"There are more than the newest {limit}: ask for more with --limit.")


def _table(found: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    table = Table(*(name.replace("_", " ") for name in columns), box=None, header_style="bold", pad_edge=False)
    for row in found:
        table.add_row(*(Text(_cell(row.get(name))) for name in columns))
    console = Console(soft_wrap=not sys.stdout.isatty())
    if not console.is_terminal:
        # In a file or a pipe, a row is one line of any length: a truncated id can't be copied.
        console.width = 1_000
    console.print(table)


def _cell(value: Any) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(_cell(one) for one in value)
        case dict():
            return str(value.get("code") or json.dumps(value, ensure_ascii=False))
        case _:
            return str(value)

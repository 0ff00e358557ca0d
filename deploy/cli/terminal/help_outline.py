"""What `stripeline --help` lists of a module of commands, from its text: to import all of them takes a second of CPU.

It reads the row of each command in `COMMANDS`, and the first paragraph of the function's docstring or of the group's
`help`. A test compares it with what the imported modules say.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import typer

from stripeline.deploy.cli.registry import Entry, Panel

_ROW: Final = re.compile(r'Entry\(name="([\w-]+)", does=(\w+), panel=Panel\.(\w+), place=(\d+)\)')


def outline(source: str) -> Iterator[Entry]:
    """Entries that have a help and do nothing."""
    for name, does, panel, place in _ROW.findall(source):
        group = re.search(rf'^{does} = typer\.Typer\((?:help="(.+?)")?', source, re.MULTILINE)
        shown: Callable[..., Any] | typer.Typer
        if group:  # one without help of its own has a callback of its name
            shown = typer.Typer(help=group[1] or _docstring(source, name), callback=_silent(""))
        else:
            shown = _silent(_docstring(source, does))
        yield Entry(name=name, does=shown, panel=Panel[panel], place=int(place))


def _docstring(source: str, function: str) -> str:
    """Its first paragraph; empty where there is no such function."""
    found = re.search(rf'^def {function}\(.*?^    """(.+?)(?:\n\n|""")', source, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def _silent(said: str) -> Callable[[], None]:
    def command() -> None: ...

    command.__doc__ = said
    return command

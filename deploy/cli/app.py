"""Puts the commands together: every module of this folder that has `COMMANDS` is one of them.

A command that is called by name imports its own module alone: to import all of them takes most of a second.
"""

import importlib
import pkgutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from stripeline.deploy.cli.registry import Entry, Panel
from stripeline.deploy.cli.terminal import output
from stripeline.deploy.cli.terminal.help_outline import outline

OF_ALL: Final = ("--help", "--version")
"""Options of no command: what stands behind them is not looked at."""
_ABOUT = """Stripe webhooks into Kafka topics, and Kafka topics into Stripe actions.

**Start here:** `stripeline demo` runs the whole pipeline on this machine and shows what happens.

Every setting can be an environment variable, a line in `.env`, or an option of any command, such as
`--topic-prefix test.`. `stripeline settings` lists them.

`stripeline --install-completion` makes the Tab key complete commands, options and kinds in your shell.

Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 130 ended by Ctrl-C.
"""


def entries(folder: Path, package: str, name: str | None = None) -> Sequence[Entry]:
    """What the modules of a package's folder add, in the order of `--help`.

    name: of a command. Where a module declares it in one line, nothing else is imported, and its entry alone is found.
    """
    modules = _modules(folder)
    for module in modules:
        if name is not None and f'Entry(name="{name}",' in (folder / f"{module}.py").read_text("utf-8"):
            return [entry for entry in _added(package, module) if entry.name == name]
    return _in_order(entry for module in modules for entry in _added(package, module))


def outlines(folder: Path) -> Sequence[Entry]:
    """As `entries`, of commands that only `--help` lists: nothing is imported."""
    return _in_order(
        entry for module in _modules(folder) for entry in outline((folder / f"{module}.py").read_text("utf-8"))
    )


def _modules(folder: Path) -> Sequence[str]:
    return [found.name for found in pkgutil.iter_modules([str(folder)]) if not found.ispkg and found.name != "app"]


def _in_order(found: Iterable[Entry]) -> Sequence[Entry]:
    panels = list(Panel)
    return sorted(found, key=lambda entry: (panels.index(entry.panel), entry.place, entry.name))


def _added(package: str, module: str) -> Sequence[Entry]:
    return getattr(importlib.import_module(f"{package}.{module}"), "COMMANDS", ())


def _say_version(asked: bool) -> None:
    if asked:
        from stripeline.deploy.running_version import running_version  # noqa: PLC0415  (no other command needs it)

        output.say(f"stripeline {running_version()}")
        raise typer.Exit


def _command(
    *,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_say_version, help="Print the version.")
    ] = False,
) -> None: ...


def assembled(added: Iterable[Entry]) -> typer.Typer:
    made = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", pretty_exceptions_enable=False)
    made.callback(help=_ABOUT)(_command)
    for entry in added:
        if isinstance(entry.does, typer.Typer):
            made.add_typer(entry.does, name=entry.name, rich_help_panel=entry.panel.value)
        else:
            made.command(entry.name, rich_help_panel=entry.panel.value)(entry.does)
    return made


def app_for(arguments: Sequence[str]) -> typer.Typer:
    """The command with what these arguments need of it: the command that they name, its outline, or all of it."""
    folder, first = Path(__file__).parent, next(iter(arguments), None)
    return assembled(outlines(folder) if first in OF_ALL else entries(folder, "stripeline.deploy.cli", first))

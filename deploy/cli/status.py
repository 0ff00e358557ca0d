"""`stripeline status`: how the installation is on one page, worst first, with the command to run next."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Final

import typer

from stripeline.deploy.cli.registry import Entry, Panel
from stripeline.deploy.cli.terminal import output
from stripeline.deploy.cli.terminal.options import kafka, repeated, settings
from stripeline.deploy.operations.status.finding import StatusFinding
from stripeline.deploy.operations.status.findings import findings, needs_person
from stripeline.deploy.operations.status.gather import gather
from stripeline.deploy.operations.status.status_page import as_json as page_json
from stripeline.deploy.operations.status.status_page import page

_EVERY_S: Final = 5.0
_HOME_AND_CLEAR: Final = "\x1b[H\x1b[2J"


def status(
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every 5 s, until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else.")] = False,
) -> None:
    """Show how the installation is on one page, worst first. Exits with 1 when a person is needed.

    Each finding has the command to run next below it. WORK STOPS: events are refused or nothing works on them. A PERSON
    IS NEEDED: something waits until somebody decides. NOTES: good to know.

    ```
    stripeline status --watch
    ```
    """
    if watch and as_json:
        raise typer.BadParameter("it prints one object, and --watch draws a page: choose one", param_hint="--json")
    needed = output.run(_watched() if watch else _once(as_json=as_json))
    if needed:
        raise typer.Exit(1)


async def _once(*, as_json: bool) -> bool:
    facts = await gather(settings(), kafka())
    found = _pasted(findings(facts))
    if as_json:
        output.print_json(page_json(facts, found))
    else:
        output.say("\n".join(page(facts, found)))
    return needs_person(found)


async def _watched() -> bool:
    """Draw the page again and again, until Ctrl-C; whether the last one needs a person."""
    stop, needed = asyncio.Event(), False
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    ended = asyncio.create_task(stop.wait())
    while not stop.is_set():
        drawing = asyncio.create_task(_drawn())
        await asyncio.wait((drawing, ended), return_when=asyncio.FIRST_COMPLETED)
        if not drawing.done():
            drawing.cancel()
            await asyncio.wait((drawing,))
            break
        needed = drawing.result()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _EVERY_S)
    return needed


async def _drawn() -> bool:
    facts = await gather(settings(), kafka())
    found = _pasted(findings(facts))
    if output.decorated():
        sys.stdout.write(_HOME_AND_CLEAR)
    output.say("\n".join(page(facts, found)))
    return needs_person(found)


def _pasted(found: Sequence[StatusFinding]) -> list[StatusFinding]:
    """With the options of this command in the next ones, so that they look at the same Kafka."""
    ours, options = "stripeline ", repeated()
    return [
        replace(one, command=one.command + options) if one.command and one.command.startswith(ours) else one
        for one in found
    ]


COMMANDS = (Entry(name="status", does=status, panel=Panel.LOOK, place=0),)

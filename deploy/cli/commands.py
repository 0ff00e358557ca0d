"""`stripeline commands`: one command by its id: where it is, what it waits for, how it ended. Masks client secrets."""

import time
from typing import Annotated

import typer

from stripeline.deploy.cli.registry import Entry, Panel
from stripeline.deploy.cli.terminal import output
from stripeline.deploy.cli.terminal.options import kafka, settings
from stripeline.deploy.cli.terminal.search_progress import search_progress
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.reading.command_history import command_history
from stripeline.deploy.operations.reading.command_views import command_view

app = typer.Typer(help="Look at one command.", no_args_is_help=True)


@app.command("show")
def show(
    command_id: Annotated[
        str, typer.Argument(metavar="ID", help="A command id, as in a result, a dead letter or `runs show`.")
    ],
    *,
    as_json: output.Json = False,
) -> None:
    """Show one command: its state, attempts, last error, when it is due, what it waits for, and its results.

    Its state is `sent` (no executor has decided it yet), `waiting` (in a retry tier), `succeeded`, `failed`,
    `indeterminate` or `superseded`. `ahead` is how many commands of its key run before it; `waits_for` says what holds
    it; `next` is the command to run, if there is something to do.

    A command that waits is found at once. For any other the executors' ledger is searched, which takes a while where it
    is long.

    ```
    stripeline commands show evt_1Abc:thank-big-spenders:deposit
    ```
    """
    topics = settings().topics
    with search_progress() as watch:
        found = output.run(command_history(topics, kafka(), command_id, watch))
    if found.partition is None:
        raise FailureError(
            f"There is no command {command_id!r}: none waits, and the ledger, the results and the dead letters have"
            " none. The ledger forgets an id 30 days after its last result. A run's steps have their commands'"
            " ids: `stripeline runs list`, then `stripeline runs show RUN`. A record without the id of a command that"
            " can be read is among the dead letters: `stripeline dead-letters list --reason unreadable`."
        )
    output.details(command_view(topics, found, int(time.time() * 1000)), as_json=as_json)


COMMANDS = (Entry(name="commands", does=app, panel=Panel.LOOK, place=3),)

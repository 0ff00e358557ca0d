"""`stripeline command` and `stripeline commands`: produce one, as another team would, and look at one. Masks secrets.

`commands` shows where a command is, what it waits for, and how it ended.
"""

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import typer

from stripeline.contracts.action import RefusedInput
from stripeline.contracts.headers import rfc3339
from stripeline.contracts.ids import ACCOUNT_ID, COMMAND_ID
from stripeline.contracts.masking import mask
from stripeline.contracts.records import Result
from stripeline.deploy.cli.registry import Entry, Panel
from stripeline.deploy.cli.terminal import output
from stripeline.deploy.cli.terminal.options import kafka, settings
from stripeline.deploy.cli.terminal.search_progress import search_progress
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.reading.command_history import command_history
from stripeline.deploy.operations.reading.command_views import command_view
from stripeline.deploy.operations.send_command import NewCommand, produce, produce_and_wait
from stripeline.workers.actions import actions
from stripeline.workers.kafka.control_table import read_all


def command(
    action: Annotated[
        str,
        typer.Argument(help="The action, such as stripe/create-customer.", autocompletion=lambda: sorted(actions())),
    ],
    connection: Annotated[str, typer.Option(help="The connection, which selects the Stripe account.")],
    account: Annotated[
        str | None, typer.Option(help="The connected account to act for, acct_…; default: the connection's own.")
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input", metavar="NAME=VALUE", help="An input field. Valid JSON is parsed: amount=100, paid=true."
        ),
    ] = None,
    key: Annotated[str | None, typer.Option(help="The ordering key. Commands of one key run in order.")] = None,
    command_id: Annotated[
        str | None, typer.Option("--id", help="The command id. The same id is executed once.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the result and print it. Exits with 1 unless it succeeded.")
    ] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="How long to wait for the result, in seconds.")] = 60.0,
    as_json: output.Json = False,
) -> None:
    """Produce a command to the command topic, as another team's program would.

    ```
    stripeline command stripe/create-customer --connection acme --input email=ada@example.com --wait
    stripeline command stripe/create-payment-intent --connection acme --input amount=1999 --input currency=eur
    ```

    Quote a string that looks like a number as JSON: --input 'name="007"'.
    """
    order = replace(_order(action, connection, _inputs(inputs or ()), key, command_id), account=_account(account))
    values = settings()
    if not wait:
        place = output.run(produce(values.topics, values.partitions, kafka(), order))
        there = {"command_id": order.command_id, "topic": values.topics.command, "partition": place.partition}
        output.details({**there, "offset": place.offset}, as_json=as_json)
        return
    result = output.run(produce_and_wait(values.topics, values.partitions, kafka(), order, timeout))
    output.details(result_view(result), as_json=as_json)
    if result.status != "succeeded":
        raise typer.Exit(1)


def result_view(result: Result) -> dict[str, Any]:
    """A result for a person: times as RFC 3339, secrets masked."""
    shown: dict[str, Any] = mask(result.model_dump(mode="json"))
    return {**shown, "started_at": rfc3339(result.started_at), "finished_at": rfc3339(result.finished_at)}


def _order(action: str, connection: str, given: dict[str, Any], key: str | None, command_id: str | None) -> NewCommand:
    known = actions().get(action)
    if known is None:
        raise FailureError(f"{action!r} is no action: choose one of {', '.join(sorted(actions()))}.")
    asked = known.request(given)
    if isinstance(asked, RefusedInput):
        raise FailureError(
            f"{action} refuses this input: {asked.message}. Its fields are {', '.join(known.input.model_fields)}."
        )
    chosen = command_id or f"cmd_{secrets.token_hex(12)}"
    if not COMMAND_ID.fullmatch(chosen):
        raise FailureError("--id must be 1 to 200 visible ASCII characters, without spaces.")
    there = output.run(read_all(settings().topics.control, kafka())).connections
    if connection not in there:
        choice = ", ".join(sorted(there)) or "none yet; create one with `stripeline apply`"
        raise FailureError(f"There is no connection {connection!r}. There is {choice}.")
    at_ms = int(time.time() * 1000)
    return NewCommand(command_id=chosen, action=action, connection=connection, input=given, key=key, at_ms=at_ms)


def _account(named: str | None) -> str | None:
    if named is not None and not ACCOUNT_ID.fullmatch(named):
        raise typer.BadParameter("an account is acct_ and letters and digits", param_hint="--account")
    return named


def _inputs(pairs: Sequence[str]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{pair!r} is not NAME=VALUE", param_hint="--input")
        try:
            given[name] = json.loads(text)
        except ValueError:
            given[name] = text
    return given


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


COMMANDS = (
    Entry(name="command", does=command, panel=Panel.TRY, place=6),
    Entry(name="commands", does=app, panel=Panel.LOOK, place=3),
)

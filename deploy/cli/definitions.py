"""`stripeline get` and `delete`: connections, triggers, endpoints and workflows. Never shows a secret."""

from typing import Annotated, Literal

import typer

from stripeline.contracts.definitions import Definitions
from stripeline.contracts.ids import NAME
from stripeline.deploy.cli.registry import Entry, Panel
from stripeline.deploy.cli.terminal import output
from stripeline.deploy.cli.terminal.acting_user import signed
from stripeline.deploy.cli.terminal.consent import Yes, require_consent
from stripeline.deploy.cli.terminal.list_layout import Column, Fit
from stripeline.deploy.cli.terminal.options import kafka, settings
from stripeline.deploy.definitions.definition_rows import (
    connection_rows,
    endpoint_rows,
    trigger_rows,
    users_of,
    workflow_rows,
)
from stripeline.deploy.definitions.removal import consequences
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.acts.definition_acts import carry_out, definition_records
from stripeline.deploy.operations.acts.waiting_commands import removable
from stripeline.workers.kafka.control_table import Changes, read_all
from stripeline.workers.secrets.vault import Vault

get_app = typer.Typer(help="List connections, triggers, endpoints or workflows.", no_args_is_help=True)

Kind = Literal["connection", "trigger", "endpoint", "workflow"]
_CONNECTIONS = (
    Column("name", 0),
    Column("mode", 2),
    Column("account", 3),
    Column("key", 4),
    Column("state", 1, Fit.WRAPPED),
    Column("paused_accounts", 5),
    Column("rate", 6),
)
_TRIGGERS = (
    Column("name", 0),
    Column("kind", 4),
    Column("connection", 2),
    Column("mode", 3),
    Column("path", 1),
    Column("signing_secrets", 5),
    Column("payload", 6),
)
_ENDPOINTS = (
    Column("name", 0),
    Column("connection", 3),
    Column("mode", 4),
    Column("triggers", 2, Fit.WRAPPED),
    Column("url", 1),
    Column("connect", 6),
    Column("api_version", 7),
    Column("signing_secrets", 8),
    Column("destinations", 5, Fit.WRAPPED),
)
_WORKFLOWS = (
    Column("name", 0),
    Column("trigger", 1),
    Column("types", 2, Fit.WRAPPED),
    Column("where", 4, Fit.SHORTENED),
    Column("steps", 3, Fit.WRAPPED),
)


def delete(
    kind: Annotated[Kind, typer.Argument(help="The kind of definition.")],
    name: Annotated[str, typer.Argument(help="Its name.")],
    *,
    yes: Yes = False,
    why: Annotated[str, typer.Option(help="The reason. It is recorded for those who ask.")] = "",
) -> None:
    """Delete a connection, a trigger, an endpoint or a workflow. It asks at a terminal, and needs --yes without one.

    A definition that is in use can't be deleted: a trigger uses its connection, an endpoint its connection and its
    triggers, a workflow its trigger and its steps' connections. Nor can a connection that commands wait for. Runs in
    progress keep the steps they started with. An endpoint's destinations stay at Stripe: `stripeline endpoints apply`
    deletes them.

    ```
    stripeline delete workflow thank-big-spenders --why "the campaign is over"
    ```
    """
    values = settings()
    stored = output.run(read_all(values.topics.control, kafka()))
    key = f"{kind}/{name}"
    if not NAME.fullmatch(name) or key not in stored.by_key():
        raise FailureError(f"There is no {kind} {name!r}. `stripeline get {kind}s` lists those that are there.")
    users = users_of(kind, name, stored)
    if users:
        raise FailureError(f"The {kind} {name} is in use by {', '.join(users)}. Delete or change what uses it first.")
    waiting = output.run(removable(values.topics, kafka(), [key]))
    means = consequences([key], waiting, {key: stored.by_key()[key].owner}, {})
    require_consent(f"This deletes a {kind}:", means, yes=yes)
    changes: Changes = {key: None}
    records = list(definition_records(changes, stored.by_key(), {}, signed(why)))
    output.run(carry_out(values.topics, kafka(), records, changes))
    output.say(f"deleted {key}")


@get_app.command("connections")
def connections(*, as_json: output.Json = False) -> None:
    """List the connections: name, mode (live or test), account, the key's first and last characters, and its state.

    The state is `ready`; `sealed` without STRIPELINE_MASTER_KEY; `unreadable` if that key can't decrypt it; or why and
    since when it is paused. `paused_accounts` are connected accounts that Stripe no longer lets the key act for.
    """
    values = settings()
    vault = Vault.from_ring(values.master_keys) if values.master_keys else None
    found = connection_rows(_stored(), vault)
    output.rows(found, _CONNECTIONS, as_json=as_json, empty="There is no connection yet.")


@get_app.command("triggers")
def triggers(*, as_json: output.Json = False) -> None:
    """List the triggers: name, kind, connection, mode, the path for Stripe, and the number of signing secrets."""
    output.rows(trigger_rows(_stored()), _TRIGGERS, as_json=as_json, empty="There is no trigger yet.")


@get_app.command("endpoints")
def endpoints(*, as_json: output.Json = False) -> None:
    """List the endpoints: name, connection, triggers, the URL for Stripe, and the destinations that were made there.

    `signing_secrets` counts those of the file; each destination has one of its own.
    """
    found = endpoint_rows(_stored())
    shown = found if as_json else [{**row, "destinations": [one["id"] for one in row["destinations"]]} for row in found]
    output.rows(shown, _ENDPOINTS, as_json=as_json, empty="There is no endpoint yet.")


@get_app.command("workflows")
def workflows(*, as_json: output.Json = False) -> None:
    """List the workflows: name, trigger, event types, condition and steps."""
    found = workflow_rows(_stored())
    shown = found if as_json else [{**row, "steps": [step["id"] for step in row["steps"]]} for row in found]
    output.rows(shown, _WORKFLOWS, as_json=as_json, empty="There is no workflow yet.")


def _stored() -> Definitions:
    values = settings()
    return output.run(read_all(values.topics.control, kafka()))


COMMANDS = (
    Entry(name="get", does=get_app, panel=Panel.SET_UP, place=4),
    Entry(name="delete", does=delete, panel=Panel.SET_UP, place=5),
)

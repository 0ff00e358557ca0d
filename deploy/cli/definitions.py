"""`stripeline apply`, `get` and `delete`: connections, triggers and workflows. Never shows a secret."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from stripeline.contracts.definitions import AnyDefinition, Definitions, name_of
from stripeline.contracts.ids import NAME
from stripeline.deploy.cli.registry import Entry, Panel
from stripeline.deploy.cli.terminal import output
from stripeline.deploy.cli.terminal.acting_user import signed
from stripeline.deploy.cli.terminal.list_layout import Column, Fit
from stripeline.deploy.cli.terminal.options import kafka, settings
from stripeline.deploy.definitions.account_questions import account_records, learn
from stripeline.deploy.definitions.advice import advice
from stripeline.deploy.definitions.definition_rows import connection_rows, trigger_rows, users_of, workflow_rows
from stripeline.deploy.definitions.diff import Change, diff, publication
from stripeline.deploy.definitions.key_accounts import Learned
from stripeline.deploy.definitions.load import load
from stripeline.deploy.definitions.problems import ConfigurationError, Problem
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.acts.pauses import probes
from stripeline.deploy.operations.acts.waiting_commands import require_none_waiting, waiting_commands
from stripeline.deploy.operations.master_keys.holders import newly_sealed
from stripeline.deploy.operations.master_keys.rotation import require_holders
from stripeline.deploy.settings.settings import Settings, environment
from stripeline.workers.kafka.control_table import Changes, publish, read_all
from stripeline.workers.secrets.vault import Vault

get_app = typer.Typer(help="List connections, triggers or workflows.", no_args_is_help=True)

Kind = Literal["connection", "trigger", "workflow"]
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
)
_WORKFLOWS = (
    Column("name", 0),
    Column("trigger", 1),
    Column("types", 2, Fit.WRAPPED),
    Column("where", 4, Fit.SHORTENED),
    Column("steps", 3, Fit.WRAPPED),
)
_MARKS: Mapping[str, str] = {"added": "+", "changed": "~", "removed": "-", "unchanged": "="}


def apply(
    file: Annotated[Path, typer.Argument(help="A YAML file with connections, triggers and workflows.", dir_okay=False)],
    *,
    prune: Annotated[bool, typer.Option("--prune", help="Also delete definitions that are not in the file.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the difference without publishing it.")] = False,
    as_json: output.Json = False,
) -> None:
    """Read a configuration file, show the difference to the stored definitions, and publish it.

    The file refers to secrets as "${env:NAME}" (the environment or .env) or "${file:PATH}" (relative to the file).
    They are encrypted with STRIPELINE_MASTER_KEY before they are stored. Running processes pick up the change at once.
    Applying the same file again changes nothing.

    Stripe is asked whose key a new one is. A connection keeps its account and mode: a key of another account needs a
    connection with another name. A restricted key that may not read its account needs `account: acct_…` beside it.

    ```
    connections:
      acme: {secret_key: "${env:ACME_STRIPE_KEY}"}
    triggers:
      acme-payments: {kind: stripe/payment-event, connection: acme, signing_secrets: ["${env:ACME_WHSEC}"]}
    workflows:
      thank-big-spenders:
        trigger: acme-payments
        types: [payment_intent.succeeded]
        where: "data.amount >= 5000"
        steps:
          - {id: customer, action: stripe/create-customer, input: {email: "=data.receipt_email"}}
    ```
    """
    values = settings()
    vault = Vault.from_ring(values.master_keys)
    stored = output.run(read_all(values.topics.control, kafka()))
    wanted = load(file, vault, stored, environment, prune=prune)
    learned = _learned(file, values, vault, stored, wanted)
    changes = diff(stored.by_key(), wanted, prune=prune)
    _require_removable(values, [one.key for one in changes if one.what == "removed"])
    _show(changes, as_json=as_json)
    for words in advice(wanted, stored.triggers):
        output.note(f"warning: {words}")
    tries = probes(stored, _kept(stored, wanted), signed("applied again"))
    publishing = {**account_records(learned), **publication(changes, wanted), **tries}
    if publishing and not dry_run:
        _publish(values, stored, wanted, publishing)
    if not as_json:
        output.note(_summary(changes, dry_run=dry_run))
        for name, record in learned.accounts.items():
            output.note(f"connection {name} is account {record.account} in {record.mode} mode")
        for key in tries:
            output.note(f"Stripe refused the key of {key.partition('/')[2]}; an executor tries it again now")


def _publish(values: Settings, stored: Definitions, wanted: Mapping[str, AnyDefinition], changes: Changes) -> None:
    """Raises FailureError where a running process could not open what was sealed."""
    output.run(require_holders(values.topics, kafka(), newly_sealed(stored, wanted)))
    output.run(publish(values.topics.control, kafka(), changes))


def _learned(
    file: Path, values: Settings, vault: Vault, stored: Definitions, wanted: Mapping[str, AnyDefinition]
) -> Learned:
    """Whose keys the file's connections have. Raises ConfigurationError for those that may not have theirs."""
    learned = output.run(learn(values, vault, stored, wanted))
    if learned.problems:
        places = [Problem(place=("connections", name), reason=why) for name, why in learned.problems.items()]
        raise ConfigurationError(file, places)
    for name, words in learned.warnings.items():
        output.note(f"warning: connection {name}: {words}")
    return learned


def delete(
    kind: Annotated[Kind, typer.Argument(help="The kind of definition.")],
    name: Annotated[str, typer.Argument(help="Its name.")],
) -> None:
    """Delete a connection, a trigger or a workflow.

    A definition that is in use can't be deleted: a trigger uses its connection, a workflow its trigger and its steps'
    connections. Nor can a connection that commands wait for. Runs in progress keep the steps they started with.
    """
    values = settings()
    stored = output.run(read_all(values.topics.control, kafka()))
    key = f"{kind}/{name}"
    if not NAME.fullmatch(name) or key not in stored.by_key():
        raise FailureError(f"There is no {kind} {name!r}. `stripeline get {kind}s` lists those that are there.")
    users = users_of(kind, name, stored)
    if users:
        raise FailureError(f"The {kind} {name} is in use by {', '.join(users)}. Delete or change what uses it first.")
    _require_removable(values, [key])
    output.run(publish(values.topics.control, kafka(), {key: None}))
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


@get_app.command("workflows")
def workflows(*, as_json: output.Json = False) -> None:
    """List the workflows: name, trigger, event types, condition and steps."""
    found = workflow_rows(_stored())
    shown = found if as_json else [{**row, "steps": [step["id"] for step in row["steps"]]} for row in found]
    output.rows(shown, _WORKFLOWS, as_json=as_json, empty="There is no workflow yet.")


def _require_removable(values: Settings, keys: Sequence[str]) -> None:
    """Raise FailureError for a connection among these control keys that commands wait for."""
    removed = [name_of(key) for key in keys if key.startswith("connection/")]
    if removed:
        require_none_waiting(output.run(waiting_commands(values.topics, kafka())), removed)


def _kept(stored: Definitions, wanted: Mapping[str, AnyDefinition]) -> list[str]:
    """The connections of the file whose key is the stored one."""
    known = stored.connections
    found = Definitions.of(wanted).connections.items()
    return [name for name, one in found if name in known and known[name].key_name == one.key_name]


def _stored() -> Definitions:
    values = settings()
    return output.run(read_all(values.topics.control, kafka()))


def _show(changes: list[Change], *, as_json: bool) -> None:
    if as_json:
        found: list[dict[str, Any]] = [
            {"change": one.what, "kind": one.key.partition("/")[0], "name": one.key.partition("/")[2]}
            | {"fields": list(one.fields)}
            for one in changes
        ]
        output.print_json(found)
        return
    for change in changes:
        output.say(f"{_MARKS[change.what]} {change.key}")
        for line in change.fields:
            output.say(f"    {line}")


def _summary(changes: list[Change], *, dry_run: bool) -> str:
    counts = {what: sum(change.what == what for change in changes) for what in _MARKS}
    words = ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "nothing in the file"
    return f"{words}{'; nothing was published (--dry-run)' if dry_run else ''}"


COMMANDS = (
    Entry(name="apply", does=apply, panel=Panel.SET_UP, place=3),
    Entry(name="get", does=get_app, panel=Panel.SET_UP, place=4),
    Entry(name="delete", does=delete, panel=Panel.SET_UP, place=5),
)

"""`stripeline apply`: a configuration file is checked, tried, compared with what is stored, and published.

What is wrong with the file alone is said before Kafka or Stripe is asked. Never shows a secret.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from stripeline.contracts.definitions import AnyDefinition, Definitions
from stripeline.contracts.ids import NAME
from stripeline.deploy.cli.registry import Entry, Panel
from stripeline.deploy.cli.terminal import output
from stripeline.deploy.cli.terminal.acting_user import signed
from stripeline.deploy.cli.terminal.apply_report import ApplyReport, show_problems
from stripeline.deploy.cli.terminal.consent import Yes, require_consent
from stripeline.deploy.cli.terminal.options import kafka, settings
from stripeline.deploy.definitions.account_questions import account_records, learn
from stripeline.deploy.definitions.advice import advice
from stripeline.deploy.definitions.configuration_file import ConfigurationFile, read_file
from stripeline.deploy.definitions.diff import diff, publication
from stripeline.deploy.definitions.key_accounts import Learned
from stripeline.deploy.definitions.load import loaded, problems_alone, triggers_of
from stripeline.deploy.definitions.ownership import Pruning, claimed, owned, pruning, renamed, still_used, without
from stripeline.deploy.definitions.problems import ConfigurationError, Problem
from stripeline.deploy.definitions.removal import consequences
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.acts.audit import Signed
from stripeline.deploy.operations.acts.definition_acts import carry_out, definition_records
from stripeline.deploy.operations.acts.pauses import probes
from stripeline.deploy.operations.master_keys.holders import newly_sealed
from stripeline.deploy.operations.master_keys.rotation import require_holders
from stripeline.deploy.settings.settings import Settings, environment
from stripeline.workers.kafka.control_table import Changes, read_all
from stripeline.workers.secrets.vault import Vault


@dataclass(frozen=True, slots=True)
class _Wish:
    """What was asked for besides the file."""

    owner: str | None
    take_over: bool
    prune: bool
    allowed: tuple[str, ...]
    dry_run: bool
    yes: bool
    as_json: bool
    why: str


Event = Annotated[
    Path | None,
    typer.Option("--try", metavar="EVENT.json", dir_okay=False, help="Only show what this event would do."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the difference without publishing it.")]


def _owner_name(name: str | None) -> str | None:
    """It is a field of every definition, and no process reads one with a wrong field."""
    if name is not None and not NAME.fullmatch(name):
        raise typer.BadParameter(f"{name!r} is no owner: write lower-case letters, digits and dashes, such as team-a")
    return name


OwnerName = Annotated[
    str | None, typer.Option(callback=_owner_name, help="Whose definitions these are, such as team-a or a client.")
]
Prune = Annotated[bool, typer.Option("--prune", help="Also delete what this owner applied and the file leaves out.")]
TakeOver = Annotated[bool, typer.Option("--take-over", help="Become the owner of what another one applied.")]
AllowType = Annotated[
    list[str] | None, typer.Option(metavar="TYPE", help="An event type that is new at Stripe. Repeatable.")
]
Why = Annotated[str, typer.Option(help="The reason. It is recorded for those who ask.")]
AsObject = Annotated[
    bool, typer.Option("--json", help="Print one JSON object: changes, problems, warnings, what was applied.")
]


def apply(
    file: Annotated[
        Path, typer.Argument(help="A YAML file with connections, triggers, endpoints and workflows.", dir_okay=False)
    ],
    *,
    event: Event = None,
    dry_run: DryRun = False,
    owner: OwnerName = None,
    prune: Prune = False,
    take_over: TakeOver = False,
    yes: Yes = False,
    why: Why = "",
    allow_type: AllowType = None,
    as_json: AsObject = False,
) -> None:
    """Read a configuration file, check it, show the difference to the stored definitions, and publish it.

    The file refers to secrets as "${env:NAME}" (the environment or .env) or "${file:PATH}" (relative to the file).
    They are encrypted with STRIPELINE_MASTER_KEY before they are stored. A variable may be left unset for a secret that
    is stored already: it is kept. Running processes pick up the change at once.

    Workflows are checked before: their types, their expressions, and what they would do with example events of their
    types. `--try EVENT.json` shows it for an event of yours, as Stripe's webhooks or the event topics have it; it needs
    neither Kafka nor Stripe, and exits with 1 when a run would stop.

    Stripe is asked whose key a new one is. A connection keeps its account and mode: a key of another account needs a
    connection with another name. A restricted key that may not read its account needs `account: acct_…` beside it.

    With `--owner`, each definition has its owner: another one's file can't change it, and `--prune` deletes nothing of
    others. Deleting asks at a terminal, and needs `--yes` without one. An empty file deletes nothing.
    The audit topic has what is applied, without its secrets, with who did it and why: `--why`.


    ```
    connections:
      acme: {secret_key: "${env:ACME_STRIPE_KEY}"}
    triggers:
      pay: {kind: stripe/payment-event, connection: acme, signing_secrets: ["${env:ACME_WHSEC}"]}
    workflows:
      thank:
        trigger: pay
        types: [payment_intent.succeeded]
        where: "data.amount >= 5000"
        steps: [{id: customer, action: stripe/create-customer, input: {email: "=data.receipt_email"}}]
    ```
    """
    wish = _Wish(owner, take_over, prune, tuple(allow_type or ()), dry_run, yes, as_json, why)
    with _problems_shown(as_json=as_json):
        _apply(read_file(file), wish) if event is None else _try(read_file(file), event, wish)


@contextmanager
def _problems_shown(*, as_json: bool) -> Iterator[None]:
    try:
        yield
    except ConfigurationError as error:
        if as_json:
            show_problems(error)
        raise


def _try(read: ConfigurationFile, event: Path, wish: _Wish) -> None:
    # Loads the CEL engine: only when it is needed.
    from stripeline.deploy.definitions.trial import event_trial  # noqa: PLC0415
    from stripeline.deploy.definitions.trial.tried_event import read_event  # noqa: PLC0415

    now_ms = int(time.time() * 1000)
    tried = read_event(event)
    triggers = triggers_of(read.written)
    warnings = read.require(problems_alone(read, lambda _: None, wish.allowed))
    found = event_trial.try_event(tried, triggers, read.written.workflows, now_ms)
    old = event_trial.too_old(tried, now_ms)
    if wish.as_json:
        output.print_json(event_trial.report(tried, found, old, [one.row() for one in warnings]))
    else:
        for line in event_trial.lines(tried, found, old):
            output.say(line)
    if any(one.fails for one in found):
        raise FailureError("A run of this event would stop; nothing was sent.")


def _apply(read: ConfigurationFile, wish: _Wish) -> None:
    from stripeline.deploy.definitions.trial.example_trial import try_all  # noqa: PLC0415

    written = read.written
    triggers = triggers_of(written)
    alone = problems_alone(read, environment, wish.allowed)
    sound = {name: one for name, one in written.workflows.items() if not _is_wrong(name, alone)}
    trials = try_all(sound, triggers)
    doubts = [*alone, *(one for trial in trials for one in trial.problems), *advice(sound, triggers)]
    warnings = read.require(doubts)

    values = settings()
    vault = Vault.from_ring(values.master_keys)
    stored = output.run(read_all(values.topics.control, kafka()))
    pruned = _pruned(read, stored, wish)
    known = without(stored, set(pruned.removed))
    found = loaded(read, vault, stored, environment, known=known, allowed=wish.allowed)
    wanted = owned(found.definitions, wish.owner)
    read.require(claimed(stored.by_key(), wanted, wish.owner, take_over=wish.take_over))
    rest = {name: one for name, one in written.workflows.items() if one.trigger not in triggers}
    more = try_all(rest, known.triggers)
    later = [*(one for trial in more for one in trial.problems), *advice(rest, known.triggers)]
    warnings = read.placed([*warnings, *found.warnings, *read.require(later)])
    learned = _learned(read, values, vault, stored, wanted)
    changes = diff(stored.by_key(), wanted, removed=pruned.removed, lines=read.document.line)
    tries = probes(stored, _kept(stored, wanted), signed("applied again"))
    report = ApplyReport(
        file=read.path, changes=changes, warnings=warnings, trials=[*trials, *more], kept=found.kept,
        others=pruned.others or {}, accounts=learned.accounts, unknown=learned.warnings, tries=tuple(tries),
        renamed=dict(renamed(stored.triggers, Definitions.of(wanted).triggers)), dry_run=wish.dry_run,
    )  # fmt: skip
    report.show_difference(as_json=wish.as_json)
    if pruned.removed:
        _ask(values, stored, wanted, pruned, report, wish)
    publishing = {**account_records(learned), **publication(changes, wanted), **tries}
    if publishing and not wish.dry_run:
        _publish(values, stored, wanted, publishing, signed(wish.why))
    report.show_end(as_json=wish.as_json)


def _is_wrong(workflow: str, problems: Sequence[Problem]) -> bool:
    return any(one.place[:2] == ("workflows", workflow) and not one.warning for one in problems)


def _pruned(read: ConfigurationFile, stored: Definitions, wish: _Wish) -> Pruning:
    if not wish.prune:
        return Pruning()
    keys = read.written.keys()
    if not keys:
        reason = (
            "it defines nothing, and --prune removes nothing for an empty file; `stripeline delete KIND NAME` deletes"
            " a definition"
        )
        raise ConfigurationError(read.path, [Problem(place=(), reason=reason)])
    return pruning(stored.by_key(), keys, wish.owner)


def _ask(
    values: Settings, stored: Definitions, wanted: Mapping[str, AnyDefinition], pruned: Pruning, report: ApplyReport,
    wish: _Wish,
) -> None:  # fmt: skip
    """Say what the removals mean, and ask. Raises FailureError."""
    from stripeline.deploy.operations.acts.waiting_commands import removable  # noqa: PLC0415  (for --prune alone)

    used = list(still_used(stored, wanted, set(pruned.removed)))
    if used:
        raise FailureError(f"Nothing was changed: {'; '.join(used)}.")
    waiting = output.run(removable(values.topics, kafka(), pruned.removed))
    owners = {key: one.owner for key, one in stored.by_key().items()}
    means = consequences(pruned.removed, waiting, owners, report.renamed)
    title = f"--prune deletes {len(pruned.removed)} definitions:"
    require_consent(title, means, yes=wish.yes or wish.dry_run)


def _learned(
    read: ConfigurationFile, values: Settings, vault: Vault, stored: Definitions, wanted: Mapping[str, AnyDefinition]
) -> Learned:
    """Whose keys the file's connections have. Raises ConfigurationError for those that may not have theirs."""
    learned = output.run(learn(values, vault, stored, wanted))
    read.require(Problem(place=("connections", name), reason=why) for name, why in learned.problems.items())
    return learned


def _kept(stored: Definitions, wanted: Mapping[str, AnyDefinition]) -> list[str]:
    """The connections of the file whose key is the stored one."""
    known = stored.connections
    found = Definitions.of(wanted).connections.items()
    return [name for name, one in found if name in known and known[name].key_name == one.key_name]


def _publish(
    values: Settings, stored: Definitions, wanted: Mapping[str, AnyDefinition], changes: Changes, act: Signed
) -> None:
    """Raises FailureError where a running process could not open what was sealed."""
    output.run(require_holders(values.topics, kafka(), newly_sealed(stored, wanted)))
    records = list(definition_records(changes, stored.by_key(), wanted, act))
    output.run(carry_out(values.topics, kafka(), records, changes))


COMMANDS = (Entry(name="apply", does=apply, panel=Panel.SET_UP, place=3),)

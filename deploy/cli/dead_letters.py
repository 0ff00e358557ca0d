"""`stripeline dead-letters`: list and show dead letters, replay or dismiss them. Masks client secrets."""

import time
from contextlib import aclosing
from typing import Annotated, Literal

import typer

from stripeline.contracts.vocabulary import LetterState
from stripeline.deploy.cli.registry import Entry, Panel
from stripeline.deploy.cli.terminal import output, streams
from stripeline.deploy.cli.terminal.acting_user import require_reason, signed
from stripeline.deploy.cli.terminal.format_check import of_known_format, require_known_format
from stripeline.deploy.cli.terminal.list_layout import Column, Fit
from stripeline.deploy.cli.terminal.options import kafka, settings
from stripeline.deploy.cli.terminal.times import Since, Until, moment_ms
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.acts.audit import commit_acts
from stripeline.deploy.operations.acts.replay import dismissals, prospect, replayable, replays
from stripeline.deploy.operations.reading.audit_reader import letter_states
from stripeline.deploy.operations.reading.topic_follow import follow as followed
from stripeline.deploy.operations.reading.topic_reader import Page, Wanted, newest
from stripeline.deploy.operations.reading.views import (
    DeadLetter,
    Filters,
    dead_letter_details,
    dead_letter_of,
    dead_letter_view,
)

_DISMISSALS_PER_S = 1_000.0

app = typer.Typer(help="List and show dead letters, replay or dismiss them.", no_args_is_help=True)

Code = Annotated[str | None, typer.Option(help="Only this code: RATE_LIMITED, PROVIDER_ERROR, …")]
Reason = Annotated[str | None, typer.Option(help="Only this reason: exhausted, unreadable, id_reused, …")]
Action = Annotated[str | None, typer.Option(help="Only this action: stripe/create-customer, …")]
Connection = Annotated[str | None, typer.Option(help="Only this connection.")]
Key = Annotated[str | None, typer.Option(help="Only this ordering key.")]
Id = Annotated[str | None, typer.Option("--id", help="Only this command id.")]
State = Annotated[
    Literal["open", "replayed", "settled", "superseded", "dismissed"],
    typer.Option(help="Only this state. Open: nobody has decided what becomes of it."),
]
Account = Annotated[str | None, typer.Option(help="Only commands for this connected account, acct_….")]
Customer = Annotated[str | None, typer.Option(help="Only commands for this customer, cus_…, by their input.")]
All = Annotated[bool, typer.Option("--all", help="In any state.")]
_COLUMNS = (
    Column("partition", 0),
    Column("offset", 0),
    Column("command_id", 0),
    Column("action", 6),
    Column("connection", 5),
    Column("account", 8),
    Column("reason", 1),
    Column("code", 3),
    Column("attempts", 9),
    Column("state", 2),
    Column("failed_at", 7),
)

_REPLAY_COLUMNS = (
    Column("command_id", 0),
    Column("reason", 2),
    Column("code", 3),
    Column("failed_at", 4),
    Column("replay", 1, Fit.SHORTENED),
)


@app.command("list")
def list_letters(
    *,
    code: Code = None,
    reason: Reason = None,
    action: Action = None,
    connection: Connection = None,
    key: Key = None,
    command_id: Id = None,
    since: Since = None,
    until: Until = None,
    state: State = "open",
    all_states: All = False,
    account: Account = None,
    customer: Customer = None,
    follow: output.Follow = False,
    limit: output.Limit = 50,
    as_json: output.Json = False,
) -> None:
    """List the newest open dead letters, with the reason of each.

    A dead letter is open until a person replays or dismisses it, or until its command is decided without one: settled
    by a webhook or a look-up at Stripe, or superseded by the retry of its run.

    ```
    stripeline dead-letters list --connection acme --since 2h
    ```

    --follow shows each new one as it comes, from now or from --since on, until Ctrl-C (exit code 130); with --json one
    object a line.
    """
    filters = _filters(
        code=code, reason=reason, action=action, connection=connection, key=key, command_id=command_id, since=since,
        until=until, account=account, customer=customer, state=None if all_states else LetterState(state),
    )  # fmt: skip
    if follow:
        streams.stream(_new(filters), _COLUMNS, as_json=as_json)
        return
    letters, cut = _newest(filters, limit)
    views = [dead_letter_view(letter) for letter in letters]
    empty = "There is no such dead letter." if all_states else f"There is no such dead letter that is {state}."
    output.rows(views, _COLUMNS, as_json=as_json, empty=empty)
    if cut:
        output.note_cut(limit)


@app.command("show")
def show(
    which: Annotated[str, typer.Argument(metavar="WHICH", help="A command id, or PARTITION/OFFSET.")],
    *,
    as_json: output.Json = False,
) -> None:
    """Show one dead letter: its origin, its last error, and the command."""
    partition, slash, offset = which.partition("/")
    by_place = bool(slash) and partition.isdecimal() and offset.isdecimal()
    filters = Filters() if by_place else Filters(id=which)
    letters, _ = _newest(filters, 100_000 if by_place else 1)
    found = [
        letter
        for letter in letters
        if not by_place or (letter.read.partition, letter.read.offset) == (int(partition), int(offset))
    ]
    if not found:
        raise FailureError(
            f"There is no dead letter {which!r}. `stripeline dead-letters list --all` lists those there are."
        )
    output.details(dead_letter_details(found[0]), as_json=as_json)


@app.command("replay")
def replay(
    *,
    code: Code = None,
    reason: Reason = None,
    action: Action = None,
    connection: Connection = None,
    key: Key = None,
    command_id: Id = None,
    since: Since = None,
    until: Until = None,
    state: State = "open",
    all_states: All = False,
    account: Account = None,
    customer: Customer = None,
    limit: output.Limit = 50,
    rate: Annotated[float, typer.Option(min=0.01, max=1_000, help="The maximum number of replays per second.")] = 20.0,
    why: Annotated[str, typer.Option(help="The reason. It is recorded with your user name.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Replay. Without it, only show what would happen.")] = False,
    as_json: output.Json = False,
) -> None:
    """Replay dead letters with their original key, order and id.

    Takes the same filters as `list`, so only open ones, and shows what would happen to each; --yes replays them. A call
    that may have had an effect is looked up at Stripe first, and the Idempotency-Key never changes: a replay never
    charges twice. It adds the next revision to the command's result, and resumes its run.

    A replay and its record on the audit topic are committed together, so a command that was cut short can be run again.
    A replay that fails again makes another dead letter, which is open.
    """
    filters = _filters(
        code=code, reason=reason, action=action, connection=connection, key=key, command_id=command_id, since=since,
        until=until, account=account, customer=customer, state=None if all_states else LetterState(state),
    )  # fmt: skip
    now_ms = int(time.time() * 1000)
    letters, cut = _newest(filters, limit)
    views = [{**dead_letter_view(letter), "replay": prospect(letter, now_ms)} for letter in letters]
    output.rows(views, _REPLAY_COLUMNS, as_json=as_json, empty="There is no such dead letter: nothing to replay.")
    if cut:
        output.note_cut(limit)
    if not yes:
        output.note(f"{sum(map(replayable, letters))} would be replayed. Nothing was done: add --yes to do it.")
        return
    topics = settings().topics
    done = output.run(commit_acts(topics, kafka(), replays(topics, letters, signed(why)), rate_per_s=rate))
    output.note(f"{done} replayed.")


@app.command("dismiss")
def dismiss(
    *,
    code: Code = None,
    reason: Reason = None,
    action: Action = None,
    connection: Connection = None,
    key: Key = None,
    command_id: Id = None,
    since: Since = None,
    until: Until = None,
    account: Account = None,
    customer: Customer = None,
    limit: output.Limit = 50,
    why: Annotated[str, typer.Option(help="The reason. It is recorded with your user name.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Dismiss. Without it, only show which.")] = False,
    as_json: output.Json = False,
) -> None:
    """Close open dead letters without doing anything: what they ask for is done elsewhere, or is not wanted.

    Takes the same filters as `list` and shows which would be dismissed; --yes dismisses them. Nothing is deleted:
    `list --state dismissed` shows them, and `replay --all` still replays them.

    ```
    stripeline dead-letters dismiss --id order-4711 --why "charged by hand" --yes
    ```
    """
    if yes:
        require_reason(
            why, "Nothing was dismissed: --why needs a reason, for those who ask later what became of these."
        )
    filters = _filters(
        code=code, reason=reason, action=action, connection=connection, key=key, command_id=command_id, since=since,
        until=until, account=account, customer=customer, state=LetterState.OPEN,
    )  # fmt: skip
    letters, cut = _newest(filters, limit)
    empty = "There is no such open dead letter: nothing to dismiss."
    output.rows([dead_letter_view(letter) for letter in letters], _COLUMNS, as_json=as_json, empty=empty)
    if cut:
        output.note_cut(limit)
    if not yes:
        output.note(f"{len(letters)} would be dismissed. Nothing was done: add --yes to do it.")
        return
    done = output.run(
        commit_acts(settings().topics, kafka(), dismissals(letters, signed(why)), rate_per_s=_DISMISSALS_PER_S)
    )
    output.note(f"{done} dismissed.")


def _filters(
    *,
    code: str | None,
    reason: str | None,
    action: str | None,
    connection: str | None,
    key: str | None,
    command_id: str | None,
    since: str | None,
    until: str | None,
    account: str | None,
    customer: str | None,
    state: LetterState | None,
) -> Filters:
    now_ms = int(time.time() * 1000)
    return Filters(
        state=state,
        code=code,
        reason=reason,
        action=action,
        connection=connection,
        key=key,
        id=command_id,
        account=account,
        customer=customer,
        since_ms=moment_ms(since, now_ms, "--since"),
        until_ms=moment_ms(until, now_ms, "--until"),
    )


def _newest(filters: Filters, limit: int) -> tuple[list[DeadLetter], bool]:
    """The newest letters that match, and whether there are more."""
    return output.run(of_known_format(_read(filters, limit)))


async def _new(filters: Filters) -> streams.Rows:
    await require_known_format()
    async with aclosing(followed([settings().topics.dead_letter], kafka(), filters.since_ms)) as found:
        async for read in found:
            letter = dead_letter_of(read)
            if read.value is not None and filters.match(letter):
                yield dead_letter_view(letter)


async def _read(filters: Filters, limit: int) -> tuple[list[DeadLetter], bool]:
    topics, client = settings().topics, kafka()
    # Read before the letters: a letter that is younger than its acts is open.
    states = await letter_states(topics, client, filters.since_ms)
    wanted = Wanted(
        keep=lambda read: filters.match(dead_letter_of(read, states)), limit=limit, since_ms=filters.since_ms
    )
    page: Page = output.noted(await newest(topics.dead_letter, client, wanted))
    return [dead_letter_of(read, states) for read in page.records], page.cut


COMMANDS = (Entry(name="dead-letters", does=app, panel=Panel.LOOK, place=2),)

"""`stripeline runs retry` and `runs cancel`: what would happen to each run, and then the acts. Masks client secrets."""

from typing import Annotated

import typer

from stripeline.deploy.cli.terminal import output
from stripeline.deploy.cli.terminal import run_options as options
from stripeline.deploy.cli.terminal.acting_user import require_reason, signed
from stripeline.deploy.cli.terminal.format_check import of_known_format
from stripeline.deploy.cli.terminal.list_layout import Column, Fit
from stripeline.deploy.cli.terminal.options import kafka, settings
from stripeline.deploy.cli.terminal.times import Since, Until
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.acts import run_prospects
from stripeline.deploy.operations.acts.audit import commit_acts
from stripeline.deploy.operations.acts.run_prospects import FoundRun, Plan
from stripeline.deploy.operations.reading.run_filters import RunFilters
from stripeline.deploy.operations.reading.topic_reader import Page, Read, Wanted, newest
from stripeline.deploy.operations.reading.views import run_of
from stripeline.workers.kafka.control_table import read_all

_COLUMNS = (
    Column("run", 0),
    Column("status", 2),
    Column("step", 4),
    Column("code", 3),
    Column("would", 1, Fit.WRAPPED),
)

_NO_REASON = "Nothing was done: --why needs a reason, which is recorded with your user name."
Run = Annotated[
    str | None, typer.Argument(metavar="[RUN]", help="A run id, as `runs list` shows it; default: by the filters.")
]
Why = Annotated[str, typer.Option(help="The reason. It is recorded with your user name.")]
Rate = Annotated[float, typer.Option(min=0.01, max=10_000, help="The maximum number of runs per second.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it. Without it, only show what would happen.")]


def retry(
    run_id: Run = None,
    *,
    workflow: options.Workflow = None,
    event: options.Event = None,
    connection: options.Connection = None,
    account: options.Account = None,
    customer: options.Customer = None,
    code: options.Code = None,
    since: Since = None,
    until: Until = None,
    as_started: Annotated[
        bool, typer.Option("--as-started", help="With the steps that the run started with, not the workflow's own.")
    ] = False,
    limit: output.Limit = 50,
    rate: Rate = 20.0,
    why: Why = "",
    yes: Yes = False,
    as_json: output.Json = False,
) -> None:
    """Retry stopped runs: each begins the step at which it stopped again, as a new command.

    Takes a run, or the filters of `list`, and shows what would happen to each; --yes does it. Steps that succeeded are
    not done again. The workflow is taken as it is now, if the steps that succeeded are still its first ones; else use
    --as-started. A command that may have been done is not retried: replay its dead letter, which looks it up at Stripe.

    The executor begins the new command only if the former one has failed, and never does the former one afterwards.
    So a retry, a replay and a webhook in any order have one effect. An act that was cut short can be sent again.

    ```
    stripeline runs retry evt_1Abc:thank-big-spenders --why "the e-mail's expression is corrected"
    stripeline runs retry --code PAYMENT_REQUIRED --since 2h --why "the card is renewed" --limit 1000 --yes
    ```
    """
    filters = options.run_filters(
        status="stopped", workflow=workflow, event=event, connection=connection, account=account, customer=customer,
        code=code, since=since, until=until,
    )  # fmt: skip
    if yes:
        require_reason(why, _NO_REASON)
    definitions = output.run(read_all(settings().topics.control, kafka()))
    plan = run_prospects.retry_plan(definitions, as_started=as_started)
    _act(plan, _found(run_id, filters, limit), why=why, yes=yes, rate=rate, as_json=as_json, done="retried")


def cancel(
    run_id: Run = None,
    *,
    status: options.Status = None,
    workflow: options.Workflow = None,
    event: options.Event = None,
    connection: options.Connection = None,
    account: options.Account = None,
    customer: options.Customer = None,
    code: options.Code = None,
    since: Since = None,
    until: Until = None,
    limit: output.Limit = 50,
    rate: Rate = 20.0,
    why: Why = "",
    yes: Yes = False,
    as_json: output.Json = False,
) -> None:
    """Cancel runs that run or have stopped: each gets no more steps, and is not taken on by a later result.

    Takes a run, or the filters of `list`, and shows what would happen to each; --yes does it. A command that waits and
    was never attempted ends with the code CANCELLED. Any other ends as it ends, and the run shows how.

    ```
    stripeline runs cancel evt_1Abc:thank-big-spenders --why "thanked by phone" --yes
    ```
    """
    filters = options.run_filters(
        status=status, workflow=workflow, event=event, connection=connection, account=account, customer=customer,
        code=code, since=since, until=until,
    )  # fmt: skip
    if yes:
        require_reason(why, _NO_REASON)
    page = _found(run_id, filters, limit)
    _act(run_prospects.cancel_plan, page, why=why, yes=yes, rate=rate, as_json=as_json, done="cancelled")


def _found(run_id: str | None, filters: RunFilters, limit: int) -> Page:
    def keep(read: Read) -> bool:
        run = run_of(read)
        return run is not None and (run.run_id == run_id if run_id is not None else filters.match(run))

    wanted = Wanted(keep=keep, limit=limit, per_key=True)
    page = output.noted(output.run(of_known_format(newest(settings().topics.run, kafka(), wanted))))
    if run_id is not None and not page.records:
        raise FailureError(f"There is no run {run_id!r}. `stripeline runs list` lists those that are there.")
    if page.cut:
        output.note_cut(limit)
    return page


def _act(plan: Plan, page: Page, *, why: str, yes: bool, rate: float, as_json: bool, done: str) -> None:
    act = signed(why)
    found = [FoundRun(run=run, partition=read.partition) for read in page.records if (run := run_of(read)) is not None]
    prospects = [plan(one, act) for one in found]
    rows = [run_prospects.view(one) for one in prospects]
    output.rows(rows, _COLUMNS, as_json=as_json, empty="There is no such run.")
    acts = run_prospects.acts_of(settings().topics, prospects, act)
    if not yes:
        output.note(f"{len(acts)} would be {done}. Nothing was done: add --yes to do it.")
    elif acts:
        count = output.run(commit_acts(settings().topics, kafka(), acts, rate_per_s=rate))
        output.note(f"{count} asked for: `stripeline runs list` shows what becomes of them.")
    if not acts and found:
        raise typer.Exit(1)

"""`stripeline runs`: list and show runs, step by step; retry and cancel them. Masks client secrets."""

import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Annotated, Any

import typer

from stripeline.contracts.definitions import Definitions
from stripeline.contracts.internal_records import Run
from stripeline.deploy.cli.acts import run_acts, started_runs
from stripeline.deploy.cli.registry import Entry, Panel
from stripeline.deploy.cli.terminal import output, streams
from stripeline.deploy.cli.terminal import run_options as options
from stripeline.deploy.cli.terminal.format_check import of_known_format, require_known_format
from stripeline.deploy.cli.terminal.list_layout import Column
from stripeline.deploy.cli.terminal.options import kafka, settings
from stripeline.deploy.cli.terminal.search_progress import search_progress
from stripeline.deploy.cli.terminal.times import Since, Until
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.reading.command_history import waiting_command
from stripeline.deploy.operations.reading.command_views import waiting_view
from stripeline.deploy.operations.reading.run_filters import RunFilters
from stripeline.deploy.operations.reading.topic_follow import follow as followed
from stripeline.deploy.operations.reading.topic_reader import Page, Read, Wanted, newest
from stripeline.deploy.operations.reading.views import run_of, run_view
from stripeline.workers.kafka.control_table import read_all

app = typer.Typer(help="List and show runs, step by step; retry and cancel them.", no_args_is_help=True)
app.command("retry")(run_acts.retry)
app.command("cancel")(run_acts.cancel)
app.command("start")(started_runs.start)
app.command("erase")(started_runs.erase)

_COLUMNS = (
    Column("run", 0),
    Column("event_type", 5),
    Column("status", 1),
    Column("account", 6),
    Column("step", 2),
    Column("error", 3),
    Column("started_at", 4),
    Column("finished_at", 7),
)


@app.command("list")
def list_runs(
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
    follow: output.Follow = False,
    limit: output.Limit = 50,
    as_json: output.Json = False,
) -> None:
    """List the newest runs. A stopped run shows its step and error.

    --since and --until are about when a run started. --follow shows each change of a run that matches as it comes, from
    now or from --since on, until Ctrl-C (exit code 130); with --json one object a line.

    ```
    stripeline runs list --status stopped --since 2h
    stripeline runs list --follow --connection acme
    ```
    """
    filters = options.run_filters(
        status=status, workflow=workflow, event=event, connection=connection, account=account, customer=customer,
        code=code, since=since, until=until,
    )  # fmt: skip
    if follow:
        streams.stream(_changes(filters), _COLUMNS, as_json=as_json)
        return
    page = _newest(lambda read: (run := run_of(read)) is not None and filters.match(run), limit, filters.since_ms)
    views = [run_view(run) for read in page.records if (run := run_of(read)) is not None]
    views.sort(key=lambda view: str(view["started_at"]), reverse=True)
    output.rows(views, _COLUMNS, as_json=as_json, empty="There is no such run.")
    if page.cut:
        output.note_cut(limit)


async def _changes(filters: RunFilters) -> streams.Rows:
    await require_known_format()
    async with aclosing(followed([settings().topics.run], kafka(), filters.since_ms)) as found:
        async for read in found:
            if (run := run_of(read)) is not None and filters.match(run):
                yield run_view(run)


@app.command("show")
def show(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="A run id, as shown by `runs list`.")],
    *,
    as_json: output.Json = False,
) -> None:
    """Show one run: each step with its command and its output or error.

    A step whose command waits says in `waits` how often it was attempted, its last error, when it is due, and what it
    waits for.
    """
    page = _newest(lambda read: read.key == run_id.encode(), 1)
    found = next(((run, read.partition) for read in page.records if (run := run_of(read)) is not None), None)
    if found is None:
        raise FailureError(f"There is no run {run_id!r}. `stripeline runs list` lists those that are there.")
    run, partition = found
    waits = output.run(_waits(run, partition))
    view = run_view(run)
    steps = [{**step, "waits": waits.get(step["command_id"])} for step in view["steps"]]
    output.details({**view, "steps": steps}, as_json=as_json)


async def _waits(run: Run, partition: int) -> Mapping[str, Any]:
    """What the command of each step that runs waits for, by its id: those of a run are on its partition number."""
    topics = settings().topics
    running = [step.command_id for step in run.steps if step.status == "running"]
    waiting = [one for id_ in running if (one := await waiting_command(topics, kafka(), id_, {partition})) is not None]
    stored = await read_all(topics.control, kafka()) if waiting else Definitions()
    now_ms = int(time.time() * 1000)
    return {one.command.command_id: waiting_view(topics, one, stored, now_ms) for one in waiting}


def _newest(keep: Callable[[Read], bool], limit: int, since_ms: int | None = None) -> Page:
    """A run's newest record is never older than its start, so `since_ms` bounds how far back is read."""
    wanted = Wanted(keep=keep, limit=limit, since_ms=since_ms, per_key=True)
    with search_progress() as watch:
        return output.noted(output.run(of_known_format(newest(settings().topics.run, kafka(), wanted, watch))))


COMMANDS = (Entry(name="runs", does=app, panel=Panel.LOOK, place=1),)

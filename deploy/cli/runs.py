"""`stripeline runs`: list and show runs, step by step. Masks client secrets."""

from collections.abc import Callable
from typing import Annotated, Literal

import typer

from stripeline.deploy.cli.registry import Entry, Panel
from stripeline.deploy.cli.terminal import output
from stripeline.deploy.cli.terminal.list_layout import Column
from stripeline.deploy.cli.terminal.options import kafka, settings
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.reading.run_filters import RunFilters
from stripeline.deploy.operations.reading.topic_reader import Page, Read, Wanted, newest
from stripeline.deploy.operations.reading.views import run_of, run_view

app = typer.Typer(help="List and show runs, step by step.", no_args_is_help=True)

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
Status = Literal["running", "succeeded", "stopped", "cancelled"]


@app.command("list")
def list_runs(
    *,
    status: Annotated[Status | None, typer.Option(help="Only runs with this status.")] = None,
    workflow: Annotated[str | None, typer.Option(help="Only runs of this workflow.")] = None,
    event: Annotated[str | None, typer.Option(help="Only runs of this event, evt_….")] = None,
    limit: output.Limit = 50,
    as_json: output.Json = False,
) -> None:
    """List the newest runs. A stopped run shows its step and error."""
    filters = RunFilters(status=status, workflow=workflow, event=event)
    page = _newest(lambda read: (run := run_of(read)) is not None and filters.match(run), limit)
    views = [run_view(run) for read in page.records if (run := run_of(read)) is not None]
    views.sort(key=lambda view: str(view["started_at"]), reverse=True)
    output.rows(views, _COLUMNS, as_json=as_json, empty="There is no such run.")
    if page.cut:
        output.note_cut(limit)


@app.command("show")
def show(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="A run id, as shown by `runs list`.")],
    *,
    as_json: output.Json = False,
) -> None:
    """Show one run: each step with its command and its output or error."""
    page = _newest(lambda read: read.key == run_id.encode(), 1)
    run = next((run for read in page.records if (run := run_of(read)) is not None), None)
    if run is None:
        raise FailureError(f"There is no run {run_id!r}. `stripeline runs list` lists those that are there.")
    output.details(run_view(run), as_json=as_json)


def _newest(keep: Callable[[Read], bool], limit: int) -> Page:
    topic = settings().topics.run
    return output.noted(output.run(newest(topic, kafka(), Wanted(keep=keep, limit=limit, per_key=True))))


COMMANDS = (Entry(name="runs", does=app, panel=Panel.LOOK, place=1),)

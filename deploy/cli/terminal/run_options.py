"""The options that say which runs: those of `runs list`, and of every act on many runs."""

import time
from typing import Annotated, Literal

import typer

from stripeline.deploy.cli.terminal.times import moment_ms
from stripeline.deploy.operations.reading.run_filters import RunFilters

Status = Annotated[
    Literal["running", "succeeded", "stopped", "cancelled"] | None, typer.Option(help="Only runs with this status.")
]
Workflow = Annotated[str | None, typer.Option(help="Only runs of this workflow.")]
Event = Annotated[str | None, typer.Option(help="Only runs of this event, evt_….")]
Connection = Annotated[str | None, typer.Option(help="Only runs whose trigger has this connection.")]
Account = Annotated[str | None, typer.Option(help="Only runs of events of this connected account, acct_….")]
Customer = Annotated[
    str | None,
    typer.Option(help="Only runs about this customer, cus_…: of an event, or made or found by a step."),
]
Code = Annotated[str | None, typer.Option(help="Only runs that stopped with this code: PAYMENT_REQUIRED, …")]


def run_filters(
    *,
    status: str | None = None,
    workflow: str | None = None,
    event: str | None = None,
    connection: str | None = None,
    account: str | None = None,
    customer: str | None = None,
    code: str | None = None,
    since: str | None = None,
    until: str | None = None,
) -> RunFilters:
    """Raises BadParameter for a time that is none."""
    now_ms = int(time.time() * 1000)
    return RunFilters(
        status=status, workflow=workflow, event=event, connection=connection, account=account, customer=customer,
        code=code, since_ms=moment_ms(since, now_ms, "--since"), until_ms=moment_ms(until, now_ms, "--until"),
    )  # fmt: skip

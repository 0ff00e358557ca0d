"""`stripeline events`: list, show and follow the events on the topics, with personal data masked.

`--unmask` shows it to a person who says why, and is recorded on the audit topic first.
"""

import time
from collections.abc import Sequence
from contextlib import aclosing
from typing import Annotated

import typer

from stripeline.deploy.cli.registry import Entry, Panel
from stripeline.deploy.cli.terminal import output, streams
from stripeline.deploy.cli.terminal.format_check import of_known_format, require_known_format
from stripeline.deploy.cli.terminal.list_layout import Column
from stripeline.deploy.cli.terminal.options import kafka, settings
from stripeline.deploy.cli.terminal.search_progress import search_progress
from stripeline.deploy.cli.terminal.times import Since, Until, moment_ms
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.reading.event_filters import EventFilters
from stripeline.deploy.operations.reading.event_views import event_view
from stripeline.deploy.operations.reading.topic_follow import follow
from stripeline.deploy.operations.reading.topic_reader import Page, Wanted, newest

app = typer.Typer(help="List, show and follow the events on the topics. Masks personal data.", no_args_is_help=True)

Type = Annotated[
    list[str] | None, typer.Option("--type", help="Only this type, such as payment_intent.* or *. Repeatable.")
]
Trigger = Annotated[str | None, typer.Option(help="Only events that came in by this trigger.")]
Connection = Annotated[str | None, typer.Option(help="Only events of this connection's triggers.")]
Account = Annotated[str | None, typer.Option(help="Only events of this connected account, acct_….")]
Object = Annotated[
    str | None,
    typer.Option("--object", help="Only events about this object, pi_…, ch_…; also what they are ordered by."),
]
Customer = Annotated[str | None, typer.Option(help="Only events about this customer, cus_…, or an object of theirs.")]
Unmask = Annotated[
    bool, typer.Option("--unmask", help="Show personal data. Needs --why, and is recorded on the audit topic.")
]
Why = Annotated[str, typer.Option(help="The reason for --unmask. It is recorded with your user name.")]
_COLUMNS = (
    Column("event", 0),
    Column("type", 1),
    Column("object", 2),
    Column("trigger", 4),
    Column("account", 5),
    Column("received_at", 3),
)


@app.command("list")
def list_events(
    *,
    types: Type = None,
    trigger: Trigger = None,
    connection: Connection = None,
    account: Account = None,
    object_id: Object = None,
    customer: Customer = None,
    since: Since = None,
    until: Until = None,
    limit: output.Limit = 50,
    unmask: Unmask = False,
    why: Why = "",
    as_json: output.Json = False,
) -> None:
    """List the newest events on the topics, which keep them for seven days.

    --json has the payload of each, with what the contract tags as sensitive masked.

    ```
    stripeline events list --type 'payment_intent.*' --since 2h
    stripeline events list --object pi_3SQhAb --json
    ```
    """
    filters = _filters(None, types, trigger, connection, account, object_id, customer, since, until)
    _record(filters, why, unmask=unmask)
    page = _newest(filters, limit)
    views = [event_view(read, unmask=unmask) for read in page.records]
    output.rows(views, _COLUMNS, as_json=as_json, empty="There is no such event on the topics.")
    if page.cut:
        output.note_cut(limit)


@app.command("show")
def show(
    event_id: Annotated[str, typer.Argument(metavar="EVENT", help="An event id, evt_…, as shown by `events list`.")],
    *,
    unmask: Unmask = False,
    why: Why = "",
    as_json: output.Json = False,
) -> None:
    """Show one event with its payload, masked where the contract says so.

    ```
    stripeline events show evt_3SQhAb
    stripeline events show evt_3SQhAb --unmask --why "ticket 4711: the customer asks which address we have"
    ```
    """
    filters = EventFilters(id=event_id)
    _record(filters, why, unmask=unmask)
    page = _newest(filters, 1)
    if not page.records:
        raise FailureError(
            f"There is no event {event_id!r} on the topics, which keep events for seven days. `stripeline events list`"
            " lists the newest."
        )
    output.details(event_view(page.records[0], unmask=unmask), as_json=as_json)


@app.command("tail")
def tail(
    *,
    types: Type = None,
    trigger: Trigger = None,
    connection: Connection = None,
    account: Account = None,
    object_id: Object = None,
    customer: Customer = None,
    since: Since = None,
    unmask: Unmask = False,
    why: Why = "",
    as_json: output.Json = False,
) -> None:
    """Follow the events live, one line each, until Ctrl-C (exit code 130). With --json, one object a line.

    Begins now, or at --since.

    ```
    stripeline events tail --type 'charge.*'
    stripeline events tail --since 10m --json | jq .object
    ```
    """
    filters = _filters(None, types, trigger, connection, account, object_id, customer, since, None)
    _record(filters, why, unmask=unmask)
    streams.stream(_followed(filters, unmask=unmask), _COLUMNS, as_json=as_json)


async def _followed(filters: EventFilters, *, unmask: bool) -> streams.Rows:
    await require_known_format()
    async with aclosing(follow(filters.topics(settings().topics), kafka(), filters.since_ms)) as found:
        async for read in found:
            if filters.match(read):
                yield event_view(read, unmask=unmask)


def _record(filters: EventFilters, why: str, *, unmask: bool) -> None:
    """On the audit topic, before anything is shown. Raises FailureError without a reason."""
    if not unmask:
        return
    from stripeline.deploy.cli.terminal.acting_user import require_reason, signed  # noqa: PLC0415
    from stripeline.deploy.operations.acts.unmasking import record_unmasking  # noqa: PLC0415  (only --unmask writes)

    require_reason(why, "Nothing was shown: --unmask needs --why, which is recorded for those who ask later.")
    output.run(record_unmasking(settings().topics, kafka(), signed(why), filters.words()))


def _filters(
    event_id: str | None,
    types: Sequence[str] | None,
    trigger: str | None,
    connection: str | None,
    account: str | None,
    object_id: str | None,
    customer: str | None,
    since: str | None,
    until: str | None,
) -> EventFilters:
    now_ms = int(time.time() * 1000)
    found = EventFilters(
        id=event_id, types=tuple(types or ()), trigger=trigger, connection=connection, account=account,
        object_id=object_id, customer=customer, since_ms=moment_ms(since, now_ms, "--since"),
        until_ms=moment_ms(until, now_ms, "--until"),
    )  # fmt: skip
    if not found.topics(settings().topics):
        wrong = ", ".join(found.types)
        raise typer.BadParameter(
            f"{wrong} is on none of the topics: they have payment_intent.*, charge.* and customer.*",
            param_hint="--type",
        )
    return found


def _newest(filters: EventFilters, limit: int) -> Page:
    wanted = Wanted(keep=filters.match, limit=limit, since_ms=filters.since_ms)
    with search_progress() as watch:
        found = newest(filters.topics(settings().topics), kafka(), wanted, watch)
        return output.noted(output.run(of_known_format(found)))


COMMANDS = (Entry(name="events", does=app, panel=Panel.LOOK, place=3),)

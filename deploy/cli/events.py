"""`stripeline events`: list, show and follow the events on the topics, and find those that never came.

Personal data is masked: `--unmask` shows it to a person who says why, and is recorded on the audit topic first.
"""

import time
from collections.abc import Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated

import typer

from stripeline.deploy.cli.acts.remade_events import remake
from stripeline.deploy.cli.registry import Entry, Panel
from stripeline.deploy.cli.terminal import output, streams
from stripeline.deploy.cli.terminal.format_check import of_known_format, require_known_format
from stripeline.deploy.cli.terminal.list_layout import Column
from stripeline.deploy.cli.terminal.options import kafka, repeated, settings
from stripeline.deploy.cli.terminal.search_progress import search_progress
from stripeline.deploy.cli.terminal.times import Since, Until, moment_ms
from stripeline.deploy.cli.terminal.unmade_notices import show_notices
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.reading.event_filters import EventFilters
from stripeline.deploy.operations.reading.event_views import event_view
from stripeline.deploy.operations.reading.topic_follow import follow
from stripeline.deploy.operations.reading.topic_reader import Page, Wanted, newest

if TYPE_CHECKING:
    from stripeline.deploy.operations.acts.audit import Signed

app = typer.Typer(help="List, show and follow events, and find those that never came.", no_args_is_help=True)

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

_MISSED = (
    Column("event", 0),
    Column("type", 1),
    Column("object", 3),
    Column("trigger", 4),
    Column("account", 5),
    Column("created", 2),
)
From = Annotated[str, typer.Option("--since", help="Created since: 2026-01-31T12:00:00Z, or 2d for two days ago.")]
To = Annotated[
    str | None, typer.Option("--until", help="Created until. Default: 15 minutes ago; what is younger may yet come.")
]
Of = Annotated[str | None, typer.Option("--connection", help="Only events of this connection's triggers.")]
Backfilled = Annotated[bool, typer.Option("--yes", help="Publish. Without it, only show what is missing.")]
WhyBackfill = Annotated[str, typer.Option("--why", help="The reason. It is recorded with your user name.")]


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


@app.command("missing")
def missing(
    *, since: From, until: To = None, connection: Of = None, limit: output.Limit = 50, as_json: output.Json = False
) -> None:
    """List events that Stripe made and that never came: in Stripe's list, and not on the topics.

    Asks Stripe with the connections' keys, at a tenth of their rate, and needs the master key. Stripe lists 30 days.
    The executor does the same by itself, half an hour and three days after the events, and publishes what it finds.
    Exit code 1: some are missing, or a connection could not be compared; such connections are named at the end.

    ```
    stripeline events missing --since 2d
    stripeline events missing --since 2026-11-01T00:00:00Z --until 2d --connection acme --json
    ```
    """
    found = _missed(since, until, connection, limit, None, as_json=as_json)
    if found:
        output.note(f"{found:,} missing. `stripeline events backfill --since {since}{repeated()}` publishes them.")
        raise typer.Exit(1)


@app.command("backfill")
def backfill(
    *,
    since: From,
    until: To = None,
    connection: Of = None,
    limit: output.Limit = 50,
    why: WhyBackfill = "",
    yes: Backfilled = False,
    as_json: output.Json = False,
) -> None:
    """Publish events that Stripe made and that never came, the oldest first, and list them.

    Each goes where its delivery would have gone, with the headers stripeline-source: backfill and stripeline-late-by;
    a workflow's `late` says what it does with such an event. It stands behind newer events of its object. Where the
    delivery comes after all, its run is the same.

    Without --yes nothing is published. Look at the list first: an event that an endpoint was never meant to send, since
    it has other types or is newer than the event, is missing too.

    ```
    stripeline events backfill --since 4d
    stripeline events backfill --since 4d --why "the endpoint was disabled over the weekend" --yes
    ```
    """
    from stripeline.deploy.cli.terminal.acting_user import require_reason, signed  # noqa: PLC0415  (only --yes writes)

    if yes:
        require_reason(why, "Nothing was published: --why needs a reason, for those who ask later.")
    found = _missed(since, until, connection, limit, signed(why) if yes else None, as_json=as_json)
    done = "published" if yes else "would be published. Nothing was done: add --yes to do it"
    output.note(f"{found:,} {done}.")


@app.command("unmade")
def unmade(*, since: Since = None, until: Until = None, limit: output.Limit = 50, as_json: output.Json = False) -> None:
    """List Stripe's notices that it failed to make events.

    Such an event was never sent, and no list has it; but the notice names its object, and `events remake` publishes
    that. The notices come to triggers with `payload: thin` or `both`, and are kept for 30 days.

    ```
    stripeline events unmade --since 2d
    ```
    """
    show_notices(since, until, limit, as_json=as_json)


def _missed(
    since: str, until: str | None, connection: str | None, limit: int, act: "Signed | None", *, as_json: bool
) -> int:
    """How many events are missing. Shows them, and publishes them where somebody signs."""
    from stripeline.deploy.stripe_side.sweeps.missed_search import MissedSearch, missed_range  # noqa: PLC0415

    now_ms = int(time.time() * 1000)
    wanted = missed_range(moment_ms(since, now_ms, "--since"), moment_ms(until, now_ms, "--until"), now_ms)
    found = output.run(MissedSearch(settings(), kafka(), wanted, connection, limit).all(output.note, act))
    output.rows(found.rows, _MISSED, as_json=as_json, empty="No event is missing.")
    if found.count > len(found.rows):
        output.note(f"Only the first {limit:,} are shown: ask for more with --limit.")
    found.require_all()
    return found.count


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


app.command("remake")(remake)
COMMANDS = (Entry(name="events", does=app, panel=Panel.LOOK, place=3),)

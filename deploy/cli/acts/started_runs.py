"""`stripeline runs start` and `runs erase`: the runs of events that started none, and what runs know of a person."""

import time
from collections import Counter
from contextlib import aclosing
from typing import Annotated, Final

import typer

from stripeline.deploy.cli.terminal import output
from stripeline.deploy.cli.terminal.acting_user import require_reason, signed
from stripeline.deploy.cli.terminal.format_check import of_known_format
from stripeline.deploy.cli.terminal.list_layout import Column, Fit
from stripeline.deploy.cli.terminal.options import kafka, settings
from stripeline.deploy.cli.terminal.times import Since, Until, moment_ms
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.acts import erasures, run_starts
from stripeline.deploy.operations.acts.audit import commit_acts
from stripeline.deploy.operations.acts.erasures import Erasure
from stripeline.deploy.operations.acts.run_starts import StartCandidate, StartPlan
from stripeline.deploy.operations.reading.event_ranges import (
    CLOCKS_APART_MS,
    event_range,
    event_records,
    event_topic,
    events_in,
    known_runs,
)
from stripeline.deploy.operations.reading.topic_reader import Wanted, newest
from stripeline.deploy.operations.reading.views import run_of
from stripeline.workers.kafka.control_table import read_all

Rate = Annotated[float, typer.Option(min=0.01, max=1_000, help="The maximum number per second.")]
Why = Annotated[str, typer.Option(help="The reason. It is recorded with your user name.")]
_DELIVERIES: Final = 1_000
_START_COLUMNS = (
    Column("run", 0),
    Column("event_type", 3),
    Column("at", 2),
    Column("start", 1, Fit.SHORTENED),
)
_ERASE_COLUMNS = (
    Column("run", 0),
    Column("status", 2),
    Column("started_at", 3),
    Column("erase", 1, Fit.SHORTENED),
)


def start(
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help="Its name.")],
    *,
    event: Annotated[str | None, typer.Option(help="Only this event, evt_….")] = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="The maximum number to start, oldest first.")] = 50,
    rate: Rate = 20.0,
    why: Why = "",
    yes: Annotated[bool, typer.Option("--yes", help="Start. Without it, only show what would start.")] = False,
    as_json: output.Json = False,
) -> None:
    """Start the runs of events that started none: of a workflow that was paused, or that is newer than its events.

    Reads the topic of the workflow's trigger and shows what each event of its types would do, as the workflow is now;
    --yes starts the runs. An event that has its run is left alone, so the command can be run again. Our own effects,
    refusals of `where` and the rule for late events count as when they come; --event starts a late event's run.

    The runs of a live workflow start beside those of new events: no order is promised. `stripeline resume workflow NAME
    --take-up` keeps the order of a key.

    ```
    stripeline runs start thank-big-spenders --event evt_1PgafmB7WZ01zgkW6dKueIc5
    stripeline runs start thank-big-spenders --since 2h --why "was paused" --yes
    ```
    """
    if (event is None) == (since is None):
        raise typer.BadParameter("give --event or --since, and not both", param_hint="--event, --since")
    if yes:
        require_reason(why, "Nothing was started: --why needs a reason, for those who ask later.")
    now_ms = int(time.time() * 1000)
    since_ms, until_ms = moment_ms(since, now_ms, "--since"), moment_ms(until, now_ms, "--until")
    plan, found, tally = output.run(_candidates(workflow, event, since_ms, until_ms, limit, now_ms))
    starting = [one for one in found if one.starts]
    if event is not None and not found:
        raise FailureError(_no_event(plan, event))
    views = [run_starts.view(one) for one in found]
    output.rows(views, _START_COLUMNS, as_json=as_json, empty="There is no such event.")
    for fate, count in sorted(tally.items()):
        output.note(f"{count}: {fate}")
    if tally.total() > len(found) or tally.total() == limit:
        output.note(f"At most {limit} are started at a time, oldest first: run it again for more, or use --limit.")
    if not yes:
        output.note(f"{len(starting)} would start, in no promised order beside new events. Add --yes to start them.")
        return
    acts = run_starts.acts(settings().topics, plan, starting, signed(why))
    done = output.run(commit_acts(settings().topics, kafka(), acts, rate_per_s=rate))
    output.note(
        f"{done} asked for. `stripeline runs list --workflow {workflow}` shows them once a router has taken them."
    )


async def _candidates(
    workflow: str, event: str | None, since_ms: int | None, until_ms: int | None, limit: int, now_ms: int
) -> tuple[StartPlan, list[StartCandidate], Counter[str]]:
    """The events to show, oldest first, those that start at most `limit`; and how many have each fate."""
    topics, client = settings().topics, kafka()
    stored = await read_all(topics.control, client)
    plan = run_starts.plan_for(topics, stored, workflow, late_rule=event is None)
    topic = event_topic(topics, stored, workflow)
    found: list[StartCandidate] = []
    tally: Counter[str] = Counter()
    if event is not None:
        reads = await event_records(topic, client, event, _DELIVERIES)
        oldest_ms = min((read.at_ms for read in reads), default=now_ms)
        known = await known_runs(topics, client, workflow, oldest_ms - CLOCKS_APART_MS)
        found += run_starts.candidates(plan, reads, known, now_ms)
        return plan, found[:limit], Counter(one.fate for one in found)
    known = await known_runs(topics, client, workflow, since_ms or 0)
    chosen = await event_range(topic, client, since_ms or 0, until_ms)
    async with aclosing(events_in(chosen, client)) as chunks:
        async for reads in chunks:
            for one in run_starts.candidates(plan, reads, known, now_ms):
                if one.starts:
                    known.add(one.run)  # a second delivery of it
                tally[one.fate] += 1
                if tally[one.fate] <= limit:
                    found.append(one)
            if sum(one.starts for one in found) >= limit:
                break
    found.sort(key=lambda one: (one.read.at_ms, one.read.offset))
    return plan, found, tally


def _no_event(plan: StartPlan, event: str) -> str:
    return (
        f"There is no event {event!r} of the trigger {plan.workflow.trigger} and the types of {plan.name}. It may be"
        " older than its topic keeps events; Stripe sends it again from the dashboard, or with `stripe events resend`."
    )


def erase(
    *,
    customer: Annotated[str | None, typer.Option(help="Runs about this customer, cus_….")] = None,
    event: Annotated[str | None, typer.Option(help="Runs of this event, evt_….")] = None,
    limit: output.Limit = 1_000,
    rate: Rate = 20.0,
    why: Why = "",
    yes: Annotated[bool, typer.Option("--yes", help="Erase. Without it, only show which.")] = False,
    as_json: output.Json = False,
) -> None:
    """Erase what runs keep of a person: events, inputs, outputs, and the texts of errors. Not undone by anything.

    Ids, states, codes and times stay, so that no event starts its run again. An erased run can't be retried. A run that
    runs is refused: cancel it first. Give no personal data as the reason: it is kept for a year.

    The topics of events, commands, results and dead letters can't be changed: docs/personal-data.md says how long they
    keep what, and the settings that shorten it.

    ```
    stripeline runs erase --customer cus_NffrFeUfNV2Hib --why "ticket 4711" --yes
    ```
    """
    if (customer is None) == (event is None):
        raise typer.BadParameter("give --customer or --event, and not both", param_hint="--customer, --event")
    if yes:
        require_reason(why, "Nothing was erased: --why needs a reason, for those who ask later.")
    found, cut = output.run(of_known_format(_erasures(customer, event, limit)))
    erasing = [one for one in found if one.erases]
    output.rows([erasures.view(one) for one in found], _ERASE_COLUMNS, as_json=as_json, empty="There is no such run.")
    if cut:
        output.note_cut(limit)
    if not yes:
        output.note(f"{len(erasing)} would be erased. Nothing was done: add --yes to do it.")
        return
    topics = settings().topics
    done = output.run(commit_acts(topics, kafka(), erasures.acts(topics, erasing, signed(why)), rate_per_s=rate))
    output.note(f"{done} asked for. Earlier states of a run are gone once Kafka has compacted {topics.run}.")


async def _erasures(customer: str | None, event: str | None, limit: int) -> tuple[list[Erasure], bool]:
    page = await newest(
        settings().topics.run, kafka(), Wanted(
            keep=lambda read: (run := run_of(read)) is not None and erasures.about(run, customer=customer, event=event),
            limit=limit, per_key=True,
        ),
    )  # fmt: skip
    output.noted(page)
    found = [(run_of(read), read.partition) for read in page.records]
    return [Erasure(run=run, partition=partition) for run, partition in found if run is not None], page.cut

"""Every question that the pages ask of the console's index, as they ask it: for measurements, and for query plans."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, Table, select

from stripeline.deploy.console.index import tables
from stripeline.deploy.console.index.queries import (
    audit,
    commands,
    connections,
    events,
    letters,
    runs,
    search,
    status_counts,
    tallies,
    workflows,
)
from stripeline.deploy.operations.reading.run_filters import RunFilters
from stripeline.deploy.operations.reading.views import Filters
from tests.support.many_runs import event_id, run_id

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
Query = Callable[[Connection], Any]
LetterState: Any = "open"


def page_queries(now_ms: int, number: int, from_ms: int) -> Mapping[str, Query]:
    """By name, as of now; about the run of a number, which started at about `from_ms`."""
    run = lambda **given: runs.RunQuestion(filters=RunFilters(**given))  # noqa: E731
    cmd = commands.CommandFilters
    after = f"{from_ms}~{run_id(number)}"
    of_command = f"{run_id(number)}:deposit"
    minute = now_ms // 60_000
    return {
        "runs: newest": runs.newest_runs(run()),
        "runs: newest, from the middle": runs.newest_runs(run(), after=after),
        "runs: stopped": runs.newest_runs(run(status="stopped")),
        "runs: a workflow": runs.newest_runs(run(workflow="workflow-3")),
        "runs: a workflow, stopped": runs.newest_runs(run(workflow="workflow-7", status="stopped")),
        "runs: a connection": runs.newest_runs(run(connection="team-4")),
        "runs: an account without runs": runs.newest_runs(run(account="acct_1None")),
        "runs: a type": runs.newest_runs(runs.RunQuestion(filters=RunFilters(), event_type="charge.refunded")),
        "runs: a type without runs": runs.newest_runs(runs.RunQuestion(filters=RunFilters(), event_type="charge.none")),
        "runs: a trigger without runs": runs.newest_runs(runs.RunQuestion(filters=RunFilters(), trigger="none")),
        "runs: a code": runs.newest_runs(run(code="AUTH_EXPIRED")),
        "runs: a customer": runs.newest_runs(run(customer=f"cus_{number % 50_000}")),
        "runs: a day": runs.newest_runs(run(since_ms=from_ms, until_ms=from_ms + DAY_MS)),
        "runs: count by status": runs.runs_by_status(run()),
        "runs: count by status, a workflow": runs.runs_by_status(run(workflow="workflow-3")),
        "runs: count by status, a connection": runs.runs_by_status(run(connection="team-4")),
        "runs: count by status, no such account": runs.runs_by_status(run(account="acct_1None")),
        "runs: count by status, a day": runs.runs_by_status(run(since_ms=from_ms, until_ms=from_ms + DAY_MS)),
        "runs: stopped, for an act": runs.matching_runs(run(workflow="workflow-7"), ["stopped"], 10_000),
        "runs: at places": runs.runs_at([run_id(number), run_id(number + 1)]),
        "runs: newer": runs.newer_runs(run(), f"{now_ms - HOUR_MS}~x"),
        "runs: one": runs.one_run(run_id(number)),
        "runs: of an event": runs.runs_of_event(event_id(number)),
        "commands: newest": commands.newest_commands(cmd()),
        "commands: newest, from the middle": commands.newest_commands(cmd(), after=f"{from_ms}~0~x"),
        "commands: a connection, failed": commands.newest_commands(cmd(connection="team-7", status="failed")),
        "commands: an action": commands.newest_commands(cmd(action="stripe/create-customer")),
        "commands: an action without commands": commands.newest_commands(cmd(action="stripe/none")),
        "commands: a key": commands.newest_commands(cmd(key=f"pi_{number}")),
        "commands: other teams": commands.newest_commands(cmd(source="teams")),
        "commands: no such account": commands.newest_commands(cmd(account="acct_1None")),
        "commands: a code": commands.newest_commands(cmd(code="AUTH_EXPIRED")),
        "commands: count by status": commands.commands_by_status(cmd()),
        "commands: count by status, a connection": commands.commands_by_status(cmd(connection="team-4")),
        "commands: count by status, no such key": commands.commands_by_status(cmd(key="none")),
        "commands: newer": commands.newer_commands(cmd(), f"{now_ms - HOUR_MS}~0~x"),
        "commands: one": commands.one_command(number % 12, of_command),
        "commands: of a run": commands.commands_of_run(run_id(number)),
        "commands: ahead of one": _of(
            commands.newest_commands(cmd(status="succeeded")), commands.waiting_ahead, tables.command
        ),
        "commands: outcomes": commands.outcomes_of_commands(number % 12, [of_command]),
        "commands: letters": commands.letters_of_commands(number % 12, [of_command]),
        "events: newest": events.newest_events(events.EventQuestion()),
        "events: a type": events.newest_events(events.EventQuestion(type="charge.refunded")),
        "events: an object": events.newest_events(events.EventQuestion(object_id=f"pi_{number}")),
        "events: a customer": events.newest_events(events.EventQuestion(customer=f"cus_{number % 50_000}")),
        "events: newer": events.newer_events(events.EventQuestion(), f"{now_ms - HOUR_MS}~0~0~x"),
        "events: copies of one": events.copies_of_event(event_id(number)),
        "search: an event": search.having(event_id(number)),
        "search: a customer": search.having(f"cus_{number % 50_000}"),
        "search: nothing": search.having("none"),
        "connections: waiting": connections.waiting_commands(now_ms),
        "connections: oldest waiting": connections.oldest_waiting(now_ms, "team-4"),
        "connections: outcomes of an hour": connections.outcomes("team-4", now_ms - HOUR_MS),
        "connections: failures of an hour": connections.failures(now_ms - HOUR_MS),
        "connections: sent in an hour": connections.sent_since(now_ms - HOUR_MS),
        "connections: last received": connections.last_received(["acme-payments", "none"]),
        "letters: newest": letters.newest_letters(Filters()),
        "letters: open": letters.newest_letters(Filters(state=LetterState)),
        "letters: a connection": letters.newest_letters(Filters(state=LetterState, connection="team-7")),
        "letters: groups": letters.letter_groups(Filters(state=LetterState), now_ms),
        "letters: matching 1,000": letters.matching_letters(Filters(state=LetterState), 1_000),
        "letters: newer": letters.newer_letters(Filters(), f"{now_ms - HOUR_MS}~0~0"),
        "letters: at places": letters.letters_at([(number % 12, number // 12), (0, 1)]),
        "letters: acts on one": _of(letters.newest_letters(Filters()), letters.acts_on_letter, tables.letter),
        "now: open letters": status_counts.open_letters(whole=True),
        "now: stopped runs": status_counts.stopped_runs(whole=True),
        "now: first attempted": status_counts.first_attempted(),
        "now: counts of an hour": tallies.counts_of_minutes(minute - 60, minute),
        "audit: newest": audit.newest_acts(audit.ActQuestion()),
        "audit: about": audit.newest_acts(audit.ActQuestion(about="workflow thank")),
        "audit: versions": audit.versions("workflow thank", 20),
        "audit: one": audit.one_act(0, 1),
        "audit: newer": audit.newer_acts(audit.ActQuestion(), f"{now_ms - HOUR_MS}~0~0"),
        "workflows: runs of a day": workflows.runs_of(["workflow-3", "none"], now_ms - DAY_MS),
    }


def _of(first: Query, then: Callable[[Any], Query], table: Table) -> Query:
    """A question about a row that another one finds, or about any row of the table."""

    def query(db: Connection) -> Any:
        found = first(db)
        row = next(iter(getattr(found, "rows", ())), None) or db.execute(select(table).limit(1)).first()
        return then(row)(db)

    return query

"""Connections: which Stripe account is in trouble and why, first; then each with what waits, fails and is spent."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from stripeline.contracts.definition_fields import Rate
from stripeline.contracts.definitions import Connection, Definitions
from stripeline.contracts.retry_tiers import DAY_MS, HORIZON_MS
from stripeline.deploy.console.auth.identity import ConsoleRole
from stripeline.deploy.console.console_page import Answer, ConsolePage, NavigationItem, PageProblem, Question, View
from stripeline.deploy.console.definitions.connection_trouble import ConnectionFacts, lines_ms, troubles
from stripeline.deploy.console.definitions.limit_use import connection_uses
from stripeline.deploy.console.definitions.name_page import asked_page, name_page, name_values
from stripeline.deploy.console.filters import BadFilterError, FilterField, check
from stripeline.deploy.console.index.queries import connections as queries
from stripeline.deploy.console.index.queries.audit import ActQuestion, newest_acts
from stripeline.deploy.operations.status.facts import WaitingCommands

STATES: Final = ("active", "paused", "refused")
FIELDS: Final = (
    FilterField("name", "Name", help="a part of it"),
    FilterField("state", "State", STATES),
    FilterField("mode", "Mode", ("live", "test")),
    FilterField("account", "Account", rare=True),
    FilterField("owner", "Owner", rare=True),
)
MINUTE_MS: Final = 60_000
ACT_ROWS: Final = 10
WORKFLOW_ROWS: Final = 50
MOST_TROUBLES: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionRow:
    """One connection in the list. failed: commands of the last day."""

    name: str
    connection: Connection
    account: str | None
    state: str
    waiting: WaitingCommands | None
    failed: int
    line_ms: int


def states_of(stored: Definitions) -> Callable[[str], str]:
    """The state of a connection: `paused` by a person or by its limit, `refused` by Stripe, or `active`."""
    refused = stored.refusals()

    def state(name: str) -> str:
        if f"connection/{name}" in stored.pauses:
            return "paused"
        return "refused" if name in refused else "active"

    return state


def missing(name: str) -> PageProblem:
    return PageProblem(
        status=404, title="There is no such connection", words=f"No connection is named {name}.",
        back="/connections", back_to="Connections",
    )  # fmt: skip


async def facts_of(question: Question, name: str | None = None) -> ConnectionFacts:
    sources, now_ms = question.sources, question.now_ms
    stored, workers = sources.definitions(), sources.workers()
    uses = connection_uses(stored, workers)
    waiting = await sources.index.ask(queries.waiting_commands(now_ms, name))
    return ConnectionFacts(now_ms=now_ms, stored=stored, workers=workers, waiting=waiting, uses=uses)


async def connections(question: Question) -> Answer:
    try:
        check(question, FIELDS)
    except BadFilterError as error:
        return error.page("/connections", "Connections")
    known = await facts_of(question)
    state = states_of(known.stored)
    found = asked_page(question, {name: state(name) for name in _matching(question, known.stored)})
    listed = name_values(question, FIELDS, found, STATES)
    first = question.given("after") is None
    wrong = troubles(known) if first else []
    if listed["filtered"]:
        wrong = [one for one in wrong if one.connection in found.chosen]
    values = {
        **listed, "rows": await _rows(question, known, found.names, state),
        "troubles": wrong[:MOST_TROUBLES], "more_troubles": max(0, len(wrong) - MOST_TROUBLES), "first": first,
        "endpoints": len(known.stored.endpoints), "may_act": question.identity.may(ConsoleRole.OPERATOR),
    }  # fmt: skip
    return View(template="connections.html", values=values)


def _matching(question: Question, stored: Definitions) -> Iterator[str]:
    """The connections that match, whatever their state."""
    part, mode, account, owner = (question.given(field) for field in ("name", "mode", "account", "owner"))
    for name, held in stored.connections.items():
        if (
            (part or "") in name
            and mode in {None, held.mode}
            and owner in {None, held.owner}
            and (account is None or account == stored.account_of(name))
        ):
            yield name


async def _rows(
    question: Question, known: ConnectionFacts, names: Sequence[str], state: Callable[[str], str]
) -> Sequence[ConnectionRow]:  # fmt: skip
    failed = await question.sources.index.ask(queries.failures(question.now_ms - DAY_MS))
    lines = lines_ms(known.workers)
    return [
        ConnectionRow(
            name=name, connection=known.stored.connections[name], account=known.stored.account_of(name),
            state=state(name), waiting=known.waiting.get(name), failed=failed.get(name, 0), line_ms=lines.get(name, 0),
        )
        for name in names
    ]  # fmt: skip


async def connection(question: Question) -> Answer:
    name, ask, now_ms = question.path["name"], question.sources.index.ask, question.now_ms
    known = await facts_of(question, name)
    held = known.stored.connections.get(name)
    if held is None:
        return missing(name)
    stored = known.stored
    page = name_page(
        {one: each.kind for one, each in stored.triggers.items() if each.connection == name},
        after=question.given("after"),
    )
    flows = workflows_of(name, stored)
    sent = await ask(queries.sent_since(now_ms - MINUTE_MS))
    values: dict[str, Any] = {
        "name": name, "connection": held, "account": stored.account_of(name), "now_ms": now_ms,
        "state": states_of(stored)(name), "troubles": [one for one in troubles(known) if one.connection == name],
        "sweep": stored.sweeps.get(name),
        "pause": stored.pauses.get(f"connection/{name}"), "refusals": _refusals(name, stored),
        "uses": known.uses.get(name, ()), "line_ms": lines_ms(known.workers).get(name, 0), "rate": rate_of(held),
        "per_second": sent.get(name, 0) / 60, "waiting": known.waiting.get(name),
        "oldest": await ask(queries.oldest_waiting(now_ms, name)),
        "outcomes": await ask(queries.outcomes(name, now_ms - DAY_MS)),
        "triggers": {one: stored.triggers[one] for one in page.names}, "reached": reached_ms(known, page.names),
        "received": await ask(queries.last_received(page.names)), "more_label": "Next triggers",
        "more": None if page.next is None else f"?{urlencode({'after': page.next})}#triggers",
        "workflows": flows[:WORKFLOW_ROWS], "more_workflows": len(flows[WORKFLOW_ROWS:]), "horizon_ms": HORIZON_MS,
        "acts": (await ask(newest_acts(ActQuestion(about=f"connection {name}")))).rows[:ACT_ROWS],
        "may_act": question.identity.may(ConsoleRole.OPERATOR),
    }  # fmt: skip
    return View(template="connection.html", values=values)


def reached_ms(known: ConnectionFacts, triggers: Collection[str]) -> Mapping[str, int]:
    """When Stripe last reached each trigger, by its own path or by an endpoint's; pings count."""
    came = known.workers.reached
    found = {one: came[one] for one in triggers if one in came}
    for name, endpoint in known.stored.endpoints.items():
        if name in came:
            found |= {one: max(came[name], found.get(one, 0)) for one in endpoint.triggers if one in triggers}
    return found


def workflows_of(name: str, stored: Definitions) -> Sequence[str]:
    """The workflows that call Stripe with this connection: of its triggers, or with a step that names it."""
    triggers = {one for one, held in stored.triggers.items() if held.connection == name}
    return sorted(
        flow
        for flow, held in stored.workflows.items()
        if held.trigger in triggers or any(step.connection == name for step in held.steps)
    )


def rate_of(held: Connection) -> Rate:
    """What the definition says; what it leaves out is Stripe's published limit, at Stripe's own address."""
    return held.rate or Rate()


def _refusals(name: str, stored: Definitions) -> Sequence[tuple[str | None, int]]:
    """What Stripe refuses of its key: None for all of it, or an account; each with since when."""
    found = ((key.partition("/"), one.since_ms) for key, one in sorted(stored.refusals().items()))
    return [(account or None, since_ms) for (connection_name, _, account), since_ms in found if connection_name == name]


PAGES = (
    ConsolePage(
        name="connections", path="/connections", show=connections,
        navigation=NavigationItem(label="Connections", place=6, key="n"),
    ),
    ConsolePage(name="connection", path="/connections/{name}", show=connection),
)  # fmt: skip

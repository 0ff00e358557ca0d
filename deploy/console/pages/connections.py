"""Connections: which Stripe account is in trouble and why, first; then each with what waits, fails and is spent."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from stripeline.contracts.definition_fields import Rate
from stripeline.contracts.definitions import Connection, Definitions
from stripeline.contracts.retry_tiers import DAY_MS, HORIZON_MS
from stripeline.deploy.console.auth.identity import ConsoleRole
from stripeline.deploy.console.console_page import Answer, ConsolePage, NavigationItem, PageProblem, Question, View
from stripeline.deploy.console.definitions.connection_trouble import ConnectionFacts, line_ms, troubles
from stripeline.deploy.console.definitions.endpoint_list import endpoint_rows
from stripeline.deploy.console.definitions.limit_use import connection_uses
from stripeline.deploy.console.index.queries import connections as queries
from stripeline.deploy.console.index.queries.audit import ActQuestion, newest_acts
from stripeline.deploy.definitions.definition_rows import users_of
from stripeline.deploy.operations.status.facts import WaitingCommands

MINUTE_MS: Final = 60_000
ACT_ROWS: Final = 10


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


def state_of(name: str, stored: Definitions) -> str:
    """`paused` by a person or by its limit, `refused` by Stripe, or `active`."""
    if f"connection/{name}" in stored.pauses:
        return "paused"
    return "refused" if None in stored.refused(name) else "active"


def missing(name: str) -> PageProblem:
    return PageProblem(
        status=404, title="There is no such connection", words=f"No connection is named {name}.",
        back="/connections", back_to="Connections",
    )  # fmt: skip


async def facts_of(question: Question, name: str | None = None) -> ConnectionFacts:
    sources, now_ms = question.sources, question.now_ms
    stored, workers = sources.definitions(), sources.workers()
    uses = {one: connection_uses(one, held, stored, workers) for one, held in stored.connections.items()}
    waiting = await sources.index.ask(queries.waiting_commands(now_ms, name))
    return ConnectionFacts(now_ms=now_ms, stored=stored, workers=workers, waiting=waiting, uses=uses)


async def connections(question: Question) -> Answer:
    known = await facts_of(question)
    failed = await question.sources.index.ask(queries.failures(question.now_ms - DAY_MS))
    rows = [
        ConnectionRow(
            name=name, connection=connection, account=known.stored.account_of(name),
            state=state_of(name, known.stored), waiting=known.waiting.get(name), failed=failed.get(name, 0),
            line_ms=line_ms(known.workers, name),
        )
        for name, connection in sorted(known.stored.connections.items())
    ]  # fmt: skip
    may_act = question.identity.may(ConsoleRole.OPERATOR)
    values = {
        "troubles": troubles(known), "rows": rows, "endpoints": endpoint_rows(known.stored, known.workers),
        "now_ms": question.now_ms, "may_act": may_act,
    }  # fmt: skip
    return View(template="connections.html", values=values)


async def connection(question: Question) -> Answer:
    name, ask, now_ms = question.path["name"], question.sources.index.ask, question.now_ms
    known = await facts_of(question, name)
    held = known.stored.connections.get(name)
    if held is None:
        return missing(name)
    triggers = {one: each for one, each in sorted(known.stored.triggers.items()) if each.connection == name}
    sent = await ask(queries.sent_since(now_ms - MINUTE_MS))
    values: dict[str, Any] = {
        "name": name, "connection": held, "account": known.stored.account_of(name), "now_ms": now_ms,
        "state": state_of(name, known.stored), "troubles": [one for one in troubles(known) if one.connection == name],
        "sweep": known.stored.sweeps.get(name),
        "pause": known.stored.pauses.get(f"connection/{name}"), "refusals": _refusals(name, known.stored),
        "uses": known.uses[name], "line_ms": line_ms(known.workers, name), "rate": rate_of(held),
        "per_second": sent.get(name, 0) / 60, "waiting": known.waiting.get(name),
        "oldest": await ask(queries.oldest_waiting(now_ms, name)),
        "outcomes": await ask(queries.outcomes(name, now_ms - DAY_MS)),
        "triggers": triggers, "reached": reached_ms(known, triggers),
        "received": await ask(queries.last_received(list(triggers))),
        "workflows": workflows_of(name, known.stored), "horizon_ms": HORIZON_MS,
        "acts": (await ask(newest_acts(ActQuestion(about=f"connection {name}")))).rows[:ACT_ROWS],
        "may_act": question.identity.may(ConsoleRole.OPERATOR),
    }  # fmt: skip
    return View(template="connection.html", values=values)


def reached_ms(known: ConnectionFacts, triggers: Iterable[str]) -> Mapping[str, int]:
    """When Stripe last reached each trigger, by its own path or by an endpoint's; pings count."""
    came, endpoints = known.workers.reached, known.stored.endpoints.items()
    paths = {one: {one, *(name for name, endpoint in endpoints if one in endpoint.triggers)} for one in triggers}
    return {one: max(came[name] for name in by & came.keys()) for one, by in paths.items() if by & came.keys()}


def workflows_of(name: str, stored: Definitions) -> Sequence[str]:
    """The workflows that call Stripe with this connection: of its triggers, or with a step that names it."""
    triggers = {user.removeprefix("trigger ") for user in users_of("connection", name, stored)}
    return [
        flow
        for flow, held in sorted(stored.workflows.items())
        if held.trigger in triggers or any(step.connection == name for step in held.steps)
    ]


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

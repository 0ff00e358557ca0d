"""Rows of an index, and the records behind them: one of every kind that a page has to show.

Some of it is hostile: an e-mail address with markup, a key with an escape sequence, a client secret in an output.
"""
# ruff: noqa: E501  (rows of a table)

import time
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import orjson
from msgspec.structs import replace as with_fields
from sqlalchemy import Connection as Db
from sqlalchemy import insert

from stripeline.contracts import headers as h
from stripeline.contracts.definitions import Connection, Definitions, Endpoint, Step, Trigger, Workflow
from stripeline.contracts.headers import rfc3339
from stripeline.contracts.internal_records import (
    AuditRecord,
    OffsetRange,
    RecordedError,
    Run,
    RunStep,
    StepDefinition,
    encode,
)
from stripeline.contracts.operator.control_records import ConnectionAccount, Installation, Pause
from stripeline.contracts.operator.stripe_side_records import Sweep
from stripeline.contracts.operator.worker_report import ConnectionReport, EndpointTrouble, TaskReport
from stripeline.contracts.topics import Topics
from stripeline.deploy.console.index import tables
from stripeline.deploy.console.overview.report_history import ReportHistory
from stripeline.deploy.definitions.masked_definition import masked_definition
from stripeline.deploy.operations.reading.topic_reader import Read
from stripeline.deploy.operations.status.workers import Workers
from tests.support.status_facts import SEALED, instance

NOW_MS = int(time.time() * 1000)
TOPICS = Topics()
MINUTE, HOUR = 60_000, 3_600_000
HOSTILE = '<img src=x onerror="alert(1)">@evil.example'
HOSTILE_ERROR = '<b onmouseover="alert(2)">unread</b>'
CLIENT_SECRET = "pi_3Sample_secret_abcdefghijkl"
WORKFLOWS = ("thank-big-spenders", "look-at-disputes", "welcome-deposit")
ERROR = RecordedError(
    code="PAYMENT_REQUIRED", message="Your card was declined.", retryable=False, http_status=402,
    stripe_code="card_declined", decline_code="insufficient_funds", request_id="req_1Sample",
)  # fmt: skip


LATE, LATE_BY_MS = (4, 19, 34), 30 * 60 * MINUTE
"""Events that were missed and found later."""
_LATE_HEADERS = {h.SOURCE: h.BACKFILL, h.LATE_BY: str(LATE_BY_MS).encode()}


ENDPOINT_TROUBLE = EndpointTrouble(
    endpoint="shop", kind="disabled",
    text="we_1Shop, which sends snapshot events, is disabled at Stripe (Disabled by Stripe: your server answered 500)."
    " `stripeline endpoints apply` enables it",
)  # fmt: skip


def ago(minutes: int) -> str:
    """A moment of the sample for an address, however long the tests have run since."""
    return rfc3339(NOW_MS - minutes * MINUTE)


def sample_runs() -> Iterator[Run]:
    """60 runs: every fourth succeeded late, every fifth stopped, one runs, one is cancelled."""
    for number in range(60):
        workflow = WORKFLOWS[number % 3]
        started = NOW_MS - number * 7 * MINUTE - 20_000
        status = {0: "running", 7: "cancelled"}.get(number, "stopped" if number % 5 == 2 else "succeeded")
        event = {
            "id": f"evt_1Sample{number:03}", "type": ("payment_intent.succeeded", "charge.dispute.created", "customer.created")[number % 3],
            "created": started // 1000, "livemode": False, "api_version": "2026-10-28.endive",
            "data": {"id": f"pi_{number:03}", "object": "payment_intent", "amount": 5000 + number, "currency": "eur",
                     "customer": f"cus_{number % 9}", "receipt_email": HOSTILE, "client_secret": CLIENT_SECRET},
        }  # fmt: skip
        error = ERROR if status == "stopped" else None
        first = RunStep(
            id="customer", action="stripe/create-customer", command_id=f"evt_1Sample{number:03}:{workflow}:customer",
            revision=0, status="succeeded", output={"id": f"cus_{number % 9}", "object": "customer", "email": HOSTILE, "name": None, "created": started // 1000},
            error=None, started_ms=started + 40, finished_ms=started + 420,
        )  # fmt: skip
        second = RunStep(
            id="deposit", action="stripe/create-payment-intent", command_id=f"evt_1Sample{number:03}:{workflow}:deposit",
            revision=None if status == "running" else 0,
            status="running" if status == "running" else "failed" if error else "succeeded",
            output=None if error or status == "running" else {"id": f"pi_9{number:03}", "object": "payment_intent", "amount": 100, "currency": "eur", "status": "requires_payment_method", "client_secret": CLIENT_SECRET, "customer": None, "created": 1},
            error=error, started_ms=started + 430, finished_ms=None if status == "running" else started + 1_240,
        )  # fmt: skip
        yield Run(
            run_id=f"evt_1Sample{number:03}:{workflow}", workflow=workflow, trigger=("acme-payments", "acme-charges", "acme-customers")[number % 3],
            event_id=event["id"], event_type=event["type"], status=status, step=None if status == "succeeded" else "deposit",
            error=error, steps=(first, second), started_ms=started,
            finished_ms=None if status == "running" else started + 1_250, connection="acme",
            account="acct_1Connected" if number % 6 == 0 else None, key=f"pi_{number:03}",
            definition=None if status == "succeeded" else (
                StepDefinition(connection="acme", id="customer", action="stripe/create-customer", input={"email": "=data.receipt_email"}),
                StepDefinition(connection="acme", id="deposit", action="stripe/create-payment-intent", input={"amount": 100, "currency": "=data.currency"}),
            ),
            context=None if status == "succeeded" else event,
        )  # fmt: skip


def run_rows() -> list[dict[str, Any]]:
    return [
        {
            "run_id": run.run_id, "number": index % 4, "offset": index, "changed_ms": run.finished_ms or run.started_ms,
            "workflow": run.workflow, "trigger": run.trigger, "event_id": run.event_id, "event_type": run.event_type,
            "connection": run.connection, "account": run.account, "customer": f"cus_{index % 9}", "object_id": f"pi_{index:03}",
            "status": run.status, "step": run.step, "code": run.error.code if run.error else None,
            "error": run.error.message if run.error else None, "steps": len(run.steps),
            "started_ms": run.started_ms, "finished_ms": run.finished_ms,
        }
        for index, run in enumerate(sample_runs())
    ]  # fmt: skip


def event_rows() -> list[dict[str, Any]]:
    return [
        {
            "topic": TOPICS.events[index % 3], "number": index % 4, "offset": index, "event_id": run.event_id,
            "type": run.event_type, "trigger": run.trigger, "connection": "acme", "account": run.account,
            "object_id": f"pi_{index:03}", "payment_intent": f"pi_{index:03}", "customer": f"cus_{index % 9}",
            "livemode": False, "key": f"pi_{index:03}", "created_ms": run.started_ms - 900, "received_ms": run.started_ms - 200,
            "late_by_ms": LATE_BY_MS if index in LATE else None,
        }
        for index, run in enumerate(sample_runs())
    ]  # fmt: skip


def command_rows() -> list[dict[str, Any]]:
    rows = []
    for index, run in enumerate(sample_runs()):
        for place, step in enumerate(run.steps):
            error = step.error
            rows.append({
                "number": index % 4, "command_id": step.command_id, "action": step.action, "connection": "acme",
                "account": run.account, "key": run.key, "run_id": run.run_id, "workflow": run.workflow, "step": step.id,
                "status": "waiting" if step.status == "running" else step.status, "status_ms": step.finished_ms or step.started_ms,
                "code": error.code if error else "RATE_LIMITED" if step.status == "running" else None,
                "error": error.message if error else None, "attempts": 3 if step.status == "running" else 1,
                "revision": step.revision, "object_id": step.output["id"] if step.output else None, "customer": None,
                "sent_ms": step.started_ms, "due_ms": NOW_MS + 4 * HOUR if step.status == "running" else None,
                "started_ms": step.started_ms, "finished_ms": step.finished_ms, "command_offset": index * 2 + place,
                "tier": TOPICS.retry(TOPICS.tiers[0]) if step.status == "running" else None,
                "tier_offset": 1 if step.status == "running" else None, "result_offset": index * 2 + place if step.finished_ms else None,
                "standing": 0, "standing_tie": 0, "described": 0,
            })  # fmt: skip
    rows.append({
        "number": 1, "command_id": "order-4711", "action": "stripe/create-payment-intent", "connection": "globex",
        "account": None, "key": "order-4711", "run_id": None, "workflow": None, "step": None, "status": "indeterminate",
        "status_ms": NOW_MS - 2 * HOUR, "code": "INDETERMINATE", "error": "Stripe did not answer within 30 s", "attempts": 6,
        "revision": 0, "object_id": None, "customer": "cus_3", "sent_ms": NOW_MS - 25 * HOUR, "due_ms": None,
        "started_ms": NOW_MS - 25 * HOUR, "finished_ms": NOW_MS - 2 * HOUR, "command_offset": 500, "tier": None,
        "tier_offset": None, "result_offset": 500, "standing": 0, "standing_tie": 0, "described": 0,
    })  # fmt: skip
    return rows


def outcome_rows() -> list[dict[str, Any]]:
    """Of the waiting command its three attempts; of another team's command its only result."""
    waits = {
        "number": 0,
        "command_id": "evt_1Sample000:thank-big-spenders:deposit",
        "status": "waiting",
        "revision": None,
        "code": "RATE_LIMITED",
    }
    return [
        *({**waits, "topic": TOPICS.retry(TOPICS.tiers[tier]), "offset": tier, "at_ms": NOW_MS - 19_000 + 2_000 * tier, "attempts": tier + 1,
           "error": f"RATE_LIMITED: {HOSTILE_ERROR}", "due_ms": NOW_MS - 18_000 + 2_000 * tier} for tier in range(3)),
        {"number": 1, "command_id": "order-4711", "topic": TOPICS.result, "offset": 500, "status": "indeterminate", "revision": 0, "attempts": 6,
         "code": "INDETERMINATE", "error": "Stripe did not answer within 30 s", "at_ms": NOW_MS - 2 * HOUR, "due_ms": None},
    ]  # fmt: skip


def letter_rows() -> list[dict[str, Any]]:
    """Twelve of stopped runs, one of another team that may have been done, one unreadable, one that was dismissed."""
    stopped = [(index, run) for index, run in enumerate(sample_runs()) if run.error is not None]
    rows = [
        {
            "number": index % 4, "offset": index, "command_id": run.steps[-1].command_id, "key": run.key,
            "action": "stripe/create-payment-intent", "connection": "acme", "account": run.account, "customer": f"cus_{index % 9}",
            "run_id": run.run_id, "reason": "failed", "code": "PAYMENT_REQUIRED", "error": "Your card was declined.",
            "attempts": 1, "origin": TOPICS.command, "state": "open", "state_ms": None, "first_ms": run.started_ms,
            "at_ms": run.finished_ms,
        }
        for index, run in stopped
    ]  # fmt: skip
    empty = dict.fromkeys(rows[0])
    return [
        *rows,
        {**empty, "number": 1, "offset": 900, "command_id": "order-4711", "key": "order-4711", "action": "stripe/create-payment-intent",
         "connection": "globex", "reason": "indeterminate", "code": "INDETERMINATE", "error": "Stripe did not answer within 30 s",
         "attempts": 6, "origin": TOPICS.command, "state": "open", "first_ms": NOW_MS - 25 * HOUR, "at_ms": NOW_MS - 2 * HOUR},
        {**empty, "number": 2, "offset": 901, "key": "\x1b[31mred", "reason": "unreadable", "error": HOSTILE_ERROR, "attempts": 0,
         "origin": TOPICS.command, "state": "open", "at_ms": NOW_MS - 26 * HOUR},
        {**empty, "number": 3, "offset": 902, "command_id": "order-4712", "key": "order-4712", "action": "stripe/create-customer",
         "connection": "globex", "reason": "exhausted", "code": "PROVIDER_ERROR", "attempts": 7, "origin": TOPICS.command,
         "state": "dismissed", "state_ms": NOW_MS - HOUR, "first_ms": NOW_MS - 30 * HOUR, "at_ms": NOW_MS - 20 * HOUR},
    ]  # fmt: skip


def audit_rows() -> list[dict[str, Any]]:
    records = [
        AuditRecord(act="pause_connection", by="ada@example.com", why="the client's key is being rolled", at_ms=NOW_MS - 3 * HOUR, records=(), about="connection globex"),
        AuditRecord(act="dismissed", by="grace@example.com", why="charged by hand", at_ms=NOW_MS - HOUR, records=(OffsetRange(topic=TOPICS.dead_letter, partition=3, first=902, last=902),)),
        AuditRecord(act="retry_run", by="ada@example.com", why="the card is renewed", at_ms=NOW_MS - 30 * MINUTE, records=(), about="run evt_1Sample007:look-at-disputes"),
        *_versions(),
    ]  # fmt: skip
    return [
        {"number": one.records[0].partition if one.records else 0, "offset": offset, "act": one.act, "by": one.by, "why": one.why, "about": one.about,
         "body": encode(one).decode(), "at_ms": one.at_ms}
        for offset, one in enumerate(records)
    ]  # fmt: skip


def _versions() -> Iterator[AuditRecord]:
    """Of a workflow: added, then changed; the first version has hostile texts."""
    now = masked_definition(sample_definitions().workflows["thank-big-spenders"])
    first, second = now["steps"]
    old = {
        **now,
        "where": "data.amount >= 100",
        "steps": [{**first, "input": {"email": HOSTILE, "description": "old <b>"}}, second],
    }
    changed = {"about": "workflow thank-big-spenders", "act": "apply", "records": ()}
    yield AuditRecord(**changed, by="grace@example.com", why="a campaign", at_ms=NOW_MS - 50 * HOUR, definition=old)
    yield AuditRecord(
        **changed, by="ada@example.com", why="only big spenders", at_ms=NOW_MS - 26 * HOUR, definition=now, former=old
    )


def tally_rows() -> list[dict[str, Any]]:
    now = NOW_MS // MINUTE
    names = {"events": 30, "results": 24, "failed": 2, "latency<=300": 12, "latency<=500": 10, "latency<=1500": 2}
    return [
        {"minute": now - back, "name": name, "count": size + (back * 7 + len(name)) % (size // 2 + 1)}
        for back in range(60)
        for name, size in names.items()
    ]


def fill(db: Db) -> None:
    db.execute(insert(tables.run), run_rows())
    db.execute(insert(tables.event), event_rows())
    db.execute(insert(tables.command), command_rows())
    db.execute(insert(tables.outcome), outcome_rows())
    db.execute(insert(tables.letter), letter_rows())
    db.execute(insert(tables.audit), audit_rows())
    closed = {"audit_number": 3, "audit_offset": 1, "range": 0, "number": 3, "first": 902, "last": 902}
    db.execute(insert(tables.letter_act), {**closed, "command_id": None})
    db.execute(insert(tables.tally), tally_rows())


def _read(
    topic: str,
    partition: int,
    offset: int,
    at_ms: int,
    key: str | None,
    value: bytes | None,
    headers: Mapping[str, bytes] = {},
) -> Read:
    return Read(
        topic=topic,
        partition=partition,
        offset=offset,
        at_ms=at_ms,
        key=key.encode() if key else None,
        value=value,
        headers=dict(headers),
    )


def sample_records() -> Iterator[tuple[tuple[str, int, int], Read]]:
    """The records behind the rows, by their places."""
    found: list[Read] = []
    commands = {(row["number"], row["command_id"]): row for row in command_rows()}
    for index, run in enumerate(sample_runs()):
        found.append(_read(TOPICS.run, index % 4, index, run.started_ms, run.run_id, encode(run)))
        event = run.context or {"id": run.event_id, "type": run.event_type, "created": run.started_ms // 1000, "livemode": False,
                                "data": {"id": f"pi_{index:03}", "object": "payment_intent", "receipt_email": HOSTILE, "client_secret": CLIENT_SECRET}}  # fmt: skip
        found.append(
            _read(
                TOPICS.events[index % 3],
                index % 4,
                index,
                run.started_ms - 200,
                run.key,
                orjson.dumps(event),
                {h.TRIGGER: run.trigger.encode(), h.CONNECTION: b"acme", **(_LATE_HEADERS if index in LATE else {})},
            )
        )
        for place, step in enumerate(run.steps):
            row = commands[index % 4, step.command_id]
            command = {
                "command_id": step.command_id,
                "action": step.action,
                "connection": "acme",
                "input": {"amount": 100, "currency": "eur"} if place else {"email": HOSTILE},
                "run": {"run_id": run.run_id, "workflow": run.workflow, "step": step.id},
            }
            value = orjson.dumps(command)
            found.append(_read(TOPICS.command, index % 4, row["command_offset"], step.started_ms, run.key, value))
            if step.finished_ms:
                result = {"command_id": step.command_id, "revision": 0, "action": step.action, "connection": "acme", "account": None, "status": "failed" if step.error else "succeeded",
                          "output": step.output, "error": msgspec.to_builtins(step.error) if step.error else None, "attempts": 1, "started_at": step.started_ms, "finished_at": step.finished_ms, "run": command["run"]}  # fmt: skip
                found.append(
                    _read(
                        TOPICS.result, index % 4, row["result_offset"], step.finished_ms, run.key, orjson.dumps(result)
                    )
                )
            else:
                found.append(
                    _read(
                        TOPICS.retry(TOPICS.tiers[0]),
                        index % 4,
                        1,
                        NOW_MS - MINUTE,
                        run.key,
                        value,
                        {
                            h.ATTEMPT: b"3",
                            h.DUE_AT: str(NOW_MS + 4 * HOUR).encode(),
                            h.LAST_ERROR: b"RATE_LIMITED: too many requests",
                        },
                    )
                )
            if step.error:
                headers = {
                    h.REASON: b"failed",
                    h.CODE: b"PAYMENT_REQUIRED",
                    h.ATTEMPTS: b"1",
                    h.ORIGIN_TOPIC: TOPICS.command.encode(),
                    h.LAST_ERROR: b"Your card was declined.",
                    h.FIRST_APPENDED_AT: str(run.started_ms).encode(),
                }
                found.append(_read(TOPICS.dead_letter, index % 4, index, run.finished_ms or 0, run.key, value, headers))
    other = orjson.dumps(
        {
            "command_id": "order-4711",
            "action": "stripe/create-payment-intent",
            "connection": "globex",
            "input": {"amount": 4200, "currency": "eur"},
        }
    )
    found.append(_read(TOPICS.command, 1, 500, NOW_MS - 25 * HOUR, "order-4711", other))
    found.append(
        _read(
            TOPICS.dead_letter,
            1,
            900,
            NOW_MS - 2 * HOUR,
            "order-4711",
            other,
            {
                h.REASON: b"indeterminate",
                h.CODE: b"INDETERMINATE",
                h.ATTEMPTS: b"6",
                h.ORIGIN_TOPIC: TOPICS.command.encode(),
                h.FIRST_APPENDED_AT: str(NOW_MS - 25 * HOUR).encode(),
            },
        )
    )
    found.append(
        _read(
            TOPICS.dead_letter,
            2,
            901,
            NOW_MS - 26 * HOUR,
            None,
            b"not a command " + HOSTILE.encode(),
            {h.REASON: b"unreadable", h.ORIGIN_TOPIC: TOPICS.command.encode()},
        )
    )
    found.append(
        _read(
            TOPICS.dead_letter,
            3,
            902,
            NOW_MS - 20 * HOUR,
            "order-4712",
            orjson.dumps(
                {"command_id": "order-4712", "action": "stripe/create-customer", "connection": "globex", "input": {}}
            ),
            {
                h.REASON: b"exhausted",
                h.CODE: b"PROVIDER_ERROR",
                h.ATTEMPTS: b"7",
                h.ORIGIN_TOPIC: TOPICS.command.encode(),
                h.FIRST_APPENDED_AT: str(NOW_MS - 30 * HOUR).encode(),
            },
        )
    )
    return iter([((read.topic, read.partition, read.offset), read) for read in found])


def sample_definitions() -> Definitions:
    """Two connections, one of them paused; a trigger for each family; three workflows, one of them paused."""
    steps = (
        Step(id="customer", action="stripe/create-customer", input={"email": "=data.receipt_email", "description": "big spender"}),
        Step(id="deposit", action="stripe/create-payment-intent", input={"amount": 100, "currency": "=data.currency", "customer": "=steps.customer.id"}),
    )  # fmt: skip
    kinds = {
        "acme-payments": "stripe/payment-event",
        "acme-charges": "stripe/charge-event",
        "acme-customers": "stripe/customer-event",
    }
    return Definitions(
        installation=Installation(id="demo", format=1),
        connections={
            "acme": Connection(secret_key=SEALED, mode="test", hint="sk_test_…wxyz"),
            "globex": Connection(secret_key=SEALED, mode="live", hint="sk_live_…4711"),
        },
        accounts={"acme": ConnectionAccount(account="acct_1Acme", mode="test"), "globex": ConnectionAccount(account="acct_1Globex", mode="live")},
        triggers={name: Trigger(kind=kind, connection="acme", mode="test", signing_secrets=(SEALED,)) for name, kind in kinds.items()},
        endpoints={"shop": Endpoint(connection="acme", triggers=("acme-charges", "acme-customers"), url="https://hooks.example.com")},
        sweeps={"acme": Sweep(mode="test", settled_upto_s=(NOW_MS - 18 * MINUTE) // 1000, closed_upto_s=(NOW_MS - 75 * HOUR) // 1000, at_ms=NOW_MS - 3 * MINUTE, missing=3)},
        workflows={name: Workflow(trigger=list(kinds)[index], types=("*",), where="data.amount >= 5000" if not index else None, steps=steps) for index, name in enumerate(WORKFLOWS)},
        pauses={
            "connection/globex": Pause(by="ada@example.com", why="the client's key is being rolled", at_ms=NOW_MS - 3 * HOUR),
            "workflow/welcome-deposit": Pause(by="grace@example.com", why="too many deposits", at_ms=NOW_MS - HOUR),
        },
    )  # fmt: skip


def sample_workers() -> Workers:
    """All roles at work; one executor is stale, and one connection waits for its rate."""
    waits = (ConnectionReport(connection="acme", line_ms=350), ConnectionReport(connection="globex", paused=True))
    keys, tier = ("3f9a1c2b",), TOPICS.retry(TOPICS.tiers[0])
    tasks = tuple(
        TaskReport(role="executor", partition=number, lag=number * 117, oldest_ms=number * 900, calls=number, in_hand=number * 3,
                   waiting=3 - number, waiting_keys=number % 2, tier_heads={tier: NOW_MS + 4 * MINUTE} if number < 3 else {})
        for number in range(4)
    )  # fmt: skip
    about: dict[str, Any] = {
        "started_ms": NOW_MS - 26 * HOUR,
        "at_ms": NOW_MS - 1_000,
        "master_keys": keys,
        "control": 42,
        "skew_ms": 12,
    }
    found = (
        instance("ingest", reached={"acme-payments": NOW_MS - 3_000, "shop": NOW_MS - 40 * MINUTE}, **about),
        instance("router", "router-0", **about),
        instance("router", "router-1", tasks=(), **{**about, "control": 40, "warnings": "the clock of its host is not checked"}),
        instance("executor", "executor-0", connections=waits, tasks=tasks, endpoints=(ENDPOINT_TROUBLE,), **about),
        instance("executor", "executor-1", age_ms=40_000, tasks=(), **about),
    )  # fmt: skip
    return Workers(instances=found, now_ms=NOW_MS)


def sample_history() -> ReportHistory:
    """Two minutes of reports of the executor: its lag has a peak."""
    history = ReportHistory(4)
    (executor,) = (one for one in sample_workers().live if one.report.role == "executor")
    for back in range(24, -1, -1):
        tasks = tuple(
            with_fields(task, lag=task.lag + task.partition * back * (24 - back)) for task in executor.report.tasks
        )
        history.learn(executor.name, with_fields(executor.report, tasks=tasks), NOW_MS - back * 5_000)
    return history

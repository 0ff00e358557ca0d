"""The router job: events into a two-step workflow with a `where`, and the results that take its runs on.

Three backlogs, one after the other, each for a router process of its own: events, results of the first step, results
of the second. Beside them the floor: the same records forwarded by aiokafka in transactions.
"""

import time
from collections.abc import Iterable, Sequence
from functools import partial

from stripeline.contracts.ids import command_id, run_id
from stripeline.contracts.internal_records import LedgerRunRef, ResultFacts
from stripeline.deploy.local.kafka import free_port
from stripeline.ingest.routing import Publication, route
from stripeline.workers.executor.outcome_records import End, result
from tests.bench.harness import Column, Lab, Sample, Table, medians
from tests.bench.processes import python
from tests.bench.stripe_load import event_bodies, event_id
from tests.bench.workers import Given, Setup, process, produce, setup, watched
from tests.support.cluster import SECRET
from tests.support.webhook_paths import own_path

EVENTS = 30_000
PARTITIONS = 4
WORKFLOW = "two-steps"
OUTPUTS = {
    "customer": {"id": "cus_1", "object": "customer", "email": "ada@example.com", "name": None, "created": 1},
    "deposit": {
        "id": "pi_1", "object": "payment_intent", "amount": 6_200, "currency": "eur", "customer": "cus_1",
        "status": "requires_payment_method", "client_secret": "pi_1_secret_1", "created": 1,
    },
}  # fmt: skip
_TRIGGER = own_path(
    name="payments", family_kind="stripe/payment-event", connection="acme", livemode=False, secrets=(SECRET.encode(),)
)


def events(count: int) -> Iterable[Given]:
    """Events as the receiver publishes them."""
    for number, body in enumerate(event_bodies(count)):
        made = route(body, path=_TRIGGER, received_at_ms=int(time.time() * 1000), traceparent=None)
        assert isinstance(made, Publication)
        yield number % PARTITIONS, made.key, made.value, list(made.headers)


def results(of: Setup, step: str, count: int) -> Iterable[Given]:
    """Results as the executor writes them, each on its run's partition."""
    now_ms = int(time.time() * 1000)
    how = End(status="succeeded", attempts=1, output=OUTPUTS[step])
    for number in range(count):
        run = run_id(event_id(number), WORKFLOW)
        facts = ResultFacts(
            action=f"stripe/{step}", connection="acme", key="k", attempts=1, started_ms=now_ms,
            run=LedgerRunRef(run_id=run, workflow=WORKFLOW, step=step),
        )  # fmt: skip
        made = result(
            of.cluster.settings.topics, command_id(run, step), facts, how, revision=0, trace=None, now_ms=now_ms
        )
        assert made.value is not None
        yield number % PARTITIONS, b"k", made.value, list(made.headers)


class Phases:
    """One prefix, three backlogs: the second and third are made when the router has done the one before."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    async def round(self) -> dict[str, Sample]:
        async with setup(self._lab, partitions=PARTITIONS) as of:
            topics = of.cluster.settings.topics
            payments = f"{topics.prefix}payment-event"
            await produce(self._lab, payments, events(EVENTS))
            started = await watched(of, process(of, "router"), topics.command, EVENTS)
            await produce(self._lab, topics.result, results(of, "customer", EVENTS))
            advanced = await watched(of, process(of, "router"), topics.command, EVENTS)
            await produce(self._lab, topics.result, results(of, "deposit", EVENTS))
            # A restore appends one record to each partition, and reads up to it.
            ended = await watched(of, process(of, "router"), topics.run, EVENTS + PARTITIONS)
        return {"event → run and first command": started, "result → second command": advanced, "result → end": ended}


async def floor(lab: Lab) -> Sample:
    port = free_port()
    async with setup(lab, partitions=PARTITIONS) as of:
        topics = of.cluster.settings.topics
        names = (f"{topics.prefix}payment-event", topics.command, topics.run)
        await produce(lab, names[0], events(EVENTS))
        log = lab.folder / f"forwarder-{port}.log"
        start = partial(python, "tests.bench.contenders.forwarder", lab.bootstrap_servers, *names, log=log)
        return await watched(of, start, topics.command, EVENTS)


COLUMNS = (
    Column("per_s", "records a second"),
    Column("cpu_us", "CPU a record, µs", 1),
    Column("cpu_us", "÷ floor", of="floor: forwarded"),
    Column("rss_mb", "memory at the end, MB"),
)


async def job(lab: Lab) -> Sequence[Table]:
    rows: dict[str, list[Sample]] = {}
    for number in range(lab.rounds):
        rows.setdefault("floor: forwarded", []).append(await floor(lab))
        for name, sample in (await Phases(lab).round()).items():
            rows.setdefault(name, []).append(sample)
        for name, samples in rows.items():
            lab.note(f"round {number + 1} of {lab.rounds}, {name}: {samples[-1]}")
    about = (
        f"{EVENTS:,} events of 4 kB into a workflow of two steps with a `where` and inputs by expression, then the"
        f" results of its steps; {PARTITIONS} partitions, one process, exactly once. The floor reads the same events"
        " and writes them to two topics in transactions, and decides nothing."
        f" Medians of {lab.rounds} alternating rounds."
    )
    return [Table(title="Router", about=about, columns=COLUMNS, rows={k: medians(v) for k, v in rows.items()})]

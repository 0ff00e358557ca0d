"""The fairness job: what one connection costs another, and one trigger another.

An executor has commands of a connection that can't go on, at its rate limit or with slow calls, while others send
theirs at a steady rate: how long these take, from their append to the append of their result, by the broker's clock.
Then ingest, with a trigger at ten times its rate.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import orjson
from aiokafka import AIOKafkaProducer

from tests.bench.harness import Column, Lab, Sample, Table, alternate, percentile
from tests.bench.processes import output
from tests.bench.workers import Given, Setup, process, produce, read, setup
from tests.support.cluster import CONFIG, cluster

PARTITIONS = 4
WAITING = 100_000
SLOW_CALLS = 5_000
CALL_MS, SLOW_MS = 100, 10_000
RATE = 25
OTHERS = 999
TRIGGER_RATE = 100
_STUCK_S = 120.0

CONNECTIONS = "".join(f'  c{number}: {{secret_key: "${{env:ACME_KEY}}"}}\n' for number in range(OTHERS))
TENANTS = f"""
connections:
  acme: {{secret_key: "${{env:ACME_KEY}}", rate: {{account: {RATE}}}}}
  slow: {{secret_key: "${{env:ACME_KEY}}"}}
{CONNECTIONS}"""
TWO_TRIGGERS = CONFIG.replace(
    "triggers:",
    'triggers:\n  others: {kind: stripe/payment-event, connection: acme, signing_secrets: ["${env:ACME_WHSEC}"]}',
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What waits, and the commands that are measured: so many a second, each of the connection and account given."""

    waiting: Callable[[], Iterable[Given]] = tuple
    per_s: int = 5
    of: Callable[[int], dict[str, str]] = lambda _: {"connection": "c0"}


def command(command_id: str, key: str, **fields: str) -> Given:
    value = {"command_id": command_id, "action": "stripe/create-payment-intent", **fields}
    value["input"] = {"amount": 6_200, "currency": "eur"}
    return hash_of(key), key.encode(), orjson.dumps(value), ()


def hash_of(key: str) -> int:
    return sum(key.encode()) % PARTITIONS


def at_its_limit(keys: int, **fields: str) -> Iterable[Given]:
    for number in range(WAITING):
        yield command(f"w-{number}", f"k-{number % keys}", **{"connection": "acme", **fields})


def slow() -> Iterable[Given]:
    for number in range(SLOW_CALLS):
        yield command(f"slow-{number}", f"s-{number}", connection="slow")


def one_of_many(number: int) -> dict[str, str]:
    return {"connection": f"c{number % OTHERS}"}


def account(number: int) -> dict[str, str]:
    return {"connection": "acme", "account": "acct_quick"}


MANY = Scenario(per_s=100, of=one_of_many)
SCENARIOS = {
    "one connection, alone": Scenario(),
    "beside 100,000 at their limit, each of a key": Scenario(waiting=partial(at_its_limit, WAITING)),
    "beside 100,000 at their limit, of 50 keys": Scenario(waiting=partial(at_its_limit, 50)),
    "a connected account, beside 100,000 of another": Scenario(
        waiting=partial(at_its_limit, WAITING, account="acct_busy"), of=account
    ),
    "999 connections, alone": MANY,
    "beside one whose 5,000 calls take 10 s": Scenario(waiting=slow, per_s=MANY.per_s, of=MANY.of),
}


async def beside(lab: Lab, scenario: Scenario) -> Sample:
    """`backlog_p99_ms`: from the moment at which the backlog was there; `p99_ms`: once it waits on its retry topics."""
    async with setup(lab, partitions=PARTITIONS, delay_ms=CALL_MS, slow_ms=SLOW_MS, config=TENANTS) as of:
        topics = of.cluster.settings.topics
        async with process(of, "executor")():
            await of.cluster.processes["executor"].ready()
            await measured(of, scenario, "warm", lab.seconds)
            await produce(lab, topics.command, scenario.waiting())
            backlog = await measured(of, scenario, "first", lab.seconds)
            await drained(of)
            later = await measured(of, scenario, "later", 4 * lab.seconds)
    return {
        "backlog_p99_ms": percentile(backlog, 0.99), "p50_ms": percentile(later, 0.5), "p99_ms": percentile(later, 0.99)
    }  # fmt: skip


async def measured(of: Setup, scenario: Scenario, name: str, seconds: float) -> list[float]:
    """How long each of these commands took, in milliseconds, in order of size."""
    topics, sent = of.cluster.settings.topics, dict[str, float]()
    loop = asyncio.get_running_loop()
    consumed = of.partitions_of(topics.result)
    async with AIOKafkaProducer(bootstrap_servers=of.lab.bootstrap_servers) as producer:
        starts = dict.fromkeys(consumed, 0)
        begin_s = loop.time()
        for number in range(int(seconds * scenario.per_s)):
            await asyncio.sleep(begin_s + number / scenario.per_s - loop.time())
            command_id = f"{name}-{number}"
            partition, key, value, _ = command(command_id, f"q-{command_id}", **scenario.of(number))
            told = await producer.send_and_wait(topics.command, value, key, partition=partition)
            sent[command_id] = told.timestamp
    took = dict[str, float]()
    async with asyncio.timeout(_STUCK_S):
        while len(took) < len(sent):
            async for record in read(of, topics.result, starts):
                command_id = orjson.loads(record.value or b"")["command_id"]
                if command_id in sent:
                    took[command_id] = record.timestamp - sent[command_id]
    return sorted(took.values())


async def drained(of: Setup) -> None:
    """Until the executor has no record of the command topic in hand that it has not put where it waits."""
    named = f'topic="{of.cluster.settings.topics.command}"'
    async with asyncio.timeout(_STUCK_S):
        while True:
            page = await of.cluster.processes["executor"].page("/metrics")
            lags = [
                float(line.rpartition(" ")[2]) for line in page.splitlines()
                if line.startswith("stripeline_consumer_lag_records") and named in line
            ]  # fmt: skip
            if lags and max(lags) < 200:
                return
            await asyncio.sleep(0.5)


async def ingest(lab: Lab, other_rate: int) -> Sample:
    """A trigger at 100 events a second, beside another one."""
    prefix = f"fair{other_rate}."
    folder = lab.folder / prefix
    folder.mkdir(exist_ok=True)
    async with cluster(lab.bootstrap_servers, prefix, folder, config=TWO_TRIGGERS) as found:
        await found.processes["ingest"].ready()
        child = found.processes["ingest"].child
        assert child is not None
        mine, _ = await asyncio.gather(
            *(
                load(lab, found.ingest_port, child.pid, *of)
                for of in (("payments", TRIGGER_RATE), ("others", other_rate))
            )
        )
    return {"p50_ms": mine["p50_ms"], "p99_ms": mine["p99_ms"]}


async def load(lab: Lab, port: int, pid: int, trigger: str, rate: int) -> dict[str, float]:
    where = ("--port", str(port), "--path", f"/webhooks/{trigger}", "--pid", str(pid))
    got: dict[str, float] = orjson.loads(
        await output(
            "tests.bench.load", *where, "--seconds", str(2 * lab.seconds), "--rate", str(rate), "--connections", "16"
        )
    )
    assert not got["failed"]
    return got


COLUMNS = (
    Column("p50_ms", "p50, ms"),
    Column("p99_ms", "p99, ms"),
    Column("backlog_p99_ms", "p99 while the backlog comes, ms"),
)


async def job(lab: Lab) -> Sequence[Table]:
    rows = await alternate(lab, {name: partial(beside, lab, scenario) for name, scenario in SCENARIOS.items()})
    triggers = {"both at 100 a second": TRIGGER_RATE, "the other at 1,000": 10 * TRIGGER_RATE}
    beside_another = await alternate(lab, {name: partial(ingest, lab, rate) for name, rate in triggers.items()})
    return [
        Table(
            title="Fairness of the executor",
            about=(
                f"Commands at a steady rate on {PARTITIONS} partitions, from append to result; Stripe answers after"
                f" {CALL_MS} ms. At their limit: {RATE} calls a second. Medians of {lab.rounds} rounds."
            ),
            columns=COLUMNS,
            rows=rows,
        ),
        Table(
            title="Fairness of ingest",
            about="One trigger at 100 events a second, beside another one of the same process.",
            columns=COLUMNS[:2],
            rows=beside_another,
        ),
    ]

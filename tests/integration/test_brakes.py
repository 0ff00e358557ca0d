"""Limits and `commands: own` on a real Kafka: the whole product in one process, and the sandbox."""

import asyncio
import time
from pathlib import Path

import orjson
import pytest
from pydantic import SecretStr

from stripeline.contracts import headers as h
from stripeline.contracts.operator.control_records import Pause
from stripeline.deploy.local import webhook_sender
from stripeline.deploy.local.example_events import example_event
from stripeline.deploy.operations.acts import pauses, workflow_resume
from stripeline.deploy.operations.acts.audit import Signed
from stripeline.workers.kafka.control_table import publish, read_all
from tests.support.broker import Broker
from tests.support.cluster import SECRET, TWO_STEPS
from tests.support.end_state import read_topic
from tests.support.in_process_stack import InProcessStack, in_process_stack
from tests.support.money import Order, deliver, effects, ended, order, run_is, until

CONFIG = (
    """
connections:
  acme: {secret_key: "${env:ACME_KEY}", commands: own}
  free: {secret_key: "${env:ACME_KEY}", account: acct_1Acme}
  agency: {secret_key: "${env:ACME_KEY}", account: acct_1Acme, limits: {effects_per_hour: 5}}
"""
    + TWO_STEPS
    + """
  wide:
    trigger: payments
    types: [payment_intent.created]
    limit: 20/h
    steps: [{id: customer, action: stripe/create-customer, connection: free, input: {name: "=data.id"}}]
"""
)
NAMES = [f"c{number}" for number in range(8)]


async def stored_pause(found: InProcessStack, kind: str, name: str) -> Pause | None:
    definitions = await read_all(found.cluster.settings.topics.control, found.cluster.client)
    return definitions.pauses.get(f"{kind}/{name}")


async def resume(found: InProcessStack, name: str) -> None:
    topic, signed = found.cluster.settings.topics.control, Signed(by="ada", why="", at_ms=1)
    changes = pauses.resume(await read_all(topic, found.cluster.client), name, signed)
    await publish(topic, found.cluster.client, changes)


async def limits_of_effects(found: InProcessStack) -> None:
    """Eight commands of one key and a limit of five: the rest waits in order, until a person resumes."""
    cluster = found.cluster
    await order(cluster, [Order(id=name, connection="agency", key=b"k", input={"name": name}) for name in NAMES])
    await ended(cluster, NAMES[:5])
    pause = await until("a pause", lambda: stored_pause(found, "connection", "agency"), cluster)
    assert (pause.by, pause.why.partition(";")[0]) == (
        "stripeline",
        "5 effects an hour: the limit of connection agency",
    )
    assert 'stripeline_brake_trips_total{kind="connection",name="agency"} 1.0' in found.metrics
    assert 'stripeline_limit_spent{kind="connection",name="agency",what="effects"} 5.0' in found.metrics
    assert set(await effects(cluster)) & set(NAMES) == set(NAMES[:5])
    await resume(found, "agency")
    await ended(cluster, NAMES)
    made = await effects(cluster)
    assert {name: len(made[name]) for name in NAMES} == dict.fromkeys(NAMES, 1)
    results = await read_topic(cluster.settings.kafka_bootstrap_servers, cluster.settings.topics.result, 2)
    assert [orjson.loads(one.value)["command_id"] for one in results if one.key == b"k"] == NAMES


async def own_commands(found: InProcessStack) -> None:
    """A run's own commands are done; a forged one, with a real run's id and another input, is a dead letter."""
    cluster = found.cluster
    await deliver(cluster, "payment_intent.succeeded", {"id": "pi_1", "amount": 900}, "evt_1")
    await run_is(cluster, "evt_1:two-steps", "succeeded")
    run = {"run_id": "evt_1:two-steps", "workflow": "two-steps", "step": "customer"}
    await order(cluster, [
        Order(id="evt_1:two-steps:customer:2", input={"name": "Eve"}, fields={"run": run}),
        Order(id="forged", input={"name": "Eve"}),
    ])  # fmt: skip
    topic = cluster.settings.topics.dead_letter

    async def letters() -> list[bytes] | None:
        found = await read_topic(cluster.settings.kafka_bootstrap_servers, topic, 2)
        return [h.read(one.headers)[h.REASON] for one in found] if len(found) == 2 else None

    assert await until("two dead letters", letters, cluster, within_s=60) == [b"not_of_a_run"] * 2
    assert not set(await effects(cluster)) & {"evt_1:two-steps:customer:2", "forged"}


async def limit_of_runs(found: InProcessStack) -> None:
    """Sixty events and a limit of twenty: the rest starts no run, until a person takes it up."""
    cluster = found.cluster
    bodies = [
        example_event("payment_intent.created", {"id": f"pi_{number % 7}"}, event_id=f"evt_w{number:02}")
        for number in range(60)
    ]
    async for answer in webhook_sender.deliver(cluster.url, SecretStr(SECRET), bodies, lambda: int(time.time())):
        assert answer.status == 200
    pause = await until("a pause", lambda: stored_pause(found, "workflow", "wide"), cluster)
    assert (pause.by, pause.why.partition(";")[0]) == ("stripeline", "20 runs an hour: the limit of workflow wide")
    assert pause.offsets is not None

    async def runs() -> list[str]:
        records = await read_topic(cluster.settings.kafka_bootstrap_servers, cluster.settings.topics.run, 2)
        return sorted({key for one in records if (key := (one.key or b"").decode()).endswith(":wide")})

    await until("no event is waiting", lambda: _all_taken(found), cluster)
    assert len(await runs()) == 20
    stored = await read_all(cluster.settings.topics.control, cluster.client)
    signed = Signed(by="ada", why="", at_ms=int(time.time() * 1000))
    await workflow_resume.resume_and_take_up(cluster.settings.topics, cluster.client, stored, "wide", signed, 1_000.0)

    async def all_runs() -> bool:
        return await runs() == [f"evt_w{number:02}:wide" for number in range(60)]

    await until("a run of each event", all_runs, cluster)
    assert await stored_pause(found, "workflow", "wide") is None


async def _all_taken(found: InProcessStack) -> bool:
    lines = [line for line in found.metrics.splitlines() if line.startswith("stripeline_runs_not_started_total{")]
    return sum(float(line.split()[-1]) for line in lines if 'workflow="wide"' in line) >= 40


@pytest.mark.long
async def test_limits_hold_and_only_own_commands_are_done(
    broker: Broker, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with in_process_stack(
        broker.bootstrap_servers, prefix, tmp_path, monkeypatch, config=CONFIG, retry_tiers="200ms,6s"
    ) as found:
        await asyncio.gather(limits_of_effects(found), own_commands(found), limit_of_runs(found))
